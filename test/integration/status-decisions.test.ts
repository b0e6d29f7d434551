// Deciding through the status service on a real NATS: approve, reject, restore, pauses, authority, conflicts, claim.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Pause, Rejections } from '#contracts/control.ts'
import type { AuthorityView, ConflictList, RestorePlan } from '#contracts/decisions-api.ts'
import type { Outcome, ReplicationRequested, ScopeOutcome } from '#contracts/messages.ts'
import type { Problem, ProblemCode } from '#contracts/problems.ts'
import type { Accepted, PlanAnswer, RelationshipDetail, ReplicationDetail } from '#contracts/status-api.ts'
import { BUCKETS, STREAMS } from '#contracts/streams.ts'
import { rejectedKey } from '#contracts/subjects.ts'
import { contentOf } from '#dhcp/fingerprint.ts'
import { eventually } from '#harness/eventually.ts'
import { openBucket } from '#messaging/buckets.ts'
import { orderedMessages } from '#messaging/last.ts'
import { digestOf } from '#plan/plan.ts'
import { anOutcome, aScope, at, type PlayedGate, type StatusFixture, startStatus } from '../console/status-fixture.ts'

const [DHCP1, DHCP2, REL] = ['dhcp1.example.net', 'dhcp2.example.net', 'dhcp1-dhcp2']
const [A, B, C, D] = ['10.0.10.0/24', '10.0.20.0/24', '10.0.30.0/24', '10.0.40.0/24']
const TOKEN = { authorization: 'Bearer let-me-in' }

const base = aScope(A)
const ours = aScope(A, { routers: '10.0.10.2' })
const theirs = aScope(A, { reservations: 1 })
const edited = aScope(C, { reservations: 2 })
const older = aScope(B, { routers: '10.0.20.7' })

const dhcp1: PlayedGate = {
  server: DHCP1,
  relationship: REL,
  partner: DHCP2,
  failoverState: 'normal',
  scopes: new Map([
    [A, { live: ours, base }],
    [B, { live: aScope(B), base: aScope(B) }],
    [C, { live: aScope(C), base: aScope(C) }],
    [D, { live: aScope(D), base: aScope(D) }],
  ]),
}
const dhcp2: PlayedGate = {
  server: DHCP2,
  relationship: REL,
  partner: DHCP1,
  failoverState: 'normal',
  scopes: new Map([
    [A, { live: theirs, base }],
    [B, { live: aScope(B), base: aScope(B), row: { writtenBy: 'COMMIT1' } }],
    [C, { live: edited, base: aScope(C), row: { writtenBy: 'COMMIT1' } }],
    [D, { live: aScope(D, { reservations: 3 }), base: aScope(D), row: { dirty: true } }],
  ]),
  preImages: new Map([
    [`COMMIT1 ${B}`, older],
    [`COMMIT1 ${C}`, undefined],
  ]),
  claimedFrom: 'installation-7',
}

let system: StatusFixture
before(async () => {
  system = await startStatus({ env: { TWINSCOPE_TOKEN: 'let-me-in' } })
  await system.playGate(dhcp1)
  await system.playGate(dhcp2)
  await system.setAuthority(REL, DHCP1)
})
after(async () => await system?.stop())

const call = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  system.send(method, path, body, { ...TOKEN, ...headers })
const post = (path: string, body: unknown, headers?: Record<string, string>) => call('POST', path, body, headers)

async function problem(response: Response, status: number, code: ProblemCode): Promise<Problem> {
  const text = await response.text()
  assert.equal(response.status, status, text)
  const found = JSON.parse(text) as Problem
  assert.deepEqual([found.code, found.type], [code, `urn:twinscope:problem:${code}`])
  return found
}

/** The request that an accepted call published. */
async function published(response: Response): Promise<Omit<ReplicationRequested, 'requester'>> {
  const text = await response.text()
  assert.equal(response.status, 202, text)
  const { job } = JSON.parse(text) as Accepted
  assert.equal(response.headers.get('location'), `/v1/replications/${job}`)
  const requests = await allRequests()
  const found = requests.filter((request) => request.job === job)
  assert.equal(found.length, 1)
  const { job: _, requester: __, requestedAt: ___, ...request } = found[0] as ReplicationRequested
  return request
}

async function allRequests(): Promise<readonly ReplicationRequested[]> {
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

async function relationship(fits: (detail: RelationshipDetail) => boolean): Promise<RelationshipDetail> {
  return await eventually(
    async () => {
      const detail = await system.get<RelationshipDetail>(`/v1/relationships/${REL}`)
      assert.ok(fits(detail), JSON.stringify(detail).slice(0, 1_500))
      return detail
    },
    { what: REL },
  )
}

const print = (scope: Parameters<typeof contentOf>[0]) => contentOf(scope).fingerprint
function held(scope: string, code: string, more: Partial<ScopeOutcome> = {}): ScopeOutcome {
  const [before, after] = [dhcp2.scopes.get(scope)?.live, dhcp1.scopes.get(scope)?.live]
  return {
    scope,
    status: 'held',
    code,
    message: `${code} in words`,
    decision: code,
    ...(before === undefined ? {} : { before: print(before) }),
    ...(after === undefined ? {} : { after: print(after) }),
    ...more,
  }
}
function digestOfRows(rows: readonly ScopeOutcome[]): string {
  const scopes = rows.map(({ scope, before, after, decision = '' }) => ({
    scope,
    code: decision,
    ...(before === undefined ? {} : { expected: before }),
    ...(after === undefined ? {} : { wanted: after }),
  }))
  return digestOf({ source: DHCP1, target: DHCP2, scopes })
}

/** Puts an ended job into the ledger, and waits until the service knows it. */
async function ended(job: string, more: Partial<Outcome>): Promise<void> {
  await system.publishOutcome(anOutcome(job, 'final', { status: 'held', ...more }))
  await eventually(async () => (await fetch(`${system.url}/v1/replications/${job}`)).ok, { what: job })
}

const HELD = [
  held(A, 'conflict'),
  // A limit stands in front; the decision behind it is what the digest names.
  held(C, 'too-many-deletes', { decision: 'foreign-edit' }),
  held(D, 'dirty'),
]

test('approve asks for exactly the held rows that can be approved, under their digest', async () => {
  await ended('HELD', { at: at(9), scopes: HELD, scopeCount: 3, planDigest: digestOfRows(HELD) })

  const request = await published(await post('/v1/replications/HELD/approve', { actor: 'anna', reason: 'CHG-1' }))

  assert.deepEqual(request, {
    level: 'scope',
    server: DHCP1,
    relationship: REL,
    scopes: [A, C],
    approvedPlan: digestOfRows(HELD.slice(0, 2)),
    approves: 'HELD',
    actor: 'anna',
    reason: 'CHG-1',
  })
})

test('a subset has its own digest, and the authoritative side may be named', async () => {
  const request = await published(await post('/v1/replications/HELD/approve', { scopes: ['10.0.30.0'], side: 'dhcp1' }))

  assert.deepEqual(
    [request.scopes, request.approvedPlan, request.act],
    [[C], digestOfRows(HELD.slice(1, 2)), undefined],
  )
})

test('the same approval with the same key is one replication', async () => {
  const key = { 'idempotency-key': 'approve-1' }
  const [first, second] = await Promise.all([1, 2].map(() => post('/v1/replications/HELD/approve', {}, key)))
  assert.deepEqual(await first?.json(), await second?.json())
  // The same body means something else elsewhere.
  await problem(await post('/v1/replications/HELD/reject', {}, key), 422, 'idempotency-key-reused')
})

test('what cannot be approved is refused, and says why', async () => {
  await ended('DONE', {
    status: 'replicated',
    scopes: [{ ...held(A, 'changed'), status: 'replicated' }],
    message: 'done',
  })
  await ended('DIRTY', { scopes: [held(D, 'dirty')], scopeCount: 1 })
  const { before: _, after: __, ...bare } = held(A, 'conflict')
  await ended('CUT', { scopes: [bare], scopeCount: 4_000 })
  await system.publishOutcome(anOutcome('RUNS', 'progress', { status: 'running' }))
  await eventually(async () => (await fetch(`${system.url}/v1/replications/RUNS`)).ok, { what: 'RUNS' })
  const approve = (job: string, body: object = {}) => post(`/v1/replications/${job}/approve`, body)

  const dirty = await problem(await approve('DIRTY'), 409, 'not-approvable')
  assert.match(dirty.detail, /10\.0\.40\.0\/24 \(dirty\): dirty in words/)
  await problem(await approve('HELD', { scopes: ['10.0.10.0', '10.0.40.0'] }), 409, 'not-approvable')
  const other = await problem(await approve('HELD', { scopes: ['10.0.20.0'] }), 409, 'nothing-held')
  assert.deepEqual(other.near, [A, C, D])
  await problem(await approve('DONE'), 409, 'nothing-held')
  await problem(await approve('CUT'), 409, 'plan-cut')
  await problem(await approve('RUNS'), 409, 'not-finished')
  await problem(await approve('NONE'), 404, 'unknown-replication')
  await problem(await approve('HELD', { side: 'dhcp3', scopes: ['10.0.10.0'] }), 409, 'not-in-relationship')
})

test('keeping what the partner has is an adoption, and needs the plan that was seen', async () => {
  const body = { side: 'dhcp2', scopes: ['10.0.10.0'] }
  await problem(await post('/v1/replications/HELD/approve', body), 428, 'approval-required')

  const planDigest = 'a'.repeat(64)
  const request = await published(await post('/v1/replications/HELD/approve', { ...body, planDigest }))

  assert.deepEqual(request, {
    level: 'scope',
    server: DHCP2,
    relationship: REL,
    scopes: [A],
    act: { kind: 'adopt', of: 'HELD' },
    approvedPlan: planDigest,
    approves: 'HELD',
  })
})

test('an adoption that was held because somebody edited meanwhile is approved as an adoption', async () => {
  const row = held(A, 'adopt', { decision: 'adopted' })
  await ended('ADOPT', { act: 'adopt', source: DHCP2, target: DHCP1, scopes: [row] })

  const request = await published(await post('/v1/replications/ADOPT/approve', {}))

  const scopes = [{ scope: A, code: 'adopted', expected: row.before ?? '', wanted: row.after ?? '' }]
  assert.deepEqual([request.server, request.act], [DHCP2, { kind: 'adopt', of: 'ADOPT' }])
  assert.equal(request.approvedPlan, digestOf({ source: DHCP2, target: DHCP1, scopes }))
})

test('what a server job held in several relationships is one approval with a digest for each', async () => {
  const parent = { slot: `_${DHCP1}`, job: 'SERVER' }
  const elsewhere = { relationship: 'dhcp1-dhcp3', slot: 'dhcp1-dhcp3', target: 'dhcp3.example.net' }
  await ended('SERVER-1', { parent, scopes: [held(A, 'conflict')] })
  await ended('SERVER-2', { parent, ...elsewhere, scopes: [held(C, 'first-contact')] })
  await ended('SERVER', { level: 'server', slot: parent.slot })

  const request = await published(await post('/v1/replications/SERVER/approve', {}))

  assert.deepEqual([request.level, request.relationship, request.scopes], ['scope', undefined, [A, C]])
  assert.equal(request.approvedPlans?.[REL], digestOfRows([held(A, 'conflict')]))
  assert.deepEqual(Object.keys(request.approvedPlans ?? {}), [REL, 'dhcp1-dhcp3'])
  const several = await problem(await post('/v1/replications/SERVER/reject', {}), 409, 'several-relationships')
  assert.deepEqual(several.near, ['SERVER-1', 'SERVER-2'])
})

test('reject names the held scopes; the replication tells what it is about before a replicator has it', async () => {
  const response = await post('/v1/replications/HELD/reject', { scopes: ['10.0.10.0'], reason: 'not yet' })
  const { job } = (await response.clone().json()) as Accepted
  assert.deepEqual(await published(response), {
    level: 'scope',
    server: DHCP1,
    relationship: REL,
    scopes: [A],
    act: { kind: 'reject', of: 'HELD' },
    reason: 'not yet',
  })
  const { act, of, status } = await system.get<ReplicationDetail>(`/v1/replications/${job}`)
  assert.deepEqual([act, of, status], ['reject', 'HELD', 'pending'])
})

test('conflicts say what each side did since both agreed, since when and by whom, and what picking it writes', async () => {
  await ended('WROTE', {
    status: 'replicated',
    commit: 'COMMIT1',
    cause: { kind: 'request', actor: 'berta' },
    scopes: [
      { ...held(B, 'changed'), status: 'replicated' },
      { ...held(C, 'created'), status: 'replicated' },
    ],
  })
  const list = await system.get<ConflictList>(`/v1/relationships/${REL}/conflicts`)

  assert.deepEqual(
    list.items.map(({ scopeId, code, base: known, job }) => [scopeId, code, known, job]),
    [
      ['10.0.10.0', 'conflict', 'known', 'HELD'],
      ['10.0.30.0', 'foreign-edit', 'known', 'HELD'],
      ['10.0.40.0', 'dirty', 'known', 'HELD'],
    ],
  )
  const [conflict, foreign, dirty] = list.items
  assert.deepEqual(
    conflict?.sides.map(({ server, role, changes, counts, since }) => [server, role, changes, counts, since]),
    [
      [
        DHCP1,
        'authoritative',
        ['~ option 3 (routers): 10.0.10.1 → 10.0.10.2'],
        { added: 0, updated: 1, deleted: 0 },
        '2026-11-24T10:00:00.000Z',
      ],
      [
        DHCP2,
        'partner',
        ['+ reservation hw-address=aa:bb:cc:00:00:10: 10.0.10.210 "printer1"'],
        { added: 1, updated: 0, deleted: 0 },
        '2026-11-24T10:00:00.000Z',
      ],
    ],
  )
  // Picking a side undoes what the other did and brings what it did itself.
  assert.deepEqual(conflict?.sides[1]?.plan, [
    '+ reservation hw-address=aa:bb:cc:00:00:10: 10.0.10.210 "printer1"',
    '~ option 3 (routers): 10.0.10.2 → 10.0.10.1',
  ])
  assert.equal(conflict?.sides[0]?.digest, digestOfRows([held(A, 'conflict')]))
  const adopted = { scope: A, code: 'adopted', expected: print(ours), wanted: print(theirs) }
  assert.equal(conflict?.sides[1]?.digest, digestOf({ source: DHCP2, target: DHCP1, scopes: [adopted] }))
  assert.deepEqual(
    foreign?.sides.map(({ by }) => by),
    [undefined, 'berta (replication WROTE)'],
  )
  assert.deepEqual(
    dirty?.sides.map(({ digest }) => digest),
    [undefined, undefined],
  )
  assert.ok(dirty?.sides.every(({ obstacles }) => obstacles.some(({ approvable }) => !approvable)))
  assert.deepEqual(
    list.sides.map(({ server, scopes }) => [server, scopes]),
    [
      [DHCP1, [A, C]],
      [DHCP2, [A, C]],
    ],
  )
  const one = await system.get<ConflictList>(`/v1/relationships/${REL}/conflicts?scope=10.0.10.0`)
  assert.deepEqual(
    [one.items.length, one.sides.map(({ digest }) => digest)],
    [1, conflict?.sides.map(({ digest }) => digest)],
  )
})

test('a side is picked for exactly the scopes that were listed, either way round', async () => {
  const path = `/v1/relationships/${REL}/conflicts`
  const { sides } = await system.get<ConflictList>(path)
  const pick = async (index: 0 | 1) => {
    const { server = '', scopes, digest: planDigest } = sides[index] ?? {}
    return await published(await post(`${path}/pick`, { side: server, scopes, planDigest, actor: 'anna' }))
  }

  const common = { level: 'scope', relationship: REL, scopes: [A, C], actor: 'anna' }
  assert.deepEqual(await pick(0), { ...common, server: DHCP1, approvedPlan: sides[0]?.digest })
  assert.deepEqual(await pick(1), {
    ...common,
    server: DHCP2,
    approvedPlan: sides[1]?.digest,
    act: { kind: 'adopt' },
  })
  const body = { side: 'dhcp3', scopes: [A], planDigest: 'a'.repeat(64) }
  await problem(await post(`${path}/pick`, body), 409, 'not-in-relationship')
})

test('a conflict whose base nobody has is shown as one side against the other', async () => {
  const known = [dhcp1.scopes.get(A), dhcp2.scopes.get(A)]
  dhcp1.scopes.set(A, { live: ours })
  dhcp2.scopes.set(A, { live: theirs })
  try {
    const { items } = await system.get<ConflictList>(`/v1/relationships/${REL}/conflicts?scope=10.0.10.0`)
    assert.deepEqual([items[0]?.code, items[0]?.base], ['first-contact', 'unknown'])
    assert.deepEqual(items[0]?.sides[0]?.changes, [
      '- reservation hw-address=aa:bb:cc:00:00:10: 10.0.10.210 "printer1"',
      '~ option 3 (routers): 10.0.10.1 → 10.0.10.2',
    ])
  } finally {
    dhcp1.scopes.set(A, known[0] ?? {})
    dhcp2.scopes.set(A, known[1] ?? {})
  }
})

test('a rejection is shown with its scope while exactly that pair of contents is there', async () => {
  const control = await openBucket(system.messaging, BUCKETS.control)
  const rejection = { source: print(aScope(C)), target: print(edited), job: 'REJECT', by: 'anna', at: at(9) }
  const rejections: Rejections = {
    [C]: rejection,
    [A]: { ...rejection, source: 'v1:of-another-content', target: print(theirs) },
  }
  await control.put(rejectedKey(REL), JSON.stringify(rejections))

  const { scopes } = await relationship((detail) => detail.scopes.some(({ rejected }) => rejected !== undefined))
  assert.deepEqual(
    scopes
      .filter(({ rejected }) => rejected !== undefined)
      .map(({ scope, code, rejected }) => [scope, code, rejected?.by]),
    [[C, 'rejected', 'anna']],
  )
  const { items } = await system.get<ConflictList>(`/v1/relationships/${REL}/conflicts?scope=10.0.30.0`)
  assert.deepEqual([items[0]?.code, items[0]?.rejected?.job], ['rejected', 'REJECT'])
  await control.delete(rejectedKey(REL))
  await relationship((detail) => detail.scopes.every(({ rejected }) => rejected === undefined))
})

test('why is answered for what is equal too: our own write, by the replication that people know', async () => {
  const { scopes } = await relationship((detail) => detail.scopes.some(({ code }) => code === 'echo'))
  const own = scopes.find(({ scope }) => scope === B)
  assert.deepEqual([own?.code, own?.writtenBy], ['echo', 'WROTE'])
  assert.match(own?.why ?? '', /our own write, job WROTE/)
})

test('a restore shows what it would write on each side, and is requested with that digest', async () => {
  const path = '/v1/replications/WROTE/restore'
  const one = (await (await post(`${path}/plan`, {})).json()) as RestorePlan
  assert.deepEqual(
    one.plans.map(({ target, scopes }) => [
      target,
      scopes.map(({ scopeId, action, changes }) => [scopeId, action, changes]),
    ]),
    [
      [
        DHCP2,
        [
          ['10.0.20.0', 'update', ['~ option 3 (routers): 10.0.20.1 → 10.0.20.7']],
          ['10.0.30.0', 'delete', ['- scope 10.0.30.0/24, whole']],
        ],
      ],
    ],
  )
  assert.equal(one.digest, one.plans[0]?.digest)
  const both = (await (await post(`${path}/plan`, { both: true, scopes: ['10.0.20.0'] })).json()) as RestorePlan
  assert.deepEqual(
    both.plans.map(({ source, target, scopes }) => [source, target, scopes.length]),
    [
      [DHCP2, DHCP2, 1],
      [DHCP2, DHCP1, 1],
    ],
  )
  assert.ok(both.digest !== undefined && both.plans.every(({ digest }) => digest !== both.digest))

  await problem(await post(path, { both: true }), 428, 'approval-required')
  const request = await published(
    await post(path, { both: true, scopes: ['10.0.20.0'], approvedPlan: both.digest, actor: 'anna' }),
  )
  assert.deepEqual(request, {
    level: 'scope',
    server: DHCP2,
    relationship: REL,
    scopes: [B],
    act: { kind: 'restore', of: 'WROTE', both: true },
    approvedPlan: both.digest,
    actor: 'anna',
  })
})

test('what cannot be restored says why', async () => {
  const wrote = (job: string, commit: string, scopes: readonly string[]) =>
    ended(job, {
      status: 'replicated',
      commit,
      scopes: scopes.map((scope) => ({ ...held(scope, 'changed'), status: 'replicated' as const })),
    })
  await wrote('PARTLY', 'COMMIT1', [A, B])
  const partly = (await (await post('/v1/replications/PARTLY/restore/plan', {})).json()) as RestorePlan
  assert.deepEqual(
    [partly.missing.map(({ scopeId }) => scopeId), partly.plans[0]?.scopes.map(({ scopeId }) => scopeId)],
    [['10.0.10.0'], ['10.0.20.0']],
  )
  await problem(await post('/v1/replications/HELD/restore/plan', {}), 409, 'nothing-to-restore')
  await problem(await post('/v1/replications/WROTE/restore/plan', { scopes: ['10.0.10.0'] }), 409, 'nothing-to-restore')
})

/** Reads events of everything live until one fits. */
async function liveUntil(fits: (event: string, data: string) => boolean, begun: () => Promise<void>): Promise<void> {
  const response = await fetch(`${system.url}/v1/live`, { signal: AbortSignal.timeout(10_000) })
  let text = ''
  let isBegun = false
  for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    text += chunk
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1] ?? ''
      if (isBegun && fits(event, /^data: (.*)$/m.exec(block)?.[1] ?? '')) return
    }
    if (!isBegun && blocks.some((block) => block.includes('event: snapshot'))) {
      isBegun = true
      await begun()
    }
  }
  throw new Error('the stream ended')
}

test('a pause is written down, told live, shown, and is why a request would be refused', async () => {
  const until = new Date(Date.now() + 3_600_000).toISOString()
  await liveUntil(
    (event, data) => event === 'relationships' && data.includes('works in rack 4'),
    async () => {
      const response = await call('PUT', `/v1/relationships/${REL}/pause`, {
        actor: 'anna',
        reason: 'works in rack 4',
        until,
      })
      assert.equal(response.status, 200)
      const pause = (await response.json()) as Pause
      assert.deepEqual([pause.relationship, pause.by, pause.until], [REL, 'anna', until])
    },
  )
  assert.equal((await call('PUT', '/v1/pause', { actor: 'berta' })).status, 200)
  const { pauses } = await relationship((detail) => detail.pauses.length === 2)
  assert.deepEqual(
    pauses.map(({ relationship: name, by }) => [name, by]),
    [
      [undefined, 'berta'],
      [REL, 'anna'],
    ],
  )
  const { items } = await system.get<{ items: Pause[] }>('/v1/pauses')
  assert.equal(items.length, 2)
  const planned = (await (await post('/v1/plans', { server: 'dhcp1', relationship: REL })).json()) as PlanAnswer
  assert.equal(planned.plans[0]?.refusal?.code, 'paused')
  assert.match(planned.plans[0]?.refusal?.message ?? '', /paused by anna .* until .*works in rack 4/)

  assert.equal((await call('DELETE', '/v1/pause?actor=anna')).status, 204)
  assert.equal((await call('DELETE', `/v1/relationships/${REL}/pause`)).status, 204)
  assert.equal((await call('DELETE', '/v1/pause')).status, 204)
  await relationship((detail) => detail.pauses.length === 0)
  assert.match(system.status.output, /"by":"anna".*"msg":"resumed"/)
})

test('a pause that ends by itself is no longer shown; one that is over already is refused', async () => {
  await problem(await call('PUT', '/v1/pause', { until: '2020-01-01T00:00:00Z' }), 400, 'invalid-request')
  await problem(await call('PUT', '/v1/relationships/dhcp9/pause', {}), 404, 'unknown-relationship')
  assert.equal((await call('PUT', '/v1/pause', { until: new Date(Date.now() + 700).toISOString() })).status, 200)
  await relationship((detail) => detail.pauses.length === 1)
  await relationship((detail) => detail.pauses.length === 0)
  assert.deepEqual((await system.get<{ items: Pause[] }>('/v1/pauses')).items, [])
})

async function authority(): Promise<{ readonly etag: string; readonly view: AuthorityView }> {
  const response = await fetch(`${system.url}/v1/relationships/${REL}/authority`)
  return { etag: response.headers.get('etag') ?? '', view: (await response.json()) as AuthorityView }
}

test('the authority is shown with its tag, and moves only from what was looked at', async () => {
  const { etag, view } = await authority()
  assert.equal(etag, '"1"')
  assert.deepEqual(
    [view.side, view.epoch, view.configured, view.problem, view.gates.map(({ epoch }) => epoch)],
    [DHCP1, 1, DHCP1, undefined, [1, 1]],
  )
  const path = `/v1/relationships/${REL}/authority`
  await problem(await call('PUT', path, { side: 'dhcp2' }), 428, 'precondition-required')
  const outdated = await problem(
    await call('PUT', path, { side: 'dhcp2' }, { 'if-match': '"7"' }),
    412,
    'authority-changed',
  )
  assert.match(outdated.detail, /dhcp1\.example\.net has it in epoch 1/)
  await problem(await call('PUT', path, { side: 'dhcp3' }, { 'if-match': etag }), 409, 'not-in-relationship')

  const headers = { 'if-match': etag, 'idempotency-key': 'move-1' }
  const first = await call('PUT', path, { side: 'dhcp2', actor: 'anna', force: true }, headers)
  const answer = await first.clone().json()
  assert.deepEqual(await published(first), {
    level: 'relationship',
    server: DHCP2,
    relationship: REL,
    act: { kind: 'move-authority', force: true, expectedEpoch: 1 },
    actor: 'anna',
  })

  // It was moved; repeating the request is still the same move, and does not fail because it succeeded.
  await system.setAuthority(REL, DHCP2, 2)
  await eventually(async () => assert.equal((await authority()).etag, '"2"'), { what: 'the new record' })
  const again = await call('PUT', path, { side: 'dhcp2', actor: 'anna', force: true }, headers)
  assert.deepEqual(await again.json(), answer)
  const noted = /the configuration names dhcp1\.example\.net as authority/
  const { authority: moved } = await relationship(({ reason }) => noted.test(reason ?? ''))
  assert.equal(moved?.side, DHCP2)
  await system.setAuthority(REL, DHCP1, 3)
  await eventually(async () => assert.equal((await authority()).etag, '"3"'), { what: 'the record as before' })
})

test('a lost record, an interrupted move and an authority that nobody knows are problems with a way out', async () => {
  await system.loseAuthority(REL)
  const lost = await relationship((detail) => detail.authorityProblem?.code === 'lost')
  assert.match(
    lost.authorityProblem?.message ?? '',
    /the gate of dhcp2\.example\.net knows dhcp1\.example\.net in epoch 1/,
  )
  assert.match(lost.authorityProblem?.message ?? '', /twinscope authority move dhcp1-dhcp2/)
  assert.deepEqual([lost.authority?.from, (await authority()).etag], ['gates', '"0"'])

  dhcp2.authority = { side: DHCP2, epoch: 9 }
  await system.setAuthority(REL, DHCP1, 8)
  const interrupted = await relationship((detail) => detail.authorityProblem?.code === 'interrupted')
  assert.match(interrupted.authorityProblem?.message ?? '', /epoch 8.*dhcp2\.example\.net in epoch 9/)
  const planned = (await (await post('/v1/plans', { server: 'dhcp1', relationship: REL })).json()) as PlanAnswer
  assert.equal(planned.plans[0]?.refusal?.code, 'authority-unknown')

  dhcp1.authority = null
  dhcp2.authority = null
  await system.loseAuthority(REL)
  await relationship((detail) => detail.authorityProblem?.code === 'unseeded')
  dhcp1.authority = { side: DHCP1, epoch: 10 }
  dhcp2.authority = { side: DHCP1, epoch: 10 }
  await system.setAuthority(REL, DHCP1, 10)
  await relationship((detail) => detail.authorityProblem === undefined)
})

test('a server is claimed through its gate, whose refusal is told', async () => {
  const claimed = await post('/v1/servers/dhcp2/claim', { actor: 'anna' })
  assert.deepEqual([claimed.status, await claimed.json()], [200, { server: DHCP2, previous: 'installation-7' }])
  await problem(await post('/v1/servers/dhcp3/claim', {}), 502, 'server-unreachable')
  await problem(await post('/v1/servers/dhcp9/claim', {}), 404, 'unknown-server')
})

test('a request that is not understood is answered in words: where, what was given, what is expected', async () => {
  const wrong = { scopes: ['nonsense'], side: 5, planDigest: 'abc', colour: 'red' }
  const body = await problem(await post('/v1/replications/HELD/approve', wrong), 400, 'invalid-request')
  assert.deepEqual(
    body.errors?.map(({ path, message }) => `${path}: ${message}`).toSorted(),
    [
      '/body/colour: unknown key "colour". Known: actor, reason, scopes, side, planDigest.',
      '/body/planDigest: "abc": expected the digest of a plan, 64 hexadecimal digits',
      '/body/scopes/0: "nonsense": expected a scope ID such as 10.0.10.0 or 10.0.10.0/24',
      '/body/side: 5: expected text',
    ].toSorted(),
  )
  const query = await problem(await fetch(`${system.url}/v1/replications?limit=0&status=odd`), 400, 'invalid-request')
  assert.match(query.detail, /\/querystring\/limit: 0: expected 1 to 500/)
  assert.match(query.detail, /\/querystring\/status: "odd": expected one of replicated, /)
  const none = await problem(await post('/v1/replications/HELD/approve', []), 400, 'invalid-request')
  assert.match(none.detail, /expected/)
})

/** Everything that changes something. */
const CHANGES: readonly (readonly [string, string, unknown])[] = [
  ['POST', '/v1/replications', { server: 'dhcp1' }],
  ['POST', '/v1/replications/HELD/approve', {}],
  ['POST', '/v1/replications/HELD/reject', {}],
  ['POST', '/v1/replications/WROTE/restore', { approvedPlan: 'a'.repeat(64) }],
  ['PUT', '/v1/pause', {}],
  ['DELETE', '/v1/pause', undefined],
  ['PUT', `/v1/relationships/${REL}/pause`, {}],
  ['DELETE', `/v1/relationships/${REL}/pause`, undefined],
  ['PUT', `/v1/relationships/${REL}/authority`, { side: 'dhcp1' }],
  ['POST', `/v1/relationships/${REL}/conflicts/pick`, { side: 'dhcp1', scopes: [A], planDigest: 'a'.repeat(64) }],
  ['POST', '/v1/servers/dhcp2/claim', {}],
]

test('whatever changes something asks for the token, and is in the OpenAPI document', async () => {
  const before = (await allRequests()).length
  for (const [method, path, body] of CHANGES) {
    await problem(await system.send(method, path, body), 401, 'unauthorized')
    await problem(await system.send(method, path, body, { authorization: 'Bearer other' }), 401, 'unauthorized')
  }
  assert.equal((await allRequests()).length, before)
  assert.deepEqual((await system.get<{ items: Pause[] }>('/v1/pauses')).items, [])
  const { paths } = await system.get<{ paths: Record<string, Record<string, unknown>> }>('/documentation/json')
  const changing = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).flatMap((method) =>
      method === 'get' || path === '/v1/plans' || path.endsWith('/plan') ? [] : [`${method} ${path}`],
    ),
  )
  assert.equal(changing.length, CHANGES.length, changing.join(', '))
})

test('without NATS whatever needs it is answered with 503 and when to try again', async () => {
  await system.nats.kill9()
  await eventually(async () => (await fetch(`${system.url}/readyz`)).status === 503, { what: 'not ready' })
  const reading: typeof CHANGES = [
    ['POST', '/v1/plans', { server: 'dhcp1' }],
    ['POST', '/v1/replications/WROTE/restore/plan', {}],
    ['GET', `/v1/relationships/${REL}/diff`, undefined],
    ['GET', `/v1/relationships/${REL}/conflicts`, undefined],
    ['GET', `/v1/relationships/${REL}/authority`, undefined],
  ]
  for (const [method, path, body] of [...CHANGES, ...reading]) {
    const response = await call(method, path, body, { 'if-match': '"10"' })
    assert.equal(response.headers.get('retry-after'), '5', `${method} ${path}`)
    await problem(response, 503, 'messaging-unavailable')
  }
  assert.equal((await fetch(`${system.url}/v1/replications/HELD`)).status, 200)
  assert.equal((await fetch(`${system.url}/v1/pauses`)).status, 200)
  await system.nats.restart()
  await eventually(async () => (await fetch(`${system.url}/readyz`)).ok, { what: 'ready again', timeoutMs: 20_000 })
  assert.equal((await post('/v1/replications/HELD/approve', {})).status, 202)
})
