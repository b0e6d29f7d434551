import assert from 'node:assert/strict'
import test from 'node:test'
import { MAX_PARTS } from '#contracts/gate-parts.ts'
import { MAX_MESSAGE_BYTES, MAX_PART_BYTES } from '#contracts/streams.ts'
import { createPartStore, splitInParts } from './parts.ts'

const [A, B, C] = ['a', 'b', 'c'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer]

test('what fits one message is not split; what fits no number of parts is refused', () => {
  assert.equal(splitInParts(Buffer.alloc(MAX_MESSAGE_BYTES))?.length, 1)
  const bytes = Buffer.alloc(MAX_MESSAGE_BYTES + 1, 'ä')
  const parts = splitInParts(bytes)
  assert.equal(parts?.length, 2)
  assert.deepEqual(Buffer.concat(parts ?? []), bytes)
  assert.equal(splitInParts(Buffer.alloc(MAX_PART_BYTES * MAX_PARTS))?.length, MAX_PARTS)
  assert.equal(splitInParts(Buffer.alloc(MAX_PART_BYTES * MAX_PARTS + 1)), undefined)
})

test('parts come together in their order, also where one came twice, and only once', () => {
  const store = createPartStore()
  store.add({ id: 'x', index: 2, count: 3 }, A)
  store.add({ id: 'x', index: 2, count: 3 }, B)
  store.add({ id: 'x', index: 1, count: 3 }, A)
  assert.equal(store.complete({ id: 'x', index: 3, count: 3 }, C)?.toString(), 'abc')
  assert.equal(store.complete({ id: 'x', index: 3, count: 3 }, C), undefined)
})

test('with a part missing, or counted otherwise, there is no whole', () => {
  const store = createPartStore()
  store.add({ id: 'x', index: 1, count: 3 }, A)
  assert.equal(store.complete({ id: 'x', index: 3, count: 3 }, C), undefined)
  store.add({ id: 'y', index: 1, count: 3 }, A)
  assert.equal(store.complete({ id: 'y', index: 2, count: 2 }, B), undefined)
})

test('kept parts are given as often as asked, until the last', () => {
  const store = createPartStore()
  store.keep('x', [A, B, C])
  for (let times = 0; times < 2; times++) assert.equal(store.take({ id: 'x', index: 2, count: 3 }), B)
  assert.equal(store.take({ id: 'x', index: 3, count: 3 }), C)
  assert.equal(store.take({ id: 'x', index: 2, count: 3 }), undefined)
})

test('the oldest goes where there is too much, and what nobody went on with', () => {
  const small = createPartStore({ keptBytes: 4 })
  small.keep('x', [A, B])
  small.keep('y', [A, B])
  assert.equal(small.take({ id: 'x', index: 1, count: 2 }), A)
  small.keep('z', [A])
  assert.equal(small.take({ id: 'y', index: 1, count: 2 }), undefined)
  assert.equal(small.take({ id: 'x', index: 1, count: 2 }), A)

  const brief = createPartStore({ keptMs: -1 })
  brief.keep('x', [A, B])
  brief.keep('y', [A, B])
  assert.equal(brief.take({ id: 'x', index: 1, count: 2 }), undefined)
  assert.equal(brief.take({ id: 'y', index: 1, count: 2 }), A)
})
