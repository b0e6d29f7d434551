// Messaging against a real nats-server: killed, restarted, wiped, in the middle of everything.

import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { DiscardPolicy, headers } from 'nats'
import { ReplicationRequested } from '#contracts/messages.ts'
import { BUCKETS, MAX_MESSAGE_BYTES, STREAMS } from '#contracts/streams.ts'
import { outcomeSubject, replicationRequestedSubject, wakeupSubject } from '#contracts/subjects.ts'
import { eventually } from '#harness/eventually.ts'
import { freePort } from '#harness/free-port.ts'
import { type NatsServer, startNats } from '#harness/nats.ts'
import { type Bucket, type BucketEvent, openBucket } from '#messaging/buckets.ts'
import { connectMessaging, type Messaging } from '#messaging/connection.ts'
import {
  type ConsumeOptions,
  consume,
  type Disposition,
  deadLetter,
  decode,
  type Received,
} from '#messaging/consume.ts'
import { MessagingError } from '#messaging/errors.ts'
import { lastMessage, orderedMessages, streamInfo } from '#messaging/last.ts'
import { provision } from '#messaging/provision.ts'
import { publishEvent, publishWakeup } from '#messaging/publish.ts'
import { createLogger } from '#telemetry/logger.ts'

const logger = createLogger({ service: 'test', level: process.env.TWINSCOPE_LOG_LEVEL ?? 'silent' })
const SUBJECT = replicationRequestedSubject('server', 'test')
const ACK: Disposition = { kind: 'ack' }

let nats: NatsServer
let messaging: Messaging
let stop: AbortController
let consumers: Promise<void>[]

before(async () => {
  nats = await startNats()
})
after(() => nats.stop())

beforeEach(async () => {
  await nats.wipe()
  stop = new AbortController()
  consumers = []
  messaging = await connectMessaging({ url: nats.url, name: 'test', logger })
  await provision(messaging)
})

/** Runs a test with everything that it started stopped, whatever happens. */
function withMessaging(name: string, fn: () => Promise<void>): void {
  test(name, { timeout: 60_000 }, async () => {
    try {
      await fn()
    } finally {
      stop.abort()
      await messaging.close()
      await Promise.all(consumers)
    }
  })
}

function request(id: string) {
  return publishEvent(messaging, {
    type: 'dev.twinscope.replication.requested.v1',
    source: 'test',
    id,
    subject: SUBJECT,
    data: { level: 'server', server: 'dhcp1', requester: 'test' },
    signal: stop.signal,
  })
}

function start(options: Partial<ConsumeOptions> & Pick<ConsumeOptions, 'handle'>): void {
  consumers.push(
    consume(messaging, { stream: STREAMS.requests.name, durable: 'test', signal: stop.signal, ...options }),
  )
}

withMessaging('every stream and bucket is provisioned, twice without a change', async () => {
  const names = async () => {
    const all: string[] = []
    for await (const stream of messaging.manager.streams.list()) all.push(stream.config.name)
    return all.toSorted()
  }
  const expected = [
    ...Object.values(STREAMS).map((stream) => stream.name),
    ...Object.values(BUCKETS).map((bucket) => `KV_${bucket.name}`),
  ].toSorted()
  assert.deepEqual(await names(), expected)
  const before = await messaging.manager.streams.info(STREAMS.wakeups.name)

  await provision(messaging)

  assert.deepEqual(await names(), expected)
  const after = await messaging.manager.streams.info(STREAMS.wakeups.name)
  assert.deepEqual(after.config, before.config)
  assert.equal(after.config.max_msgs_per_subject, 1)
})

withMessaging('a stream of an older form is brought up to date', async () => {
  const { streams } = messaging.manager
  await streams.update(STREAMS.changes.name, { max_age: 60_000_000_000, duplicate_window: 1_000_000_000 })

  await provision(messaging)

  assert.equal((await streams.info(STREAMS.changes.name)).config.max_age, 7 * 24 * 3_600 * 1e9)
})

withMessaging(
  'a full stream refuses a message once and for all; the same message is taken when there is room',
  async () => {
    const { streams } = messaging.manager
    const name = STREAMS.requests.name
    await streams.update(name, { max_msgs: 1, discard: DiscardPolicy.New })
    await request('1')
    await assert.rejects(
      request('2'),
      (error) => error instanceof MessagingError && error.code === 'refused' && /maximum messages/.test(error.message),
    )
    await streams.update(name, { max_msgs: -1 })
    assert.equal((await request('2')).kind, undefined)
  },
)

withMessaging('a message that is larger than its stream allows is refused once and for all', async () => {
  await messaging.manager.streams.update(STREAMS.requests.name, { max_msg_size: 10 })
  await assert.rejects(request('1'), (error) => error instanceof MessagingError && error.code === 'refused')
})

withMessaging('a user who may not publish is told, and is not kept waiting', async () => {
  const permissions = '{ publish: { deny: "twinscope.>" } }'
  const guarded = await startNats({
    config: `authorization { users: [{ user: u, password: p, permissions: ${permissions} }] }`,
  })
  const limited = await connectMessaging({ url: guarded.url.replace('//', '//u:p@'), name: 'limited', logger })
  try {
    await provision(limited)
    await assert.rejects(
      publishWakeup(limited, 'a-b'),
      (error) =>
        error instanceof MessagingError && error.code === 'refused' && /permissions violation/i.test(error.message),
    )
  } finally {
    await limited.close()
    await guarded.stop()
  }
})

withMessaging('an event arrives with its attributes, and the same id is stored once', async () => {
  const event = {
    type: 'dev.twinscope.replication.requested.v1' as const,
    source: 'twinscope/tést',
    id: 'a b%1',
    subject: SUBJECT,
    data: { level: 'server' as const, server: 'dhcp1', requester: 'test' },
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  }
  const first = await publishEvent(messaging, event)
  const second = await publishEvent(messaging, event)
  assert.deepEqual(first, { sequence: 1, duplicate: false })
  assert.deepEqual(second, { sequence: 1, duplicate: true })

  const received = await new Promise<Received>((resolve) => {
    start({
      handle: async (message) => {
        resolve(message)
        return ACK
      },
    })
  })
  assert.equal(received.id, event.id)
  assert.equal(received.source, event.source)
  assert.equal(received.type, event.type)
  assert.equal(received.traceparent, event.traceparent)
  assert.equal(received.stream, STREAMS.requests.name)
  assert.equal(received.deliveryCount, 1)
  assert.equal(received.headers['ce-specversion'], '1.0')
  assert.equal(received.headers['Content-Type'], 'application/json')
  assert.deepEqual(decode(ReplicationRequested, received), { ok: event.data })
  await eventually(async () => {
    const info = await messaging.manager.consumers.info(STREAMS.requests.name, 'test')
    return info.ack_floor.stream_seq === 1
  })
})

withMessaging('only the first final outcome of a job is stored', async () => {
  const subject = outcomeSubject('a-b', 'J1', 'final')
  const publish = (id: string) =>
    publishEvent(messaging, {
      type: 'dev.twinscope.outcome.v1',
      source: 'test',
      id,
      subject,
      data: {
        job: 'J1',
        kind: 'final',
        level: 'scope',
        automatic: false,
        slot: 'a-b',
        source: 'a',
        cause: { kind: 'request' },
        createdAt: '2026-01-01T00:00:00Z',
        at: '2026-01-01T00:00:00Z',
      },
      expectLastSubjectSequence: 0,
    })
  const results = await Promise.all([publish('one'), publish('two'), publish('three')])
  assert.equal(results.filter((result) => result.kind === 'exists').length, 2)
  const [first] = results.filter((result) => result.kind === undefined)

  const stored = await lastMessage(messaging, STREAMS.outcomes.name, subject)
  assert.equal(stored?.sequence, first?.sequence)
  assert.equal(await lastMessage(messaging, STREAMS.outcomes.name, outcomeSubject('a-b', 'J2', 'final')), undefined)
  assert.equal((await streamInfo(messaging, STREAMS.outcomes.name)).messages, 1)
})

withMessaging('only the newest wake-up of a slot is kept, and equal ids count once', async () => {
  await publishWakeup(messaging, 'a-b')
  await publishWakeup(messaging, 'a-b')
  await publishWakeup(messaging, '_dhcp1', 'tick/1')
  await publishWakeup(messaging, '_dhcp1', 'tick/1')
  const state = await streamInfo(messaging, STREAMS.wakeups.name)
  assert.equal(state.messages, 2)
  assert.equal(state.lastSequence, 3)
  assert.equal((await lastMessage(messaging, STREAMS.wakeups.name, wakeupSubject('a-b')))?.body, '')
})

withMessaging('a message that is too large is refused before it is sent', async () => {
  const data = { level: 'server' as const, server: 'a', requester: 'x', reason: 'y'.repeat(MAX_MESSAGE_BYTES) }
  await assert.rejects(
    publishEvent(messaging, {
      type: 'dev.twinscope.replication.requested.v1',
      source: 'test',
      id: 'large',
      subject: SUBJECT,
      data,
    }),
    (error) => error instanceof MessagingError && error.code === 'too-large',
  )
})

withMessaging('nak delays, term ends, and a handler that throws is tried again', async () => {
  for (const id of ['nak', 'term', 'throw']) await request(id)
  const seen: { id: string | undefined; count: number; at: number }[] = []
  start({
    handle: async ({ id, deliveryCount }) => {
      seen.push({ id, count: deliveryCount, at: performance.now() })
      if (id === 'term') return { kind: 'term', reason: 'it is the test for it' }
      if (deliveryCount > 1) return ACK
      if (id === 'nak') return { kind: 'nak', delayMs: 300 }
      throw new Error('a bug')
    },
    ackWaitMs: 2_000,
  })
  await eventually(async () => {
    const info = await messaging.manager.consumers.info(STREAMS.requests.name, 'test')
    return info.num_ack_pending + info.num_pending === 0
  })
  const of = (id: string) => seen.filter((entry) => entry.id === id)
  assert.equal(of('nak').length, 2)
  assert.ok((of('nak')[1]?.at ?? 0) - (of('nak')[0]?.at ?? 0) > 280)
  assert.equal(of('throw').length, 2)
  assert.equal(of('term').length, 1)
})

withMessaging('a message that is worked on longer than the ack wait is not delivered to another', async () => {
  await request('long')
  let deliveries = 0
  start({
    ackWaitMs: 400,
    handle: async (message) => {
      deliveries += 1
      for (let step = 0; step < 10; step++) {
        message.working()
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      return ACK
    },
  })
  await eventually(async () => {
    const info = await messaging.manager.consumers.info(STREAMS.requests.name, 'test')
    return info.ack_floor.stream_seq === 1
  })
  assert.equal(deliveries, 1)
})

withMessaging('a malformed message becomes a dead letter and does not stop the others', async () => {
  const attributes = headers()
  attributes.set('x-from', 'a stranger')
  await messaging.connection.jetstream().publish(SUBJECT, 'no json', { headers: attributes })
  await messaging.connection.jetstream().publish(SUBJECT, '{"level":"server","server":7,"requester":"x"}')
  await request('good')
  const good: string[] = []
  start({
    handle: async (message) => {
      const decoded = decode(ReplicationRequested, message)
      if (decoded.error !== undefined) {
        await deadLetter(messaging, message, decoded.error)
        await deadLetter(messaging, message, decoded.error)
        return { kind: 'term', reason: decoded.error }
      }
      good.push(decoded.ok.server)
      return ACK
    },
  })
  const letters: { reason: string; body: string; headers: Record<string, string> }[] = []
  consumers.push(
    orderedMessages(messaging, {
      stream: STREAMS.deadletter.name,
      onMessage: (message) => letters.push(JSON.parse(message.body)),
      onReset: () => assert.fail('nothing was lost'),
      signal: stop.signal,
    }),
  )
  await eventually(() => letters.length === 2 && good.length === 1)
  letters.sort((a, b) => (a.body < b.body ? 1 : -1))
  assert.match(letters[1]?.reason ?? '', /not JSON/)
  assert.match(letters[0]?.reason ?? '', /\/server: /)
  assert.equal(letters[1]?.headers['x-from'], 'a stranger')
  assert.equal((await streamInfo(messaging, STREAMS.deadletter.name)).messages, 2)
})

withMessaging('two consumers of one name share the messages', async () => {
  const counts = [0, 0]
  const handle = (index: number) => async () => {
    counts[index] = (counts[index] ?? 0) + 1
    await new Promise((resolve) => setTimeout(resolve, 2))
    return ACK
  }
  start({ handle: handle(0) })
  start({ handle: handle(1) })
  await Promise.all(Array.from({ length: 200 }, (_, index) => request(`n${index}`)))
  await eventually(() => (counts[0] ?? 0) + (counts[1] ?? 0) === 200)
  assert.ok((counts[0] ?? 0) > 20 && (counts[1] ?? 0) > 20, `shared as ${counts}`)
})

withMessaging('nothing is lost when NATS is killed and restarted while publishing and consuming', async () => {
  const handled = new Map<string, number>()
  start({
    ackWaitMs: 2_000,
    handle: async ({ id }) => {
      handled.set(id ?? '', (handled.get(id ?? '') ?? 0) + 1)
      return ACK
    },
  })
  const publishing = (async () => {
    for (let index = 0; index < 400; index++) {
      await request(`n${index}`)
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  })()
  for (let round = 0; round < 2; round++) {
    await eventually(() => handled.size > 50 * (round + 1))
    await nats.kill9()
    await eventually(() => !messaging.connected)
    await nats.restart()
  }
  await publishing
  await eventually(() => handled.size === 400, { timeoutMs: 20_000 })
})

withMessaging('a wiped NATS gets its streams again, and consuming goes on', async () => {
  const handled: string[] = []
  start({
    handle: async ({ id }) => {
      handled.push(id ?? '')
      return ACK
    },
  })
  await request('before')
  await eventually(() => handled.includes('before'))
  const created = (await streamInfo(messaging, STREAMS.requests.name)).createdAt

  await nats.wipe()

  await request('after')
  await eventually(() => handled.includes('after'))
  assert.notEqual((await streamInfo(messaging, STREAMS.requests.name)).createdAt, created)
})

withMessaging('a consumer and a stream that were deleted while consuming are made again', async () => {
  const handled: string[] = []
  start({
    handle: async ({ id }) => {
      handled.push(id ?? '')
      return ACK
    },
  })
  await request('one')
  await eventually(() => handled.length === 1)
  await messaging.manager.consumers.delete(STREAMS.requests.name, 'test')
  await request('two')
  await eventually(() => handled.includes('two'))
  await messaging.manager.streams.delete(STREAMS.requests.name)
  await request('three')
  await eventually(() => handled.includes('three'))
})

withMessaging('an answer never goes into a stream that was made again in between', async () => {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const second: number[] = []
  await request('old')
  start({
    concurrency: 2,
    ackWaitMs: 1_000,
    handle: async ({ id, deliveryCount }) => {
      if (id === 'old') await held
      // The new stream's first message has the old one's number: the old answer would end it.
      if (id === 'new') {
        second.push(deliveryCount)
        return deliveryCount === 1 ? { kind: 'nak', delayMs: 1_500 } : ACK
      }
      return ACK
    },
  })
  await eventually(async () => {
    const info = await messaging.manager.consumers.info(STREAMS.requests.name, 'test')
    return info.num_ack_pending === 1
  })
  await nats.wipe()
  await request('new')
  await eventually(() => second.length === 1)
  release()
  await eventually(() => second.length === 2, { timeoutMs: 6_000, what: 'the new message comes again' })
})

withMessaging('a running handler is waited for when consuming stops, and its answer counts', async () => {
  await request('slow')
  let begun = false
  start({
    handle: async () => {
      begun = true
      await new Promise((resolve) => setTimeout(resolve, 200))
      return ACK
    },
  })
  await eventually(() => begun)
  stop.abort()
  await Promise.all(consumers)
  // The answer is on its way when consuming has stopped; nobody is left who could give another.
  await eventually(async () => {
    const info = await messaging.manager.consumers.info(STREAMS.requests.name, 'test')
    assert.equal(info.ack_floor.stream_seq, 1)
  })
})

withMessaging('the ledger is read in order, across a kill, and a lost ledger is a reset', async () => {
  let ids: string[] = []
  let resets = 0
  let caughtUp = 0
  for (let index = 0; index < 3; index++) await request(`a${index}`)
  consumers.push(
    orderedMessages(messaging, {
      stream: STREAMS.requests.name,
      onMessage: (message) => ids.push(message.id ?? ''),
      onReset: () => {
        resets += 1
        ids = []
      },
      onCaughtUp: () => {
        caughtUp += 1
      },
      signal: stop.signal,
    }),
  )
  await eventually(() => ids.length === 3 && caughtUp > 0)
  await nats.kill9()
  await nats.restart()
  await request('b')
  await eventually(() => ids.includes('b'))
  assert.deepEqual(ids, ['a0', 'a1', 'a2', 'b'])
  assert.equal(resets, 0)

  await nats.wipe()
  await request('c')
  await eventually(() => ids.includes('c'))
  assert.deepEqual(ids, ['c'])
  assert.equal(resets, 1)
})

withMessaging('a bucket compares and sets', async () => {
  const bucket = await openBucket(messaging, BUCKETS.jobs)
  assert.equal(await bucket.get('a.1'), undefined)
  const first = await bucket.create('a.1', 'one')
  assert.ok(first !== undefined)
  assert.equal(await bucket.create('a.1', 'other'), undefined)
  assert.deepEqual(await bucket.get('a.1'), { value: 'one', revision: first })
  const second = await bucket.update('a.1', 'two', first)
  assert.ok(second !== undefined && second > first)
  assert.equal(await bucket.update('a.1', 'late', first), undefined)
  await bucket.put('a.2', 'x')
  await bucket.put('b=2E.1', 'ü')
  assert.deepEqual(await bucket.keys('a.*'), ['a.1', 'a.2'])
  assert.deepEqual(
    (await bucket.list()).map((entry) => [entry.key, entry.value]),
    [
      ['a.1', 'two'],
      ['a.2', 'x'],
      ['b=2E.1', 'ü'],
    ],
  )
  assert.equal(await bucket.delete('a.1', first), false)
  assert.equal(await bucket.delete('a.1', second), true)
  assert.equal(await bucket.get('a.1'), undefined)
  assert.deepEqual(await bucket.keys('a.*'), ['a.2'])
  assert.ok((await bucket.create('a.1', 'again')) !== undefined)
  await bucket.delete('a.1')
  assert.equal(await bucket.update('a.1', 'late', second), undefined)
})

/** What a watcher of a bucket knows. */
function mirror(bucket: Bucket): { entries: Map<string, string>; events: BucketEvent[] } {
  const entries = new Map<string, string>()
  const events: BucketEvent[] = []
  consumers.push(
    bucket.watch(
      undefined,
      (event) => {
        events.push(event)
        if (event.deleted === true) entries.delete(event.key)
        else entries.set(event.key, event.value)
      },
      stop.signal,
    ),
  )
  return { entries, events }
}

withMessaging('watching a bucket survives a kill and a wipe, and tells what was deleted meanwhile', async () => {
  const bucket = await openBucket(messaging, BUCKETS.gates)
  await bucket.put('a', '1')
  await bucket.put('b', '1')
  const { entries } = mirror(bucket)
  await eventually(() => entries.size === 2)
  await bucket.put('a', '2')
  await bucket.delete('b')
  await eventually(() => entries.get('a') === '2' && !entries.has('b'))

  await nats.kill9()
  await nats.restart()
  await bucket.put('c', '1')
  await eventually(() => entries.has('c'))
  assert.deepEqual([...entries.keys()].toSorted(), ['a', 'c'])

  await nats.wipe()
  assert.equal(await bucket.get('a'), undefined)
  await bucket.put('d', '1')
  await eventually(() => entries.has('d') && !entries.has('a'))
  assert.deepEqual([...entries.keys()], ['d'])
})

withMessaging('a bucket that is asked while NATS is down answers when it is back', async () => {
  const bucket = await openBucket(messaging, BUCKETS.control)
  await bucket.put('k', 'v')
  await nats.kill9()
  await eventually(() => !messaging.connected)
  const asked = Promise.all([bucket.get('k'), bucket.list(), bucket.create('k', 'w'), bucket.put('l', 'x')])
  await nats.restart()
  const [got, , created] = await asked
  assert.equal(got?.value, 'v')
  assert.equal(created, undefined)
})

test('a service that starts before NATS waits for it, says so, and stops when told to', {
  timeout: 30_000,
}, async () => {
  stop.abort()
  await messaging.close()
  const port = await freePort()
  const lines: string[] = []
  const listener = Object.assign(createLogger({ service: 'test', level: 'silent' }), {
    warn: (fields: object, text: string) => lines.push(`${text} ${JSON.stringify(fields)}`),
  })
  const url = `nats://127.0.0.1:${port}`
  const waiting = connectMessaging({ url, name: 'early', logger: listener })
  await eventually(() => lines.length > 0)
  assert.match(lines[0] ?? '', /waiting for NATS .*127\.0\.0\.1/)
  const late = await startNats({ port })
  try {
    const early = await waiting
    assert.equal(early.connected, true)
    await early.close()
  } finally {
    await late.stop()
  }
  const given = connectMessaging({ url, name: 'early', logger, signal: AbortSignal.timeout(300) })
  await assert.rejects(given, (error) => error instanceof MessagingError && error.code === 'aborted')
})
