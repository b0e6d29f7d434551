// The jobs that a request becomes: one in its relationship, or a parent with a child per relationship. A request
// whose scopes cannot be told apart now, because a server is silent, waits as a job of its own until they can.
// Whatever a request becomes when it is handled again, it becomes where it was placed first (places.ts).

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
import type { Places } from './places.ts'
import { outcomeOf } from './report.ts'

type Placeable = Extract<FanOut, { kind: 'jobs' }> | Extract<ActFan, { kind: 'act' }>

/** What a job in a relationship is about. */
type Content = {
  readonly source: string
  readonly scopes?: readonly string[] | undefined
  readonly act?: RequestedAct | undefined
}

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
  places,
  reconcileMs,
}: {
  readonly messaging: Messaging
  readonly fleet: FleetView
  readonly jobs: Jobs
  readonly places: Places
  /** What cannot be resolved is looked at again at least so often. Milliseconds. */
  readonly reconcileMs: number
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

  /** What waits in a relationship: for the request itself, or for one of its children. */
  function jobIn(
    relationship: string,
    request: ReplicationRequested,
    { source, scopes, act }: Content,
    base: RequestBase,
  ): Job {
    const kind = scopes === undefined ? 'ReplicateRelationship' : 'ReplicateScope'
    return {
      ...base,
      kind: act?.kind === 'move-authority' ? 'MoveAuthority' : kind,
      slot: relationship,
      relationship,
      source,
      ...(act === undefined ? {} : { act }),
      ...grantsOf(request, relationship),
      ...(scopes === undefined ? {} : { scopes: [...scopes] }),
    }
  }

  /** A child's id names its place in the configuration; what else it is, its parent says. */
  function parentOf(whole: Job, fan: Placeable): Job {
    const numberOf = (relationship: string) => fleet.policies.findIndex(({ name }) => name === relationship) + 1
    const children = fan.kind === 'act' ? [fan] : fan.children
    return {
      ...whole,
      ...(fan.kind === 'act' ? { act: fan.act } : {}),
      children: children.map(({ relationship, scopes }) => ({
        slot: relationship,
        job: `${whole.job}-${numberOf(relationship)}`,
        ...(scopes === undefined ? {} : { scopes: [...scopes] }),
      })),
      refusedRelationships: fan.kind === 'act' ? [] : [...fan.refused],
    }
  }

  async function acceptChildren(parent: Job, request: ReplicationRequested): Promise<void> {
    const { cause, createdAt } = parent
    for (const { slot, job, scopes } of parent.children ?? []) {
      const base = { job, automatic: false, cause, createdAt, attempts: 0, waits: 0 }
      const of = { source: parent.source, scopes, act: parent.act }
      await accept({ ...jobIn(slot, request, of, base), parent: { slot: parent.slot, job: parent.job } })
    }
  }

  const untilResolvedMs = (waits: number) => Math.min(waitDelayMs('unreachable', waits), reconcileMs)

  function waiting(job: Job, detail: string): Job {
    const dueAt = new Date(Date.now() + untilResolvedMs(job.waits)).toISOString()
    return { ...job, waits: job.waits + 1, pendingReason: 'unreachable', pendingDetail: detail, dueAt }
  }

  /** Whether the request has ended: where it was placed or, where nobody knows that any more, anywhere that it could be. */
  async function hasEnded(request: ReplicationRequested, job: string, bound: string | undefined): Promise<boolean> {
    const server = resolveName(fleet.servers, request.server) ?? request.server
    const own = fleet.policies.filter(({ servers }) => servers.includes(server)).map(({ name }) => name)
    const slots = bound === undefined ? [serverSlot(server), ...own] : [bound]
    const finals = await Promise.all(slots.map((slot) => jobs.finalOf(slot, job)))
    return finals.some((final) => final !== undefined)
  }

  /** The job that was stored when the request was handled before, with all that belongs to it. */
  async function goOn(job: Job, request: ReplicationRequested): Promise<void> {
    await acceptChildren(job, request)
    await publishWakeup(messaging, job.slot)
  }

  /** The relationship in which the request is a job of its own; it has a parent at its server otherwise. */
  function singleOf(request: ReplicationRequested, fan: FanOut | ActFan): string | undefined {
    if (fan.kind === 'act') return fan.relationship
    if (fan.kind !== 'jobs' || request.level === 'server' || fan.refused.length > 0) return undefined
    return fan.children.length === 1 ? fan.children[0]?.relationship : undefined
  }

  async function placeIn(slot: string, request: ReplicationRequested, base: RequestBase, fan: FanOut | ActFan) {
    const act = request.act === undefined ? {} : { act: request.act }
    const whole: Job = { ...base, kind: JOB_KINDS[request.level], slot, source: fan.server, ...act }
    const isParent = slot === serverSlot(fan.server)
    if (fan.kind === 'refused') {
      const asked = asAsked(whole, request)
      await jobs.publish({ ...outcomeOf(asked, 'accepted', now()), status: 'pending' }, `${slot}/${asked.job}/accepted`)
      return await refuse(asked, fan.refusal)
    }
    if (fan.kind === 'unresolved') {
      // It could be told when it was placed; it comes again until it can be told once more.
      if (!isParent) throw new Error(`job ${base.job} was placed in ${slot}, but ${fan.message}`)
      return await accept(waiting({ ...whole, unresolved: request }, fan.message))
    }
    if (isParent) {
      // The parent first: a child that ends must find it.
      await accept(parentOf(whole, fan))
      const stored = await jobs.find(slot, base.job)
      if (stored !== undefined) await acceptChildren(stored.job, request)
      return
    }
    if (fan.kind === 'act') return await accept(jobIn(slot, request, { ...fan, source: fan.server }, base))
    // Where the authority has moved since it was placed, its run says so.
    const scopes = request.level === 'scope' ? fan.children.flatMap((child) => child.scopes ?? []) : undefined
    await accept(jobIn(slot, request, { source: fan.server, scopes }, base))
  }

  /** Stores what a request becomes; when this resolves, the request itself may be forgotten. */
  async function place(request: ReplicationRequested, base: RequestBase): Promise<void> {
    const bound = await places.find(base.job)
    if (await hasEnded(request, base.job, bound)) return
    const known = bound === undefined ? undefined : await jobs.find(bound, base.job)
    if (known !== undefined) return await goOn(known.job, request)
    const fan = await resolve(request)
    const slot = await places.bind(base.job, singleOf(request, fan) ?? serverSlot(fan.server))
    await placeIn(slot, request, base, fan)
  }

  /** Due later than any wait lasts: it was put off by a clock that was ahead. */
  function isDue({ dueAt }: Job): boolean {
    const inMs = dueAt === undefined ? 0 : Date.parse(dueAt) - Date.now()
    return inMs <= 0 || inMs > untilResolvedMs(Number.MAX_SAFE_INTEGER)
  }

  /** Another look at a request that could not be resolved, if it is due. */
  async function resolveAgain(stored: StoredJob, request: ReplicationRequested): Promise<void> {
    if (!isDue(stored.job)) return
    const { unresolved: _, pendingReason: __, pendingDetail: ___, dueAt: ____, ...job } = stored.job
    const fan = await resolve(request)
    if (fan.kind === 'refused') return await refuse(asAsked(job, request), fan.refusal)
    if (fan.kind === 'unresolved') {
      await jobs.update(stored, waiting(stored.job, fan.message))
      return
    }
    const parent = parentOf({ ...job, waits: 0 }, fan)
    // Somebody else resolved it meanwhile.
    if ((await jobs.update(stored, parent)) === undefined) return
    await acceptChildren(parent, request)
  }

  return { place, resolveAgain }
}
export type RequestJobs = ReturnType<typeof createRequestJobs>
