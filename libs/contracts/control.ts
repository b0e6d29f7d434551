// What operators set beside the configuration, in the bucket `control`: pauses and rejections.

import { type Static, Type } from 'typebox'

/** Nothing is replicated while it stands; changes are seen and wait. Restores and moves of the authority go on. */
export const Pause = Type.Object({
  /** Absent: the whole fleet. */
  relationship: Type.Optional(Type.String()),
  by: Type.String(),
  at: Type.String(),
  /** Ends by itself then; absent: until somebody resumes. RFC 3339, UTC. */
  until: Type.Optional(Type.String()),
  reason: Type.Optional(Type.String()),
})
export type Pause = Static<typeof Pause>

/** A pair of contents that somebody does not want to be proposed again until one side changes. */
export const Rejection = Type.Object({
  /** Fingerprint on the authoritative side; absent: the scope was not there. */
  source: Type.Optional(Type.String()),
  target: Type.Optional(Type.String()),
  job: Type.String(),
  by: Type.String(),
  at: Type.String(),
  reason: Type.Optional(Type.String()),
})
export type Rejection = Static<typeof Rejection>

/** Scope → the rejected pair. */
export const Rejections = Type.Record(Type.String(), Rejection)
export type Rejections = Static<typeof Rejections>
