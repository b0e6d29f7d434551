// Which side of a relationship was the authoritative one, and when.

import type { Evidence, Relationship } from './evidence.ts'

/** The side at that time; `undefined` while it was being moved, when either may be copied from. */
export function authorityAt(evidence: Evidence, { name, authority }: Relationship, atMs: number): string | undefined {
  const moves = (evidence.moves ?? []).filter(({ relationship }) => relationship === name)
  if (moves.some(({ beganAtMs, endedAtMs }) => beganAtMs <= atMs && atMs < endedAtMs)) return undefined
  return moves.findLast(({ endedAtMs }) => endedAtMs <= atMs)?.side ?? authority
}

/** The relationship with the sides as they were when the run ended. */
export function asItEnded(evidence: Evidence, relationship: Relationship): Relationship {
  const authority = authorityAt(evidence, relationship, evidence.endedAtMs) ?? relationship.authority
  const partner = authority === relationship.authority ? relationship.partner : relationship.authority
  return { ...relationship, authority, partner }
}
