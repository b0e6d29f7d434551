// Events and outcomes; jobs are in job.ts. Each schema is written once and gives the type, the
// validation and the published documents. Events are in the past tense, jobs imperative.

import { type Static, type TSchema, Type } from 'typebox'
import { literals } from './literals.ts'

export const Name = Type.String({ minLength: 1, maxLength: 253 })
export const Timestamp = Type.String({ description: 'RFC 3339, UTC', pattern: '^\\d{4}-\\d{2}-\\d{2}T[\\d:.]+Z$' })
export const ScopeKeyText = Type.String({
  description: 'Network address and prefix length, `10.0.10.0/24`',
  pattern: '^\\d{1,3}(\\.\\d{1,3}){3}/\\d{1,2}$',
})
const FingerprintText = Type.String({ pattern: '^v\\d+:[0-9a-f]{64}$' })

// --- events

/** A scope was created, changed or deleted on a server. It only wakes somebody up: nothing of it is ever written. */
export const ScopeChanged = Type.Object(
  {
    server: Name,
    scope: ScopeKeyText,
    change: literals(['created', 'changed', 'deleted']),
    fingerprint: Type.Optional(FingerprintText),
    previousFingerprint: Type.Optional(FingerprintText),
    revision: Type.Integer({ minimum: 1, description: 'Counts the reads in which this watcher saw a change' }),
    seenAt: Timestamp,
  },
  { title: 'ScopeChanged', description: 'A scope was created, changed or deleted on a DHCP server' },
)
export type ScopeChanged = Static<typeof ScopeChanged>

/**
 * What a request is about where it is not an ordinary replication.
 *
 * - `adopt`: `server` is the side that was picked, which is not the authoritative one; its content of `scopes` is
 *   written onto the authoritative side. Needs the approval of exactly that plan. The authority stays.
 * - `restore`: the scopes that job `of` wrote get back what they were before, on `server`; `both`: on its partner too.
 * - `reject`: the held plan of `scopes` is not proposed again until one side changes.
 * - `move-authority`: `server` becomes the authoritative side of `relationship`. `force`: though its partner cannot be asked.
 */
export const RequestedAct = Type.Union([
  Type.Object({
    kind: Type.Literal('adopt'),
    of: Type.Optional(Type.String({ description: 'The job that held the scopes' })),
  }),
  Type.Object({ kind: Type.Literal('restore'), of: Type.String(), both: Type.Boolean() }),
  Type.Object({ kind: Type.Literal('reject'), of: Type.Optional(Type.String()) }),
  Type.Object({
    kind: Type.Literal('move-authority'),
    force: Type.Boolean(),
    expectedEpoch: Type.Optional(
      Type.Integer({ minimum: 0, description: 'Refused where the epoch is another one by then' }),
    ),
  }),
])
export type RequestedAct = Static<typeof RequestedAct>
export const ACTS = ['replicate', 'adopt', 'restore', 'reject', 'move-authority'] as const

/** Somebody asks that settings are copied from `server` to its partner. */
export const ReplicationRequested = Type.Object(
  {
    level: literals(['server', 'relationship', 'scope']),
    server: Type.String({
      minLength: 1,
      maxLength: 253,
      description: 'The source: the server whose settings are copied',
    }),
    relationship: Type.Optional(
      Type.String({ minLength: 1, maxLength: 253, description: 'Level `relationship` only' }),
    ),
    scopes: Type.Optional(
      Type.Array(Type.String({ minLength: 7, maxLength: 18 }), {
        minItems: 1,
        maxItems: 4096,
        description: 'Level `scope` only: scope IDs, `10.0.10.0` or `10.0.10.0/24`',
      }),
    ),
    job: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9-]{1,64}$',
        description: 'Id of the job this becomes; default: made from the message id. A known id is not accepted twice',
      }),
    ),
    requester: Name,
    actor: Type.Optional(Type.String({ maxLength: 253, description: 'The person or program that asked' })),
    reason: Type.Optional(Type.String({ maxLength: 1000 })),
    approvedPlan: Type.Optional(
      Type.String({
        pattern: '^[0-9a-f]{64}$',
        description: 'Digest of the plan that was shown and approved; holds are released only for exactly this plan',
      }),
    ),
    approvedPlans: Type.Optional(
      Type.Record(Type.String(), Type.String({ pattern: '^[0-9a-f]{64}$' }), {
        description: 'The same for a request that concerns several relationships: relationship → digest',
      }),
    ),
    act: Type.Optional(RequestedAct),
    takeAuthority: Type.Optional(
      Type.Boolean({ description: 'Makes `server` the authoritative side first, where it is not' }),
    ),
    approves: Type.Optional(
      Type.String({ maxLength: 64, description: 'The held job whose plan this request approves; for the record' }),
    ),
    requestedAt: Type.Optional(Timestamp),
  },
  { title: 'ReplicationRequested', description: 'A request to replicate on one of the three levels' },
)
export type ReplicationRequested = Static<typeof ReplicationRequested>

export const ChangeCounts = Type.Object({
  added: Type.Integer({ minimum: 0 }),
  updated: Type.Integer({ minimum: 0 }),
  deleted: Type.Integer({ minimum: 0 }),
})

// --- jobs

export const JobCause = Type.Object({
  kind: literals(['change', 'request', 'tick']),
  requester: Type.Optional(Name),
  actor: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
  traceparent: Type.Optional(Type.String()),
  approves: Type.Optional(Type.String({ description: 'The held job whose plan was approved' })),
})
export type JobCause = Static<typeof JobCause>

// --- outcomes

export const REPLICATION_STATUSES = [
  'replicated',
  'already-in-sync',
  /** An act that writes no scope is done: the authority moved, a plan was rejected. */
  'done',
  'held',
  'refused',
  'failed',
  'superseded',
] as const
export type ReplicationStatus = (typeof REPLICATION_STATUSES)[number]

/** What became of one scope. `code` is the reason in one word, `message` the sentence for the operator. */
export const ScopeOutcome = Type.Object({
  scope: ScopeKeyText,
  status: literals(REPLICATION_STATUSES),
  code: Type.String({ description: 'See the reference of reasons in services/replicator/README.md' }),
  message: Type.String(),
  decision: Type.Optional(
    Type.String({ description: 'Held rows of a plan: why it would be written; `planDigest` covers it' }),
  ),
  persisted: Type.Optional(
    Type.Boolean({ description: 'False: it runs on the target but does not survive its restart' }),
  ),
  counts: Type.Optional(ChangeCounts),
  plan: Type.Optional(Type.Array(Type.String(), { description: 'The changes in DHCP words; cut where they are many' })),
  before: Type.Optional(FingerprintText),
  after: Type.Optional(FingerprintText),
  writtenAt: Type.Optional(
    Type.Array(Type.String(), { description: 'Restores and adoptions: the servers on which this scope was written' }),
  ),
  earlier: Type.Optional(
    Type.Array(Type.Object({ before: Type.Optional(FingerprintText), after: Type.Optional(FingerprintText) }), {
      description: 'What the same job had written there before, where a server or a person undid it in between',
    }),
  ),
})
export type ScopeOutcome = Static<typeof ScopeOutcome>

/** Where a job wrote this scope, and so where a pre-image is kept. `target`: of its outcome, for rows that do not say. */
export function serversWritten({ status, writtenAt }: ScopeOutcome, target: string): readonly string[] {
  return writtenAt ?? (status === 'replicated' ? [target] : [])
}

export const Stage = Type.Object({ name: Type.String(), durationMs: Type.Number({ minimum: 0 }) })
export type Stage = Static<typeof Stage>

/** One entry of the ledger. `final` is published once per job and never changed. */
export const Outcome = Type.Object(
  {
    job: Type.String(),
    kind: literals(['accepted', 'progress', 'final']),
    act: Type.Optional(literals(ACTS, 'Absent: `replicate`')),
    of: Type.Optional(Type.String({ description: 'The job that was restored, approved or rejected' })),
    level: literals(['server', 'relationship', 'scope']),
    automatic: Type.Boolean(),
    slot: Type.String(),
    relationship: Type.Optional(Name),
    source: Name,
    target: Type.Optional(Name),
    requestedScopes: Type.Optional(
      Type.Array(Type.String(), { description: 'Scopes; of a refused request the texts that it came with' }),
    ),
    status: Type.Optional(
      literals([...REPLICATION_STATUSES, 'pending', 'running'], 'Of the whole job; the most severe of its scopes'),
    ),
    code: Type.Optional(Type.String()),
    message: Type.Optional(Type.String()),
    progress: Type.Optional(
      Type.Object(
        { stage: Type.String(), done: Type.Integer(), total: Type.Integer() },
        { description: 'Scopes done of all' },
      ),
    ),
    scopes: Type.Optional(Type.Array(ScopeOutcome)),
    scopeCount: Type.Optional(
      Type.Integer({ description: 'All scopes of the job; `scopes` is cut where they are many' }),
    ),
    planDigest: Type.Optional(
      Type.String({ description: 'Names the held rows of the plan; approve exactly this one' }),
    ),
    commit: Type.Optional(
      Type.String({
        description: "The commit in the target's journal, which jobs of one run share: has the pre-images",
      }),
    ),
    stages: Type.Optional(Type.Array(Stage)),
    cause: JobCause,
    parent: Type.Optional(Type.Object({ slot: Type.String(), job: Type.String() })),
    children: Type.Optional(Type.Array(Type.Object({ slot: Type.String(), job: Type.String() }))),
    refusedRelationships: Type.Optional(
      Type.Array(Type.Object({ relationship: Name, code: Type.String(), message: Type.String() }), {
        description: 'Relationships of a server job that it does not replicate',
      }),
    ),
    epoch: Type.Optional(Type.Integer()),
    createdAt: Timestamp,
    noticedAt: Type.Optional(Type.String()),
    at: Timestamp,
    replicator: Type.Optional(Type.String()),
  },
  { title: 'Outcome', description: 'What became of a job' },
)
export type Outcome = Static<typeof Outcome>

export const Authority = Type.Object({
  relationship: Name,
  side: Type.String({ description: 'The authoritative server' }),
  epoch: Type.Integer({ minimum: 1 }),
  changedAt: Timestamp,
  changedBy: Type.String(),
  job: Type.Optional(Type.String({ description: 'The job that moved it; absent where nobody asked for it' })),
})
export type Authority = Static<typeof Authority>

export const DeadLetter = Type.Object(
  {
    stream: Type.String(),
    subject: Type.String(),
    sequence: Type.Integer(),
    reason: Type.String(),
    headers: Type.Record(Type.String(), Type.String()),
    body: Type.String({ description: 'The message as text, cut at 64 KiB' }),
    at: Timestamp,
  },
  { title: 'DeadLetter', description: 'A message that could not be understood, with the reason' },
)
export type DeadLetter = Static<typeof DeadLetter>

/** CloudEvents types of what is published, with their schemas. */
export const MESSAGE_TYPES = {
  'dev.twinscope.scope.changed.v1': ScopeChanged,
  'dev.twinscope.replication.requested.v1': ReplicationRequested,
  'dev.twinscope.outcome.v1': Outcome,
  'dev.twinscope.deadletter.v1': DeadLetter,
} as const satisfies Record<string, TSchema>
export type MessageType = keyof typeof MESSAGE_TYPES
