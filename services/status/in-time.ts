// What is written through NATS for a caller who waits: done in time, or refused in time.

import type { Messaging } from '#messaging/connection.ts'
import { ProblemError } from './problems.ts'

/** Milliseconds until the caller is told that NATS does not answer. */
const TIMEOUT_MS = 5_000

/**
 * Fails in time instead of waiting for NATS: the caller decides whether to try again. `again` says how, and what a
 * repetition does.
 */
export async function inTime<T>(
  messaging: Pick<Messaging, 'connected'>,
  again: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (!messaging.connected) {
    throw new ProblemError('messaging-unavailable', `nothing was accepted: NATS is not reachable. ${again}`)
  }
  const signal = AbortSignal.timeout(TIMEOUT_MS)
  const late = Promise.withResolvers<never>()
  const onLate = () =>
    late.reject(new ProblemError('messaging-unavailable', `NATS did not acknowledge it in time. ${again}`))
  signal.addEventListener('abort', onLate)
  const running = work(signal)
  running.catch(() => {})
  try {
    return await Promise.race([running, late.promise])
  } finally {
    signal.removeEventListener('abort', onLate)
  }
}
