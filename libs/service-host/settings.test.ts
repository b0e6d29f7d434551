import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest, suggestion } from './nearest.ts'
import { readSettings, SETTINGS, SettingsError } from './settings.ts'

test('every setting has a description and a default that is valid', () => {
  const values = readSettings(SETTINGS, {})
  for (const [name, setting] of Object.entries(SETTINGS)) assert.ok(setting.description.length > 10, name)
  assert.equal(values.NATS_URL, 'nats://127.0.0.1:4222')
  assert.equal(values.TWINSCOPE_HTTP_PORT, 8420)
  assert.equal(values.TWINSCOPE_RECONCILE_SECONDS, 60)
  assert.deepEqual(values.TWINSCOPE_SERVERS, [])
})

test('given values win, an empty one is none', () => {
  const values = readSettings(SETTINGS, {
    NATS_URL: 'nats://a:1,nats://b:2',
    TWINSCOPE_HTTP_PORT: '',
    TWINSCOPE_HEALTH_PORT: '9000',
    TWINSCOPE_SERVERS: ' dhcp1 , dhcp2,',
  })
  assert.equal(values.NATS_URL, 'nats://a:1,nats://b:2')
  assert.equal(values.TWINSCOPE_HTTP_PORT, 8420)
  assert.equal(values.TWINSCOPE_HEALTH_PORT, 9000)
  assert.deepEqual(values.TWINSCOPE_SERVERS, ['dhcp1', 'dhcp2'])
})

test('all that is wrong is said at once', () => {
  const wrong = {
    NATS_URL: 'http://x',
    REDIS_URL: 'localhost',
    TWINSCOPE_HTTP_PORT: '70000',
    TWINSCOPE_RECONCILE_SECONDS: '1.5',
    TWINSCOPE_LOG_LEVEL: 'loud',
  }
  assert.throws(
    () => readSettings(SETTINGS, wrong),
    (error) => {
      assert.ok(error instanceof SettingsError)
      assert.equal(error.problems.length, 5)
      for (const name of Object.keys(wrong)) assert.match(error.message, new RegExp(`${name}=".*": expected`))
      return true
    },
  )
})

test('only what is asked for is read', () => {
  const { NATS_URL } = SETTINGS
  assert.deepEqual(readSettings({ NATS_URL }, { TWINSCOPE_HTTP_PORT: 'x' }), { NATS_URL: 'nats://127.0.0.1:4222' })
})

test('a name that nobody knows is answered with those near it', () => {
  const known = ['dhcp1.example.net', 'dhcp2.example.net', 'branch-7']
  assert.deepEqual(nearest('dchp1', known), ['dhcp1.example.net', 'dhcp2.example.net'].slice(0, 1))
  assert.deepEqual(nearest('dhcp1.example.nte', known)[0], 'dhcp1.example.net')
  assert.deepEqual(nearest('branch', known), ['branch-7'])
  assert.deepEqual(nearest('something-else', known), [])
  assert.equal(suggestion('brunch-7', known), ' Did you mean branch-7?')
  assert.equal(suggestion('x-y-z-0', known), ' Known: dhcp1.example.net, dhcp2.example.net, branch-7.')
  assert.equal(suggestion('x', []), '')
})
