import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RegisteredGate } from '#contracts/registry.ts'
import { keepRegistered, type RegistryOptions } from './registry.ts'
import { AlreadyGuardedError, type Holder } from './single-instance.ts'

/** A bucket of one key in memory, with the compare-and-set of the real one. */
function aBucket() {
  let entry: { value: string; revision: number } | undefined
  let revision = 0
  const put = (value: string) => {
    entry = { value, revision: ++revision }
    return revision
  }
  return {
    get entry() {
      return entry && (JSON.parse(entry.value) as RegisteredGate)
    },
    get revision() {
      return revision
    },
    overwrite: (gate: Partial<RegisteredGate>) => put(JSON.stringify(gate)),
    wipe() {
      entry = undefined
    },
    bucket: {
      get: async () => entry,
      create: async (_: string, value: string) => (entry ? undefined : put(value)),
      update: async (_: string, value: string, expected: number) =>
        entry?.revision === expected ? put(value) : undefined,
      delete: async (_: string, expected?: number) => {
        if (entry?.revision !== expected) return false
        entry = undefined
        return true
      },
    },
  }
}

const OWN: Holder = { holder: 'own', host: 'host', pid: 1, startedAt: '2026-01-01T00:00:00.000Z' }

function aRegistry(store: Pick<ReturnType<typeof aBucket>, 'bucket'>, overrides: Partial<RegistryOptions> = {}) {
  const { own = OWN } = overrides
  const stop = new AbortController()
  const taken: RegisteredGate[] = []
  const registry = keepRegistered({
    bucket: store.bucket,
    server: 'dhcp1',
    own,
    replaces: undefined,
    describe: () => ({
      server: 'dhcp1',
      product: 'simulated',
      ...own,
      reachable: true,
      relationships: [],
    }),
    isConnected: () => true,
    onTaken: (other) => taken.push(other),
    logger: { error: (fields: object) => assert.fail(JSON.stringify(fields)) } as unknown as RegistryOptions['logger'],
    signal: stop.signal,
    renewEveryMs: 5,
    ...overrides,
  })
  return {
    registry,
    taken,
    async stop() {
      stop.abort()
      await registry.done
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

test('registers, renews, and takes the entry back at the end', async () => {
  const store = aBucket()
  const { registry, stop } = aRegistry(store)
  await registry.registered
  const first = store.revision
  await until(() => store.revision > first + 2, 'renewals')
  await stop()

  assert.equal(store.entry, undefined)
})

test('a change is written at once', async () => {
  const store = aBucket()
  const { registry, stop } = aRegistry(store, { renewEveryMs: 60_000 })
  await registry.registered
  const first = store.revision
  registry.changed()
  await until(() => store.revision === first + 1, 'the change')
  await stop()
})

test('takes over what an earlier watcher left, and comes back after a wipe', async () => {
  const store = aBucket()
  const replaces = store.overwrite({ holder: 'earlier' })
  const { registry, taken, stop } = aRegistry(store, { replaces })
  await registry.registered
  assert.equal(store.entry?.holder, 'own')
  store.wipe()
  await until(() => store.entry?.holder === 'own', 'registered again')
  await stop()

  assert.deepEqual(taken, [])
})

test('says when another watcher has taken the entry, and leaves it alone', async () => {
  const store = aBucket()
  const { registry, taken, stop } = aRegistry(store)
  await registry.registered
  store.overwrite({ holder: 'other', host: 'elsewhere', pid: 2 })
  await until(() => taken.length > 0, 'told')
  await registry.done
  await stop()

  assert.equal(taken[0]?.host, 'elsewhere')
  assert.equal(registry.isOurs(), false)
  assert.equal(store.entry?.holder, 'other')
})

test('writes nothing while NATS is away', async () => {
  const store = aBucket()
  let connected = false
  const { registry, stop } = aRegistry(store, { isConnected: () => connected })
  registry.changed()
  // Were the change tried again and again, no timer would ever fire.
  await sleep(20)
  assert.equal(store.entry, undefined)
  connected = true
  await registry.registered
  await stop()
})

const OTHER: Holder = { holder: 'other', host: 'elsewhere', pid: 2, startedAt: '2026-01-01T00:00:00.000Z' }

for (const [name, left] of [
  ['nothing', undefined],
  ['an expired registration', { holder: 'earlier', host: 'gone', renewedAt: '2020-01-01T00:00:00.000Z' }],
] as const) {
  test(`of two watchers that find ${name} and start together one has the server, the other is told`, async () => {
    const store = aBucket()
    const replaces = left && store.overwrite(left)
    const winner = aRegistry(store, { replaces })
    const loser = aRegistry(store, { replaces, own: OTHER })

    await assert.rejects(
      loser.registry.registered,
      (error: Error) => error instanceof AlreadyGuardedError && error.message.includes('process id 1 on host'),
    )
    await loser.registry.done
    const { revision } = store
    await until(() => store.revision > revision + 2, 'the winner renews')
    assert.deepEqual([winner.registry.isOurs(), loser.registry.isOurs()], [true, false])
    assert.deepEqual([winner.taken, loser.taken], [[], []])
    assert.equal(store.entry?.holder, 'own')
    await winner.stop()
  })
}

test('a registration that was made and left while NATS was away is no reason to give up', async () => {
  const store = aBucket()
  store.overwrite({ ...OTHER, renewedAt: '2020-01-01T00:00:00.000Z' })
  const { registry, taken, stop } = aRegistry(store)
  await registry.registered
  assert.equal(store.entry?.holder, 'own')
  await stop()
  assert.deepEqual(taken, [])
})

test('after a wipe the faster watcher has the server', async () => {
  const store = aBucket()
  const { registry, taken, stop } = aRegistry(store, {
    bucket: {
      ...store.bucket,
      // Another one registers between our look and our write.
      create: async (key, value) => {
        if (store.revision > 0) store.overwrite(OTHER)
        return store.bucket.create(key, value)
      },
    },
  })
  await registry.registered
  store.wipe()
  await until(() => taken.length > 0, 'told')
  await stop()
  assert.equal(store.entry?.holder, 'other')
})

test('what could not be renewed for a while is not trusted', async () => {
  const store = aBucket()
  let connected = true
  const { registry, stop } = aRegistry(store, { isConnected: () => connected, trustedForMs: 50 })
  await registry.registered
  assert.equal(registry.isOurs(), true)
  connected = false
  await until(() => !registry.isOurs(), 'not trusted any more')
  connected = true
  await until(() => registry.isOurs(), 'renewed')
  await stop()
  assert.equal(registry.isOurs(), false)
})
