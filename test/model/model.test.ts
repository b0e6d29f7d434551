// Every scenario is visited completely, by two threads, and no rule is ever broken; then long random ways through a
// world in which everything may happen. TWINSCOPE_MODEL_SEED=N walks other ways, or the same ones again.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SCENARIOS } from './scenarios.ts'
import { exploreAll, type Piece } from './threads.ts'

const MIN_STATES = 2_000_000
const MIN_WALKS = 10_000
/** Pieces of the walks, so that both threads have some. */
const WALK_PIECES = 4
/** Three minutes on two processors, whatever else they have to do meanwhile. Milliseconds of both together. */
const MAX_PROCESSOR_MS = 2 * 180_000

function told(problem: string, trace: readonly string[]): string {
  return [problem, ...trace.map((line, index) => `${String(index + 1).padStart(4)}  ${line}`)].join('\n')
}

test('no way through the bounded worlds, and none of many longer ones, breaks a rule', async (context) => {
  const seed = Number(process.env.TWINSCOPE_MODEL_SEED ?? 1)
  const scenarios = SCENARIOS.map((_, scenario): Piece => ({ kind: 'scenario', scenario }))
  const walks = Array.from(
    { length: WALK_PIECES },
    (_, index): Piece => ({ kind: 'walks', seed: seed * WALK_PIECES + index, count: MIN_WALKS / WALK_PIECES }),
  )
  const before = process.cpuUsage()
  const startedAt = performance.now()
  const results = await exploreAll([...scenarios, ...walks])
  const seconds = (performance.now() - startedAt) / 1_000
  const { user, system } = process.cpuUsage(before)
  const processorMs = (user + system) / 1_000

  let states = 0
  let walked = 0
  for (const result of results) {
    if (result.kind === 'walks') {
      walked += result.count
      const { found } = result
      if (found !== undefined)
        assert.fail(told(`seed ${result.seed}, path ${result.path}: ${found.problem}`, found.trace))
    } else {
      states += result.states
      context.diagnostic(
        `${result.states} states, depth ${result.depth}, ${result.seconds.toFixed(1)} s: ${result.scenario}`,
      )
      const { found, scenario } = result
      if (found !== undefined) assert.fail(told(`${scenario}: ${found.problem}`, found.trace))
      assert.ok(result.isComplete, `${result.scenario} was not visited completely`)
    }
  }
  context.diagnostic(`${states} states and ${walked} walks (seed ${seed}) in ${seconds.toFixed(1)} s`)
  assert.ok(states >= MIN_STATES, `only ${states} states`)
  assert.ok(walked >= MIN_WALKS, `only ${walked} walks`)
  assert.ok(processorMs <= MAX_PROCESSOR_MS, `took ${Math.round(processorMs / 1_000)} s of processor time`)
})
