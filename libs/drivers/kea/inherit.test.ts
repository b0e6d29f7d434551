import assert from 'node:assert/strict'
import test from 'node:test'
import { realOf } from '#dhcp/json.ts'
import { effective, withoutInherited } from './inherit.ts'

const server = {
  'valid-lifetime': 4000,
  'renew-timer': 1000,
  't1-percent': realOf(0.5),
  'boot-file-name': '',
  authoritative: false,
}

test('what config-get made explicit and the server has too is not written', () => {
  const given = {
    id: 1,
    'valid-lifetime': 4000,
    'min-valid-lifetime': 4000,
    'max-valid-lifetime': 4000,
    'renew-timer': 1000,
    't1-percent': realOf(0.5),
  }
  assert.deepEqual(withoutInherited(given, [server]), { id: 1 })
})

test('what the subnet has of its own is written', () => {
  const given = { 'valid-lifetime': 600, 'min-valid-lifetime': 600, 'max-valid-lifetime': 1200, 'renew-timer': 0 }
  assert.deepEqual(withoutInherited(given, [server]), {
    'valid-lifetime': 600,
    'max-valid-lifetime': 1200,
    'renew-timer': 0,
  })
})

test('a bound that the server sets is inherited, and not the lifetime', () => {
  // Kea 2.2.0 and 3.0.4: server min 1000, subnet valid-lifetime 3600 → 1000, 3600, 3600.
  const bounded = { ...server, 'min-valid-lifetime': 1000 }
  const values = effective({ 'valid-lifetime': 3600 }, [bounded])
  assert.equal(values['min-valid-lifetime'], 1000)
  assert.equal(values['max-valid-lifetime'], 3600)
  const given = { 'valid-lifetime': 3600, 'min-valid-lifetime': 3600, 'max-valid-lifetime': 3600 }
  assert.deepEqual(withoutInherited(given, [bounded]), { 'valid-lifetime': 3600, 'min-valid-lifetime': 3600 })
})

test('a shared network stands between subnet and server', () => {
  const network = { name: 'n', 'valid-lifetime': 7000, relay: { 'ip-addresses': ['192.0.2.1'] } }
  const given = { 'valid-lifetime': 7000, 'renew-timer': 1000, relay: { 'ip-addresses': ['192.0.2.1'] } }
  assert.deepEqual(withoutInherited(given, [network, server]), {})
  const values = effective({}, [network, server])
  assert.equal(values['valid-lifetime'], 7000)
  assert.equal(values['renew-timer'], 1000)
  assert.deepEqual(values.relay, network.relay)
  // The server's value, set on the subnet against its network's, is its own.
  assert.deepEqual(withoutInherited({ 'valid-lifetime': 4000 }, [network, server]), { 'valid-lifetime': 4000 })
})

test('what is in effect stays the same in the written form', () => {
  const network = { 'valid-lifetime': 7000, 'max-valid-lifetime': 9000 }
  const given = { 'valid-lifetime': 4000, 'min-valid-lifetime': 4000, 'max-valid-lifetime': 9000, 'renew-timer': 1000 }
  const levels = [network, server]
  assert.deepEqual(effective(withoutInherited(given, levels), levels), effective(given, levels))
})
