// Waits for what must become true, instead of sleeping and hoping.

import { setTimeout as sleep } from 'node:timers/promises'

export type EventuallyOptions = {
  /** Milliseconds. Default 10,000. */
  readonly timeoutMs?: number
  /** Milliseconds between two looks. Default 20. */
  readonly everyMs?: number
  /** What is waited for; part of the failure's message. */
  readonly what?: string
}

/**
 * Calls `fn` until it neither throws nor answers `false`, and returns its answer. Fails with the last reason.
 * A function that only asserts answers `undefined` and is done; one that looks something up says `?? false`.
 */
export async function eventually<T>(
  fn: () => T | Promise<T>,
  options: EventuallyOptions = {},
): Promise<Exclude<T, false>> {
  const timeoutMs = options.timeoutMs ?? 10_000
  const until = performance.now() + timeoutMs
  let reason: unknown
  for (;;) {
    try {
      const value = await fn()
      if (value !== false) return value as Exclude<T, false>
      reason = 'the last answer was false'
    } catch (error) {
      reason = error
    }
    if (performance.now() > until) {
      const why = reason instanceof Error ? reason.message : String(reason)
      throw new Error(`${options.what ?? 'what was waited for'} did not happen within ${timeoutMs} ms: ${why}`, {
        cause: reason,
      })
    }
    await sleep(options.everyMs ?? 20)
  }
}
