// How busy the machine is. What the system could not do because nobody let it run is no violation, so times are
// measured against what the machine gave, and a run's times are not divided further than it can follow.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Processor time that the probe uses. Milliseconds. */
const PROBE_MS = 150
const PROBE = `
  const began = performance.now()
  let usedMs = 0
  while (usedMs < ${PROBE_MS}) { const { user, system } = process.cpuUsage(); usedMs = (user + system) / 1000 }
  process.stdout.write(String((performance.now() - began + performance.nodeTiming.bootstrapComplete) / usedMs))`

/** How many times longer a process takes than the processor time that it uses: about 1 on an idle machine. */
export async function slowness(): Promise<number> {
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', PROBE])
  return Number(stdout)
}

/** Slower than this, the scaled times of the services are shorter than what the machine needs to let them run at all. */
const BEARABLE = 2.5

/** What times can be divided by, at most as wanted. */
export function bearableScale(wanted: number, slow: number): number {
  return Math.max(1, wanted / Math.max(1, slow / BEARABLE))
}

export type LagMeter = {
  /** By how much this process was held up, all in all. Milliseconds. */
  readonly totalMs: number
  stop(): void
}

const TICK_MS = 20

export function startLagMeter(): LagMeter {
  let totalMs = 0
  let dueMs = performance.now() + TICK_MS
  const timer = setInterval(() => {
    const now = performance.now()
    totalMs += Math.max(0, now - dueMs)
    dueMs = now + TICK_MS
  }, TICK_MS)
  return {
    get totalMs() {
      return totalMs
    },
    stop: () => clearInterval(timer),
  }
}
