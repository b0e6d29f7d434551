// What the ledger says, and what it does not say twice.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, headers, type NatsConnection } from 'nats'
import type { ReplicationDetail } from '#contracts/status-api.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { type System, startSystem, waitAgreed } from '#harness/system.ts'
import { createSimulatorAdmin, type SimulatorAdmin } from '#simulator/admin-client.ts'
import { samplePair } from '#simulator/description.ts'

const [SOURCE, TARGET] = ['sim1.example.net', 'sim2.example.net'] as const
const RELATIONSHIP = 'sim1-sim2'
/** Reconcile ticks of this system. Milliseconds. */
const TICK_MS = 1_000

let system: System
let admin: SimulatorAdmin
let nats: NatsConnection
let scopes: readonly ScopeKey[]

before(async () => {
  system = await startSystem({
    dhcp: { kind: 'simulated', description: samplePair({ scopes: 12 }) },
    replicators: 2,
    env: { TWINSCOPE_RECONCILE_SECONDS: String(TICK_MS / 1_000) },
  })
  const { simulator } = system.local.dhcp
  assert.ok(simulator)
  admin = createSimulatorAdmin(simulator.admin)
  scopes = (await admin.scopes(SOURCE)).map(({ key }) => key)
  nats = await connect({ servers: system.local.natsUrl })
})
after(async () => {
  await nats?.close()
  await system?.stop()
})

const rename =
  (name: string) =>
  (scope: Scope): Scope => ({ ...scope, properties: { ...scope.properties, name } })
const nameAt = async (server: string, scope: ScopeKey) => (await admin.scope(server, scope)).properties.name
const withStatus = async (status: string) => (await system.replications()).filter((one) => one.status === status)

/** Messages of the ledger so far. */
async function ledgerSize(): Promise<number> {
  const manager = await nats.jetstreamManager()
  return (await manager.streams.info('TWINSCOPE_OUTCOMES')).state.last_seq
}

async function arrives(scope: ScopeKey, name: string): Promise<void> {
  await eventually(async () => assert.equal(await nameAt(TARGET, scope), name), {
    timeoutMs: 15_000,
    what: `${name} on the partner`,
  })
}

test('ticks that find nothing say nothing', async () => {
  await waitAgreed(system)
  const before = await ledgerSize()
  await delay(4 * TICK_MS) // several ticks of two replicators
  assert.equal(await ledgerSize(), before)
})

test('one ordinary change is one outcome', async () => {
  const before = (await system.replications()).length
  await admin.editScope(SOURCE, scopes[0] as ScopeKey, rename('one'))
  await arrives(scopes[0] as ScopeKey, 'one')
  await delay(3 * TICK_MS)
  const made = (await system.replications()).slice(0, (await system.replications()).length - before)
  assert.deepEqual(
    made.map(({ status }) => status),
    ['replicated'],
  )
})

test('a foreign edit is told once, whatever else is replicated meanwhile', async () => {
  await waitAgreed(system)
  const undone = await admin.scope(TARGET, scopes[1] as ScopeKey)
  await admin.editScope(TARGET, scopes[1] as ScopeKey, rename('foreign'))
  await eventually(async () => assert.equal((await withStatus('held')).length, 1), {
    timeoutMs: 10_000,
    what: 'the hold',
  })
  for (const name of ['a', 'b']) {
    await admin.editScope(SOURCE, scopes[2] as ScopeKey, rename(name))
    await arrives(scopes[2] as ScopeKey, name)
  }
  assert.equal((await system.replicate({ server: SOURCE, scopes: [scopes[3]] })).status, 'already-in-sync')
  await delay(3 * TICK_MS)
  assert.equal((await withStatus('held')).length, 1)
  assert.equal(await nameAt(TARGET, scopes[1] as ScopeKey), 'foreign')

  // The same edit made again after it was undone is news.
  await admin.editScope(TARGET, scopes[1] as ScopeKey, () => undone)
  await waitAgreed(system)
  await delay(2 * TICK_MS)
  await admin.editScope(TARGET, scopes[1] as ScopeKey, rename('foreign'))
  await eventually(async () => assert.equal((await withStatus('held')).length, 2), {
    timeoutMs: 10_000,
    what: 'the second hold',
  })
  await admin.editScope(TARGET, scopes[1] as ScopeKey, () => undone)
})

test('a request that is delivered twice is one job', async () => {
  await waitAgreed(system)
  const subject = 'twinscope.replication.requested.relationship.inventory'
  const body = JSON.stringify({
    level: 'relationship',
    server: SOURCE,
    relationship: RELATIONSHIP,
    requester: 'inventory',
  })
  const before = (await system.replications()).length
  const attributes = headers()
  attributes.set('Nats-Msg-Id', 'inventory/4711')
  await nats.jetstream().publish(subject, body, { headers: attributes })
  await nats.jetstream().publish(subject, body, { headers: attributes })
  await eventually(async () => assert.equal((await system.replications()).length, before + 1), {
    timeoutMs: 10_000,
    what: 'one job',
  })
  await delay(TICK_MS)
  assert.equal((await system.replications()).length, before + 1)
})

test('the history tells what a refused request asked for, also where nobody knows it', async () => {
  const request = { level: 'scope', server: SOURCE, scopes: ['10.98.0.0', 'nonsense'], requester: 'inventory' }
  const job = `REFUSED${Date.now()}`
  await nats.jetstream().publish('twinscope.replication.requested.scope.inventory', JSON.stringify({ ...request, job }))
  const { status } = await system.waitFinal(job)
  const { requestedScopes, scopeIds } = await system.get<ReplicationDetail>(`/v1/replications/${job}`)
  assert.deepEqual([status, requestedScopes, scopeIds], ['refused', request.scopes, request.scopes])
})

test('a scope that may exist at a silent server is neither refused nor lost', async () => {
  await waitAgreed(system)
  const created = await admin.scope(SOURCE, scopes[4] as ScopeKey)
  const key = '10.99.0.0/24' as ScopeKey
  const watcher = system.local.watchers.get(SOURCE)
  assert.ok(watcher)
  await watcher.stop('SIGKILL')
  await admin.putScope(SOURCE, {
    ...created,
    key,
    id: 9_900,
    ranges: [{ start: '10.99.0.10', end: '10.99.0.20', properties: {}, options: [] }],
    reservations: [],
    options: [],
  })
  const job = `SILENT${Date.now()}`
  await nats
    .jetstream()
    .publish(
      'twinscope.replication.requested.scope.inventory',
      JSON.stringify({ level: 'scope', server: SOURCE, scopes: ['10.99.0.0'], requester: 'inventory', job }),
    )
  await eventually(
    async () => assert.equal((await system.get<{ status: string }>(`/v1/replications/${job}`)).status, 'pending'),
    { timeoutMs: 15_000, what: 'the waiting request' },
  )
  await watcher.start()
  const final = await system.waitFinal(job, 60_000)
  assert.ok(final.status === 'replicated' || final.status === 'already-in-sync', `${final.status}: ${final.message}`)
  assert.ok((await admin.scopes(TARGET)).some((scope) => scope.key === key))
})

test('a scope that a limit holds says so in the status, with the numbers', async () => {
  await waitAgreed(system)
  const scope = scopes[5] as ScopeKey
  const before = await admin.scope(SOURCE, scope)
  assert.ok(before.reservations.length > 0)
  await admin.editScope(SOURCE, scope, (whole) => ({ ...whole, reservations: [] }))
  await eventually(
    async () => {
      const row = (await system.relationship(RELATIONSHIP)).scopes.find((one) => one.scope === scope)
      assert.equal(row?.action, 'hold')
      assert.match(row?.why ?? '', new RegExp(`all ${before.reservations.length} reservations`))
    },
    { timeoutMs: 10_000, what: 'the reason in the status' },
  )
  await admin.editScope(SOURCE, scope, () => before)
  await waitAgreed(system)
})
