// Whether a scope was changed while its server served without its partner: then it is a conflict, whatever the policy.

import type { Alone, Version } from './histories.ts'

/** A disturbance that began so long before may still last. Milliseconds. */
export const LASTING_MS = 60_000
/** Whoever can look at a server has seen the failover state that it was in for so long. Milliseconds. */
const SEEN_AFTER_MS = 1_000

type Known = {
  readonly alone: readonly Alone[]
  /** When something may have kept Twinscope from looking at the server. Milliseconds. */
  readonly interruptions: readonly number[]
}

/** It had served alone for long enough to be seen so, and nothing kept Twinscope from looking. */
export function isSurelyAlone({ fromMs, by }: Version, { alone, interruptions }: Known): boolean {
  if (by !== 'operator') return false
  const span = alone.find((one) => one.fromMs <= fromMs && fromMs <= one.toMs)
  if (span === undefined || fromMs - span.fromMs < SEEN_AFTER_MS) return false
  return !interruptions.some((atMs) => atMs > span.fromMs - LASTING_MS && atMs < fromMs + SEEN_AFTER_MS)
}

/**
 * Twinscope may have seen the change together with that state: it was made while the server served alone, or so, as
 * far as one can tell, who had not looked since before, or looked only later.
 */
export function mayBeAlone({ fromMs, by }: Version, alone: readonly Alone[], notLookedForMs: number): boolean {
  if (by === 'start') return false
  return alone.some(({ toMs }) => toMs >= fromMs - notLookedForMs)
}
