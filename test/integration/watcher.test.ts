// The watcher with a real NATS and simulated DHCP servers in a process of their own.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { BUCKETS } from '#contracts/streams.ts'
import { gateKey } from '#contracts/subjects.ts'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { openSimulated } from '#drivers/simulated/driver.ts'
import { eventually } from '#harness/eventually.ts'
import type { TestProcess } from '#harness/processes.ts'
import { aHouse, PATIENCE_MS, SCOPES, SERVER } from '#harness/watched-house.ts'
import { type Bucket, openBucket } from '#messaging/buckets.ts'
import { createGateClient, GateError } from '#messaging/gate-client.ts'
import { loadConfiguration } from '#service-host/configuration.ts'
import { createLogger } from '#telemetry/logger.ts'
import { lockServer } from '#watcher/single-instance.ts'
import { newHolder, watchServer } from '#watcher/watch-server.ts'

const FIRST = '10.0.1.0/24' as ScopeKey
const SECOND = '10.0.2.0/24' as ScopeKey

function renamed(name: string): (scope: Scope) => Scope {
  return (scope) => ({ ...scope, properties: { ...scope.properties, name } })
}

/** Waits until a process has logged a sentence. */
function says(speaker: TestProcess, sentence: string): Promise<unknown> {
  const what = `${speaker.name} says "${sentence}"`
  return eventually(() => speaker.output.includes(`"msg":"${sentence}"`), { timeoutMs: PATIENCE_MS, what })
}

function fingerprintOf(scope: Scope): string {
  return contentOf(scope).fingerprint
}

test('creation, change and deletion of a scope are published once each', async (t) => {
  const house = await aHouse(t)
  const { admin } = house.simulator
  await house.startWatcher()

  const before = await admin.scope(SERVER, FIRST)
  const changed = await admin.editScope(SERVER, FIRST, renamed('library'))
  const change = await house.event(FIRST)
  const created: Scope = {
    ...before,
    key: '10.9.0.0/24' as ScopeKey,
    id: 900,
    ranges: [],
    reservations: [],
    exclusions: [],
  }
  await admin.putScope(SERVER, created)
  const creation = await house.event(created.key)
  await admin.deleteScope(SERVER, SECOND)
  const deletion = await house.event(SECOND)

  assert.deepEqual(
    [change.change, change.fingerprint, change.previousFingerprint],
    ['changed', fingerprintOf(changed), fingerprintOf(before)],
  )
  assert.deepEqual(
    [creation.change, creation.fingerprint, creation.previousFingerprint],
    ['created', fingerprintOf(created), undefined],
  )
  assert.deepEqual([deletion.change, deletion.fingerprint], ['deleted', undefined])
  assert.equal(house.events.length, 3)
})

test('a change of a server that gives no hints is noticed by the probe', async (t) => {
  const house = await aHouse(t, (server) => ({ ...server, hints: false }))
  await house.startWatcher()
  await house.simulator.admin.editScope(SERVER, FIRST, renamed('by probe'))

  assert.equal((await house.event(FIRST)).change, 'changed')
})

test('a change with a hint does not wait for the probe', async (t) => {
  const house = await aHouse(t)
  await house.startWatcher({ env: { TWINSCOPE_PROBE_MS: '60000' } })
  await house.simulator.admin.editScope(SERVER, FIRST, renamed('by hint'))

  assert.equal((await house.event(FIRST)).change, 'changed')
})

test('what changed while the watcher was down is published after its start, and nothing else', async (t) => {
  const house = await aHouse(t)
  const watcher = await house.startWatcher()
  const exit = await watcher.kill()
  assert.deepEqual(exit, { code: 0, signal: null })
  assert.equal(await house.registered(), undefined, 'a clean end takes its registration back')

  await house.simulator.admin.editScope(SERVER, FIRST, renamed('meanwhile'))
  await house.startWatcher()
  assert.equal((await house.event(FIRST)).change, 'changed')
  assert.equal(house.events.length, 1)
})

test('a change that was read but not acknowledged is published after kill -9 of the watcher', async (t) => {
  const house = await aHouse(t)
  const watcher = await house.startWatcher()
  await house.nats.kill9()
  await eventually(() => watcher.output.includes('"msg":"waiting for NATS"'), {
    what: 'the watcher says that NATS is down',
  })

  const readsBefore = watcher.output.split('"msg":"server read"').length
  await house.simulator.admin.editScope(SERVER, FIRST, renamed('unacknowledged'))
  await eventually(() => watcher.output.split('"msg":"server read"').length > readsBefore, {
    what: 'the change is read',
  })
  await watcher.kill('SIGKILL')
  await house.nats.restart()
  await house.startWatcher()

  assert.equal((await house.event(FIRST)).change, 'changed')
})

test('NATS that is down delays the news only', async (t) => {
  const house = await aHouse(t)
  const watcher = await house.startWatcher()
  await house.nats.kill9()
  const changed = await house.simulator.admin.editScope(SERVER, FIRST, renamed('delayed'))
  await house.nats.restart()

  const event = await house.event(FIRST)
  assert.equal(event.fingerprint, fingerprintOf(changed))
  assert.equal(watcher.running, true)
})

test('NATS may be down at the start', async (t) => {
  const house = await aHouse(t)
  await house.nats.kill9()
  const watcher = await house.startWatcher({ wait: false })
  await eventually(() => watcher.output.includes('"msg":"waiting for NATS"'), {
    what: 'the watcher says that it waits',
  })
  await house.nats.restart()

  await says(watcher, 'ready')
  await house.simulator.admin.editScope(SERVER, FIRST, renamed('after the start'))
  await house.event(FIRST)
})

test('a watcher stops cleanly while NATS is down, before and after its start', async (t) => {
  const house = await aHouse(t)
  const started = await house.startWatcher()
  await house.nats.kill9()
  await says(started, 'waiting for NATS')
  assert.deepEqual(await started.kill(), { code: 0, signal: null })

  const starting = await house.startWatcher({ wait: false })
  await says(starting, 'waiting for NATS')
  assert.deepEqual(await starting.kill(), { code: 0, signal: null })
})

test('a wiped NATS is told of the watcher and of later changes', async (t) => {
  const house = await aHouse(t)
  await house.startWatcher()
  await house.nats.wipe()
  await eventually(async () => (await house.registered()) ?? false, {
    timeoutMs: PATIENCE_MS,
    what: 'the registration is back',
  })
  await house.simulator.admin.editScope(SERVER, FIRST, renamed('after the wipe'))

  assert.equal((await house.event(FIRST)).change, 'changed')
})

test('a server that is down is unreachable, said once, and loses no scope', async (t) => {
  const house = await aHouse(t)
  const watcher = await house.startWatcher()
  await house.simulator.admin.setFaults(SERVER, { unreachable: true })
  // Before its first read it is registered as not reachable too, with another problem.
  await eventually(
    async () => {
      const entry = await house.registered()
      return entry?.reachable === false && /cannot be reached/.test(entry.problem ?? '')
    },
    { timeoutMs: PATIENCE_MS, what: 'registered as unreachable' },
  )
  // Several tries later nothing was deleted and nothing said twice.
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  assert.equal(watcher.output.split('"msg":"server cannot be read').length - 1, 1)
  await house.simulator.admin.setFaults(SERVER, {})
  await eventually(async () => (await house.registered())?.reachable === true, {
    timeoutMs: PATIENCE_MS,
    what: 'registered as reachable',
  })

  assert.equal(house.events.length, 0)
})

test('a read with half of the answer is no configuration', async (t) => {
  const house = await aHouse(t)
  await house.startWatcher()
  await house.simulator.admin.setFaults(SERVER, { truncateReads: true })
  await house.simulator.admin.editScope(SERVER, FIRST, renamed('half'))
  await eventually(async () => (await house.registered())?.reachable === false, {
    timeoutMs: PATIENCE_MS,
    what: 'registered as unreadable',
  })
  assert.equal(house.events.length, 0)
  await house.simulator.admin.setFaults(SERVER, {})

  assert.equal((await house.event(FIRST)).change, 'changed')
})

test('a second watcher of a server is refused and told who holds it', async (t) => {
  const house = await aHouse(t)
  const first = await house.startWatcher()
  const samePlace = await house.startWatcher({ wait: false })
  const elsewhere = await house.startWatcher({ wait: false, stateDir: join(house.simulator.directory, 'other-state') })

  for (const second of [samePlace, elsewhere]) {
    await eventually(() => !second.running, { timeoutMs: PATIENCE_MS, what: 'the second watcher ends' })
    assert.equal((await second.exited).code, 1)
    assert.match(second.output, new RegExp(`already guarded: the watcher with process id ${first.pid}`))
  }
  assert.equal(first.running, true)
})

test('of two watchers that start together on two hosts one serves; the other ends without having served', async (t) => {
  const house = await aHouse(t)
  const watchers = await Promise.all(
    ['state-1', 'state-2'].map((name) =>
      house.startWatcher({ wait: false, stateDir: join(house.simulator.directory, name) }),
    ),
  )
  const ended = () => watchers.filter((watcher) => !watcher.running)
  await eventually(() => ended().length === 1, { timeoutMs: PATIENCE_MS, what: 'one of them ends' })
  const [loser] = ended()
  const winner = watchers.find((watcher) => watcher !== loser)
  assert.match(loser?.output ?? '', /already guarded/)
  assert.doesNotMatch(loser?.output ?? '', /"msg":"ready"|"msg":"server read"/)
  if (winner !== undefined) await says(winner, 'ready')
  assert.equal((await house.registered())?.pid, winner?.pid)
})

test('a gate is served from its registration on, and no longer once another watcher has it', async (t) => {
  const house = await aHouse(t)
  const config = loadConfiguration(house.config)
  const bucket = await openBucket(house.messaging, BUCKETS.gates)
  const asked = Promise.withResolvers<void>()
  const mayRegister = Promise.withResolvers<void>()
  const gates: Bucket = {
    ...bucket,
    async create(key, value) {
      asked.resolve()
      await mayRegister.promise
      return await bucket.create(key, value)
    },
  }
  const stop = new AbortController()
  const taken = Promise.withResolvers<void>()
  const directory = join(house.simulator.directory, 'in-process')
  const own = newHolder()
  const watched = watchServer({
    config: config.servers.find(({ name }) => name === SERVER) ?? assert.fail(),
    configuration: config,
    directory,
    lock: lockServer(SERVER, directory, own),
    own,
    installation: 'test',
    messaging: house.messaging,
    gates,
    logger: createLogger({ service: 'test', level: 'silent' }),
    probeEveryMs: 100,
    fullReadEveryMs: 30_000,
    onTaken: () => taken.resolve(),
    signal: stop.signal,
  })
  const client = createGateClient(house.messaging)
  const ask = () =>
    client.request(SERVER, 'manifest', { relationship: 'sim1-sim2', fresh: false }, { timeoutMs: 10_000 })

  await asked.promise
  await assert.rejects(ask(), { code: 'no-responders' })
  mayRegister.resolve()
  await watched.ready
  assert.equal((await ask()).server, SERVER)

  const entry = (await house.registered()) ?? assert.fail()
  await bucket.put(gateKey(SERVER), JSON.stringify({ ...entry, holder: 'other' }))
  await taken.promise
  await assert.rejects(ask(), { code: 'unreachable' })
  stop.abort()
  await watched.done
  assert.equal((await house.registered())?.holder, 'other')
})

test('the relationship and its failover state are registered; one that the server lacks is a problem', async (t) => {
  const house = await aHouse(t)
  await house.startWatcher()
  const entry = await eventually(async () => (await house.registered()) ?? false, {
    timeoutMs: PATIENCE_MS,
    what: 'a registration',
  })
  assert.deepEqual(
    entry.relationships.map(({ name, configured, partner, mode, state, scopeCount }) => ({
      name,
      configured,
      partner,
      mode,
      state,
      scopeCount,
    })),
    [
      {
        name: 'sim1-sim2',
        configured: true,
        partner: 'sim2.example.net',
        mode: 'hot-standby',
        state: 'normal',
        scopeCount: SCOPES,
      },
    ],
  )
  await house.simulator.admin.setFailoverState(SERVER, 'sim1-sim2', 'partner-down')
  await eventually(async () => (await house.registered())?.relationships[0]?.state === 'partner-down', {
    what: 'the new state',
  })
})

test('a configured relationship that the server lacks is a problem, registered and logged once', async (t) => {
  const house = await aHouse(t, ({ relationships: _, ...server }) => server)
  const watcher = await house.startWatcher()
  const problem = /sim1.example.net has no failover relationship with sim2.example.net/
  // The first registration may be before the first read.
  await eventually(async () => problem.test((await house.registered())?.relationships[0]?.problem ?? ''), {
    timeoutMs: PATIENCE_MS,
    what: 'the problem in the registry',
  })
  await house.simulator.admin.editScope(SERVER, FIRST, renamed('another read'))
  await house.event(FIRST)

  assert.equal(watcher.output.split('configured relationship not found').length - 1, 1)
})

test('a commit through the gate is written, persisted and published', async (t) => {
  const house = await aHouse(t)
  const { admin } = house.simulator
  await house.startWatcher()
  const gate = createGateClient(house.messaging)
  const expected = contentOf(await admin.scope(SERVER, FIRST))
  const wanted = contentOf(renamed('from the partner')(await admin.scope(SERVER, FIRST)))
  const relationship = 'sim1-sim2'
  const side = 'sim2.example.net'
  const options = { timeoutMs: 10_000 }

  const { ticket } = await gate.request(SERVER, 'prepare', { relationship, side, epoch: 1, job: 'job-1' }, options)
  await gate.request(SERVER, 'stage', { relationship, ticket, contents: [{ scope: FIRST, ...wanted }] }, options)
  const scopes = [{ scope: FIRST, expected: expected.fingerprint, wanted: wanted.fingerprint }]
  const commit = { relationship, side, epoch: 1, ticket, job: 'job-1', scopes }
  const { results } = await gate.request(SERVER, 'commit', commit, options)

  assert.deepEqual(
    results.map(({ scope, result, persisted }) => ({ scope, result, persisted })),
    [{ scope: FIRST, result: 'written', persisted: true }],
  )
  assert.deepEqual(
    (await admin.log(SERVER)).map(({ who, scope, before, after }) => ({ who, scope, before, after })),
    [{ who: 'twinscope', scope: FIRST, before: expected.fingerprint, after: wanted.fingerprint }],
  )
  assert.equal((await house.event(FIRST)).fingerprint, wanted.fingerprint)
})

test('a server with the mark of another installation is written only after it was claimed', async (t) => {
  const house = await aHouse(t)
  const other = openSimulated({ name: SERVER, control: house.simulator.control(SERVER) })
  t.after(() => other.close())
  assert.deepEqual(await other.claim('theirs'), { kind: 'ours' })
  await house.startWatcher()
  const gate = createGateClient(house.messaging)
  const options = { timeoutMs: 10_000 }
  const prepare = () =>
    gate.request(
      SERVER,
      'prepare',
      { relationship: 'sim1-sim2', side: 'sim2.example.net', epoch: 1, job: 'job-1' },
      options,
    )

  await assert.rejects(prepare(), {
    code: 'foreign-installation',
    message: /twinscope claim-server sim1\.example\.net/,
  })
  assert.deepEqual(await gate.request(SERVER, 'claim', { actor: 'anna' }, options), { previous: 'theirs' })
  assert.ok((await prepare()).ticket)
  assert.equal((await other.claim('theirs')).kind, 'foreign')
})

test('a server that covers its partner refuses writes until the cover ends or runs out; its leases are counted', async (t) => {
  const house = await aHouse(t)
  await house.startWatcher({ env: { TWINSCOPE_COVER_MS: '1000' } })
  const gate = createGateClient(house.messaging)
  const options = { timeoutMs: 10_000 }
  const relationship = 'sim1-sim2'
  const prepare = () =>
    gate.request(SERVER, 'prepare', { relationship, side: 'sim2.example.net', epoch: 1, job: 'j' }, options)
  const cover = (on: boolean) => gate.request(SERVER, 'cover', { relationship, job: 'other', on }, options)

  assert.deepEqual(await cover(true), { covering: true })
  await assert.rejects(prepare(), { code: 'covering' })
  assert.deepEqual(await cover(false), { covering: false })
  await prepare()
  await cover(true)
  await assert.rejects(prepare(), { code: 'covering' })
  await eventually(() => prepare().catch(() => false), { timeoutMs: PATIENCE_MS, what: 'the end of the cover' })
  await house.simulator.admin.setFailoverState(SERVER, relationship, 'partner-down')
  await assert.rejects(cover(true), { code: 'not-normal' })

  const network = FIRST.replace(/\d+\/\d+$/, '')
  await house.simulator.admin.setLeases(SERVER, [`${network}9`, `${network}20`])
  const outside = [{ start: `${network}10`, end: `${network}99` }]
  assert.deepEqual(await gate.request(SERVER, 'leases', { relationship, scope: FIRST, outside }, options), {
    supported: true,
    count: 1,
    examples: [`${network}9`],
  })
})

test('the gate of a server that was never read answers that it is unreachable', async (t) => {
  const house = await aHouse(t)
  await house.simulator.admin.setFaults(SERVER, { unreachable: true })
  await house.startWatcher()
  const request = createGateClient(house.messaging).request(
    SERVER,
    'manifest',
    { relationship: 'sim1-sim2', fresh: true },
    { timeoutMs: 10_000 },
  )

  await assert.rejects(request, (error) => error instanceof GateError && error.code === 'unreachable')
})
