// The jobs that a request becomes: one in its relationship, or a parent with a child per relationship. A request
// whose scopes cannot be told apart now, because a server is silent, waits as a job of its own until they can.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Job } from '#contracts/job.ts'
import type { Outcome, ReplicationRequested, RequestedAct } from '#contracts/messages.ts'
import { serverSlot } from '#contracts/subjects.ts'
import { parseScopeKey } from '#dhcp/scope.ts'
import type { Messaging } from '#messaging/connection.ts'
import { publishWakeup } from '#messaging/publish.ts'
import { resolveName } from '#service-host/configuration.ts'
import { type ActFan, actPlace, fanOutAct } from './act-requests.ts'
import { waitDelayMs } from './disposition.ts'
import { type FanOut, fanOut, needsScopes } from './fan-out.ts'
import type { FleetView } from './fleet.ts'
import type { Jobs, StoredJob } from './jobs.ts'
import { outcomeOf } from './report.ts'

/** A job before it is known where it belongs. */
export type RequestBase = Omit<Job, 'kind' | 'slot' | 'source'>

const JOB_KINDS = { server: 'ReplicateServer', relationship: 'ReplicateRelationship', scope: 'ReplicateScope' } as const

function now(): string {
  return new Date().toISOString()
}

/** What was asked for, as it was written: it may be names that nobody knows, and the ledger is to tell which. */
function asAsked(job: Job, { relationship, scopes }: ReplicationRequested): Job {
  return {
    ...job,
    ...(relationship === undefined ? {} : { relationship }),
    ...(scopes === undefined ? {} : { scopes }),
  }
}

export function createRequestJobs({
  messaging,
  fleet,
  jobs,
}: {
  readonly messaging: Messaging
  readonly fleet: FleetView
  readonly jobs: Jobs
}) {
  /** The outcome of the job that an act is about, in the relationship of the act. */
  async function outcomeFor(of: string, { name, servers }: RelationshipPolicy): Promise<Outcome | undefined> {
    const own = await jobs.finalOf(name, of)
    if (own !== undefined) return own
    for (const server of servers) {
      const child = (await jobs.finalOf(serverSlot(server), of))?.children?.find(({ slot }) => slot === name)
      if (child !== undefined) return await jobs.finalOf(name, child.job)
    }
    return undefined
  }

  async function resolveAct(request: ReplicationRequested, act: RequestedAct): Promise<ActFan> {
    const place = actPlace(request, await fleet.view([]))
    const isAddress = request.scopes?.some((text) => parseScopeKey(text) === undefined) ?? false
    const policy = 'policy' in place ? place.policy : undefined
    const of = 'of' in act ? act.of : undefined
    const outcome = policy === undefined || of === undefined ? undefined : await outcomeFor(of, policy)
    return fanOutAct(request, act, await fleet.view(isAddress && policy !== undefined ? [policy] : []), outcome)
  }

  async function resolve(request: ReplicationRequested): Promise<FanOut | ActFan> {
    if (request.act !== undefined) return await resolveAct(request, request.act)
    const server = resolveName(fleet.servers, request.server)
    const concerned = fleet.policies.filter((policy) => server !== undefined && policy.servers.includes(server))
    return fanOut(request, await fleet.view(needsScopes(request) ? concerned : []))
  }

  async function accept(job: Job): Promise<void> {
    // Redelivered after the job had ended: its final outcome stands.
    if ((await jobs.finalOf(job.slot, job.job)) !== undefined) return
    await jobs.create(job)
    await jobs.publish({ ...outcomeOf(job, 'accepted', now()), status: 'pending' }, `${job.slot}/${job.job}/accepted`)
    await publishWakeup(messaging, job.slot)
  }

  async function refuse(
    job: Job,
    { code, message }: { readonly code: string; readonly message: string },
  ): Promise<void> {
    await jobs.finish(job, { ...outcomeOf(job, 'final', now()), status: 'refused', code, message })
  }

  /** What a request grants its job in a relationship: the approval of one plan, and the move of the authority. */
  function grantsOf(request: ReplicationRequested, relationship: string): Pick<Job, 'approvedPlan' | 'takeAuthority'> {
    const approvedPlan = request.approvedPlans?.[relationship] ?? request.approvedPlan
    return {
      ...(approvedPlan === undefined ? {} : { approvedPlan }),
      ...(request.takeAuthority === true ? { takeAuthority: true } : {}),
    }
  }

  /** A child's id names its place in the configuration, so that a repeated fan-out makes the same ones. */
  function childrenOf(
    request: ReplicationRequested,
    fan: Extract<FanOut, { kind: 'jobs' }>,
    base: RequestBase,
  ): readonly Job[] {
    return fan.children.map((child) => ({
      ...base,
      job: `${base.job}-${fleet.policies.findIndex(({ name }) => name === child.relationship) + 1}`,
      kind: child.scopes === undefined ? ('ReplicateRelationship' as const) : ('ReplicateScope' as const),
      slot: child.relationship,
      relationship: child.relationship,
      source: fan.server,
      ...grantsOf(request, child.relationship),
      ...(child.scopes === undefined ? {} : { scopes: [...child.scopes] }),
      parent: { slot: serverSlot(fan.server), job: base.job },
    }))
  }

  function actJob(request: ReplicationRequested, fan: Extract<ActFan, { kind: 'act' }>, base: RequestBase): Job {
    return {
      ...base,
      kind:
        fan.act.kind === 'move-authority'
          ? 'MoveAuthority'
          : fan.scopes === undefined
            ? 'ReplicateRelationship'
            : 'ReplicateScope',
      slot: fan.relationship,
      relationship: fan.relationship,
      source: fan.server,
      act: fan.act,
      ...grantsOf(request, fan.relationship),
      ...(fan.scopes === undefined ? {} : { scopes: [...fan.scopes] }),
    }
  }

  function waiting(job: Job, detail: string): Job {
    const dueAt = new Date(Date.now() + waitDelayMs('unreachable', job.waits)).toISOString()
    return { ...job, waits: job.waits + 1, pendingReason: 'unreachable', pendingDetail: detail, dueAt }
  }

  /** Stores what a request becomes; when this resolves, the request itself may be forgotten. */
  async function place(request: ReplicationRequested, base: RequestBase): Promise<void> {
    const fan = await resolve(request)
    const kind = JOB_KINDS[request.level]
    const slot = serverSlot(fan.server)
    const act = request.act === undefined ? {} : { act: request.act }
    const whole: Job = { ...base, kind, slot, source: fan.server, ...act }
    if (fan.kind === 'refused') {
      const asked = asAsked(whole, request)
      await jobs.publish({ ...outcomeOf(asked, 'accepted', now()), status: 'pending' }, `${slot}/${asked.job}/accepted`)
      return await refuse(asked, fan.refusal)
    }
    if (fan.kind === 'unresolved') return await accept(waiting({ ...whole, unresolved: request }, fan.message))
    if (fan.kind === 'act') return await accept(actJob(request, fan, base))
    const [only] = fan.children
    if (request.level !== 'server' && fan.children.length === 1 && only !== undefined && fan.refused.length === 0) {
      return await accept({
        ...base,
        kind,
        slot: only.relationship,
        relationship: only.relationship,
        source: fan.server,
        ...grantsOf(request, only.relationship),
        ...(only.scopes === undefined ? {} : { scopes: [...only.scopes] }),
      })
    }
    const children = childrenOf(request, fan, base)
    // The parent first: a child that ends must find it.
    await accept({
      ...whole,
      children: children.map((child) => ({ slot: child.slot, job: child.job })),
      refusedRelationships: [...fan.refused],
    })
    for (const child of children) await accept(child)
  }

  /** Another look at a request that could not be resolved. */
  async function resolveAgain(stored: StoredJob, request: ReplicationRequested): Promise<void> {
    const { unresolved: _, pendingReason: __, pendingDetail: ___, dueAt: ____, ...job } = stored.job
    const fan = await resolve(request)
    if (fan.kind === 'refused') return await refuse(asAsked(job, request), fan.refusal)
    if (fan.kind === 'unresolved') {
      await jobs.update(stored, waiting(stored.job, fan.message))
      return
    }
    const base = { ...job, waits: 0 }
    const own = { job: `${job.job}-1`, parent: { slot: job.slot, job: job.job } }
    const children = fan.kind === 'act' ? [{ ...actJob(request, fan, base), ...own }] : childrenOf(request, fan, base)
    const parent: Job = {
      ...job,
      children: children.map((child) => ({ slot: child.slot, job: child.job })),
      refusedRelationships: fan.kind === 'act' ? [] : [...fan.refused],
    }
    // Somebody else resolved it meanwhile.
    if ((await jobs.update(stored, parent)) === undefined) return
    for (const child of children) await accept(child)
  }

  return { place, resolveAgain }
}
export type RequestJobs = ReturnType<typeof createRequestJobs>
