// When to read a server in full. A full read costs the server time in which it answers no client
// (Kea: about 100 ms for 1000 scopes), so it happens only when something says that it is worth it:
//
//   cheap probe  every `probeEveryMs`; another instance, token or failover state is a reason
//   hint         the driver saw something by itself, a file written for instance
//   second look  `secondLookMs` after each of the two: Kea counts reloads in whole seconds, so a second
//                change within the same second looks like the first one
//   slow timer   every `fullReadEveryMs`, for what no probe and no hint shows
//
// A failed probe or read is never a change: it is said once, tried again with growing pauses, and the
// reason to look stays until a look succeeded.

import type { Probe, ScopeReader } from '#drivers/driver.ts'

export type LookReason = 'start' | 'probe' | 'hint' | 'second-look' | 'timer'

export type ChangeDetectorOptions = {
  readonly reader: Pick<ScopeReader, 'probe' | 'watch'>
  /** Reads the server in full. Rejects where it could not. */
  readonly look: (reason: LookReason) => Promise<void>
  /** A probe or look failed for the `failures`-th time in a row. */
  readonly onFailure: (error: unknown, failures: number) => void
  /** A probe, and the look it asked for, succeeded; `afterFailures` in a row before it. */
  readonly onSuccess: (afterFailures: number) => void
  /** Milliseconds between two probes. Default 1000. */
  readonly probeEveryMs: number
  /** Milliseconds between two full reads without any other reason. Default 30000. */
  readonly fullReadEveryMs: number
  /** Milliseconds. Default 2000. */
  readonly secondLookMs?: number
  /** The longest pause after failures. Milliseconds, default 10000. */
  readonly maxBackoffMs?: number
  readonly signal: AbortSignal
}

/** Watches until `signal` is aborted. Never rejects. */
export async function detectChanges(options: ChangeDetectorOptions): Promise<void> {
  const { reader, look, probeEveryMs, fullReadEveryMs, signal } = options
  const { secondLookMs = 2_000, maxBackoffMs = 10_000 } = options

  let due: LookReason | undefined = 'start'
  let secondLookAt = Number.POSITIVE_INFINITY
  let nextTimerAt = Number.POSITIVE_INFINITY
  let baseline: string | undefined
  let failures = 0
  let wake: (() => void) | undefined

  const stopWatching = reader.watch?.(() => {
    due = 'hint'
    secondLookAt = performance.now() + secondLookMs
    // A server that is down is not asked more often because its files change.
    if (failures === 0) wake?.()
  })

  function dueNow(): LookReason | undefined {
    const now = performance.now()
    if (due !== undefined) return due
    if (now >= secondLookAt) return 'second-look'
    return now >= nextTimerAt ? 'timer' : undefined
  }

  async function round(): Promise<void> {
    // Taken before the look, so that what changes after it differs from the baseline.
    const probed = fingerprintOf(await reader.probe(signal))
    const isNew = baseline !== undefined && probed !== baseline
    const reason = dueNow() ?? (isNew ? 'probe' : undefined)
    if (isNew) secondLookAt = performance.now() + secondLookMs
    if (reason === undefined) return
    if (reason === 'second-look') secondLookAt = Number.POSITIVE_INFINITY
    // Forgotten before the look: a hint that arrives during it asks for another one.
    due = undefined
    try {
      await look(reason)
    } catch (error) {
      due ??= reason
      throw error
    }
    baseline = probed
    nextTimerAt = performance.now() + fullReadEveryMs
  }

  /** Milliseconds until there is something to do. */
  function pause(): number {
    if (failures > 0) return jitter(Math.min(probeEveryMs * 2 ** (failures - 1), maxBackoffMs))
    if (due !== undefined) return 0
    return Math.max(0, Math.min(probeEveryMs, secondLookAt - performance.now()))
  }

  try {
    // Watchers of many servers, started together, do not probe in step.
    await wait(Math.random() * Math.min(probeEveryMs, 1_000))
    while (!signal.aborted) {
      try {
        await round()
        const before = failures
        failures = 0
        options.onSuccess(before)
      } catch (error) {
        if (signal.aborted) break
        failures++
        options.onFailure(error, failures)
      }
      await wait(pause())
    }
  } finally {
    stopWatching?.()
  }

  function wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        wake = undefined
        resolve()
      }
      const timer = setTimeout(done, ms)
      wake = done
      if (signal.aborted) done()
      else signal.addEventListener('abort', done)
    })
  }
}

/** Everything in a probe that is a reason to look. */
function fingerprintOf(probe: Probe): string {
  const states = probe.relationships.map(({ ownName, nativeState, state }) => [ownName, nativeState, state])
  return JSON.stringify([probe.instance, probe.token, states])
}

/** 75 to 100 % of `ms`. */
function jitter(ms: number): number {
  return ms * (0.75 + Math.random() / 4)
}
