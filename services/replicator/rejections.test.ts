import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Rejection } from '#contracts/control.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { SideRow } from '#plan/compare.ts'
import { createRejections, pairsShown } from './rejections.ts'

const [ONE, TWO] = ['10.0.1.0/24', '10.0.2.0/24']
const at = '2026-01-01T00:00:00Z'
const rejection = (source: string, target: string): Rejection => ({ source, target, job: 'J1', by: 'bob', at })
const row = (scope: string, live: string, more: Partial<SideRow> = {}): SideRow => ({ scope, live, ...more })

/** One key; `meddle` runs before a write, as somebody else would. */
function bucketWith(meddle: () => void = () => {}) {
  const entry = { value: undefined as string | undefined, revision: 0 }
  const write = (value: string, expected: number) => {
    meddle()
    if (entry.revision !== expected) return Promise.resolve(undefined)
    Object.assign(entry, { value, revision: entry.revision + 1 })
    return Promise.resolve(entry.revision)
  }
  const bucket: Pick<Bucket, 'get' | 'create' | 'update'> = {
    get: () =>
      Promise.resolve(entry.value === undefined ? undefined : { value: entry.value, revision: entry.revision }),
    create: (_, value) => write(value, 0),
    update: (_, value, revision) => write(value, revision),
  }
  return { rejections: createRejections(bucket as Bucket), entry }
}

test('a rejection ends when one side changes: the same pair, come back later, is news', async () => {
  const { rejections, entry } = bucketWith()
  await rejections.add('a-b', { [ONE]: rejection('s', 't'), [TWO]: rejection('s', 't') })
  const same = await rejections.standing('a-b', [row(ONE, 's'), row(TWO, 's')], [row(ONE, 't'), row(TWO, 't')])
  assert.deepEqual(Object.keys(same), [ONE, TWO])
  const changed = await rejections.standing('a-b', [row(ONE, 's'), row(TWO, 's')], [row(ONE, 's'), row(TWO, 't')])
  assert.deepEqual(Object.keys(changed), [TWO])
  const back = await rejections.standing('a-b', [row(ONE, 's'), row(TWO, 's')], [row(ONE, 't'), row(TWO, 't')])
  assert.deepEqual(Object.keys(back), [TWO])
  assert.deepEqual(Object.keys(JSON.parse(entry.value ?? '{}')), [TWO])
})

test('a scope that cannot be read in full keeps its rejection, one that is gone does not', async () => {
  const { rejections } = bucketWith()
  await rejections.add('a-b', { [ONE]: rejection('s', 't'), [TWO]: rejection('s', 't') })
  const unclear: SideRow = { scope: ONE, unreplicable: 'option 43' }
  assert.deepEqual(Object.keys(await rejections.standing('a-b', [unclear], [row(ONE, 't')])), [ONE])
})

test('a rejection made meanwhile is not forgotten with the one that it replaced', async () => {
  let meddle = () => {}
  const { rejections, entry } = bucketWith(() => meddle())
  await rejections.add('a-b', { [ONE]: rejection('s', 't') })
  meddle = () => {
    meddle = () => {}
    const newer = { ...rejection('s', 'u'), at: '2026-01-02T00:00:00Z' }
    Object.assign(entry, { value: JSON.stringify({ [ONE]: newer }), revision: entry.revision + 1 })
  }
  await rejections.standing('a-b', [row(ONE, 's')], [row(ONE, 'u')])
  assert.equal(JSON.parse(entry.value ?? '{}')[ONE]?.target, 'u')
})

test('only what an outcome showed can be rejected', () => {
  const held = { status: 'held' as const, code: 'foreign-edit', message: '' }
  const pairs = pairsShown({
    scopes: [
      { scope: ONE, ...held, before: 't', after: 's' },
      { scope: TWO, ...held },
    ],
  })
  assert.deepEqual([...pairs], [[ONE, { source: 's', target: 't' }]])
})
