// First contact by command line: two servers that differ and have never agreed.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { runCommand } from '#cli/fake-service.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { type System, startSystem, waitAgreed } from '#harness/system.ts'
import { createSimulatorAdmin, type SimulatorAdmin } from '#simulator/admin-client.ts'
import { sample } from '#simulator/sample.ts'

const [SIM1, SIM2] = ['sim1.example.net', 'sim2.example.net'] as const
const REL = 'sim1-sim2'
let system: System
let admin: SimulatorAdmin
const scopes = sample({ scopes: 6, reservations: 10 })

before(async () => {
  const relationship = (partner: string) => [{ name: REL, partner }]
  // The partner lacks one scope, has one renamed and one with other reservations.
  const theirs = scopes.slice(0, 5).map((scope, index) => {
    if (index === 0) return { ...scope, properties: { ...scope.properties, name: 'old name' } }
    return index === 1 ? { ...scope, reservations: scope.reservations.slice(0, 9) } : scope
  })
  system = await startSystem({
    dhcp: {
      kind: 'simulated',
      description: {
        servers: [
          { name: SIM1, scopes, relationships: relationship(SIM2) },
          { name: SIM2, scopes: theirs, relationships: relationship(SIM1) },
        ],
      },
    },
    waitForAgreement: false,
  })
  const { simulator } = system.local.dhcp
  assert.ok(simulator)
  admin = createSimulatorAdmin(simulator.admin)
})
after(async () => await system?.stop())

const cli = (args: readonly string[], ...says: readonly (boolean | undefined)[]) =>
  runCommand(args, String(system.local.console), says)

test('one report, one scope first, then the rest with one approval; afterwards it is automatic', async () => {
  await eventually(
    async () => {
      const { scopes: views } = await system.relationship(REL)
      assert.deepEqual(
        views.filter(({ code }) => code === 'first-contact').map(({ scopeId }) => scopeId),
        ['10.0.1.0', '10.0.2.0'],
      )
    },
    { timeoutMs: 30_000, what: 'both sides are read' },
  )
  const report = await cli(['onboard', REL, '--what-if', '--verbose'])
  assert.equal(report.exit, 3, report.err)
  assert.match(report.out, /Direction: sim1\.example\.net → sim2\.example\.net/)
  assert.match(
    report.out,
    /different, overwritten on sim2\.example\.net: 2 scopes\n {6}10\.0\.1\.0 {2}\+0 ~1 -0\n {10}~ name: old name → floor 1/,
  )
  assert.match(report.out, /10\.0\.2\.0 {2}\+1 ~0 -0\n {10}\+ reservation/)
  assert.equal((await admin.scope(SIM2, '10.0.1.0/24' as ScopeKey)).properties.name, 'old name')

  const one = await cli(['onboard', REL, '--scope', '10.0.2.0'], true)
  assert.deepEqual([one.exit, one.out], [0, '10.0.2.0'], one.err)
  const rest = await cli(['onboard', REL], true)
  assert.equal(rest.exit, 0, rest.err)
  assert.match(rest.err, /From now on changes on sim1\.example\.net are copied to sim2\.example\.net automatically/)
  await waitAgreed(system)
  const copied = await admin.scopes(SIM2)
  assert.deepEqual(
    copied.map(({ key, properties, reservations }) => [key, properties.name, reservations.length]),
    scopes.map(({ key, properties, reservations }) => [key, properties.name, reservations.length]),
  )

  await admin.editScope(SIM1, '10.0.3.0/24' as ScopeKey, (scope) => ({
    ...scope,
    properties: { ...scope.properties, name: 'later' },
  }))
  await eventually(
    async () => assert.equal((await admin.scope(SIM2, '10.0.3.0/24' as ScopeKey)).properties.name, 'later'),
    { timeoutMs: 30_000, what: 'the automatic copy' },
  )
  const nothing = await cli(['onboard', REL])
  assert.equal(nothing.exit, 0, nothing.err)
})
