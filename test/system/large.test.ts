// What is larger than a message, through all services: thousands of scopes in one run, and one scope with
// thousands of reservations.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Scope } from '#dhcp/scope.ts'
import { startSystem } from '#harness/system.ts'
import { createSimulatorAdmin } from '#simulator/admin-client.ts'
import { completeScope, samplePair, scopesOf } from '#simulator/description.ts'

/** More than fit a commit of one message. */
const SCOPES = 3_000
const PATIENCE_MS = 180_000

test('3,000 scopes, one of them with 5,000 reservations, reach an empty partner in one run', async (t) => {
  const [full, empty] = samplePair({ scopes: SCOPES - 1 }).servers
  assert.ok(full && empty)
  const reservations = Array.from({ length: 5_000 }, (_, index) => {
    const [high, low] = [index >> 8, index & 255]
    const hex = [high, low].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
    return {
      identifierType: 'hw-address',
      identifier: `02:00:00:00:${hex}`,
      address: `172.16.${high}.${low}`,
      properties: { hostname: `host-${index}` },
      options: [],
    }
  })
  const large: Scope = { ...completeScope({ key: '172.16.0.0/16' }), reservations }
  const { sample: _, ...bare } = empty
  const source = { ...full, scopes: [large] }
  const system = await startSystem({
    dhcp: { kind: 'simulated', description: { servers: [source, bare] } },
    policy: { mode: 'manual' },
    waitForAgreement: false,
  })
  t.after(() => system.stop())
  const { simulator } = system.local.dhcp
  assert.ok(simulator)

  const { location } = await system.post('/v1/replications', { server: full.name, relationship: 'sim1-sim2' })
  assert.ok(location)
  const replication = await system.waitFinal(location.slice(location.lastIndexOf('/') + 1), PATIENCE_MS)

  assert.equal(replication.status, 'replicated', replication.message ?? '')
  assert.equal(replication.scopeCount, SCOPES)
  const admin = createSimulatorAdmin(simulator.admin)
  const print = (scopes: readonly Scope[]) =>
    scopes.map((scope) => `${scope.key} ${contentOf(scope).fingerprint}`).sort()
  assert.deepEqual(print(await admin.scopes(empty.name)), print(scopesOf(source)))
})
