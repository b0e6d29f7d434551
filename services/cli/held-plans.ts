// What is held, as plans that an approval releases: either way round, read freshly from both servers.

import type { ConflictList } from '#contracts/decisions-api.ts'
import { shortName } from '#contracts/relationships.ts'
import type { RelationshipPlan } from '#contracts/status-api.ts'
import type { Api } from './api-client.ts'
import type { Approval, Gathered, NotApprovable } from './approval.ts'
import { given, UsageError } from './command.ts'
import { EXIT, type ExitCode, exitOfRefusal } from './exit-codes.ts'

export type Held = {
  /** The authoritative side. */
  readonly server: string
  readonly relationship: string
  /** Absent: every scope of the relationship. */
  readonly scopes?: readonly string[] | undefined
  /** The job that held them, for the record. */
  readonly job?: string | undefined
}

/** Tries to get a plan whose digest covers exactly what can be approved, while somebody edits. */
const MAX_TRIES = 3

function refusals(plan: RelationshipPlan): readonly NotApprovable[] {
  const of = (code: string, message: string, exit: ExitCode, scopeId?: string): NotApprovable =>
    given({ relationship: plan.relationship, code, message, exit, scopeId })
  const { failure, refusal } = plan
  if (failure !== undefined) return [of(failure.code, failure.message, EXIT.error)]
  if (refusal !== undefined) return [of(refusal.code, refusal.message, exitOfRefusal(refusal.code))]
  return [
    ...plan.scopes.flatMap(({ scopeId, obstacles }) => {
      const firm = obstacles.find(({ approvable }) => !approvable)
      return firm === undefined ? [] : [of(firm.code, firm.message, EXIT.held, scopeId)]
    }),
    // No replication ever writes these: nothing that somebody forgot to release.
    ...plan.shown.map(({ scopeId, code, message }) => of(code, message, EXIT.done, scopeId)),
  ]
}

/** A plan in the ordinary direction, approved for the record of `job` or as a request of its own. */
function keepAuthoritative(plan: RelationshipPlan, held: Held): Approval {
  const scopes = plan.scopes.map(({ scope }) => scope)
  const { job } = held
  return {
    plan,
    async submit(api, who) {
      if (job !== undefined) return (await api.approve(job, given({ ...who, scopes, planDigest: plan.digest }))).job
      const approvedPlans = plan.digest === undefined ? {} : { [plan.relationship]: plan.digest }
      const { source: server, relationship } = plan
      return (await api.replicate({ ...who, server, relationship, scopes, approvedPlans })).job
    },
    again: (api) => gatherHeld(api, { ...held, scopes }),
  }
}

/** The held part of a relationship: what an approval copies from its authoritative side. */
export async function gatherHeld(api: Api, held: Held): Promise<Gathered> {
  const { server, relationship } = held
  const told = new Map<string, NotApprovable>()
  let { scopes } = held
  for (let tries = 1; tries <= MAX_TRIES; tries++) {
    const answer = await api.plan(given({ server, relationship, scopes: scopes && [...scopes] }))
    for (const refused of answer.refused) {
      told.set(refused.relationship, { ...refused, exit: exitOfRefusal(refused.code) })
    }
    const plan = answer.plans.find((one) => one.relationship === relationship)
    if (plan === undefined) break
    for (const row of refusals(plan)) told.set(row.scopeId ?? row.relationship, row)
    if ((plan.failure ?? plan.refusal) !== undefined) break
    const approvable = plan.scopes.filter(
      ({ obstacles }) => obstacles.length > 0 && obstacles.every((obstacle) => obstacle.approvable),
    )
    if (approvable.length === 0) break
    if (approvable.length === plan.scopes.length) {
      return { approvals: [keepAuthoritative({ ...plan, shown: [] }, held)], notApprovable: [...told.values()] }
    }
    // The digest names the whole plan, so what is not held, or cannot be approved, must not be in it.
    scopes = approvable.map(({ scope }) => scope)
  }
  return { approvals: [], notApprovable: [...told.values()] }
}

function sideNamed(conflicts: ConflictList, text: string): ConflictList['sides'][number] {
  const wanted = text.toLowerCase().replace(/\.$/, '')
  const found =
    conflicts.sides.find(({ server }) => server.toLowerCase() === wanted) ??
    conflicts.sides.find(({ server }) => shortName(server).toLowerCase() === wanted)
  if (found !== undefined) return found
  const servers = conflicts.sides.map(({ server }) => server).join(' or ')
  throw new UsageError(`--side ${text}: ${conflicts.relationship} is between other servers; write ${servers}`)
}

/** Keeping the content of one side, whichever it is: as a plan of what is written onto the other. */
export async function gatherPick(api: Api, held: Held & { readonly side: string }): Promise<Gathered> {
  const conflicts = await api.conflicts(held.relationship, held.scopes)
  if (conflicts.items.length === 0) return { approvals: [], notApprovable: [] }
  const picked = sideNamed(conflicts, held.side)
  if (picked.role === 'authoritative') return await gatherHeld(api, held)
  const target = conflicts.sides.find(({ server }) => server !== picked.server)?.server ?? held.server
  const rows = conflicts.items.flatMap((item) => {
    const side = item.sides.find(({ server }) => server === picked.server)
    return side === undefined ? [] : [{ item, side }]
  })
  const isPickable = (scope: string) => picked.scopes.includes(scope)
  const notApprovable = rows
    .filter(({ item }) => !isPickable(item.scope))
    .map(({ item, side }): NotApprovable => {
      const firm = side.obstacles.find(({ approvable }) => !approvable)
      const message = firm?.message ?? `${side.server} cannot be picked for it: ${item.why}`
      const { scopeId } = item
      return { relationship: held.relationship, scopeId, code: firm?.code ?? item.code, message, exit: EXIT.held }
    })
  const { digest } = picked
  if (digest === undefined) return { approvals: [], notApprovable }
  const plan: RelationshipPlan = {
    relationship: held.relationship,
    source: picked.server,
    target,
    sync: 'conflict',
    digest,
    scopes: rows
      .filter(({ item }) => isPickable(item.scope))
      .map(({ item, side }) => ({
        scope: item.scope,
        scopeId: item.scopeId,
        code: item.code,
        action: side.planned?.action ?? 'update',
        counts: side.planned?.counts ?? { added: 0, updated: 0, deleted: 0 },
        changes: side.plan,
        // That it is written onto the authoritative side is said with the whole plan.
        obstacles: side.obstacles.filter(({ code }) => code !== 'adopt'),
      })),
    shown: [],
    inSyncCount: 0,
    notes: [`this is written onto ${target}, the authoritative side; it stays the authoritative side`],
  }
  const scopes = plan.scopes.map(({ scope }) => scope)
  return { approvals: [adoptPartner(plan, { ...held, scopes })], notApprovable }
}

function adoptPartner(plan: RelationshipPlan, held: Held & { readonly side: string }): Approval {
  const { relationship, job } = held
  const pick = { side: plan.source, scopes: plan.scopes.map(({ scope }) => scope), planDigest: plan.digest ?? '' }
  return {
    plan,
    async submit(api, who) {
      const body = { ...who, ...pick }
      return (job === undefined ? await api.pick(relationship, body) : await api.approve(job, body)).job
    },
    again: (api) => gatherPick(api, held),
  }
}
