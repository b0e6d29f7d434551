// Many runs, each with a seed of its own: the first has the campaign's, every next one the number after it, so that
// any of them can be repeated alone.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Fleet } from './fleet.ts'
import { bearableScale, slowness } from './lag.ts'
import { type RunResult, run } from './run.ts'
import { makeSchedule } from './schedule.ts'

export type CampaignOptions = {
  /** The servers of a run, by its seed. */
  readonly fleetOf: (seed: number) => Fleet
  readonly runs: number
  readonly seed: number
  /** What all times are divided by; a busy machine gets more time. */
  readonly scale: number
  /** Of the part with faults of each run, before it is divided by `scale`. Milliseconds, default the fleet's. */
  readonly lengthMs?: number
  /** Runs at the same time. */
  readonly parallel: number
  /** No run is begun after this. Milliseconds. */
  readonly untilMs?: number
  /** Names the protection that the watchers run without. */
  readonly without?: string
  /** The directories of all runs stay. */
  readonly keep?: boolean
  readonly onRun: (result: RunResult | FailedRun) => void
}

/** The harness itself could not do its work: nothing is known of the invariants. */
export type FailedRun = { readonly seed: number; readonly failure: string }

export type Summary = {
  readonly runs: number
  readonly faults: number
  readonly writes: number
  readonly requests: number
  readonly held: number
  readonly lostInWipes: number
  readonly inTheGap: number
  readonly violations: number
  readonly failed: number
}

export async function campaign(options: CampaignOptions): Promise<Summary> {
  const startedAt = performance.now()
  const results: RunResult[] = []
  const compiled = await mkdtemp(join(tmpdir(), 'twinscope-compiled-'))
  let begun = 0
  let failed = 0

  async function worker(): Promise<void> {
    while (begun < options.runs) {
      if (options.untilMs !== undefined && performance.now() - startedAt > options.untilMs) return
      const seed = options.seed + begun++
      const { without } = options
      const fleet = options.fleetOf(seed)
      const lengthMs = options.lengthMs ?? fleet.lengthMs
      try {
        const scale = bearableScale(options.scale, await slowness())
        const result = await run({
          fleet,
          schedule: makeSchedule(seed, { scale, lengthMs }, fleet),
          scale,
          compiled,
          ...(without && { without }),
          ...(options.keep && { keep: true }),
        })
        results.push(result)
        options.onRun(result)
      } catch (error) {
        failed++
        options.onRun({ seed, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      }
    }
  }

  await Promise.all(Array.from({ length: options.parallel }, worker)).finally(() =>
    rm(compiled, { recursive: true, force: true }),
  )
  const sum = (of: (result: RunResult) => number) => results.reduce((total, result) => total + of(result), 0)
  return {
    runs: results.length,
    faults: sum(({ faults }) => faults),
    writes: sum(({ writes }) => writes),
    requests: sum(({ requests }) => requests),
    held: sum(({ held }) => held),
    lostInWipes: sum(({ lostInWipes }) => lostInWipes),
    inTheGap: sum(({ inTheGap }) => inTheGap),
    violations: sum(({ violations }) => violations.length),
    failed,
  }
}

export function describeRun(result: RunResult | FailedRun): string {
  if ('failure' in result) return `✗ seed ${result.seed}: the harness failed: ${result.failure}`
  const { seed, title, scale, faults, writes, requests, held, violations, wallMs, settledAfterMs, directory } = result
  const settled =
    settledAfterMs === undefined ? 'not settled' : `settled after ${(settledAfterMs / 1_000).toFixed(1)} s`
  const numbers = `${faults} faults, ${writes} writes, ${requests} requests, ${held} held, ${settled}, ${(wallMs / 1_000).toFixed(0)} s, times / ${scale.toFixed(1)}`
  const kept = directory === undefined ? '' : `; logs in ${directory}`
  if (violations.length === 0) return `✓ seed ${seed}, ${title}: ${numbers}${kept}`
  const lines = violations.map(({ invariant, message }) => `    ${invariant}: ${message}`)
  return [`✗ seed ${seed}, ${title}: ${numbers}, ${violations.length} violations${kept}`, ...lines].join('\n')
}

/** The last line of a campaign. */
export function describeSummary(summary: Summary): string {
  const { runs, faults, writes, requests, held, lostInWipes, inTheGap, violations, failed } = summary
  const lost = `${lostInWipes} lost with NATS`
  const gap = `${inTheGap} edits in the gate's gap`
  const harness = failed === 0 ? '' : `, ${failed} runs that could not be judged`
  return `${runs} runs, ${faults} faults, ${writes} writes, ${requests} requests (${lost}), ${held} rightly held, ${gap}, ${violations} violations${harness}`
}
