// Accepting a request: written down under its id and key, published, acknowledged; only then answered.
//
// A key names one request for a day. The entry is made before publishing, so a repeated
// call finds the job id, and says "published" only after the acknowledgement, so a call that was cut
// off in between publishes again, with the same message id and the same job.

import { createHash } from 'node:crypto'
import { newJobId } from '#contracts/job-id.ts'
import type { ReplicationRequested } from '#contracts/messages.ts'
import type { Accepted, Replication, ReplicationBody, ReplicationDetail } from '#contracts/status-api.ts'
import { BUCKETS } from '#contracts/streams.ts'
import { idempotencyKey, replicationRequestedSubject } from '#contracts/subjects.ts'
import { canonicalJson, type Json } from '#dhcp/json.ts'
import { type Bucket, openBucket } from '#messaging/buckets.ts'
import type { Messaging } from '#messaging/connection.ts'
import { publishEvent } from '#messaging/publish.ts'
import type { Resolved } from './names.ts'
import { ProblemError } from './problems.ts'

const REQUESTER = 'api'
const SOURCE = 'twinscope/status'
/** Milliseconds until the caller is told that NATS does not answer. */
const ACCEPT_TIMEOUT_MS = 5_000

type KeyEntry = { readonly job: string; readonly hash: string; readonly published: boolean; readonly at: string }
type JobEntry = { readonly request: ReplicationRequested }

export type Requests = {
  accept(request: Resolved, body: ReplicationBody, key: string | undefined, traceparent?: string): Promise<Accepted>
  /** A request that was accepted here or elsewhere and of which the ledger does not tell yet. */
  pending(job: string): Promise<ReplicationDetail | undefined>
}

/** The same request, however its members are ordered. */
function hashOf(body: ReplicationBody): string {
  return createHash('sha256')
    .update(canonicalJson(body as unknown as Json))
    .digest('hex')
}

function requestOf(request: Resolved, body: ReplicationBody, job: string): ReplicationRequested {
  const approved = Object.entries(body.approvedPlans ?? {})
  const [only] = approved
  const [relationship] = request.relationships
  return {
    level: request.level,
    server: request.server,
    ...(body.relationship === undefined || relationship === undefined ? {} : { relationship: relationship.name }),
    ...(body.scopes === undefined ? {} : { scopes: body.scopes }),
    job,
    requester: REQUESTER,
    ...(body.actor === undefined ? {} : { actor: body.actor }),
    ...(body.reason === undefined ? {} : { reason: body.reason }),
    ...(approved.length === 1 && only !== undefined ? { approvedPlan: only[1] } : {}),
    ...(approved.length > 1 ? { approvedPlans: Object.fromEntries(approved) } : {}),
    requestedAt: new Date().toISOString(),
  }
}

export async function createRequests(messaging: Messaging): Promise<Requests> {
  const bucket: Bucket = await openBucket(messaging, BUCKETS.idempotency)
  const keyOf = (text: string) => idempotencyKey(`key ${text}`)
  const jobKeyOf = (job: string) => idempotencyKey(`job ${job}`)

  /** Fails in time instead of waiting for NATS: the caller decides whether to try again. */
  async function inTime<T>(work: (signal: AbortSignal) => Promise<T>, key: string | undefined): Promise<T> {
    const again =
      key === undefined
        ? 'Try again when it is back'
        : 'Repeat the request with the same Idempotency-Key when it is back; it is then carried out once'
    if (!messaging.connected) {
      throw new ProblemError('messaging-unavailable', `nothing was accepted: NATS is not reachable. ${again}`)
    }
    const signal = AbortSignal.timeout(ACCEPT_TIMEOUT_MS)
    const late = Promise.withResolvers<never>()
    const onLate = () =>
      late.reject(new ProblemError('messaging-unavailable', `NATS did not acknowledge the request in time. ${again}`))
    signal.addEventListener('abort', onLate)
    const running = work(signal)
    running.catch(() => {})
    try {
      return await Promise.race([running, late.promise])
    } finally {
      signal.removeEventListener('abort', onLate)
    }
  }

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

  /** The entry of a key, made now or before; another body under the same key is refused. */
  async function claim(key: string, hash: string): Promise<KeyEntry & { readonly revision: number }> {
    const fresh: KeyEntry = { job: newJobId(), hash, published: false, at: new Date().toISOString() }
    const revision = await bucket.create(keyOf(key), JSON.stringify(fresh))
    if (revision !== undefined) return { ...fresh, revision }
    const stored = await bucket.get(keyOf(key))
    if (stored === undefined) return await claim(key, hash)
    const entry = JSON.parse(stored.value) as KeyEntry
    if (entry.hash !== hash) {
      throw new ProblemError(
        'idempotency-key-reused',
        `the Idempotency-Key belongs to another request, which became replication ${entry.job}; use a new key`,
      )
    }
    return { ...entry, revision: stored.revision }
  }

  return {
    async accept(request, body, key, traceparent) {
      const answer = (job: string): Accepted => ({ job, level: request.level, server: request.server })
      return await inTime(async (signal) => {
        if (key === undefined) {
          const job = newJobId()
          await publish(requestOf(request, body, job), traceparent, signal)
          return answer(job)
        }
        const entry = await claim(key, hashOf(body))
        if (!entry.published) {
          signal.throwIfAborted()
          await publish(requestOf(request, body, entry.job), traceparent, signal)
          const { revision, ...stored } = entry
          await bucket.update(keyOf(key), JSON.stringify({ ...stored, published: true }), revision)
        }
        return answer(entry.job)
      }, key)
    },

    async pending(job) {
      if (!messaging.connected) return undefined
      const stored = await bucket.get(jobKeyOf(job))
      if (stored === undefined) return undefined
      const { request } = JSON.parse(stored.value) as JobEntry
      const at = request.requestedAt ?? new Date().toISOString()
      const replication: Replication = {
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
        },
        ...(request.scopes === undefined ? {} : { requestedScopes: request.scopes }),
        scopeIds: (request.scopes ?? []).slice(0, 20),
        scopeCount: request.scopes?.length ?? 0,
        createdAt: at,
        updatedAt: at,
      }
      return { ...replication, scopes: [], stages: [], children: [] }
    },
  }
}
