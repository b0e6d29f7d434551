// The HTTP API of the status service where people decide: approve, reject, restore, pause, authority, conflicts.

import { type Static, Type } from 'typebox'
import { Pause, Rejection } from './control.ts'
import { literals } from './literals.ts'
import { AUTHORITY_PROBLEMS, PlannedScopeView, RelationshipPlan } from './status-api.ts'

const who = {
  actor: Type.Optional(Type.String({ maxLength: 253, description: 'The person or program that decides' })),
  reason: Type.Optional(Type.String({ maxLength: 1000 })),
}
const ScopeTexts = Type.Array(
  Type.String({ pattern: '^\\d{1,3}(\\.\\d{1,3}){3}(/\\d{1,2})?$', description: 'Scope ID' }),
  {
    minItems: 1,
    maxItems: 4096,
  },
)
const Digest = Type.String({ pattern: '^[0-9a-f]{64}$' })

/** Releases what a replication held: exactly the plan that it showed. Answer: `Accepted`. */
export const ApproveBody = Type.Object(
  {
    ...who,
    scopes: Type.Optional(ScopeTexts),
    side: Type.Optional(
      Type.String({
        description:
          'Whose content is kept. Default: the authoritative side; its partner: adopt, one write onto the authoritative side',
      }),
    ),
    planDigest: Type.Optional(
      Type.String({
        pattern: '^[0-9a-f]{64}$',
        description: 'The plan that was shown; needed with `side` of the partner. Default: the one of the ledger',
      }),
    ),
  },
  { title: 'Approval', additionalProperties: false },
)
export type ApproveBody = Static<typeof ApproveBody>

export const RejectBody = Type.Object(
  { ...who, scopes: Type.Optional(ScopeTexts) },
  { title: 'RejectionRequest', additionalProperties: false },
)
export type RejectBody = Static<typeof RejectBody>

/** What would be written is shown by `POST …/restore/plan`; `approvedPlan` is its digest. */
export const RestoreBody = Type.Object(
  {
    ...who,
    scopes: Type.Optional(ScopeTexts),
    both: Type.Optional(Type.Boolean({ description: 'Also put the content on the authoritative side. Default false' })),
    server: Type.Optional(
      Type.String({
        description:
          'Of a replication that wrote on both servers (a restore with `both`): where it is undone. Default: the one that it was about',
      }),
    ),
    approvedPlan: Type.Optional(
      Type.String({ pattern: '^[0-9a-f]{64}$', description: 'The `digest` of the plan that was shown' }),
    ),
  },
  { title: 'RestoreRequest', additionalProperties: false },
)
export type RestoreBody = Static<typeof RestoreBody>

/** What a restore would write, one plan per server that it writes to. */
export const RestorePlan = Type.Object(
  {
    job: Type.String({ description: 'The replication that would be undone' }),
    server: Type.String({ description: 'Where it wrote, and where the content from before is kept' }),
    relationship: Type.String(),
    both: Type.Boolean(),
    digest: Type.Optional(
      Type.String({ description: 'Names all of `plans`; approve exactly this one. Absent: nothing would be written' }),
    ),
    plans: Type.Array(RelationshipPlan, {
      description: '`source`: where the content is kept; `target`: the server that is written',
    }),
    missing: Type.Array(Type.Object({ scope: Type.String(), scopeId: Type.String(), message: Type.String() }), {
      description: 'Scopes that cannot be restored, and why',
    }),
  },
  { title: 'RestorePlan' },
)
export type RestorePlan = Static<typeof RestorePlan>

export const PauseBody = Type.Object(
  {
    ...who,
    until: Type.Optional(
      Type.String({
        pattern: '^\\d{4}-\\d{2}-\\d{2}T[\\d:.]+Z$',
        description: 'RFC 3339, UTC. Default: until it is resumed',
      }),
    ),
  },
  { title: 'PauseRequest', additionalProperties: false },
)
export type PauseBody = Static<typeof PauseBody>
export const PauseList = Type.Object({ items: Type.Array(Pause) }, { title: 'PauseList' })
export type PauseList = Static<typeof PauseList>

/** `ETag` is the epoch in quotes; `If-Match` is required for a move. */
export const AuthorityView = Type.Object(
  {
    relationship: Type.String(),
    side: Type.Optional(Type.String({ description: 'The authoritative server; absent where it is unknown' })),
    epoch: Type.Optional(Type.Integer()),
    changedAt: Type.Optional(Type.String()),
    changedBy: Type.Optional(Type.String()),
    configured: Type.String({ description: 'What the configuration names; it only seeds the record' }),
    gates: Type.Array(
      Type.Object({
        server: Type.String(),
        side: Type.Optional(Type.String()),
        epoch: Type.Optional(Type.Integer()),
        problem: Type.Optional(Type.String()),
      }),
      { description: 'What each gate has made durable' },
    ),
    problem: Type.Optional(
      Type.Object(
        { code: literals(AUTHORITY_PROBLEMS), message: Type.String() },
        { description: 'Why nothing is written until somebody moves or confirms it' },
      ),
    ),
    note: Type.Optional(Type.String({ description: 'The configuration names another side, say' })),
  },
  { title: 'Authority' },
)
export type AuthorityView = Static<typeof AuthorityView>

export const AuthorityBody = Type.Object(
  {
    ...who,
    side: Type.String({ description: 'The server that becomes, or stays, the authoritative side' }),
    force: Type.Optional(
      Type.Boolean({ description: 'Though the other server or its watcher cannot be asked. Default false' }),
    ),
  },
  { title: 'AuthorityRequest', additionalProperties: false },
)
export type AuthorityBody = Static<typeof AuthorityBody>

/** One scope that waits for a person: what happened on each side since both last agreed, in DHCP words. */
export const ConflictView = Type.Object(
  {
    scope: Type.String(),
    scopeId: Type.String(),
    code: Type.String(),
    why: Type.String(),
    sides: Type.Array(
      Type.Object({
        server: Type.String(),
        role: literals(['authoritative', 'partner']),
        /** Against the base; where there is none, against the other side. */
        changes: Type.Array(Type.String()),
        /** Of `changes`. */
        counts: Type.Object({ added: Type.Integer(), updated: Type.Integer(), deleted: Type.Integer() }),
        since: Type.Optional(Type.String()),
        by: Type.Optional(Type.String({ description: 'Who changed it, where that is known' })),
        digest: Type.Optional(Type.String({ description: 'Names that plan; absent where this side cannot be picked' })),
        plan: Type.Array(Type.String(), {
          description: 'What would be written onto the other side if this one is picked',
        }),
        planned: Type.Optional(
          Type.Object(
            { action: PlannedScopeView.properties.action, counts: PlannedScopeView.properties.counts },
            { description: 'That plan in numbers; absent where nothing would be written' },
          ),
        ),
        obstacles: PlannedScopeView.properties.obstacles,
      }),
    ),
    base: literals(['known', 'absent', 'unknown'], 'The content that both last agreed on'),
    rejected: Type.Optional(Rejection),
    job: Type.Optional(Type.String({ description: 'The replication that held it last' })),
  },
  { title: 'Conflict' },
)
export type ConflictView = Static<typeof ConflictView>
export const ConflictList = Type.Object(
  {
    relationship: Type.String(),
    items: Type.Array(ConflictView),
    sides: Type.Array(
      Type.Object({
        server: Type.String(),
        role: literals(['authoritative', 'partner']),
        scopes: Type.Array(Type.String(), { description: 'Those of `items` for which it can be picked' }),
        digest: Type.Optional(Digest),
      }),
      { description: 'Picking one side for everything that is listed, in one decision' },
    ),
  },
  { title: 'ConflictList' },
)
export type ConflictList = Static<typeof ConflictList>

/** Picks a side for exactly these scopes, as the list of conflicts showed it. Answer: `Accepted`. */
export const PickBody = Type.Object(
  {
    ...who,
    side: Type.String({ description: 'Whose content is kept. The partner: one write onto the authoritative side' }),
    scopes: ScopeTexts,
    planDigest: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'The `digest` of that side for these scopes' }),
  },
  { title: 'Pick', additionalProperties: false },
)
export type PickBody = Static<typeof PickBody>

export const ClaimBody = Type.Object({ ...who }, { title: 'ClaimRequest', additionalProperties: false })
export type ClaimBody = Static<typeof ClaimBody>
export const Claimed = Type.Object(
  {
    server: Type.String(),
    previous: Type.Optional(Type.String({ description: 'The installation whose mark was replaced' })),
  },
  { title: 'Claimed' },
)
export type Claimed = Static<typeof Claimed>
