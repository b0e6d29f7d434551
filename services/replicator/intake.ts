// Turns changes and requests into jobs. A message is acknowledged only when its job is stored.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { jobIdOf } from '#contracts/job-id.ts'
import { ReplicationRequested, ScopeChanged } from '#contracts/messages.ts'
import { parseReplicationRequestedSubject, parseScopeChangedSubject } from '#contracts/subjects.ts'
import type { Messaging } from '#messaging/connection.ts'
import { type Disposition, deadLetter, decode, type Received } from '#messaging/consume.ts'
import { publishWakeup } from '#messaging/publish.ts'
import { requestsDeadLettered } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import type { FleetView } from './fleet.ts'
import type { Jobs } from './jobs.ts'
import type { RequestBase, RequestJobs } from './request-jobs.ts'

export type IntakeOptions = {
  readonly messaging: Messaging
  readonly fleet: FleetView
  readonly jobs: Jobs
  readonly requestJobs: RequestJobs
  readonly logger: Logger
}

function now(): string {
  return new Date().toISOString()
}

export function createIntake({ messaging, fleet, jobs, requestJobs, logger }: IntakeOptions) {
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

  /** Everything in it comes from the message, so that a redelivered request becomes the same job. */
  function requestJob(request: ReplicationRequested, received: Received): RequestBase {
    const id =
      received.id === undefined ? `${received.stream}/${received.sequence}` : `${received.source ?? ''}/${received.id}`
    return {
      job: request.job ?? jobIdOf(id, Date.parse(received.storedAt)),
      automatic: false,
      cause: {
        kind: 'request',
        requester: request.requester,
        ...(request.actor === undefined ? {} : { actor: request.actor }),
        ...(request.reason === undefined ? {} : { reason: request.reason }),
        ...(request.approves === undefined ? {} : { approves: request.approves }),
        ...(received.traceparent === undefined ? {} : { traceparent: received.traceparent }),
      },
      createdAt: request.requestedAt ?? received.storedAt,
      attempts: 0,
      waits: 0,
    }
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
    // Who may publish to a subject is what NATS' permissions rest on: nobody speaks for another one in the body.
    if (request.requester !== subject.requester)
      return await discard(
        received,
        `the subject says requester "${subject.requester}", the message "${request.requester}"`,
      )

    await requestJobs.place(request, requestJob(request, received))
    return { kind: 'ack' }
  }

  return { onChange, onRequest }
}
