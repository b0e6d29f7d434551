// A short campaign at the whole system, and the same with protections switched off, which must be noticed.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { campaign, describeRun, describeSummary } from './campaign.ts'
import { makeSchedule } from './schedule.ts'
import { simulatedFleet } from './simulated-fleet.ts'

/** Repeatable: `npm run faults -- --runs 1 --seed …` with the number that a failure names. */
const SEED = 1
const RUNS = 20
/** A busy machine begins none after this, and fewer than this many show too little. Milliseconds. */
const UNTIL_MS = 380_000
const LEAST_RUNS = 6
/** A lock lives for a second here, and relationships are compared every other second. */
const SCALE = 30
/** Before it is divided. Milliseconds. */
const LENGTH_MS = 120_000

test(`up to ${RUNS} runs with random faults show no violation`, { timeout: 500_000 }, async (t) => {
  const summary = await campaign({
    fleetOf: simulatedFleet,
    runs: RUNS,
    seed: SEED,
    scale: SCALE,
    lengthMs: LENGTH_MS,
    parallel: 2,
    untilMs: UNTIL_MS,
    onRun: (result) => t.diagnostic(describeRun(result)),
  })
  t.diagnostic(describeSummary(summary))
  if (summary.runs < RUNS) t.diagnostic(`ONLY ${summary.runs} OF ${RUNS} RUNS: this machine is too busy for the rest`)
  assert.equal(summary.violations, 0)
  assert.equal(summary.failed, 0)
  assert.ok(summary.runs >= LEAST_RUNS, `only ${summary.runs} runs in ${UNTIL_MS} ms`)
  assert.ok(summary.faults >= 20 * summary.runs)
  assert.ok(summary.writes > 0, 'a campaign in which nothing was written shows nothing')
})

test('the same seed makes the same schedule, another one another, and each has at least 20 faults', () => {
  const timing = { scale: SCALE, lengthMs: LENGTH_MS }
  const fleet = simulatedFleet()
  assert.deepEqual(makeSchedule(7, timing, fleet), makeSchedule(7, timing, fleet))
  assert.notDeepEqual(makeSchedule(7, timing, fleet).steps, makeSchedule(8, timing, fleet).steps)
  const kinds = new Set<string>()
  for (let seed = 0; seed < 200; seed++) {
    const schedule = makeSchedule(seed, timing, fleet)
    assert.ok(schedule.faults >= 20)
    for (const { act } of schedule.steps) kinds.add(act.kind)
  }
  // Every kind of fault comes in two hundred runs, beside edits and requests.
  assert.equal(kinds.size, 15)
})
