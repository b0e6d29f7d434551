// Whether a failure is worth another delivery, and when. Nothing else in the service decides it.

import { LockError } from '#locks/lock.ts'
import type { Disposition } from '#messaging/consume.ts'
import { GateError } from '#messaging/gate-client.ts'
import type { RunWait } from '#protocol/job-types.ts'

const MAX_DELAY_MS = 30_000

/** For reads at a gate: a server with ten thousand scopes takes seconds. */
export const READ_TIMEOUT_MS = 30_000

/** Unexpected failures of a handler: the message comes again, later each time. */
export function dispositionOf(error: unknown, deliveryCount: number): Disposition {
  const backOff: Disposition = { kind: 'nak', delayMs: Math.min(2 ** Math.min(deliveryCount, 10) * 250, MAX_DELAY_MS) }
  if (error instanceof LockError) return { kind: 'nak', delayMs: 1_000 }
  return backOff
}

/** After this many runs that crashed or failed unexpectedly, a job is published as failed (`parked`). */
export const MAX_ATTEMPTS = 5

/** A pause without an end, or a window that opens in no foreseeable time. */
const LOOK_AGAIN_MS = 60_000

/** How long a job waits before the next look, by reason and by how often it has waited already. */
export function waitDelayMs(reason: RunWait, waits: number): number {
  const backOff = (firstMs: number, mostMs: number) => Math.min(firstMs * 2 ** Math.min(waits, 16), mostMs)
  switch (reason) {
    case 'quiet-period':
    case 'soak-delay':
      return 0 // the run names the moment itself
    case 'paused':
    case 'outside-window':
      return LOOK_AGAIN_MS // where the end is not known; resuming wakes it earlier
    case 'partner-not-normal':
    case 'source-not-steady':
      return backOff(100, 10_000) // the watcher's registration wakes it earlier
    case 'lock-held':
      return backOff(250, 5_000)
    case 'covering':
      // Two runs that write in opposite directions refuse each other: in step they would do so again and again.
      return backOff(250, 5_000) * (0.5 + Math.random())
    case 'uncertain':
    case 'settings-differ':
      return backOff(500, 10_000)
    case 'unreachable':
      return backOff(500, MAX_DELAY_MS)
    default:
      return reason satisfies never
  }
}

/**
 * The watcher of a server ignores other fields of a relationship than this process: its contents and fingerprints
 * cannot be compared with those of the other side, and a write would lose what was to be kept.
 */
export class SettingsDiffer extends Error {
  constructor(server: string, relationship: string, there: readonly string[], here: readonly string[]) {
    const list = (fields: readonly string[]) => (fields.length === 0 ? 'nothing' : fields.join(', '))
    super(
      `the watcher of ${server} ignores ${list(there)} in ${relationship}, this replicator ignores ${list(here)}: one of them runs with another configuration. Give both the same file and restart them; nothing is compared or written until then`,
    )
    this.name = 'SettingsDiffer'
  }
}

/** What a gate's answer means for a run. */
export type GateVerdict =
  | { readonly kind: 'wait'; readonly wait: RunWait; readonly message: string }
  | { readonly kind: 'outdated'; readonly why: 'stale-ticket' | 'stale-epoch' | 'input-changed' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }

export function verdictOf(error: unknown, server: string): GateVerdict | undefined {
  if (error instanceof SettingsDiffer) return { kind: 'wait', wait: 'settings-differ', message: error.message }
  if (!(error instanceof GateError)) return undefined
  switch (error.code) {
    case 'no-responders':
      return { kind: 'wait', wait: 'unreachable', message: `the watcher of ${server} does not answer; is it running?` }
    case 'timed-out':
    case 'unreachable':
      return { kind: 'wait', wait: 'unreachable', message: error.message }
    case 'uncertain':
      return { kind: 'wait', wait: 'uncertain', message: error.message }
    case 'not-normal':
      return { kind: 'wait', wait: 'partner-not-normal', message: error.message }
    case 'covering':
      return { kind: 'wait', wait: 'covering', message: error.message }
    case 'stale-ticket':
    case 'stale-epoch':
      return { kind: 'outdated', why: error.code }
    case 'bad-content':
      return { kind: 'outdated', why: 'input-changed' }
    case 'authoritative-side':
    case 'unknown-relationship':
    case 'unknown-job':
    case 'malformed':
    case 'foreign-installation':
    case 'access-denied':
    case 'server-error':
    case 'internal':
      return { kind: 'refused', code: error.code, message: error.message }
    default:
      return error.code satisfies never
  }
}
