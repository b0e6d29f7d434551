import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalJson, formatJson, isJsonObject, isReal, type Json, parseJson, realOf } from './json.ts'

/** JSON values as DHCP servers have them: integers beyond 2^53, reals, any text. */
const json = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 80n }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(realOf),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      tie('value'),
      { maxKeys: 4 },
    ),
  ),
})).value

test('what is parsed is written as it was', () => {
  for (const text of [
    '{"a":1,"b":1.0,"c":1.50,"d":1e3,"e":12345678901234567890,"f":-0.0}',
    '[9007199254740991,9007199254740992,-9007199254740993]',
    '{"Δ":"ü\\n","b":null,"c":[true,false,{}]}',
  ]) {
    assert.equal(formatJson(parseJson(text)), text)
  }
})

test('numbers keep their kind', () => {
  assert.equal(parseJson('9007199254740991'), 9007199254740991)
  assert.equal(parseJson('9007199254740993'), 9007199254740993n)
  assert.equal(isReal(parseJson('1.0')), true)
  assert.equal(isReal(parseJson('1')), false)
  assert.equal(isReal(parseJson('1e0')), true)
})

test('any value survives text, and canonical text is canonical', () => {
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value)
      assert.equal(canonicalJson(parseJson(text)), text)
      assert.equal(canonicalJson(parseJson(formatJson(value))), text)
    }),
  )
})

test('canonical text does not depend on the order of keys or on how a number is written', () => {
  assert.equal(canonicalJson(parseJson('{"b":1,"a":{"d":2,"c":3}}')), '{"a":{"c":3,"d":2},"b":1}')
  assert.equal(canonicalJson(parseJson('[1.50,1.5,15e-1]')), '[1.5,1.5,1.5]')
  assert.equal(canonicalJson(parseJson('{"b": [1, 2] , "a" : "x"}')), '{"a":"x","b":[1,2]}')
})

test('a real is never an integer, an order of items is never lost', () => {
  assert.notEqual(canonicalJson(parseJson('1.0')), canonicalJson(parseJson('1')))
  assert.notEqual(canonicalJson([1, 2]), canonicalJson([2, 1]))
  assert.notEqual(canonicalJson('1'), canonicalJson(1))
})

test('a number that already lost digits is refused', () => {
  assert.throws(() => canonicalJson(2 ** 53), TypeError)
  assert.throws(() => canonicalJson(1.5), TypeError)
  assert.throws(() => canonicalJson(Number.NaN), TypeError)
})

test('malformed text throws', () => {
  for (const text of ['', '{', '{"a":}', '[1,]', 'nul', '01']) assert.throws(() => parseJson(text), SyntaxError, text)
})

test('an object is neither a list nor a number', () => {
  assert.equal(isJsonObject({}), true)
  for (const value of [[], null, 'x', 1, 1n, realOf(1), undefined]) assert.equal(isJsonObject(value), false)
})
