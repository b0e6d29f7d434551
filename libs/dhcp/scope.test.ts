import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type OptionValue,
  optionKey,
  parseScopeKey,
  rangeKey,
  reservationKey,
  type ScopeKey,
  scopeAddress,
} from './scope.ts'

test('a scope key is a network and its length', () => {
  assert.equal(parseScopeKey('10.0.10.0/24'), '10.0.10.0/24')
  assert.equal(parseScopeKey('10.0.10.77/24'), '10.0.10.0/24', 'host bits are cut off')
  assert.equal(parseScopeKey('0.0.0.0/0'), '0.0.0.0/0')
  assert.equal(parseScopeKey('10.0.10.77/32'), '10.0.10.77/32')
})

test('what is no prefix is no scope', () => {
  for (const text of [
    '',
    '10.0.10.0',
    '10.0.10.0/',
    '10.0.10.0/33',
    '10.0.10/24',
    '10.0.256.0/24',
    '10.0.10.0/24 ',
    '::/0',
  ]) {
    assert.equal(parseScopeKey(text), undefined, JSON.stringify(text))
  }
})

test('the scope ID is the address alone', () => {
  assert.equal(scopeAddress('10.0.10.0/24' as ScopeKey), '10.0.10.0')
})

test('options differ by space, code, classes and policy, not by value', () => {
  const option: OptionValue = { space: 'dhcp4', code: 3, data: '10.0.10.1', properties: {} }
  const key = optionKey(option)
  assert.equal(optionKey({ ...option, data: '10.0.10.2', properties: { 'always-send': true } }), key)
  const others: OptionValue[] = [
    { ...option, code: 6 },
    { ...option, space: 'vendor-4491' },
    { ...option, vendorClass: 'x' },
    { ...option, userClass: 'x' },
    { ...option, policy: 'x' },
  ]
  assert.equal(new Set([key, ...others.map(optionKey)]).size, others.length + 1)
})

test('a reservation is known by its client, a range by its ends', () => {
  const common = { identifier: '00:11', properties: {}, options: [] }
  const byHardware = reservationKey({ ...common, identifierType: 'hw-address', address: '10.0.0.1' })
  assert.equal(byHardware, reservationKey({ ...common, identifierType: 'hw-address', address: '10.0.0.2' }))
  assert.notEqual(byHardware, reservationKey({ ...common, identifierType: 'client-id' }))
  assert.equal(rangeKey({ start: '10.0.0.1', end: '10.0.0.9' }), '10.0.0.1-10.0.0.9')
})
