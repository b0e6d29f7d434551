// Accepting what becomes a job: written down under its id and key, published, acknowledged; only then answered.
//
// A key names one request for a day. The entry is made before publishing, so a repeated
// call finds the job id, and says "published" only after the acknowledgement, so a call that was cut
// off in between publishes again, with the same message id and the same job.

import { createHash } from 'node:crypto'
import { newJobId } from '#contracts/job-id.ts'
import type { ReplicationRequested } from '#contracts/messages.ts'
import type { Accepted, Replication, ReplicationDetail } from '#contracts/status-api.ts'
import { BUCKETS } from '#contracts/streams.ts'
import { idempotencyKey, replicationRequestedSubject } from '#contracts/subjects.ts'
import { canonicalJson, type Json } from '#dhcp/json.ts'
import { type Bucket, openBucket } from '#messaging/buckets.ts'
import type { Messaging } from '#messaging/connection.ts'
import { publishEvent } from '#messaging/publish.ts'
import { inTime } from './in-time.ts'
import { ProblemError } from './problems.ts'

const REQUESTER = 'api'
const SOURCE = 'twinscope/status'
type KeyEntry = { readonly job: string; readonly hash: string; readonly published: boolean; readonly at: string }
type JobEntry = { readonly request: ReplicationRequested }

/** A request without what the service itself gives it. */
export type Ask = Omit<ReplicationRequested, 'job' | 'requester' | 'requestedAt'>

export type AcceptOptions = {
  /** What the caller sent: a key stands for exactly this. */
  readonly sent: unknown
  /** Idempotency-Key. */
  readonly key?: string | undefined
  readonly traceparent?: string | undefined
}

export type Requests = {
  accept(ask: Ask, options: AcceptOptions): Promise<Accepted>
  /**
   * What the same request with the same key became before. It is asked before anything is looked at, since what was
   * asked for may be done by now: a repeated move of the authority must not fail because the first one succeeded.
   */
  repeated(options: Pick<AcceptOptions, 'sent' | 'key'>): Promise<Accepted | undefined>
  /** A request that was accepted here or elsewhere and of which the ledger does not tell yet. */
  pending(job: string): Promise<ReplicationDetail | undefined>
}

/** The same request, however its members are ordered. */
function hashOf(sent: unknown): string {
  return createHash('sha256')
    .update(canonicalJson(sent as Json))
    .digest('hex')
}

function requestOf(ask: Ask, job: string): ReplicationRequested {
  return { ...ask, job, requester: REQUESTER, requestedAt: new Date().toISOString() }
}

function pendingOf(job: string, request: ReplicationRequested): Replication {
  const at = request.requestedAt ?? new Date().toISOString()
  const of = request.approves ?? (request.act !== undefined && 'of' in request.act ? request.act.of : undefined)
  return {
    job,
    level: request.level,
    automatic: false,
    ...(request.relationship === undefined ? {} : { relationship: request.relationship }),
    source: request.server,
    status: 'pending',
    code: 'requested',
    message: 'the request is stored and waits for a replicator',
    cause: {
      kind: 'request',
      requester: request.requester,
      ...(request.actor === undefined ? {} : { actor: request.actor }),
      ...(request.reason === undefined ? {} : { reason: request.reason }),
      ...(request.approves === undefined ? {} : { approves: request.approves }),
    },
    ...(request.scopes === undefined ? {} : { requestedScopes: request.scopes }),
    scopeIds: (request.scopes ?? []).slice(0, 20),
    scopeCount: request.scopes?.length ?? 0,
    act: request.act?.kind ?? 'replicate',
    ...(of === undefined ? {} : { of }),
    createdAt: at,
    updatedAt: at,
  }
}

export async function createRequests(messaging: Messaging): Promise<Requests> {
  const bucket: Bucket = await openBucket(messaging, BUCKETS.idempotency)
  const keyOf = (text: string) => idempotencyKey(`key ${text}`)
  const jobKeyOf = (job: string) => idempotencyKey(`job ${job}`)

  async function publish(request: ReplicationRequested, traceparent: string | undefined, signal: AbortSignal) {
    const job = request.job ?? newJobId()
    const entry: JobEntry = { request }
    await bucket.put(jobKeyOf(job), JSON.stringify(entry))
    signal.throwIfAborted()
    await publishEvent(messaging, {
      type: 'dev.twinscope.replication.requested.v1',
      source: SOURCE,
      id: job,
      subject: replicationRequestedSubject(request.level, request.requester),
      data: request,
      ...(traceparent === undefined ? {} : { traceparent }),
      signal,
    })
  }

  /** Another request under the same key is refused. */
  function checked(entry: KeyEntry, hash: string): KeyEntry {
    if (entry.hash === hash) return entry
    throw new ProblemError(
      'idempotency-key-reused',
      `the Idempotency-Key belongs to another request, which became replication ${entry.job}; use a new key`,
    )
  }

  /** The entry of a key, made now or before. */
  async function claim(key: string, hash: string): Promise<KeyEntry & { readonly revision: number }> {
    const fresh: KeyEntry = { job: newJobId(), hash, published: false, at: new Date().toISOString() }
    const revision = await bucket.create(keyOf(key), JSON.stringify(fresh))
    if (revision !== undefined) return { ...fresh, revision }
    const stored = await bucket.get(keyOf(key))
    if (stored === undefined) return await claim(key, hash)
    const entry = checked(JSON.parse(stored.value) as KeyEntry, hash)
    return { ...entry, revision: stored.revision }
  }

  return {
    async accept(ask, { sent, key, traceparent }) {
      const answer = (job: string): Accepted => ({ job, level: ask.level, server: ask.server })
      const again =
        key === undefined
          ? 'Try again when it is back'
          : 'Repeat the request with the same Idempotency-Key when it is back; it is then carried out once'
      return await inTime(messaging, again, async (signal) => {
        if (key === undefined) {
          const job = newJobId()
          await publish(requestOf(ask, job), traceparent, signal)
          return answer(job)
        }
        const entry = await claim(key, hashOf(sent))
        if (!entry.published) {
          signal.throwIfAborted()
          await publish(requestOf(ask, entry.job), traceparent, signal)
          const { revision, ...stored } = entry
          await bucket.update(keyOf(key), JSON.stringify({ ...stored, published: true }), revision)
        }
        return answer(entry.job)
      })
    },

    async repeated({ sent, key }) {
      if (key === undefined || !messaging.connected) return undefined
      const stored = await bucket.get(keyOf(key))
      if (stored === undefined) return undefined
      const { job, published } = checked(JSON.parse(stored.value) as KeyEntry, hashOf(sent))
      const request = published ? await bucket.get(jobKeyOf(job)) : undefined
      if (request === undefined) return undefined
      const { level, server } = (JSON.parse(request.value) as JobEntry).request
      return { job, level, server }
    },

    async pending(job) {
      if (!messaging.connected) return undefined
      const stored = await bucket.get(jobKeyOf(job))
      if (stored === undefined) return undefined
      const { request } = JSON.parse(stored.value) as JobEntry
      return { ...pendingOf(job, request), scopes: [], stages: [], children: [] }
    },
  }
}
