// A request that is handled twice, and resolved differently each time, is one job with one end. On a real NATS.

import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { connect, type NatsConnection } from 'nats'
import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { ReplicationRequested } from '#contracts/messages.ts'
import { BUCKETS, STREAMS } from '#contracts/streams.ts'
import { outcomeSubject, serverSlot } from '#contracts/subjects.ts'
import { type NatsServer, startNats } from '#harness/nats.ts'
import { openBucket } from '#messaging/buckets.ts'
import { connectMessaging, type Messaging } from '#messaging/connection.ts'
import { provision } from '#messaging/provision.ts'
import type { Fleet } from '#replicator/fan-out.ts'
import type { FleetView } from '#replicator/fleet.ts'
import { createJobs, type Jobs, type StoredJob } from '#replicator/jobs.ts'
import { createPlaces, type Places } from '#replicator/places.ts'
import { outcomeOf } from '#replicator/report.ts'
import { createRequestJobs, type RequestBase, type RequestJobs } from '#replicator/request-jobs.ts'
import { createLogger } from '#telemetry/logger.ts'

const logger = createLogger({ service: 'test', level: 'silent' })
const SERVERS = ['sim1', 'sim2', 'sim3']
const [AB, AC] = ['sim1-sim2', 'sim1-sim3']
const SCOPE = '10.0.1.0/24'

/** Between two ticks. */
const RECONCILE_MS = 60_000

let nats: NatsServer
let messaging: Messaging
let past: NatsConnection
let jobs: Jobs
let places: Places
let number = 0
/** Of the request of the running test. */
let base: RequestBase

before(async () => {
  nats = await startNats()
  messaging = await connectMessaging({ url: nats.url, name: 'replicator', logger })
  await provision(messaging, { replicas: 1 })
  past = await connect({ servers: nats.url })
  places = createPlaces(await openBucket(messaging, BUCKETS.idempotency))
  const bucket = await openBucket(messaging, BUCKETS.jobs)
  jobs = createJobs({ messaging, bucket, places, logger, replicator: 'test' })
})
after(async () => {
  await past?.close()
  await messaging?.close()
  await nats?.stop()
})
beforeEach(() => {
  const cause = { kind: 'request' as const, requester: 'test' }
  base = { job: `J${++number}`, automatic: false, cause, createdAt: new Date().toISOString(), attempts: 0, waits: 0 }
})

type Seen = { readonly sides: Readonly<Record<string, string>>; readonly silent?: readonly string[] }

/** A replicator that sees the fleet like this. */
function seeing({ sides, silent = [] }: Seen): RequestJobs {
  const policies = [
    { name: AB, servers: ['sim1', 'sim2'], mode: 'automatic' },
    { name: AC, servers: ['sim1', 'sim3'], mode: 'automatic' },
  ] as unknown as readonly RelationshipPolicy[]
  const view: Fleet = {
    servers: SERVERS,
    policies,
    discovered: [],
    authoritativeSide: new Map(Object.entries(sides)),
    scopesOf: new Map([[AB, new Set(silent.includes(AB) ? [] : [SCOPE])]]),
    incomplete: new Set(silent),
  }
  const fleet = { policies, servers: SERVERS, view: async () => view } as unknown as FleetView
  return createRequestJobs({ messaging, fleet, jobs, places, reconcileMs: RECONCILE_MS })
}

const ofRelationship = (server: string): ReplicationRequested => ({
  level: 'relationship',
  server,
  requester: 'test',
  relationship: AB,
})
const ofScope: ReplicationRequested = { level: 'scope', server: 'sim1', requester: 'test', scopes: [SCOPE] }
const ofServer: ReplicationRequested = { level: 'server', server: 'sim1', requester: 'test' }

async function finals(): Promise<readonly string[]> {
  const manager = await past.jetstreamManager()
  const filter = `twinscope.outcome.*.${base.job}.final`
  const { state } = await manager.streams.info(STREAMS.outcomes.name, { subjects_filter: filter })
  return Object.keys(state.subjects ?? {})
}

/** Slots in which a job of this request waits. */
async function slots(): Promise<readonly string[]> {
  const all = [AB, AC, ...SERVERS.map(serverSlot)]
  const found = await Promise.all(all.map((slot) => jobs.find(slot, base.job)))
  return all.filter((_, index) => found[index] !== undefined)
}

/** Every job that waits in the slot ends as a run would end it. */
async function endAll(slot: string): Promise<void> {
  for (const { job } of await jobs.waiting(slot))
    await jobs.finish(job, { ...outcomeOf(job, 'final', new Date().toISOString()), status: 'replicated' })
}

async function dueIn(stored: StoredJob, ms: number): Promise<StoredJob> {
  const updated = await jobs.update(stored, { ...stored.job, dueAt: new Date(Date.now() + ms).toISOString() })
  assert.ok(updated)
  return updated
}

test('refused, and handled again after the authority has moved: it stays refused', async () => {
  await seeing({ sides: { [AB]: 'sim1' } }).place(ofRelationship('sim2'), base)
  assert.deepEqual(await finals(), [outcomeSubject(serverSlot('sim2'), base.job, 'final')])
  await seeing({ sides: { [AB]: 'sim2' } }).place(ofRelationship('sim2'), base)
  assert.deepEqual(await slots(), [])
  await endAll(AB)
  assert.equal((await finals()).length, 1)
})

test('refused, and handled again after it is forgotten where it was placed: the ledger still knows', async () => {
  await seeing({ sides: { [AB]: 'sim1' } }).place(ofRelationship('sim2'), base)
  const manager = await past.jetstreamManager()
  await manager.streams.purge(`KV_${BUCKETS.idempotency.name}`)
  await seeing({ sides: { [AB]: 'sim2' } }).place(ofRelationship('sim2'), base)
  assert.deepEqual(await slots(), [])
})

test('a job in its relationship, and handled again after the authority has moved: the job decides', async () => {
  await seeing({ sides: { [AB]: 'sim1' } }).place(ofRelationship('sim1'), base)
  await seeing({ sides: { [AB]: 'sim2' } }).place(ofRelationship('sim1'), base)
  assert.deepEqual(await finals(), [])
  assert.deepEqual(await slots(), [AB])
  await endAll(AB)
  assert.deepEqual(await finals(), [outcomeSubject(AB, base.job, 'final')])
})

test('scopes that could not be told, and handled again when they can: the waiting job resolves them, as its child', async () => {
  const silent = seeing({ sides: {}, silent: [AB] })
  const telling = seeing({ sides: {} })
  await silent.place(ofScope, base)
  await telling.place(ofScope, base)
  assert.deepEqual(await slots(), [serverSlot('sim1')])
  const stored = await jobs.find(serverSlot('sim1'), base.job)
  assert.ok(stored)
  await telling.resolveAgain(stored, ofScope)
  assert.deepEqual(await slots(), [serverSlot('sim1')], 'not due yet')
  await telling.resolveAgain(await dueIn(stored, 0), ofScope)
  const child = (await jobs.find(AB, `${base.job}-1`))?.job
  assert.deepEqual([child?.scopes, child?.parent], [[SCOPE], { slot: serverSlot('sim1'), job: base.job }])
})

test('a wait that a clock far ahead has made longer than any wait is not waited for', async () => {
  await seeing({ sides: {}, silent: [AB] }).place(ofScope, base)
  const stored = await jobs.find(serverSlot('sim1'), base.job)
  assert.ok(stored)
  await seeing({ sides: {} }).resolveAgain(await dueIn(stored, 46 * 60_000), ofScope)
  assert.deepEqual((await jobs.find(AB, `${base.job}-1`))?.job.scopes, [SCOPE])
})

test('scopes that could be told, and handled again when they cannot: the job is where it was', async () => {
  await seeing({ sides: {} }).place(ofScope, base)
  await seeing({ sides: {}, silent: [AB] }).place(ofScope, base)
  assert.deepEqual(await slots(), [AB])
})

test('two replicators that see different authorities at the same moment make one job or one refusal', async () => {
  for (let round = 0; round < 20; round++) {
    base = { ...base, job: `${base.job}x` }
    await Promise.all([
      seeing({ sides: { [AB]: 'sim1' } }).place(ofRelationship('sim1'), base),
      seeing({ sides: { [AB]: 'sim2' } }).place(ofRelationship('sim1'), base),
    ])
    for (const slot of await slots()) await endAll(slot)
    assert.equal((await finals()).length, 1)
  }
})

test('a replicator that died after placing: another one makes the job there', async () => {
  await places.bind(base.job, AB)
  await seeing({ sides: { [AB]: 'sim2' } }).place(ofRelationship('sim1'), base)
  assert.deepEqual(await finals(), [outcomeSubject(AB, base.job, 'final')])
  base = { ...base, job: `${base.job}-later` }
  await places.bind(base.job, serverSlot('sim1'))
  await seeing({ sides: {} }).place(ofScope, base)
  assert.deepEqual(await slots(), [serverSlot('sim1')])
  assert.ok(await jobs.find(AB, `${base.job}-1`))
})

test('a parent that is stored keeps its children, whatever another look would make of them', async () => {
  await seeing({ sides: { [AB]: 'sim1', [AC]: 'sim3' } }).place(ofServer, base)
  await seeing({ sides: { [AB]: 'sim1', [AC]: 'sim1' } }).place(ofServer, base)
  assert.ok(await jobs.find(AB, `${base.job}-1`))
  assert.equal(await jobs.find(AC, `${base.job}-2`), undefined)
})

test('an end in another place than the job is bound to is not published', async () => {
  await seeing({ sides: { [AB]: 'sim1' } }).place(ofRelationship('sim1'), base)
  const stored = await jobs.find(AB, base.job)
  assert.ok(stored)
  const elsewhere = { ...stored.job, slot: serverSlot('sim1') }
  await jobs.finish(elsewhere, { ...outcomeOf(elsewhere, 'final', new Date().toISOString()), status: 'refused' })
  assert.deepEqual(await finals(), [])
  await endAll(AB)
  assert.deepEqual(await finals(), [outcomeSubject(AB, base.job, 'final')])
})
