import assert from 'node:assert/strict'
import { test } from 'node:test'
import { childTraceparent, formatTraceparent, newTraceparent, parseTraceparent, withSpan } from './trace.ts'

const GIVEN = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

test('a traceparent survives reading and writing', () => {
  const trace = parseTraceparent(GIVEN)
  assert.deepEqual(trace, {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    sampled: true,
  })
  assert.ok(trace)
  assert.equal(formatTraceparent(trace), GIVEN)
  assert.ok(parseTraceparent(newTraceparent()))
  assert.notEqual(newTraceparent(), newTraceparent())
})

test('what is none is none', () => {
  for (const text of [
    undefined,
    '',
    'x',
    GIVEN.toUpperCase(),
    GIVEN.replace(/^00/, 'ff'),
    `${GIVEN}-more`,
    `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
  ]) {
    assert.equal(parseTraceparent(text), undefined, text ?? 'nothing')
  }
})

test('a child is of the same trace, with a span of its own', () => {
  const child = parseTraceparent(childTraceparent(GIVEN))
  assert.equal(child?.traceId, '0af7651916cd43dd8448eb211c80319c')
  assert.notEqual(child?.spanId, 'b7ad6b7169203331')
  assert.ok(parseTraceparent(childTraceparent('nonsense')))
})

test('the trace goes on through a span, recorded or not, and a failure is passed on', async () => {
  const inside = await withSpan('test', GIVEN, async (traceparent) => traceparent)
  assert.equal(parseTraceparent(inside)?.traceId, '0af7651916cd43dd8448eb211c80319c')
  assert.notEqual(inside, GIVEN)
  assert.ok(parseTraceparent(await withSpan('test', undefined, async (traceparent) => traceparent)))
  await assert.rejects(
    withSpan('test', GIVEN, async () => {
      throw new Error('inside')
    }),
    /inside/,
  )
})
