// Turns changes and requests into jobs. A message is acknowledged only when its job is stored.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { jobIdOf } from '#contracts/job-id.ts'
import { type Job, ReplicationRequested, ScopeChanged } from '#contracts/messages.ts'
import { parseReplicationRequestedSubject, parseScopeChangedSubject, serverSlot } from '#contracts/subjects.ts'
import type { Messaging } from '#messaging/connection.ts'
import { type Disposition, deadLetter, decode, type Received } from '#messaging/consume.ts'
import { publishWakeup } from '#messaging/publish.ts'
import { requestsDeadLettered } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import { type FanOut, fanOut, needsScopes, resolveServer } from './fan-out.ts'
import type { FleetView } from './fleet.ts'
import type { Jobs } from './jobs.ts'
import { outcomeOf } from './report.ts'

export type IntakeOptions = {
  readonly messaging: Messaging
  readonly fleet: FleetView
  readonly jobs: Jobs
  readonly logger: Logger
}

const JOB_KINDS = { server: 'ReplicateServer', relationship: 'ReplicateRelationship', scope: 'ReplicateScope' } as const

function now(): string {
  return new Date().toISOString()
}

export function createIntake({ messaging, fleet, jobs, logger }: IntakeOptions) {
  async function discard(received: Received, reason: string): Promise<Disposition> {
    await deadLetter(messaging, received, reason)
    requestsDeadLettered.add(1, { stream: received.stream })
    logger.warn(
      { subject: received.subject, sequence: received.sequence, reason },
      'message cannot be understood and was dead-lettered',
    )
    return { kind: 'ack' }
  }

  /** Changes of one relationship join its one waiting automatic job: a hundred edits are one job. */
  async function joinAutomaticJob(policy: RelationshipPolicy, change: ScopeChanged, received: Received): Promise<void> {
    for (const stored of await jobs.waiting(policy.name)) {
      if (!stored.job.automatic || stored.job.runningSince !== undefined) continue
      // The update makes sure that no run has claimed the job in between; a claimed one may have read before this change.
      if (
        (await jobs.update(stored, { ...stored.job, noticedAt: stored.job.noticedAt ?? change.seenAt })) !== undefined
      )
        return
    }
    await jobs.create({
      job: jobIdOf(`${received.stream}/${received.sequence}/${policy.name}`, Date.parse(change.seenAt) || Date.now()),
      kind: 'ReplicateRelationship',
      automatic: true,
      slot: policy.name,
      relationship: policy.name,
      source: policy.authority,
      cause: {
        kind: 'change',
        requester: `watcher ${change.server}`,
        ...(received.traceparent === undefined ? {} : { traceparent: received.traceparent }),
      },
      createdAt: now(),
      noticedAt: change.seenAt,
      attempts: 0,
      waits: 0,
    })
  }

  async function onChange(received: Received): Promise<Disposition> {
    const subject = parseScopeChangedSubject(received.subject)
    if (subject === undefined) return await discard(received, 'the subject does not name a server and a scope')
    const decoded = decode(ScopeChanged, received)
    if (decoded.error !== undefined) return await discard(received, decoded.error)
    const policies = fleet.policies.filter(
      ({ servers, mode }) => servers.includes(subject.server) && mode === 'automatic',
    )
    for (const policy of policies) {
      await joinAutomaticJob(policy, decoded.ok, received)
      await publishWakeup(messaging, policy.name)
    }
    return { kind: 'ack' }
  }

  function requestJob(
    request: ReplicationRequested,
    received: Received,
    requester: string,
  ): Omit<Job, 'kind' | 'slot' | 'source'> {
    return {
      job:
        request.job ??
        jobIdOf(
          received.id ?? `${received.stream}/${received.sequence}`,
          Date.parse(request.requestedAt ?? '') || Date.now(),
        ),
      automatic: false,
      cause: {
        kind: 'request',
        requester,
        ...(request.actor === undefined ? {} : { actor: request.actor }),
        ...(request.reason === undefined ? {} : { reason: request.reason }),
        ...(received.traceparent === undefined ? {} : { traceparent: received.traceparent }),
      },
      createdAt: request.requestedAt ?? now(),
      attempts: 0,
      waits: 0,
    }
  }

  async function refuse(job: Job, code: string, message: string): Promise<void> {
    await jobs.finish(job, { ...outcomeOf(job, 'final', now()), status: 'refused', code, message })
  }

  async function accept(job: Job): Promise<void> {
    // Redelivered after the job had ended: its final outcome stands.
    if ((await jobs.finalOf(job.slot, job.job)) !== undefined) return
    if (!(await jobs.create(job))) return await publishWakeup(messaging, job.slot)
    await jobs.publish({ ...outcomeOf(job, 'accepted', now()), status: 'pending' }, `${job.slot}/${job.job}/accepted`)
    await publishWakeup(messaging, job.slot)
  }

  async function store(
    request: ReplicationRequested,
    fan: Extract<FanOut, { kind: 'jobs' }>,
    base: Omit<Job, 'kind' | 'slot' | 'source'>,
  ): Promise<void> {
    const kind = JOB_KINDS[request.level]
    const [only] = fan.children
    const approvalOf = (relationship: string) => {
      const approvedPlan = request.approvedPlans?.[relationship] ?? request.approvedPlan
      return approvedPlan === undefined ? {} : { approvedPlan }
    }
    if (request.level !== 'server' && fan.children.length === 1 && only !== undefined && fan.refused.length === 0) {
      await accept({
        ...base,
        kind,
        slot: only.relationship,
        relationship: only.relationship,
        source: fan.server,
        ...approvalOf(only.relationship),
        ...(only.scopes === undefined ? {} : { scopes: [...only.scopes] }),
      })
      return
    }
    const slot = serverSlot(fan.server)
    const children: Job[] = fan.children.map((child, index) => ({
      ...base,
      job: `${base.job}-${index + 1}`,
      kind: child.scopes === undefined ? 'ReplicateRelationship' : 'ReplicateScope',
      slot: child.relationship,
      relationship: child.relationship,
      source: fan.server,
      ...approvalOf(child.relationship),
      ...(child.scopes === undefined ? {} : { scopes: [...child.scopes] }),
      parent: { slot, job: base.job },
    }))
    // The parent first: a child that ends must find it.
    await accept({
      ...base,
      kind,
      slot,
      source: fan.server,
      children: children.map((child) => ({ slot: child.slot, job: child.job })),
      refusedRelationships: [...fan.refused],
    })
    for (const child of children) await accept(child)
  }

  async function onRequest(received: Received): Promise<Disposition> {
    const subject = parseReplicationRequestedSubject(received.subject)
    if (subject === undefined)
      return await discard(
        received,
        'the subject must be twinscope.replication.requested.<level>.<requester>, with level server, relationship or scope',
      )
    const decoded = decode(ReplicationRequested, received)
    if (decoded.error !== undefined) return await discard(received, decoded.error)
    const request = decoded.ok
    if (request.level !== subject.level)
      return await discard(received, `the subject says level ${subject.level}, the message ${request.level}`)

    const base = requestJob(request, received, subject.requester)
    const server = resolveServer(
      request.server,
      fleet.policies.flatMap(({ servers }) => servers),
    )
    const concerned = fleet.policies.filter((policy) => server !== undefined && policy.servers.includes(server))
    const fan = fanOut(request, await fleet.view(needsScopes(request) ? concerned : []))
    if (fan.kind === 'refused') {
      const job: Job = { ...base, kind: JOB_KINDS[request.level], slot: serverSlot(fan.server), source: fan.server }
      await jobs.publish({ ...outcomeOf(job, 'accepted', now()), status: 'pending' }, `${job.slot}/${job.job}/accepted`)
      await refuse(job, fan.refusal.code, fan.refusal.message)
      return { kind: 'ack' }
    }
    await store(request, fan, base)
    return { kind: 'ack' }
  }

  return { onChange, onRequest }
}
