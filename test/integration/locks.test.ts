// The relationship lock against a real Redis: down, killed, stalled.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '#harness/eventually.ts'
import { type RedisServer, startRedis } from '#harness/redis.ts'
import { createLocks, type Lock, LockError, type Locks, lockKey } from '#locks/lock.ts'
import { connectRedis, type Redis } from '#locks/redis.ts'
import { createLogger } from '#telemetry/logger.ts'

const logger = createLogger({ service: 'test', level: process.env.TWINSCOPE_LOG_LEVEL ?? 'silent' })
const OPTIONS = { timeout: 30_000 }
/** Short enough for a test, long enough for a busy machine. */
const TTL_MS = 1_500

let server: RedisServer
let clients: Redis[]

beforeEach(async () => {
  server = await startRedis()
  clients = []
})
afterEach(async () => {
  for (const client of clients) client.disconnect()
  await server.stop()
})

async function replicator(ttlMs = TTL_MS): Promise<Locks & { redis: Redis }> {
  const redis = await connectRedis({ url: server.url, logger })
  clients.push(redis)
  return { ...createLocks({ redis, logger, ttlMs }), redis }
}

function isUnavailable(error: unknown): boolean {
  return error instanceof LockError && error.code === 'redis-unavailable'
}

/** Holds a lock until it is released by hand. */
async function hold(locks: Locks, name = 'a-b') {
  const got = Promise.withResolvers<Lock>()
  const released = Promise.withResolvers<string>()
  const result = locks.withLock(name, (lock) => {
    got.resolve(lock)
    return released.promise
  })
  result.catch(got.reject)
  return { lock: await got.promise, release: () => released.resolve('done'), result }
}

test('one holds a lock, another is told so, different locks do not meet', OPTIONS, async () => {
  const [one, two] = [await replicator(), await replicator()]
  const held = await hold(one)
  assert.equal(held.lock.mayWrite(), true)
  assert.deepEqual(await two.withLock('a-b', async () => 'never'), { kind: 'held-elsewhere' })
  assert.deepEqual(await two.withLock('c-d', async () => 'other'), { kind: 'done', value: 'other' })
  held.release()
  assert.deepEqual(await held.result, { kind: 'done', value: 'done' })
  assert.deepEqual(await two.withLock('a-b', async () => 'now'), { kind: 'done', value: 'now' })
})

test('a lock is released when its work fails, and the failure is passed on', OPTIONS, async () => {
  const locks = await replicator()
  await assert.rejects(
    locks.withLock('a-b', async () => {
      throw new Error('the work')
    }),
    /the work/,
  )
  assert.equal((await locks.withLock('a-b', async () => 1)).kind, 'done')
})

test('a lock is renewed for as long as the work takes', OPTIONS, async () => {
  const [one, two] = [await replicator(), await replicator()]
  const held = await hold(one)
  await sleep(TTL_MS * 2)
  assert.equal(held.lock.mayWrite(), true)
  assert.equal(held.lock.lost.aborted, false)
  assert.equal((await two.withLock('a-b', async () => 1)).kind, 'held-elsewhere')
  held.release()
  await held.result
})

test('the lock of a holder that died is free after its time', OPTIONS, async () => {
  const [one, two] = [await replicator(), await replicator()]
  await one.redis.set(lockKey('a-b'), 'a dead one', 'PX', 300)
  assert.equal((await two.withLock('a-b', async () => 1)).kind, 'held-elsewhere')
  await eventually(async () => (await two.withLock('a-b', async () => 1)).kind === 'done')
})

test('without Redis there is no lock; with it there is again', OPTIONS, async () => {
  const locks = await replicator()
  await server.kill9()
  await assert.rejects(
    locks.withLock('a-b', async () => assert.fail('worked without a lock')),
    isUnavailable,
  )
  await server.restart()
  await eventually(async () => (await locks.withLock('a-b', async () => 1)).kind === 'done')
})

test('a service that starts before Redis goes on when it comes', OPTIONS, async () => {
  await server.kill9()
  const locks = await replicator()
  await assert.rejects(
    locks.withLock('a-b', async () => 1),
    isUnavailable,
  )
  await server.restart()
  await eventually(async () => (await locks.withLock('a-b', async () => 1)).kind === 'done')
})

test(
  'a Redis that was killed forgets the lock: its holder learns it before it may be trusted no more',
  OPTIONS,
  async () => {
    const [one, two] = [await replicator(), await replicator()]
    const held = await hold(one)
    await server.kill9()
    await server.restart()
    await eventually(() => held.lock.lost.aborted, { timeoutMs: TTL_MS, what: 'the holder learns it' })
    assert.equal(held.lock.mayWrite(), false)
    const other = await hold(two)
    held.release()
    await held.result
    assert.equal((await one.withLock('a-b', async () => 1)).kind, 'held-elsewhere', "another's lock is never released")
    other.release()
    await other.result
  },
)

test('with a stalled Redis no write is started when two thirds of the time are over', OPTIONS, async () => {
  const locks = await replicator()
  const held = await hold(locks)
  await server.process.kill('SIGSTOP')
  const from = performance.now()
  assert.equal(held.lock.mayWrite(), true)
  await eventually(() => held.lock.lost.aborted, { timeoutMs: TTL_MS, everyMs: 5 })
  const tookMs = performance.now() - from
  assert.ok(tookMs < TTL_MS, `lost after ${tookMs} ms, before Redis would give it to another`)
  assert.equal(held.lock.mayWrite(), false)
  await server.process.kill('SIGCONT')
  held.release()
  await held.result
})

test('a process that was paused may not write when it wakes up', OPTIONS, async () => {
  const [one, two] = [await replicator(), await replicator()]
  const held = await hold(one)
  // Blocks this process, timers included, as a pause does.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, TTL_MS + 100)
  assert.equal(held.lock.mayWrite(), false)
  assert.equal((await two.withLock('a-b', async () => 'taken over')).kind, 'done')
  await eventually(() => held.lock.lost.aborted)
  held.release()
  await held.result
})

test('a lock whose answer was lost does not keep everybody waiting', OPTIONS, async () => {
  const [one, two] = [await replicator(60_000), await replicator()]
  await server.process.kill('SIGSTOP')
  await assert.rejects(
    one.withLock('a-b', async () => assert.fail('worked without a lock')),
    isUnavailable,
  )
  await server.process.kill('SIGCONT')
  await eventually(async () => (await two.withLock('a-b', async () => 1)).kind === 'done', { timeoutMs: 8_000 })
})
