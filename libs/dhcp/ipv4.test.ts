import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatIpv4, parseIpv4, prefixBounds } from './ipv4.ts'

test('every address survives text', () => {
  fc.assert(fc.property(fc.nat(0xffffffff), (value) => assert.equal(parseIpv4(formatIpv4(value)), value)))
})

test('addresses as numbers', () => {
  assert.equal(parseIpv4('0.0.0.0'), 0)
  assert.equal(parseIpv4('10.0.10.1'), 167774721)
  assert.equal(parseIpv4('255.255.255.255'), 4294967295)
})

test('what is no address is none', () => {
  for (const text of [
    '',
    '10.0.0',
    '10.0.0.256',
    '10.0.0.01',
    '10.0.0.1.2',
    ' 10.0.0.1',
    '10.0.0.-1',
    '10.0.0.1\n',
    'a',
  ]) {
    assert.equal(parseIpv4(text), undefined, JSON.stringify(text))
  }
})

test('a prefix has a first and a last address', () => {
  const bounds = (text: string, length: number) => {
    const { first, last } = prefixBounds(parseIpv4(text) ?? Number.NaN, length)
    return `${formatIpv4(first)}-${formatIpv4(last)}`
  }
  assert.equal(bounds('10.0.10.7', 24), '10.0.10.0-10.0.10.255')
  assert.equal(bounds('192.168.255.255', 32), '192.168.255.255-192.168.255.255')
  assert.equal(bounds('200.1.2.3', 0), '0.0.0.0-255.255.255.255')
  assert.equal(bounds('200.1.2.3', 1), '128.0.0.0-255.255.255.255')
})

test('an address is inside its own prefix', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.integer({ min: 0, max: 32 }), (address, length) => {
      const { first, last } = prefixBounds(address, length)
      assert.ok(first <= address && address <= last)
      assert.equal(last - first + 1, 2 ** (32 - length))
      assert.equal(first % 2 ** (32 - length), 0)
    }),
  )
})
