import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Outcome, ScopeOutcome } from '#contracts/messages.ts'
import { MAX_MESSAGE_BYTES } from '#contracts/streams.ts'
import type { Bucket } from '#messaging/buckets.ts'
import { heldDigest } from './report.ts'
import { createSettled } from './settled.ts'

function bucketOf() {
  const entry = { value: undefined as string | undefined }
  const bucket: Pick<Bucket, 'get' | 'put'> = {
    get: () => Promise.resolve(entry.value === undefined ? undefined : { value: entry.value, revision: 1 }),
    put: (_, value) => {
      entry.value = value
      return Promise.resolve(1)
    },
  }
  return { entry, settled: createSettled(bucket as Bucket) }
}

function outcomeWith(rows: readonly ScopeOutcome[]): Outcome {
  return {
    job: 'J1',
    kind: 'final',
    level: 'relationship',
    automatic: true,
    slot: 'a-b',
    source: 'a',
    cause: { kind: 'tick' },
    createdAt: '2026-01-01T00:00:00Z',
    at: '2026-01-01T00:00:00Z',
    scopes: [...rows],
  }
}

const row = (scope: string, status: ScopeOutcome['status'], after = 's'): ScopeOutcome => ({
  scope,
  status,
  code: 'first-contact',
  message: '',
  before: 't',
  after,
})

test('a hold is told once; another one, and one that came back, are news', async () => {
  const { settled } = bucketOf()
  const told = async (...rows: readonly ScopeOutcome[]) => {
    const news = await settled.newsOf('a-b', outcomeWith(rows))
    await news.remember()
    return news.outcome?.scopes?.map(({ scope }) => scope)
  }
  const [one, two] = [row('10.0.1.0/24', 'held'), row('10.0.2.0/24', 'failed')]
  assert.deepEqual(await told(one, two), [one.scope, two.scope])
  assert.equal(await told(one, two), undefined)
  assert.deepEqual(await told(row(one.scope, 'held', 'other'), two), [one.scope])
  assert.deepEqual(await told(two), undefined)
  assert.deepEqual(await told(one, two), [one.scope])
})

test('the digest of what is told names the scopes that are shown, and not what was told before', async () => {
  const { settled } = bucketOf()
  const rows = ['10.0.1.0/24', '10.0.2.0/24'].map((scope) => ({ ...row(scope, 'held'), decision: 'first-contact' }))
  const digestOf = (held: readonly ScopeOutcome[]) => heldDigest('a', 'b', held) ?? 'none'
  const told = async (held: readonly ScopeOutcome[]) => {
    const news = await settled.newsOf('a-b', { ...outcomeWith(held), target: 'b', planDigest: digestOf(held) })
    await news.remember()
    return news.outcome
  }
  assert.equal((await told(rows.slice(0, 1)))?.planDigest, digestOf(rows.slice(0, 1)))
  const second = await told(rows)
  assert.deepEqual(second?.scopes, rows.slice(1))
  assert.equal(second?.planDigest, digestOf(rows.slice(1)))
})

test('what ten thousand scopes wait for is remembered in one message: it would be told every minute otherwise', async () => {
  const { settled, entry } = bucketOf()
  const rows = Array.from({ length: 10_000 }, (_, index) => row(`10.${index >> 8}.${index & 255}.0/24`, 'held'))
  await (await settled.newsOf('a-b', outcomeWith(rows))).remember()
  assert.ok(Buffer.byteLength(entry.value ?? '') < MAX_MESSAGE_BYTES, `${Buffer.byteLength(entry.value ?? '')} bytes`)
})
