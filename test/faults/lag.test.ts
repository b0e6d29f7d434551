// The measure of how busy the machine is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { bearableScale, slowness, startLagMeter } from './lag.ts'

test('times are divided as wanted where the machine follows, less where it is slow, and never stretched', () => {
  assert.equal(bearableScale(20, 1), 20)
  assert.equal(bearableScale(20, 2.5), 20)
  assert.equal(bearableScale(20, 10), 5)
  assert.equal(bearableScale(20, 1_000), 1)
})

test('a process takes about the processor time that it uses, or longer', async () => {
  // Its start uses several processors at once where they are free.
  const slow = await slowness()
  assert.ok(slow > 0.4 && Number.isFinite(slow), `${slow}`)
})

test('the meter counts what held this process up', async () => {
  const meter = startLagMeter()
  try {
    await delay(60)
    const before = meter.totalMs
    const until = performance.now() + 300
    while (performance.now() < until);
    await delay(60)
    assert.ok(meter.totalMs - before >= 250, `${meter.totalMs - before}`)
  } finally {
    meter.stop()
  }
})
