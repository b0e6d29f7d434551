// What is larger than one message: through a real gate and a real NATS, and what happens when a watcher is
// restarted in the middle of it.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { headers } from 'nats'
import { DEFAULT_POLICY, type RelationshipPolicy } from '#contracts/configuration.ts'
import { FETCH_HEADER, LOST_HEADER, PART_HEADER } from '#contracts/gate-parts.ts'
import { matchRelationships } from '#contracts/relationships.ts'
import { MAX_MESSAGE_BYTES } from '#contracts/streams.ts'
import { gateSubject } from '#contracts/subjects.ts'
import { contentOf, type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { aScope, FakeServer } from '#gate/fake-driver.ts'
import { createGate, type Gate } from '#gate/gate.ts'
import { openJournal } from '#gate/journal.ts'
import { type NatsServer, startNats } from '#harness/nats.ts'
import { connectMessaging, type Messaging } from '#messaging/connection.ts'
import { createGateClient, type GateClient } from '#messaging/gate-client.ts'
import { serveGate } from '#messaging/gate-server.ts'
import { parts } from '#replicator/parts.ts'
import { createLogger } from '#telemetry/logger.ts'

const logger = createLogger({ service: 'test', level: 'silent' })
const SERVER = 'dhcp2'
const relationship = 'dhcp1-dhcp2'
const options = { timeoutMs: 60_000 }
const FENCE = { relationship, side: 'dhcp1', epoch: 1 }
const policy: RelationshipPolicy = {
  ...DEFAULT_POLICY,
  name: relationship,
  servers: ['dhcp1', SERVER],
  authority: 'dhcp1',
  mode: 'automatic',
  quietPeriodMs: 0,
}

let nats: NatsServer
let watcher: Messaging
let replicator: Messaging
let client: GateClient
/** The largest message of all, requests and answers. Bytes. */
let largest = 0

before(async () => {
  nats = await startNats()
  watcher = await connectMessaging({ url: nats.url, name: 'watcher', logger })
  replicator = await connectMessaging({ url: nats.url, name: 'replicator', logger })
  client = createGateClient(replicator)
  watcher.connection.subscribe('>', {
    callback: (_error, message) => {
      largest = Math.max(largest, message.data.length)
    },
  })
  await watcher.connection.flush()
})
after(async () => {
  await watcher.close()
  await replicator.close()
  await nats.stop()
})

/** A gate over a server in memory, served until the test ends. */
async function aGate(t: TestContext, ...scopes: readonly Scope[]): Promise<{ dhcp: FakeServer; gate: Gate }> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'gate-sizes-'))
  const journal = openJournal(path.join(directory, 'journal.sqlite'))
  const dhcp = new FakeServer()
  dhcp.put(...scopes)
  const gate: Gate = createGate({
    server: SERVER,
    driver: dhcp.driver(),
    journal,
    installation: 'test',
    exclusive: false,
    logger: { info() {}, warn() {}, error() {} },
    relationships: () => matchRelationships(SERVER, [policy], gate.latest()?.relationships ?? []),
  })
  const served = await serveGate(watcher, SERVER, (operation, request) => gate.handle(operation, request))
  t.after(async () => {
    await served.stop()
    journal.close()
    await rm(directory, { recursive: true })
  })
  return { dhcp, gate }
}

async function write(job: string, changes: readonly { readonly from: ScopeContent; readonly to: Scope }[]) {
  const request = { relationship, side: 'dhcp1', epoch: 1, job }
  const { ticket } = await client.request(SERVER, 'prepare', request, options)
  const contents = changes.map(({ to }) => ({ scope: to.key as string, ...contentOf(to) }))
  for (const part of parts(contents)) {
    await client.request(SERVER, 'stage', { relationship, ticket, contents: [...part] }, options)
  }
  const scopes = changes.map(({ from, to }) => ({
    scope: to.key as string,
    expected: from.fingerprint as string,
    wanted: contentOf(to).fingerprint as string,
  }))
  return await client.request(SERVER, 'commit', { ...request, ticket, scopes }, options)
}

function withReservations(scope: Scope, count: number): Scope {
  const reservations = Array.from({ length: count }, (_, index) => {
    const bytes = [index >> 8, index & 255]
    return {
      identifierType: 'hw-address',
      identifier: `02:00:00:00:${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`,
      address: `10.1.${bytes.join('.')}`,
      properties: { hostname: `gerät-${index}` },
      options: [],
    }
  })
  return { ...scope, reservations }
}

test('a scope of 5,000 reservations is written, read and kept as a pre-image', async (t) => {
  const empty = aScope('10.1.0.0/16')
  const { dhcp } = await aGate(t, empty)
  const full = withReservations(empty, 5_000)
  assert.ok(contentOf(full).text.length > MAX_MESSAGE_BYTES)

  const { results } = await write('grow', [{ from: contentOf(empty), to: full }])

  assert.deepEqual(
    results.map(({ result }) => result),
    ['written'],
  )
  assert.equal(dhcp.scopes.get(full.key)?.reservations.length, 5_000)
  for (const which of ['live', 'base'] as const) {
    const contents = await client.readContents(SERVER, relationship, [full.key], which, false, options)
    assert.deepEqual(contents.get(full.key), contentOf(full))
  }

  await write('shrink', [{ from: contentOf(full), to: empty }])

  const request = { relationship, job: 'shrink', scope: full.key as string }
  const { content } = await client.request(SERVER, 'preimage', request, options)
  assert.equal(scopeOf(content as ScopeContent).reservations.length, 5_000)
  assert.ok(largest <= MAX_MESSAGE_BYTES, `a message of ${largest} bytes`)
})

test('a commit of 5,000 scopes is one commit, with a result for each', async (t) => {
  const keys = Array.from({ length: 5_000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`)
  const { dhcp } = await aGate(t, ...keys.map((key) => aScope(key)))
  const changes = keys.map((key) => ({ from: contentOf(aScope(key)), to: aScope(key, 7_200) }))

  const answer = await write('many', changes)

  assert.equal(answer.results.filter(({ result }) => result === 'written').length, 5_000)
  assert.equal(dhcp.applied.length, 1, 'one write for all')
  const stored = await client.request(SERVER, 'result', { relationship, job: 'many' }, options)
  assert.deepEqual(stored.results, answer.results)

  const contents = await client.readContents(SERVER, relationship, keys as ScopeKey[], 'live', true, options)
  assert.equal(contents.size, 5_000)
  const scopes = changes.map(({ to }, index) => ({
    scope: to.key as string,
    fingerprint: contentOf(to).fingerprint as string,
    serial: 1_000 + index,
  }))
  const { agreed } = await client.request(SERVER, 'agree', { relationship, side: 'dhcp1', epoch: 1, scopes }, options)
  assert.equal(agreed.length, 5_000)

  // A refusal of each is an answer of several messages too.
  const again = await write(
    'again',
    changes.map(({ from }) => ({ from, to: aScope(scopeOf(from).key, 1) })),
  )
  assert.equal(again.results.filter(({ result }) => result === 'target-changed').length, 5_000)
  assert.ok(largest <= MAX_MESSAGE_BYTES, `a message of ${largest} bytes`)
})

function header(name: string, value: string) {
  const attributes = headers()
  attributes.set(name, value)
  return attributes
}

test('parts that a gate does not have make no request', async (t) => {
  const { gate } = await aGate(t)
  await gate.observe(AbortSignal.timeout(5_000))
  const send = (text: string, name: string, value: string) =>
    replicator.connection.request(gateSubject(SERVER, 'fence'), text, { timeout: 5_000, headers: header(name, value) })
  const [first, second] = [JSON.stringify(FENCE).slice(0, 20), JSON.stringify(FENCE).slice(20)]

  assert.equal((await send(second, PART_HEADER, 'a:2/2')).headers?.get(LOST_HEADER), 'a')
  assert.equal((await send(first, PART_HEADER, 'b:1/2')).headers?.get(PART_HEADER), 'b:1/2')
  assert.deepEqual((await send(second, PART_HEADER, 'b:2/2')).json(), { ok: { epoch: 1, side: 'dhcp1' } })
  assert.equal((await send(second, PART_HEADER, 'b:2/2')).headers?.get(LOST_HEADER), 'b')
  assert.equal((await send('', FETCH_HEADER, 'c:2/2')).headers?.get(LOST_HEADER), 'c')
  for (const bad of ['c', 'c:0/2', 'c:3/2', 'c:1/999', ':1/2']) {
    assert.match((await send(first, PART_HEADER, bad)).string(), /malformed/)
  }
})

test('a watcher that is restarted before the last part began nothing; after it, nobody knows', async (t) => {
  let answer: { readonly text: string; readonly header?: readonly [string, string] } = { text: '' }
  const asked: string[] = []
  const stub = watcher.connection.subscribe(gateSubject(SERVER, 'agree'), {
    callback: (_error, message) => {
      const fetched = message.headers?.get(FETCH_HEADER)
      asked.push(fetched ? 'fetch' : 'part')
      const [name, value] = fetched ? [LOST_HEADER, 'x'] : (answer.header ?? [PART_HEADER, 'x'])
      message.respond(answer.text, { headers: header(name, value) })
    },
  })
  t.after(() => stub.unsubscribe())
  await watcher.connection.flush()
  const scopes = Array.from({ length: 10_000 }, (_, index) => ({
    scope: `10.0.0.${index}/32`,
    fingerprint: 'f'.repeat(67),
  }))
  const large = { relationship, side: 'dhcp1', epoch: 1, scopes }

  answer = { text: '', header: [LOST_HEADER, 'x'] }
  await assert.rejects(client.request(SERVER, 'agree', large, options), { code: 'no-responders' })

  asked.length = 0
  answer = { text: '{"ok":', header: [PART_HEADER, 'x:1/2'] }
  await assert.rejects(client.request(SERVER, 'agree', { ...large, scopes: [] }, options), { code: 'timed-out' })
  assert.deepEqual(asked, ['part', 'fetch'])
})
