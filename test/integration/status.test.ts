// The status service on a real NATS: its view, its requests, its live updates, its bad days.

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ReplicationRequested } from '#contracts/messages.ts'
import type { Problem } from '#contracts/problems.ts'
import type {
  PlanAnswer,
  Relationship,
  RelationshipDetail,
  ReplicationDetail,
  ReplicationList,
} from '#contracts/status-api.ts'
import { STREAMS } from '#contracts/streams.ts'
import { eventually } from '#harness/eventually.ts'
import { orderedMessages } from '#messaging/last.ts'
import type { Readiness } from '#status/routes/operations.ts'
import { anOutcome, aScope, at, type PlayedGate, type StatusFixture, startStatus } from '../console/status-fixture.ts'

let system: StatusFixture
const same = aScope('10.0.10.0/24')
const dhcp1: PlayedGate = {
  server: 'dhcp1.example.net',
  relationship: 'dhcp1-dhcp2',
  partner: 'dhcp2.example.net',
  scopes: new Map([
    ['10.0.10.0/24', { live: same, base: same }],
    ['10.0.20.0/24', { live: aScope('10.0.20.0/24', { reservations: 1 }), base: aScope('10.0.20.0/24') }],
  ]),
  failoverState: 'normal',
}
const dhcp2: PlayedGate = {
  server: 'dhcp2.example.net',
  relationship: 'dhcp1-dhcp2',
  partner: 'dhcp1.example.net',
  scopes: new Map([
    ['10.0.10.0/24', { live: same, base: same }],
    ['10.0.20.0/24', { live: aScope('10.0.20.0/24'), base: aScope('10.0.20.0/24') }],
  ]),
  failoverState: 'normal',
}

before(async () => {
  system = await startStatus()
  await system.playGate(dhcp1)
  await system.playGate(dhcp2)
  await system.setAuthority('dhcp1-dhcp2', 'dhcp1.example.net')
  await system.setAuthority('dhcp1-dhcp3', 'dhcp3.example.net')
})
after(async () => await system?.stop())

async function relationship(
  name: string,
  fits: (relationship: RelationshipDetail) => boolean,
): Promise<RelationshipDetail> {
  return await eventually(
    async () => {
      const detail = await system.get<RelationshipDetail>(`/v1/relationships/${name}`)
      assert.ok(fits(detail), JSON.stringify(detail).slice(0, 800))
      return detail
    },
    { what: name },
  )
}

async function replication(job: string, fits: (replication: ReplicationDetail) => boolean): Promise<ReplicationDetail> {
  return await eventually(
    async () => {
      const detail = await system.get<ReplicationDetail>(`/v1/replications/${job}`)
      assert.ok(fits(detail), JSON.stringify(detail))
      return detail
    },
    { what: `replication ${job}` },
  )
}

async function publishedRequests(): Promise<readonly ReplicationRequested[]> {
  const found: ReplicationRequested[] = []
  const stop = new AbortController()
  await orderedMessages(system.messaging, {
    stream: STREAMS.requests.name,
    onReset: () => {},
    onMessage: (message) => found.push(JSON.parse(message.body)),
    onCaughtUp: () => stop.abort(),
    signal: stop.signal,
  })
  return found
}

test('a difference is shown as out of sync, with its scope and why', async () => {
  const detail = await relationship('dhcp1-dhcp2', ({ sync }) => sync === 'out-of-sync')

  assert.deepEqual(detail.counts, { inSync: 1, outOfSync: 1, conflict: 0, total: 2, agreed: 2 })
  assert.deepEqual(
    detail.differences.map(({ scopeId, code, action }) => [scopeId, code, action]),
    [['10.0.20.0', 'changed', 'replicate']],
  )
  assert.match(
    detail.differences[0]?.why ?? '',
    /it was changed on dhcp1\.example\.net; it will be copied automatically/,
  )
  assert.deepEqual(detail.authority, { side: 'dhcp1.example.net', epoch: 1, from: 'record' })
  assert.deepEqual(
    detail.partners.map(({ server, role, failoverState }) => [server, role, failoverState]),
    [
      ['dhcp1.example.net', 'authoritative', 'normal'],
      ['dhcp2.example.net', 'partner', 'normal'],
    ],
  )
})

test('a relationship whose server has no watcher is unknown, and says why', async () => {
  const detail = await relationship('dhcp1-dhcp3', ({ sync }) => sync === 'unknown')

  assert.match(detail.reason ?? '', /no watcher has reported for dhcp3\.example\.net/)
  assert.deepEqual(detail.scopes, [])
})

test('an unreachable server makes the state unknown, never in sync or empty', async () => {
  dhcp2.problem = 'connection refused at 127.0.0.1:8001'
  const gate = await system.playGate(dhcp2)
  const detail = await relationship('dhcp1-dhcp2', ({ sync }) => sync === 'unknown')
  assert.match(detail.reason ?? '', /connection refused at 127\.0\.0\.1:8001/)
  assert.equal(detail.partners[1]?.failoverState, 'unknown')

  dhcp2.problem = undefined
  await gate.renew()
  await relationship('dhcp1-dhcp2', ({ sync }) => sync === 'out-of-sync')
})

test('what-if shows the plan in DHCP words, its digest, and what would be refused', async () => {
  const response = await system.post('/v1/plans', { server: 'dhcp1' })
  const answer = (await response.json()) as PlanAnswer

  assert.equal(answer.level, 'server')
  const [plan] = answer.plans
  assert.equal(plan?.target, 'dhcp2.example.net')
  assert.match(plan?.digest ?? '', /^[0-9a-f]{64}$/)
  assert.deepEqual(
    plan?.scopes.map(({ scopeId, action, changes, counts }) => [scopeId, action, changes, counts]),
    [
      [
        '10.0.20.0',
        'update',
        ['+ reservation hw-address=aa:bb:cc:00:00:10: 10.0.20.210 "printer1"'],
        { added: 1, updated: 0, deleted: 0 },
      ],
    ],
  )
  assert.deepEqual(
    answer.refused.map(({ relationship: name, code }) => [name, code]),
    [['dhcp1-dhcp3', 'not-authoritative']],
  )
})

test('a what-if for one scope has only that scope in it', async () => {
  const response = await system.post('/v1/plans', { server: 'dhcp1', scopes: ['10.0.10.0'] })
  const answer = (await response.json()) as PlanAnswer

  assert.deepEqual([answer.level, answer.plans[0]?.sync, answer.plans[0]?.scopes], ['scope', 'in-sync', []])
})

test('unknown names are problems that name the known ones near them', async () => {
  const cases: readonly [unknown, number, string, string][] = [
    [{ server: 'dhcpp1' }, 404, 'unknown-server', 'dhcp1.example.net'],
    [{ server: 'dhcp1', relationship: 'dhcp1-dhcp22' }, 404, 'unknown-relationship', 'dhcp1-dhcp2'],
    [{ server: 'dhcp1', relationship: 'dhcp1-dhcp2', scopes: ['10.0.21.0'] }, 404, 'unknown-scope', '10.0.20.0'],
  ]
  for (const [body, status, code, near] of cases) {
    const response = await system.post('/v1/replications', body)
    const problem = (await response.json()) as Problem
    assert.equal(response.status, status)
    assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    assert.deepEqual([problem.type, problem.code], [`urn:twinscope:problem:${code}`, code])
    assert.ok(problem.near?.includes(near), JSON.stringify(problem))
  }
  const partner = await system.post('/v1/replications', { server: 'dhcp2', relationship: 'dhcp1-dhcp3' })
  assert.deepEqual([partner.status, ((await partner.json()) as Problem).code], [409, 'not-in-relationship'])
})

test('a malformed request names every place, and an unknown path is a problem too', async () => {
  const response = await system.post('/v1/replications', { server: 5, scopes: ['nonsense'], colour: 'red' })
  const problem = (await response.json()) as Problem
  assert.deepEqual([response.status, problem.code], [400, 'invalid-request'])
  assert.ok(
    problem.errors?.some(({ path }) => path === '/body/server'),
    JSON.stringify(problem),
  )
  assert.ok(
    problem.errors?.some(({ path }) => path === '/body/scopes/0'),
    JSON.stringify(problem),
  )
  assert.match(problem.detail, /colour/)

  for (const path of [
    '/v1/nothing',
    '/v1/replications/none',
    '/v1/replications?limit=0',
    '/v1/replications?cursor=x',
  ]) {
    const other = await fetch(`${system.url}${path}`)
    assert.equal(other.headers.get('content-type'), 'application/problem+json; charset=utf-8', path)
    assert.match(((await other.json()) as Problem).type, /^urn:twinscope:problem:[a-z-]+$/)
  }
  const text = await fetch(`${system.url}/v1/replications`, {
    method: 'POST',
    body: '{',
    headers: { 'content-type': 'application/json' },
  })
  assert.equal(((await text.json()) as Problem).code, 'invalid-request')
})

test('the same key and request are one replication; the same key with another request is refused', async () => {
  const body = { server: 'dhcp1', relationship: 'dhcp1-dhcp2', actor: 'anna' }
  const key = { 'idempotency-key': 'change-4711' }
  const answers = await Promise.all([1, 2, 3].map(() => system.post('/v1/replications', body, key)))
  const jobs = await Promise.all(answers.map(async (response) => ((await response.json()) as { job: string }).job))

  assert.deepEqual(
    answers.map(({ status }) => status),
    [202, 202, 202],
  )
  assert.equal(new Set(jobs).size, 1)
  assert.equal(answers[0]?.headers.get('location'), `/v1/replications/${jobs[0]}`)
  const stored = (await publishedRequests()).filter(({ job }) => job === jobs[0])
  assert.deepEqual(
    stored.map(({ level, server, relationship: name, requester, actor }) => [level, server, name, requester, actor]),
    [['relationship', 'dhcp1.example.net', 'dhcp1-dhcp2', 'api', 'anna']],
  )
  const other = await system.post('/v1/replications', { ...body, actor: 'berta' }, key)
  assert.deepEqual([other.status, ((await other.json()) as Problem).code], [422, 'idempotency-key-reused'])
  const pending = await system.get<ReplicationDetail>(`/v1/replications/${jobs[0]}`)
  assert.deepEqual([pending.status, pending.code, pending.cause.actor], ['pending', 'requested', 'anna'])
})

test('the ledger becomes replications with filters and pages', async () => {
  for (let index = 0; index < 5; index++) {
    const job = `PAGE${index}`
    const more = { createdAt: at(index), noticedAt: at(index), at: at(index + 2), automatic: index % 2 === 0 }
    await system.publishOutcome(anOutcome(job, 'accepted', { ...more, status: 'pending' }))
    await system.publishOutcome(
      anOutcome(job, 'final', {
        ...more,
        status: index === 3 ? 'held' : 'replicated',
        code: 'changed',
        message: 'done',
      }),
    )
  }
  const done = await replication('PAGE4', ({ finishedAt }) => finishedAt !== undefined)
  assert.equal(done.durationMs, 2_000)

  const list = async (query: string) => await system.get<ReplicationList>(`/v1/replications?${query}`)
  const seen: string[] = []
  let cursor = ''
  do {
    const page = await list(`limit=2&relationship=dhcp1-dhcp2&since=${at(0)}${cursor}`)
    seen.push(...page.items.map(({ job }) => job))
    cursor = page.next === undefined ? '' : `&cursor=${page.next}`
  } while (cursor !== '')
  assert.deepEqual(
    seen.filter((job) => job.startsWith('PAGE')),
    ['PAGE4', 'PAGE3', 'PAGE2', 'PAGE1', 'PAGE0'],
  )
  assert.equal(new Set(seen).size, seen.length)
  assert.deepEqual(
    (await list('status=held')).items.map(({ job }) => job),
    ['PAGE3'],
  )
  assert.deepEqual(
    (await list('automatic=false&server=dhcp2')).items.map(({ job }) => job),
    ['PAGE3', 'PAGE1'],
  )
  assert.deepEqual((await list('server=dhcp3')).items, [])
})

test('progress, repeated and late entries leave the first final as it is', async () => {
  await system.publishOutcome(anOutcome('ONCE', 'final', { status: 'replicated', message: 'first' }))
  await system.publishOutcome(anOutcome('ONCE', 'progress', { status: 'running' }))
  await system.publishOutcome(anOutcome('ONCE', 'final', { status: 'failed', message: 'second' }))
  await system.publishOutcome(anOutcome('AFTER', 'final', { status: 'replicated' }))

  await replication('AFTER', ({ status }) => status === 'replicated')
  const { status, message } = await system.get<ReplicationDetail>('/v1/replications/ONCE')
  assert.deepEqual([status, message], ['replicated', 'first'])
})

test('a server job shows its children, and what it refused', async () => {
  const slot = '_dhcp1.example.net'
  const parent = { slot, job: 'PARENT' }
  const server = { level: 'server' as const, slot, automatic: false, relationship: undefined, target: undefined }
  const { relationship: _r, target: _t, ...bare } = anOutcome('PARENT', 'final')
  await system.publishOutcome(anOutcome('CHILD', 'final', { parent, status: 'replicated' }))
  await system.publishOutcome({
    ...bare,
    level: server.level,
    slot,
    automatic: false,
    status: 'refused',
    code: 'not-authoritative',
    children: [{ slot: 'dhcp1-dhcp2', job: 'CHILD' }],
    refusedRelationships: [{ relationship: 'dhcp1-dhcp3', code: 'not-authoritative', message: 'dhcp3 is' }],
  })

  const detail = await replication('PARENT', ({ children }) => children.length === 1)
  assert.deepEqual([detail.children[0]?.job, detail.refused?.[0]?.code], ['CHILD', 'not-authoritative'])
  const roots = await system.get<ReplicationList>('/v1/replications?children=false')
  assert.ok(!roots.items.some(({ job }) => job === 'CHILD'))
})

/** Events of a connection until one fits. */
async function eventsUntil(
  path: string,
  lastEventId: string | undefined,
  fits: (event: string, data: unknown) => boolean,
): Promise<readonly { readonly event: string; readonly data: unknown; readonly id?: string }[]> {
  const stop = AbortSignal.timeout(10_000)
  const response = await fetch(`${system.url}${path}`, {
    signal: stop,
    headers: lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
  })
  const found: { event: string; data: unknown; id?: string }[] = []
  let text = ''
  for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
      const event = field('event')
      if (event === undefined) continue
      const data: unknown = JSON.parse(field('data') ?? 'null')
      const id = field('id')
      found.push({ event, data, ...(id === undefined ? {} : { id }) })
      if (fits(event, data)) return found
    }
  }
  throw new Error(`the stream ended: ${JSON.stringify(found)}`)
}

test('live: a snapshot first, what was missed after a known id, a reset after an unknown one', async () => {
  const [snapshot] = await eventsUntil('/v1/live', undefined, (event) => event === 'snapshot')
  assert.ok(snapshot?.id)
  await system.publishOutcome(anOutcome('MISSED', 'final', { status: 'replicated' }))
  await replication('MISSED', ({ status }) => status === 'replicated')

  const missed = await eventsUntil('/v1/live', snapshot.id, (event) => event === 'relationships')
  assert.deepEqual(
    missed.map(({ event, data }) => (event === 'replication' ? (data as { job: string }).job : event)),
    ['MISSED', 'relationships'],
  )
  const foreign = `${Buffer.from('2020-01-01T00:00:00Z').toString('base64url')}-7`
  const reset = await eventsUntil('/v1/live', foreign, (event) => event === 'snapshot')
  assert.deepEqual(
    reset.map(({ event }) => event),
    ['reset', 'snapshot'],
  )
})

test('a followed replication tells every change and ends after its final outcome', async () => {
  await system.publishOutcome(anOutcome('FOLLOWED', 'accepted', { status: 'pending' }))
  await replication('FOLLOWED', ({ status }) => status === 'pending')
  const events = eventsUntil('/v1/replications/FOLLOWED/events', undefined, (event) => event === 'end')
  await system.publishOutcome(
    anOutcome('FOLLOWED', 'progress', { status: 'running', progress: { stage: 'commit', done: 0, total: 1 } }),
  )
  await system.publishOutcome(anOutcome('FOLLOWED', 'final', { status: 'replicated' }))

  const statuses = (await events)
    .filter(({ event }) => event === 'replication')
    .map(({ data }) => (data as ReplicationDetail).status)
  assert.equal(statuses.at(-1), 'replicated')
})

test('after a restart the view goes on where it was', async () => {
  const rebuilds = () => system.status.output.split('rebuilding the view').length - 1
  const [before, items] = [rebuilds(), await system.get<ReplicationList>('/v1/replications?limit=500')]
  await system.status.kill('SIGKILL')
  await system.publishOutcome(anOutcome('MEANWHILE', 'final', { status: 'replicated', createdAt: at(50) }))
  await system.restartStatus()

  await replication('MEANWHILE', ({ status }) => status === 'replicated')
  assert.equal(rebuilds(), before)
  assert.equal((await system.get<ReplicationList>('/v1/replications?limit=500')).items.length, items.items.length + 1)
})

test('the view is rebuilt when its file is gone', async () => {
  const before = await system.get<ReplicationList>('/v1/replications?limit=500')
  assert.ok(before.items.length > 5)
  await system.status.kill()
  await rm(join(system.directory, 'status'), { recursive: true })
  await system.restartStatus()

  await eventually(async () => (await system.get<Readiness>('/readyz')).ready, { what: 'ready again' })
  const rebuilt = await system.get<ReplicationList>('/v1/replications?limit=500')
  assert.deepEqual(rebuilt.items, before.items)
})

test('OpenAPI has every route, each with an answer, and only references that resolve', async () => {
  const document = await system.get<{
    openapi: string
    paths: Record<string, Record<string, { responses: object; operationId: string }>>
    components: { schemas: Record<string, unknown> }
  }>('/documentation/json')
  assert.equal(document.openapi, '3.1.0')
  for (const path of [
    '/v1/relationships',
    '/v1/relationships/{name}',
    '/v1/relationships/{name}/diff',
    '/v1/servers',
    '/v1/plans',
    '/v1/replications',
    '/v1/replications/{job}',
    '/v1/replications/{job}/events',
    '/v1/live',
    '/livez',
    '/readyz',
    '/metrics',
    '/documentation/json',
  ]) {
    assert.ok(document.paths[path], `${path} is not documented`)
  }
  const operations = Object.values(document.paths).flatMap((methods) => Object.values(methods))
  assert.ok(operations.every(({ responses }) => Object.keys(responses).length > 0))
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
  for (const [, name] of JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g)) {
    assert.ok(document.components.schemas[name as string], `${name} is missing`)
  }
})

test('servers are listed with their watcher, or why there is none', async () => {
  const { items } = await system.get<{ items: { name: string; reachable: boolean; problem?: string }[] }>('/v1/servers')
  assert.deepEqual(
    items.map(({ name, reachable }) => [name, reachable]),
    [
      ['dhcp1.example.net', true],
      ['dhcp2.example.net', true],
      ['dhcp3.example.net', false],
    ],
  )
  assert.match(items[2]?.problem ?? '', /no watcher/)
})

test('without NATS nothing is accepted, history is still served, and /readyz says what is missing', async () => {
  await system.nats.kill9()
  const readiness = await eventually(
    async () => {
      const response = await fetch(`${system.url}/readyz`)
      return response.status === 503 && ((await response.json()) as Readiness)
    },
    { what: 'not ready' },
  )
  assert.deepEqual(readiness, { ready: false, missing: ['NATS is not connected'] })
  const refused = await system.post('/v1/replications', { server: 'dhcp1', relationship: 'dhcp1-dhcp2' })
  assert.deepEqual([refused.status, ((await refused.json()) as Problem).code], [503, 'messaging-unavailable'])
  assert.ok((await system.get<ReplicationList>('/v1/replications')).items.length > 5)
  assert.equal((await fetch(`${system.url}/livez`)).status, 200)

  await system.nats.restart()
  await eventually(async () => (await fetch(`${system.url}/readyz`)).ok, { what: 'ready again', timeoutMs: 20_000 })
  const accepted = await system.post('/v1/replications', { server: 'dhcp1', relationship: 'dhcp1-dhcp2' })
  assert.equal(accepted.status, 202)
})

test('a ledger that was made anew empties the view and resets who watches', async () => {
  const [first] = await eventsUntil('/v1/live', undefined, (event) => event === 'snapshot')
  await system.nats.wipe()
  await eventually(
    async () => {
      await system.publishOutcome(anOutcome('NEW', 'final', { status: 'replicated', createdAt: at(100) }))
      return true
    },
    { what: 'the new ledger takes an outcome', timeoutMs: 20_000 },
  )
  await replication('NEW', ({ status }) => status === 'replicated')
  const { items } = await system.get<ReplicationList>('/v1/replications')
  assert.deepEqual(
    items.map(({ job }) => job),
    ['NEW'],
  )
  const reset = await eventsUntil('/v1/live', first?.id, (event) => event === 'snapshot')
  assert.deepEqual(
    reset.map(({ event }) => event),
    ['reset', 'snapshot'],
  )
  const { items: relationships } = await system.get<{ items: Relationship[] }>('/v1/relationships')
  assert.equal(relationships.length, 2)
})
