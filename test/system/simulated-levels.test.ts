// The three levels on three simulated servers with two relationships, and replicators that share the work.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { type System, startSystem, waitAgreed } from '#harness/system.ts'
import { createSimulatorAdmin, type SimulatorAdmin } from '#simulator/admin-client.ts'
import { sampleTriple } from '#simulator/description.ts'

const HUB = 'sim1.example.net'
let system: System
let admin: SimulatorAdmin
let scopes: readonly ScopeKey[]

before(async () => {
  system = await startSystem({
    dhcp: { kind: 'simulated', description: sampleTriple({ scopes: 12 }) },
    replicators: 2,
    policy: { mode: 'manual' },
  })
  const { simulator } = system.local.dhcp
  assert.ok(simulator)
  admin = createSimulatorAdmin(simulator.admin)
  scopes = (await admin.scopes(HUB)).map(({ key }) => key)
})
after(async () => await system?.stop())

const rename =
  (name: string) =>
  (scope: Scope): Scope => ({ ...scope, properties: { ...scope.properties, name } })
const nameOf = async (server: string, scope: ScopeKey) => (await admin.scope(server, scope)).properties.name

async function partnerOf(scope: ScopeKey): Promise<string> {
  for (const server of ['sim2.example.net', 'sim3.example.net']) {
    if ((await admin.scopes(server)).some(({ key }) => key === scope)) return server
  }
  throw new Error(`${scope} is on no partner`)
}

test('a server-level request fans out into both relationships', async () => {
  const [first, second] = scopes as [ScopeKey, ScopeKey]
  await admin.editScope(HUB, first, rename('one'))
  await admin.editScope(HUB, second, rename('two'))
  assert.notEqual(await partnerOf(first), await partnerOf(second))

  const replication = await system.replicate({ server: HUB })

  assert.equal(replication.status, 'replicated')
  assert.equal(replication.children?.length, 2)
  assert.equal(await nameOf(await partnerOf(first), first), 'one')
  assert.equal(await nameOf(await partnerOf(second), second), 'two')
  assert.equal((await system.replicate({ server: HUB })).status, 'already-in-sync')
})

test('a relationship-level request leaves the other relationship alone', async () => {
  const [first, second] = scopes as [ScopeKey, ScopeKey]
  await admin.editScope(HUB, first, rename('three'))
  await admin.editScope(HUB, second, rename('four'))
  const replication = await system.replicate({ server: HUB, relationship: 'sim1-sim2' })
  assert.equal(replication.status, 'replicated')
  const copied = (await partnerOf(first)) === 'sim2.example.net' ? first : second
  const other = copied === first ? second : first
  assert.equal(await nameOf('sim2.example.net', copied), copied === first ? 'three' : 'four')
  assert.notEqual(await nameOf('sim3.example.net', other), other === first ? 'three' : 'four')
  await system.replicate({ server: HUB })
})

test('a scope-level request may name scopes of both relationships, and changes only those', async () => {
  const [a, b, c] = scopes.slice(2, 5) as [ScopeKey, ScopeKey, ScopeKey]
  for (const scope of [a, b, c]) await admin.editScope(HUB, scope, rename('five'))
  const replication = await system.replicate({ server: HUB, scopes: [a, b] })
  assert.equal(replication.status, 'replicated')
  assert.deepEqual((replication.scopes ?? []).map(({ scope }) => scope).sort(), [a, b].sort())
  assert.equal(await nameOf(await partnerOf(a), a), 'five')
  assert.equal(await nameOf(await partnerOf(b), b), 'five')
  assert.notEqual(await nameOf(await partnerOf(c), c), 'five')
  await system.replicate({ server: HUB })
})

test('fifty requests at once are each answered once, and nothing is written twice', async () => {
  await waitAgreed(system)
  const scope = scopes[6] as ScopeKey
  const partner = await partnerOf(scope)
  const writesBefore = (await admin.log(partner)).length
  await admin.editScope(HUB, scope, rename('crowd'))
  const posted = await Promise.all(
    Array.from({ length: 50 }, () => system.post('/v1/replications', { server: HUB, scopes: [scope] })),
  )
  assert.ok(posted.every(({ status }) => status === 202))
  const jobs = posted.map(({ location = '' }) => location.slice(location.lastIndexOf('/') + 1))
  const finals = await Promise.all(jobs.map((job) => system.waitFinal(job, 60_000)))
  assert.ok(finals.every(({ status }) => status === 'replicated' || status === 'already-in-sync'))
  assert.ok(finals.some(({ status }) => status === 'replicated'))
  const writes = (await admin.log(partner)).slice(writesBefore)
  assert.equal(writes.filter((entry) => JSON.stringify(entry).includes(scope)).length, 1)
})

test('in mode manual a change is shown and not copied', async () => {
  await waitAgreed(system)
  const scope = scopes[7] as ScopeKey
  await admin.editScope(HUB, scope, rename('shown'))
  const relationship = (await partnerOf(scope)) === 'sim2.example.net' ? 'sim1-sim2' : 'sim1-sim3'
  await eventually(async () => assert.equal((await system.relationship(relationship)).sync, 'out-of-sync'), {
    timeoutMs: 10_000,
    what: 'the drift',
  })
  assert.notEqual(await nameOf(await partnerOf(scope), scope), 'shown')
})
