// The HTTP API of the status service, `/v1`. Each schema is written once and gives the
// types of service and CLI, the validation and the OpenAPI document.

import { type Static, Type } from 'typebox'
import { Pause, Rejection } from './control.ts'
import { literals } from './literals.ts'
import { ACTS, JobCause, REPLICATION_STATUSES, ScopeOutcome, Stage } from './messages.ts'

export const SYNC_STATES = ['in-sync', 'out-of-sync', 'conflict', 'unknown'] as const
export const RUN_STATUSES = [...REPLICATION_STATUSES, 'pending', 'running'] as const
export type RunStatus = (typeof RUN_STATUSES)[number]

/**
 * `lost`: NATS has no record of it and the gates know it. `interrupted`: a gate knows a higher epoch than the record.
 * `unseeded`: nobody knows one yet.
 */
export const AUTHORITY_PROBLEMS = ['lost', 'interrupted', 'unseeded'] as const

// --- relationships

export const PartnerView = Type.Object(
  {
    server: Type.String(),
    role: literals(['authoritative', 'partner', 'unknown']),
    /** False: its watcher is gone or cannot reach it. */
    reachable: Type.Boolean(),
    product: Type.Optional(Type.String()),
    version: Type.Optional(Type.String()),
    failoverState: Type.String(),
    nativeState: Type.Optional(Type.String()),
    failoverSince: Type.Optional(Type.String()),
    scopeCount: Type.Optional(Type.Integer()),
    readAt: Type.Optional(Type.String({ description: 'When the watcher last read the whole configuration' })),
    problem: Type.Optional(Type.String()),
  },
  { title: 'Partner' },
)
export type PartnerView = Static<typeof PartnerView>

export const ScopeView = Type.Object(
  {
    scope: Type.String(),
    scopeId: Type.String({ description: 'The address alone where it is unambiguous' }),
    sync: literals(['in-sync', 'out-of-sync', 'conflict']),
    action: literals(['none', 'replicate', 'hold', 'show'], 'What the decision table says'),
    code: Type.String(),
    why: Type.String(),
    since: Type.Optional(Type.String()),
    restored: Type.Optional(
      Type.Object(
        { job: Type.String(), at: Type.String() },
        { description: 'A restore put it there; held until approved' },
      ),
    ),
    rejected: Type.Optional(Rejection),
    writtenBy: Type.Optional(Type.String({ description: "The job that wrote the partner's present content" })),
    source: Type.Optional(Type.String({ description: 'Fingerprint on the authoritative side' })),
    target: Type.Optional(Type.String({ description: 'Fingerprint on the partner' })),
  },
  { title: 'Scope' },
)
export type ScopeView = Static<typeof ScopeView>

export const PendingJobView = Type.Object(
  {
    job: Type.String(),
    kind: Type.String(),
    automatic: Type.Boolean(),
    running: Type.Boolean(),
    reason: Type.Optional(Type.String()),
    detail: Type.Optional(Type.String()),
    dueAt: Type.Optional(Type.String()),
    createdAt: Type.String(),
    scopes: Type.Optional(Type.Array(Type.String())),
  },
  { title: 'PendingJob' },
)
export type PendingJobView = Static<typeof PendingJobView>

const relationshipMembers = {
  name: Type.String(),
  configured: Type.Boolean({ description: 'False: found at the servers, not in the configuration; only observed' }),
  mode: literals(['automatic', 'manual', 'observe']),
  failoverMode: Type.Optional(Type.String({ description: '`hot-standby` or `load-balance`' })),
  sync: literals(SYNC_STATES),
  reason: Type.Optional(Type.String({ description: 'Why the state is unknown, or what else is wrong' })),
  authority: Type.Optional(
    Type.Object({
      side: Type.String(),
      epoch: Type.Optional(Type.Integer()),
      from: literals(['record', 'gates', 'configuration'], 'Where it is known from'),
    }),
  ),
  authorityProblem: Type.Optional(
    Type.Object(
      { code: literals(AUTHORITY_PROBLEMS), message: Type.String() },
      { description: 'Why nothing is written until somebody moves or confirms the authority' },
    ),
  ),
  partners: Type.Array(PartnerView),
  counts: Type.Object({
    inSync: Type.Integer(),
    outOfSync: Type.Integer(),
    conflict: Type.Integer(),
    total: Type.Integer(),
    agreed: Type.Integer({
      description: 'Scopes whose common content both gates have as their base; 0 where it is only observed',
    }),
  }),
  pending: Type.Array(PendingJobView),
  pauses: Type.Array(Pause, { description: 'Of the relationship and of the fleet' }),
  window: Type.Object(
    {
      state: literals(['always', 'open', 'closed']),
      reason: Type.Optional(Type.String()),
      changesAt: Type.Optional(Type.String({ description: 'When it opens or closes next' })),
    },
    { description: 'Maintenance window' },
  ),
  policy: Type.Optional(
    Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Array(Type.String())]), {
      description: 'The policies as the configuration has them, defaults filled in; absent where it is not configured',
    }),
  ),
  differences: Type.Array(ScopeView, { description: 'Scopes that are not in sync; the first 50' }),
  checkedAt: Type.String(),
}
export const Relationship = Type.Object(relationshipMembers, { title: 'Relationship' })
export type Relationship = Static<typeof Relationship>
export const RelationshipDetail = Type.Object(
  { ...relationshipMembers, scopes: Type.Array(ScopeView) },
  { title: 'RelationshipDetail' },
)
export type RelationshipDetail = Static<typeof RelationshipDetail>
export const RelationshipList = Type.Object({ items: Type.Array(Relationship) }, { title: 'RelationshipList' })
export type RelationshipList = Static<typeof RelationshipList>

// --- requests and plans

const ServerText = Type.String({
  minLength: 1,
  maxLength: 253,
  description: 'The source: its settings are copied. A unique short name will do',
})

/** One body for a plan and for a replication. Level: scopes, else the relationship, else the whole server. */
export const ReplicationBody = Type.Object(
  {
    server: ServerText,
    relationship: Type.Optional(Type.String({ minLength: 1, maxLength: 253 })),
    scopes: Type.Optional(
      Type.Array(Type.String({ pattern: '^\\d{1,3}(\\.\\d{1,3}){3}(/\\d{1,2})?$', description: 'Scope ID' }), {
        minItems: 1,
        maxItems: 4096,
      }),
    ),
    actor: Type.Optional(Type.String({ maxLength: 253, description: 'The person or program that asks' })),
    reason: Type.Optional(Type.String({ maxLength: 1000 })),
    approvedPlans: Type.Optional(
      Type.Record(Type.String({ pattern: '^.{1,253}$' }), Type.String({ pattern: '^[0-9a-f]{64}$' }), {
        description: 'Relationship → digest of the plan that was shown and approved',
      }),
    ),
    takeAuthority: Type.Optional(
      Type.Boolean({ description: 'Makes `server` the authoritative side first, where it is not. Default false' }),
    ),
  },
  { title: 'ReplicationRequest', additionalProperties: false },
)
export type ReplicationBody = Static<typeof ReplicationBody>

export const PlannedScopeView = Type.Object(
  {
    scope: Type.String(),
    scopeId: Type.String(),
    code: Type.String(),
    action: literals(['create', 'update', 'delete']),
    counts: Type.Object({ added: Type.Integer(), updated: Type.Integer(), deleted: Type.Integer() }),
    changes: Type.Array(Type.String(), { description: 'One line per change, in DHCP words' }),
    obstacles: Type.Array(
      Type.Object({
        code: Type.String(),
        message: Type.String(),
        approvable: Type.Boolean({ description: 'An approval of exactly this plan removes it' }),
      }),
      { description: 'What holds it; empty: it would be written' },
    ),
  },
  { title: 'PlannedScope' },
)
export type PlannedScopeView = Static<typeof PlannedScopeView>

export const RelationshipPlan = Type.Object(
  {
    relationship: Type.String(),
    source: Type.String(),
    target: Type.String(),
    sync: literals(SYNC_STATES),
    digest: Type.Optional(
      Type.String({ description: 'Names exactly this plan; absent where nothing would be written' }),
    ),
    scopes: Type.Array(PlannedScopeView),
    shown: Type.Array(
      Type.Object({ scope: Type.String(), scopeId: Type.String(), code: Type.String(), message: Type.String() }),
      { description: 'Differences that are shown and never written' },
    ),
    inSyncCount: Type.Integer(),
    notes: Type.Array(Type.String(), { description: 'What a replication would wait for, and the like' }),
    refusal: Type.Optional(
      Type.Object(
        { code: Type.String(), message: Type.String() },
        { description: 'Why a request for this would be refused' },
      ),
    ),
    failure: Type.Optional(
      Type.Object({ code: Type.String(), message: Type.String() }, { description: 'Why there is no plan' }),
    ),
  },
  { title: 'RelationshipPlan' },
)
export type RelationshipPlan = Static<typeof RelationshipPlan>

export const PlanAnswer = Type.Object(
  {
    level: literals(['server', 'relationship', 'scope']),
    server: Type.String(),
    plans: Type.Array(RelationshipPlan),
    refused: Type.Array(Type.Object({ relationship: Type.String(), code: Type.String(), message: Type.String() }), {
      description: 'Relationships of the server that the request would not replicate',
    }),
  },
  { title: 'Plan' },
)
export type PlanAnswer = Static<typeof PlanAnswer>

// --- replications

export const Accepted = Type.Object(
  { job: Type.String(), level: literals(['server', 'relationship', 'scope']), server: Type.String() },
  { title: 'Accepted' },
)
export type Accepted = Static<typeof Accepted>

const replicationMembers = {
  job: Type.String(),
  level: literals(['server', 'relationship', 'scope']),
  automatic: Type.Boolean(),
  relationship: Type.Optional(Type.String()),
  source: Type.String(),
  target: Type.Optional(Type.String()),
  status: literals(RUN_STATUSES),
  code: Type.Optional(Type.String()),
  message: Type.Optional(Type.String()),
  cause: JobCause,
  requestedScopes: Type.Optional(Type.Array(Type.String())),
  scopeIds: Type.Array(Type.String(), {
    description: 'Scopes of the outcome, or those that were asked for; the first 20',
  }),
  scopeCount: Type.Integer(),
  progress: Type.Optional(Type.Object({ stage: Type.String(), done: Type.Integer(), total: Type.Integer() })),
  parent: Type.Optional(Type.String()),
  planDigest: Type.Optional(
    Type.String({ description: 'Names the held part of the plan; `approve` releases exactly that' }),
  ),
  act: literals(ACTS),
  of: Type.Optional(Type.String({ description: 'The job that was restored, approved or rejected' })),
  createdAt: Type.String(),
  noticedAt: Type.Optional(Type.String()),
  finishedAt: Type.Optional(Type.String()),
  updatedAt: Type.String(),
  durationMs: Type.Optional(Type.Integer({ description: 'From the notice, or the request, to the final outcome' })),
}
export const Replication = Type.Object(replicationMembers, { title: 'Replication' })
export type Replication = Static<typeof Replication>

const detailMembers = {
  ...replicationMembers,
  scopes: Type.Array(ScopeOutcome),
  stages: Type.Array(Stage),
  refused: Type.Optional(
    Type.Array(Type.Object({ relationship: Type.String(), code: Type.String(), message: Type.String() })),
  ),
  epoch: Type.Optional(Type.Integer()),
  replicator: Type.Optional(Type.String()),
}
export const ReplicationChild = Type.Object(detailMembers, { title: 'ReplicationChild' })
export type ReplicationChild = Static<typeof ReplicationChild>
export const ReplicationDetail = Type.Object(
  { ...detailMembers, children: Type.Array(ReplicationChild) },
  { title: 'ReplicationDetail' },
)
export type ReplicationDetail = Static<typeof ReplicationDetail>
export const ReplicationList = Type.Object(
  {
    items: Type.Array(Replication),
    next: Type.Optional(Type.String({ description: 'Cursor of the next page; absent on the last' })),
  },
  { title: 'ReplicationList' },
)
export type ReplicationList = Static<typeof ReplicationList>
