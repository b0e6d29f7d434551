// The intent that a change or request becomes: an entry of the bucket `jobs` until its final outcome is published.

import { type Static, Type } from 'typebox'
import { literals } from './literals.ts'
import {
  ChangeCounts,
  JobCause,
  Name,
  ReplicationRequested,
  RequestedAct,
  ScopeKeyText,
  Timestamp,
} from './messages.ts'

/** What keeps a job waiting; it goes on by itself. */
export const PENDING_REASONS = [
  'quiet-period',
  'soak-delay',
  'paused',
  'outside-window',
  'covering',
  'partner-not-normal',
  'source-not-steady',
  'unreachable',
  'uncertain',
  'settings-differ',
  'lock-held',
  'children',
] as const

/**
 * The intent that a change or request becomes, kept in the bucket `jobs` until its final outcome is published.
 * A server job fans out into relationship jobs (`children`); a relationship job into its scopes (rows of its outcome).
 */
export const Job = Type.Object(
  {
    job: Type.String(),
    kind: literals(['ReplicateServer', 'ReplicateRelationship', 'ReplicateScope', 'MoveAuthority']),
    act: Type.Optional(RequestedAct),
    takeAuthority: Type.Optional(Type.Boolean()),
    automatic: Type.Boolean({
      description: 'True for the one automatic job of a relationship, which later changes join',
    }),
    slot: Type.String({ description: 'Relationship, or `_` and the server for a server job' }),
    relationship: Type.Optional(Name),
    source: Name,
    scopes: Type.Optional(Type.Array(ScopeKeyText, { description: 'Absent: every scope of the relationship' })),
    approvedPlan: Type.Optional(Type.String()),
    parent: Type.Optional(Type.Object({ slot: Type.String(), job: Type.String() })),
    children: Type.Optional(
      Type.Array(
        Type.Object({
          slot: Type.String(),
          job: Type.String(),
          scopes: Type.Optional(Type.Array(ScopeKeyText, { description: 'Absent: every scope of the relationship' })),
        }),
      ),
    ),
    refusedRelationships: Type.Optional(
      Type.Array(Type.Object({ relationship: Name, code: Type.String(), message: Type.String() })),
    ),
    unresolved: Type.Optional(ReplicationRequested),
    cause: JobCause,
    createdAt: Timestamp,
    noticedAt: Type.Optional(Type.String({ description: 'When the first change that it carries was seen' })),
    dueAt: Type.Optional(Timestamp),
    pendingReason: Type.Optional(literals(PENDING_REASONS)),
    pendingDetail: Type.Optional(Type.String()),
    runningSince: Type.Optional(
      Type.String({ description: 'Set while a run works on it; a change that comes later starts a new automatic job' }),
    ),
    commit: Type.Optional(
      Type.Object(
        {
          id: Type.String(),
          server: Type.Optional(Type.String({ description: 'Where it is written; of acts each scope says it' })),
          scopes: Type.Array(
            Type.Object({
              scope: Type.String(),
              server: Type.Optional(Type.String({ description: 'Acts only: where it is written' })),
              code: Type.String(),
              counts: ChangeCounts,
              plan: Type.Array(Type.String()),
              before: Type.Optional(Type.String()),
              after: Type.Optional(Type.String()),
              earlier: Type.Optional(
                Type.Array(Type.Object({ before: Type.Optional(Type.String()), after: Type.Optional(Type.String()) })),
              ),
            }),
          ),
        },
        { description: 'The commit that was about to be sent; an interrupted run asks the gate what became of it' },
      ),
    ),
    attempts: Type.Integer({ minimum: 0, description: 'Tries that ended in a crash or an unexpected failure' }),
    waits: Type.Integer({ minimum: 0, description: 'Times it was put back to wait; drives the backoff' }),
  },
  { title: 'Job' },
)
export type Job = Static<typeof Job>
