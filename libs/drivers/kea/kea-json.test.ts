import assert from 'node:assert/strict'
import test from 'node:test'
import { isReal, type JsonObject, realOf } from '#dhcp/json.ts'
import { asWritten, formatKeaJson, parseKeaJson } from './kea-json.ts'

test('text that Kea escaped byte by byte is read as the text it was', () => {
  const answer = Buffer.from('{"a":"m\\u00c3\\u00bcller","b":"\\u00e2\\u0082\\u00ac"}')
  assert.deepEqual(parseKeaJson(answer), { a: 'müller', b: '€' })
})

test('keys, which Kea does not escape, are read the same way', () => {
  assert.deepEqual(parseKeaJson(Buffer.from('{"größe":1}')), { größe: 1 })
})

test('text is written in the bytes that Kea keeps', () => {
  assert.equal(formatKeaJson({ größe: 'ü€🖨' }).toString('utf8'), '{"größe":"ü€🖨"}')
})

test('writing what was read changes no text, also where it is no UTF-8', () => {
  const wire = Buffer.from('{"a":"\\u00fcb\\u00c3\\u00bc\\u00c3"}')
  const value = parseKeaJson(wire)
  const written = formatKeaJson(value)
  assert.deepEqual(written, Buffer.from('{"a":"\xfcb\xc3\xbc\xc3"}', 'latin1'))
  assert.deepEqual(parseKeaJson(written), value)
})

test('integers beyond 2^53 and reals keep their form', () => {
  const text = '{"big":1152921504606846977,"real":1.0,"small":0.000000,"int":1}'
  const value = parseKeaJson(Buffer.from(text)) as JsonObject
  assert.equal(value.big, 2n ** 60n + 1n)
  assert.ok(isReal(value.real))
  assert.equal(formatKeaJson(value).toString(), text)
})

test('a parameter that Kea only takes as a real is written as one', () => {
  assert.equal(
    formatKeaJson({ a: asWritten('t1-percent', 1), b: asWritten('valid-lifetime', 1) }).toString(),
    '{"a":1.0,"b":1}',
  )
  assert.deepEqual(asWritten('t2-percent', realOf(0.5)), realOf(0.5))
})
