import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { DriverError, type Probe } from '#drivers/driver.ts'
import { type ChangeDetectorOptions, detectChanges, type LookReason } from './change-detector.ts'

/** A reader that the test moves, and a record of the looks. */
function aWatchedServer(overrides: Partial<ChangeDetectorOptions> = {}) {
  let hint: ((what: string) => void) | undefined
  const server = {
    token: 1,
    state: 'normal' as Probe['relationships'][number]['state'],
    down: false,
    probes: 0,
    looks: [] as LookReason[],
    failures: [] as number[],
    recoveries: [] as number[],
    hint: () => hint?.('file written'),
    during: undefined as (() => void) | undefined,
    watching: false,
  }
  const stop = new AbortController()
  const running = detectChanges({
    reader: {
      async probe() {
        server.probes++
        if (server.down) throw new DriverError('unreachable', 'down')
        return {
          instance: 'i',
          token: String(server.token),
          relationships: [{ name: 'r', ownName: 's', nativeState: server.state, state: server.state }],
        }
      },
      watch(onHint) {
        hint = onHint
        server.watching = true
        return () => {
          server.watching = false
        }
      },
    },
    async look(reason) {
      const { during } = server
      server.during = undefined
      during?.()
      server.looks.push(reason)
    },
    onFailure: (_, failures) => server.failures.push(failures),
    onSuccess: (after) => after > 0 && server.recoveries.push(after),
    probeEveryMs: 5,
    fullReadEveryMs: 60_000,
    secondLookMs: 60_000,
    signal: stop.signal,
    ...overrides,
  })
  return {
    ...{ server },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
      assert.equal(server.watching, false, 'the watch is stopped')
    },
  }
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadline) assert.fail(`never happened: ${what}`)
    await sleep(1)
  }
}

/** Long enough for several probes to have happened. */
async function severalProbes(server: { readonly probes: number }): Promise<void> {
  const from = server.probes
  await until(() => server.probes >= from + 5, 'several probes')
}

test('reads at the start, and not again while the probe says nothing new', async () => {
  await using watched = aWatchedServer()
  const { server } = watched
  await severalProbes(server)

  assert.deepEqual(server.looks, ['start'])
})

test('reads when the token or the failover state changes', async () => {
  await using watched = aWatchedServer()
  const { server } = watched
  await severalProbes(server)
  server.token = 2
  await until(() => server.looks.length === 2, 'a look for the token')
  server.state = 'partner-down'
  await until(() => server.looks.length === 3, 'a look for the state')
  await severalProbes(server)

  assert.deepEqual(server.looks, ['start', 'probe', 'probe'])
})

test('a change between probe and read is read once more', async () => {
  await using watched = aWatchedServer()
  const { server } = watched
  await severalProbes(server)
  server.during = () => server.token++
  server.token++
  await until(() => server.looks.length === 3, 'a second look')
  await severalProbes(server)

  assert.deepEqual(server.looks, ['start', 'probe', 'probe'])
})

test('a hint is looked at without waiting for the next probe, and again after the second-look time', async () => {
  await using watched = aWatchedServer({ probeEveryMs: 300, secondLookMs: 40 })
  const { server } = watched
  await until(() => server.looks.length === 1, 'the first look')
  const at = performance.now()
  server.hint()
  await until(() => server.looks.length === 2, 'a look for the hint')
  assert.ok(performance.now() - at < 200, 'long before the next probe')
  await until(() => server.looks.length === 3, 'the second look')
  await severalProbes(server)

  assert.deepEqual(server.looks, ['start', 'hint', 'second-look'])
})

test('a new token has a second look too', async () => {
  await using watched = aWatchedServer({ secondLookMs: 40 })
  const { server } = watched
  await until(() => server.looks.length === 1, 'the first look')
  server.token++
  await until(() => server.looks.length === 3, 'the second look')

  assert.deepEqual(server.looks, ['start', 'probe', 'second-look'])
})

test('a hint during a read is not lost', async () => {
  await using watched = aWatchedServer()
  const { server } = watched
  await until(() => server.looks.length === 1, 'the first look')
  server.during = () => server.hint()
  server.hint()
  await until(() => server.looks.length === 3, 'a look for each hint')

  assert.deepEqual(server.looks, ['start', 'hint', 'hint'])
})

test('reads by the slow timer without any other reason', async () => {
  await using watched = aWatchedServer({ fullReadEveryMs: 30 })
  const { server } = watched
  await until(() => server.looks.length === 3, 'two looks by the timer')

  assert.deepEqual(server.looks, ['start', 'timer', 'timer'])
})

test('a failed read is tried again for the same reason', async () => {
  await using watched = aWatchedServer()
  const { server } = watched
  await severalProbes(server)
  server.during = () => {
    throw new DriverError('timed-out', 'no answer')
  }
  server.hint()
  await until(() => server.looks.length === 2, 'the look after the failure')

  assert.deepEqual(server.looks, ['start', 'hint'])
  assert.deepEqual(server.failures, [1])
  assert.deepEqual(server.recoveries, [1])
})

test('a server that is down is asked ever more rarely, hints or not, and looked at when it is back', async () => {
  await using watched = aWatchedServer({ probeEveryMs: 5, maxBackoffMs: 50 })
  const { server } = watched
  await until(() => server.looks.length === 1, 'the first look')
  server.down = true
  await until(() => server.failures.length === 5, 'five failures')
  const at = performance.now()
  for (let index = 0; index < 20; index++) server.hint()
  await until(() => server.failures.length === 7, 'two more failures')
  assert.ok(performance.now() - at > 50, 'with pauses')
  server.down = false
  await until(() => server.looks.length === 2, 'the look after it is back')

  assert.equal(server.looks[1], 'hint')
  assert.equal(server.recoveries.length, 1)
})
