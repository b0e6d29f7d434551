import assert from 'node:assert/strict'
import test from 'node:test'
import { LoadTracker } from './probe.ts'

/** What Kea says at a moment of its clock: differences between whole seconds. */
function status(now: number, started: number, loaded: number) {
  return {
    pid: 1,
    uptime: Math.floor(now / 1_000) - Math.floor(started / 1_000),
    reload: Math.floor(now / 1_000) - Math.floor(loaded / 1_000),
  }
}

function looks(tracker: LoadTracker, now: number, started: number, loaded: number) {
  return tracker.look(status(now, started, loaded), { sentAt: now - 3, answeredAt: now + 2 }, false)
}

test('the token stays as long as the configuration does, whatever the seconds say', async () => {
  const tracker = new LoadTracker()
  const tokens = new Set<string>()
  for (let now = 11_001; now < 60_000; now += 237) tokens.add((await looks(tracker, now, 3_210, 9_870)).token)
  assert.equal(tokens.size, 1)
})

test('a reload changes the token, not the instance', async () => {
  const tracker = new LoadTracker()
  const before = await looks(tracker, 20_000, 3_210, 9_870)
  const after = await looks(tracker, 25_000, 3_210, 22_500)
  assert.equal(after.instance, before.instance)
  assert.notEqual(after.token, before.token)
})

test('a second reload within the same second changes the token when that second is over', async () => {
  const tracker = new LoadTracker()
  const first = await looks(tracker, 20_200, 3_210, 20_100)
  assert.equal((await looks(tracker, 20_900, 3_210, 20_700)).token, first.token)
  const over = await looks(tracker, 21_001, 3_210, 20_700)
  assert.notEqual(over.token, first.token)
  assert.equal((await looks(tracker, 24_000, 3_210, 20_700)).token, over.token)
})

test('a restart changes the instance, also with the same pid', async () => {
  const tracker = new LoadTracker()
  const before = await looks(tracker, 20_000, 3_210, 3_210)
  const after = await looks(tracker, 30_000, 28_000, 28_000)
  assert.notEqual(after.instance, before.instance)
})
