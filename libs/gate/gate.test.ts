import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GateRequests, GateResponses, ManifestPage } from '#contracts/gate.ts'
import { MAX_MESSAGE_BYTES } from '#contracts/streams.ts'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Scope } from '#dhcp/scope.ts'
import { aScope, noAnswer, noConnection } from './fake-driver.ts'
import {
  A,
  B,
  codeOf,
  commitRequest,
  never,
  ok,
  prepared,
  relationship,
  rowOf,
  setUp,
  stageAll,
  write,
} from './fake-house.ts'

test('a change goes through prepare, stage and commit; the journal answers for it afterwards', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A), aScope(B))
  const before = dhcp.content(A)
  const gate = start()

  const answer = await write(gate, [{ scope: A, from: before, to: aScope(A, 7200) }])

  assert.deepEqual(answer.results, [{ scope: A, result: 'written', persisted: true, baseEpoch: 1, baseSerial: 1 }])
  assert.deepEqual([...new Set(answer.stages.map(({ name }) => name))].sort(), [
    'journal',
    'persist',
    'read',
    'read-back',
    'write',
  ])
  assert.deepEqual(dhcp.scopes.get(aScope(A).key)?.properties, { 'valid-lifetime': 7200 })
  const again = start()
  assert.deepEqual((await ok(again, 'result', { relationship, job: 'job' })).results, answer.results)
  const preImage = await ok(again, 'preimage', { relationship, job: 'job', scope: A })
  assert.deepEqual([preImage.content, preImage.wanted], [before, dhcp.content(A)?.fingerprint])
  const base = await ok(again, 'read', { relationship, scopes: [A, B], of: 'base', fresh: false })
  assert.deepEqual(base.contents, [{ scope: A, content: dhcp.content(A) }, { scope: B }])
  const row = await rowOf(again, A)
  assert.deepEqual([row?.base, row?.baseEpoch, row?.baseSerial], [row?.live, 1, 1])
  assert.equal(await codeOf(again, 'result', { relationship, job: 'other' }), 'unknown-job')
})

test('creating and deleting a scope', async (context) => {
  const { dhcp, start } = setUp(context)
  const gate = start()
  await write(gate, [{ scope: A, to: aScope(A) }], 'create')
  assert.ok(dhcp.content(A))
  await write(gate, [{ scope: A, from: dhcp.content(A) }], 'delete')
  assert.equal(dhcp.content(A), undefined)
  const row = await rowOf(gate, A)
  assert.deepEqual([row?.live, row?.base, row?.baseSerial], [undefined, undefined, 2])
})

test('a write without an answer is uncertain until the server was read; the job then has its result', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  const gate = start()
  const change = { scope: A, from: dhcp.content(A), to: aScope(A, 7200) }
  const { ticket } = await prepared(gate)
  await stageAll(gate, ticket, [change])
  dhcp.onApply = (take) => {
    take()
    dhcp.failure = noConnection
    throw noAnswer
  }
  assert.equal(await codeOf(gate, 'commit', commitRequest(ticket, [change])), 'uncertain')
  assert.equal(await codeOf(gate, 'prepare', { relationship, side: 'dhcp1', epoch: 1, job: 'j' }), 'uncertain')
  assert.equal(await codeOf(gate, 'result', { relationship, job: 'job' }), 'uncertain')
  await assert.rejects(gate.recover(never), { code: 'unreachable' })

  dhcp.failure = undefined
  await gate.recover(never)

  assert.equal((await ok(gate, 'result', { relationship, job: 'job' })).results[0]?.result, 'written')
  assert.equal(dhcp.applied.length, 1)
})

for (const [name, live, result] of [
  ['nothing had reached the server', aScope(A, 3600), 'target-changed'],
  ['everything had', aScope(A, 7200), 'written'],
  ['somebody edited it meanwhile', aScope(A, 1), 'held'],
] as const) {
  test(`the next process ends what the last one began: ${name}`, async (context) => {
    const { dhcp, start, journal } = setUp(context)
    dhcp.put(aScope(A))
    const [before, wanted] = [contentOf(aScope(A)), contentOf(aScope(A, 7200))]
    start()
    const texts = new Map<string, string>([before, wanted].map(({ fingerprint, text }) => [fingerprint, text]))
    const intents = [{ scope: A, preImage: before.fingerprint, wanted: wanted.fingerprint }]
    journal().begin({ job: 'job', relationship, epoch: 1, intents, settled: [] }, texts, '2026-01-01T00:00:00Z')
    dhcp.put(live)

    const gate = start()
    await gate.recover(never)

    assert.equal((await ok(gate, 'result', { relationship, job: 'job' })).results[0]?.result, result)
    assert.deepEqual(dhcp.scopes.get(live.key), live)
    assert.equal((await rowOf(gate, A))?.dirty, result === 'held' ? true : undefined)
  })
}

test('a server that an earlier process died at is revived before it is read, once and until that succeeded', async (context) => {
  const { dhcp, start, journal } = setUp(context)
  dhcp.put(aScope(A))
  const [before, wanted] = [contentOf(aScope(A)), contentOf(aScope(A, 7200))]
  await start().recover(never)
  assert.deepEqual(dhcp.asked, [], 'nothing was begun')
  const texts = new Map<string, string>([before, wanted].map(({ fingerprint, text }) => [fingerprint, text]))
  const intents = [{ scope: A, preImage: before.fingerprint, wanted: wanted.fingerprint }]
  journal().begin({ job: 'job', relationship, epoch: 1, intents, settled: [] }, texts, '2026-01-01T00:00:00Z')
  dhcp.reviveFailure = noConnection

  const gate = start()
  await assert.rejects(gate.recover(never), { code: 'unreachable' })
  assert.deepEqual(dhcp.asked, ['revive'])
  assert.equal(await codeOf(gate, 'result', { relationship, job: 'job' }), 'uncertain')

  dhcp.reviveFailure = undefined
  await gate.recover(never)
  assert.deepEqual(dhcp.asked, ['revive', 'revive', 'read'])
  assert.equal((await ok(gate, 'result', { relationship, job: 'job' })).results[0]?.code, 'interrupted')

  // A write of this process that goes unanswered is the driver's own affair: it knows.
  const change = { scope: A, from: dhcp.content(A), to: aScope(A, 9) }
  const { ticket } = await prepared(gate)
  await stageAll(gate, ticket, [change])
  dhcp.onApply = () => {
    throw noAnswer
  }
  assert.equal(await codeOf(gate, 'commit', commitRequest(ticket, [change], 'later')), 'uncertain')
  await gate.recover(never)
  assert.equal(dhcp.asked.filter((asked) => asked === 'revive').length, 2)
})

test('half a write is put back', async (context) => {
  const { dhcp, start, journal } = setUp(context)
  const scope = (lifetime: number, name: string): Scope => ({
    ...aScope(A, lifetime),
    properties: { 'valid-lifetime': lifetime, name },
  })
  const [before, wanted] = [contentOf(scope(1, 'old')), contentOf(scope(2, 'new'))]
  start()
  const texts = new Map<string, string>([before, wanted].map(({ fingerprint, text }) => [fingerprint, text]))
  const intents = [{ scope: A, preImage: before.fingerprint, wanted: wanted.fingerprint }]
  journal().begin({ job: 'job', relationship, epoch: 1, intents, settled: [] }, texts, '2026-01-01T00:00:00Z')
  dhcp.put(scope(2, 'old'))
  await start().recover(never)
  assert.deepEqual(dhcp.content(A), before)
})

test('half a write stays as it is at a server that another installation has claimed, until it is ours again', async (context) => {
  const { dhcp, start, journal } = setUp(context)
  const scope = (lifetime: number, name: string): Scope => ({
    ...aScope(A, lifetime),
    properties: { 'valid-lifetime': lifetime, name },
  })
  const [before, wanted] = [contentOf(scope(1, 'old')), contentOf(scope(2, 'new'))]
  start()
  const texts = new Map<string, string>([before, wanted].map(({ fingerprint, text }) => [fingerprint, text]))
  const intents = [{ scope: A, preImage: before.fingerprint, wanted: wanted.fingerprint }]
  journal().begin({ job: 'job', relationship, epoch: 1, intents, settled: [] }, texts, '2026-01-01T00:00:00Z')
  dhcp.put(scope(2, 'old'))
  dhcp.claimed = { kind: 'foreign', owner: 'other' }
  const gate = start()

  await assert.rejects(gate.recover(never), /Another installation of Twinscope \(other\) writes to dhcp2/)
  const answer = await gate.handle('prepare', { relationship, side: 'dhcp1', epoch: 1, job: 'j' })
  assert.ok('error' in answer)
  assert.equal(answer.error.code, 'uncertain')
  assert.match(answer.error.message, /Another installation of Twinscope \(other\)/)
  assert.deepEqual(dhcp.applied, [])
  assert.equal(dhcp.asked.includes('revive') || dhcp.asked.includes('persist'), false)

  dhcp.claimed = { kind: 'ours' }
  await gate.recover(never)
  assert.deepEqual(dhcp.content(A), before)
})

test('a base that says that a scope is not there leaves the manifest after 90 days, at the end of a day', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(B))
  const agreedAt = Date.now()
  const gate = start()
  const agree = (scopes: GateRequests['agree']['scopes']) =>
    ok(gate, 'agree', { relationship, side: 'dhcp1', epoch: 1, scopes })
  await agree([{ scope: A }])
  await agree([{ scope: B, fingerprint: contentOf(aScope(B)).fingerprint }])
  const day = 24 * 3_600_000
  const endOfDay = Math.floor(agreedAt / day) * day + day + 90 * day

  dhcp.now = endOfDay - 1
  assert.deepEqual((await rowOf(gate, A))?.baseSerial, 1)
  dhcp.now = endOfDay + 1
  assert.equal(await rowOf(gate, A), undefined)
  assert.equal((await rowOf(gate, B))?.baseSerial, 2)
  dhcp.put(aScope(A))
  assert.equal((await rowOf(gate, A))?.baseSerial, 1, 'somebody made it against the agreement')
})

test('an installation that may not write is told why and what to do', async (context) => {
  const { dhcp, start } = setUp(context)
  const gate = start()
  for (const claimed of [{ kind: 'foreign', owner: 'other' }, { kind: 'unsupported' }] as const) {
    dhcp.claimed = claimed
    assert.equal(
      await codeOf(gate, 'prepare', { relationship, side: 'dhcp1', epoch: 1, job: 'j' }),
      'foreign-installation',
    )
  }
})

test('exclusive: true allows writing where no mark can be left, but not over a foreign one', async (context) => {
  const { dhcp, start } = setUp(context, 'dhcp2', { exclusive: true })
  const gate = start()
  dhcp.claimed = { kind: 'unsupported' }
  await prepared(gate)
  dhcp.claimed = { kind: 'foreign', owner: 'other' }
  assert.equal(
    await codeOf(gate, 'prepare', { relationship, side: 'dhcp1', epoch: 1, job: 'j' }),
    'foreign-installation',
  )
})

test('what does not fit is refused with its code', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  const gate = start()
  const from = dhcp.content(A)
  const { ticket } = await prepared(gate)
  const wanted = contentOf(aScope(A, 9))
  const stage = (scope: string, text: string) =>
    codeOf(gate, 'stage', { relationship, ticket, contents: [{ scope, fingerprint: wanted.fingerprint, text }] })
  assert.equal(await stage(A, `${wanted.text} `), 'bad-content')
  assert.equal(await stage(B, wanted.text), 'bad-content')
  assert.equal(
    await codeOf(gate, 'commit', commitRequest(ticket, [{ scope: A, from, to: aScope(A, 9) }])),
    'bad-content',
  )
  assert.equal(await codeOf(gate, 'commit', commitRequest(ticket, [{ scope: '10.0.1.7/24' }])), 'malformed')
  assert.equal(await codeOf(gate, 'commit', commitRequest(ticket, [{ scope: A }, { scope: A }])), 'malformed')
  assert.equal(
    await codeOf(gate, 'prepare', { relationship: 'nope', side: 'dhcp1', epoch: 1, job: 'j' }),
    'unknown-relationship',
  )
  assert.equal(await codeOf(gate, 'prepare', { relationship, side: 'dhcp9', epoch: 1, job: 'j' }), 'malformed')
  dhcp.state = 'partner-down'
  await stageAll(gate, ticket, [{ scope: A, to: aScope(A, 9) }])
  assert.equal(
    await codeOf(gate, 'commit', commitRequest(ticket, [{ scope: A, from, to: aScope(A, 9) }])),
    'not-normal',
  )
  assert.equal(await codeOf(gate, 'prepare', { relationship, side: 'dhcp2', epoch: 2, job: 'j' }), 'authoritative-side')
  assert.equal(dhcp.applied.length, 0)
})

test('a server that cannot be read is unreachable, never empty', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  dhcp.failure = noConnection
  const gate = start()
  assert.equal(await codeOf(gate, 'manifest', { relationship, fresh: false }), 'unreachable')
  assert.equal(await codeOf(gate, 'prepare', { relationship, side: 'dhcp1', epoch: 1, job: 'j' }), 'unreachable')
  await assert.rejects(gate.observe(never), noConnection)
  dhcp.failure = undefined
  await gate.observe(never)
  dhcp.failure = noConnection
  await assert.rejects(gate.observe(never), noConnection)
  assert.equal(
    await codeOf(gate, 'manifest', { relationship, fresh: false }),
    'unreachable',
    'an old read is no answer',
  )
})

test('the epoch of a fence outlives the process', async (context) => {
  const { start } = setUp(context)
  await ok(start(), 'fence', { relationship, side: 'dhcp1', epoch: 4 })
  const gate = start()
  assert.equal(await codeOf(gate, 'prepare', { relationship, side: 'dhcp1', epoch: 3, job: 'j' }), 'stale-epoch')
  assert.deepEqual((await ok(gate, 'manifest', { relationship, fresh: true })).authority, { side: 'dhcp1', epoch: 4 })
})

test('running but not persisted is said, kept in mind, and tried again', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.persistResult = { kind: 'not-persisted', code: 'read-only', message: 'the file is read-only' }
  const gate = start()
  const answer = await write(gate, [{ scope: A, to: aScope(A) }])
  assert.deepEqual([answer.results[0]?.persisted, answer.persistMessage], [false, 'the file is read-only'])
  assert.equal(await gate.retryPersist(never), false)
  dhcp.persistResult = { kind: 'persisted' }
  assert.equal(await start().retryPersist(never), true)
})

test('the source repeats the base with the serial of the target', async (context) => {
  const { dhcp, start } = setUp(context, 'dhcp1')
  dhcp.put(aScope(A), aScope(B))
  const gate = start()
  const scopes = [
    { scope: A, fingerprint: contentOf(aScope(A)).fingerprint, serial: 5 },
    { scope: B, fingerprint: contentOf(aScope(B, 1)).fingerprint, serial: 5 },
  ]
  assert.deepEqual(await ok(gate, 'agree', { relationship, side: 'dhcp1', epoch: 2, scopes }), {
    agreed: [A],
    serial: 5,
  })
  const row = await rowOf(gate, A)
  assert.deepEqual([row?.base, row?.baseEpoch, row?.baseSerial], [row?.live, 2, 5])
})

test('an earlier content is regressed after a restart, and an ordinary change without one', async (context) => {
  const { dhcp, start } = setUp(context)
  const gate = start()
  await write(gate, [{ scope: A, to: aScope(A, 1) }], 'one')
  await write(gate, [{ scope: A, from: dhcp.content(A), to: aScope(A, 2) }], 'two')
  dhcp.put(aScope(A, 1))
  assert.equal((await rowOf(gate, A))?.regressed, undefined)
  dhcp.put(aScope(A, 2))
  await gate.observe(never)
  dhcp.put(aScope(A, 1))
  dhcp.instance = 'second'
  assert.equal((await rowOf(gate, A))?.regressed, true)
})

test('a content that comes back with a restart was there before, though nobody had agreed on it', async (context) => {
  const { dhcp, start } = setUp(context)
  const gate = start()
  for (const version of [1, 2]) {
    dhcp.put(aScope(A, version))
    assert.equal((await rowOf(gate, A))?.returned, undefined)
  }
  dhcp.put(aScope(A, 1))
  dhcp.instance = 'second'
  assert.equal((await rowOf(gate, A))?.returned, true)
  dhcp.put(aScope(A, 3))
  dhcp.instance = 'third'
  assert.equal((await rowOf(gate, A))?.returned, undefined, 'a content that was never there is new')
})

test('a scope that is gone after a restart, since its creation was lost, is regressed too', async (context) => {
  const { dhcp, start } = setUp(context)
  const gate = start()
  await write(gate, [{ scope: A, to: aScope(A) }])
  dhcp.scopes.clear()
  dhcp.instance = 'second'
  const row = await rowOf(gate, A)
  assert.deepEqual([row?.live, row?.regressed], [undefined, true])
})

test('a change while the server serves alone is marked until both sides agree on it', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  const gate = start()
  await gate.observe(never)
  dhcp.state = 'partner-down'
  dhcp.put(aScope(A, 2))
  await gate.observe(never)
  dhcp.state = 'normal'
  assert.equal((await rowOf(gate, A))?.changedAlone, true)
  const scopes = [{ scope: A, fingerprint: contentOf(aScope(A, 2)).fingerprint }]
  await ok(gate, 'agree', { relationship, side: 'dhcp1', epoch: 1, scopes })
  assert.equal((await rowOf(gate, A))?.changedAlone, undefined)
})

test('a change of the time alone counts as such where it is seen only when the partner is back, over restarts too', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A), aScope(B))
  const gate = start()
  dhcp.state = 'partner-down'
  await gate.observe(never)
  dhcp.put(aScope(A, 2))
  dhcp.state = 'normal'
  const again = start()
  assert.equal((await rowOf(again, A))?.changedAlone, true)
  // From now on it is not alone any more.
  dhcp.put(aScope(B, 2))
  assert.equal((await rowOf(again, B))?.changedAlone, undefined)
  assert.equal((await rowOf(again, A))?.changedAlone, true)
})

test('a fence is answered when the commit before it is ended, and the commit after it is of an epoch that is over', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  const gate = start()
  const change = { scope: A, from: dhcp.content(A), to: aScope(A, 2) }
  const { ticket } = await prepared(gate)
  await stageAll(gate, ticket, [change])
  dhcp.holdNextRead()
  const order: string[] = []
  const commit = gate.handle('commit', commitRequest(ticket, [change])).then(() => order.push('committed'))
  const fence = gate.handle('fence', { relationship, side: 'dhcp2', epoch: 2 }).then(() => order.push('fenced'))
  const late = codeOf(gate, 'commit', commitRequest(ticket, [change], 'late'))
  await new Promise(setImmediate)
  assert.deepEqual([order, dhcp.applied], [[], []])
  dhcp.releaseReads()
  await Promise.all([commit, fence])
  assert.deepEqual([order, await late], [['committed', 'fenced'], 'stale-epoch'])
  assert.equal(dhcp.applied.length, 1)
})

test('both gates have the same base after a commit at one and an agreement at the other, over restarts', async (context) => {
  const [target, source] = [setUp(context, 'dhcp2'), setUp(context, 'dhcp1')]
  target.dhcp.put(aScope(A, 1))
  source.dhcp.put(aScope(A, 2))
  const change = { scope: A, from: target.dhcp.content(A), to: aScope(A, 2) }
  const [result] = (await write(target.start(), [change])).results
  const { fingerprint } = contentOf(aScope(A, 2))
  const scopes = [{ scope: A, fingerprint, serial: result?.baseSerial as number }]
  await ok(source.start(), 'agree', { relationship, side: 'dhcp1', epoch: 1, scopes })
  const bases = await Promise.all(
    [target, source].map(async ({ start }) => {
      const row = await rowOf(start(), A)
      return [row?.base, row?.baseEpoch, row?.baseSerial]
    }),
  )
  assert.deepEqual(bases, [
    [fingerprint, 1, 1],
    [fingerprint, 1, 1],
  ])
})

test('the first contact publishes nothing; later changes are pending until published, over restarts too', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A), aScope(B))
  await start().observe(never)
  assert.deepEqual(start().unpublished(), [])

  // While no watcher runs: one scope changes, one goes, one comes.
  dhcp.put(aScope(A, 2), aScope('10.0.3.0/24'))
  dhcp.scopes.delete(aScope(B).key)
  await start().observe(never)
  const gate = start()
  const pending = gate.unpublished()
  assert.deepEqual(
    pending.map(({ scope, change }) => [scope, change]),
    [
      [A, 'changed'],
      [B, 'deleted'],
      ['10.0.3.0/24', 'created'],
    ],
  )
  for (const change of pending) gate.published(change)
  assert.deepEqual(start().unpublished(), [])
})

test('a change that is seen while an earlier one is being published stays pending', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  const gate = start()
  await gate.observe(never)
  dhcp.put(aScope(A, 2))
  await gate.observe(never)
  const [first] = gate.unpublished()
  dhcp.put(aScope(A, 3))
  await gate.observe(never)
  assert.ok(first)
  gate.published(first)
  assert.deepEqual(
    gate.unpublished().map(({ previousFingerprint }) => previousFingerprint),
    [first.fingerprint],
  )
})

test('a manifest of ten thousand scopes comes in pages of one revision that fit a message', async (context) => {
  const { dhcp, start } = setUp(context)
  for (let index = 0; index < 10_000; index++) dhcp.put(aScope(`10.${index >> 8}.${index & 255}.0/24`))
  const gate = start()
  let page: ManifestPage = await ok(gate, 'manifest', { relationship, fresh: true })
  const { revision } = page
  const scopes = new Set(page.rows.map((row) => row.scope))
  let pages = 1
  while (page.next !== undefined) {
    dhcp.put(aScope('10.0.0.0/24', pages))
    await gate.observe(never)
    page = await ok(gate, 'manifest', { relationship, fresh: false, cursor: page.next })
    assert.equal(page.revision, revision)
    assert.ok(Buffer.byteLength(JSON.stringify(page)) < MAX_MESSAGE_BYTES)
    for (const row of page.rows) scopes.add(row.scope)
    pages++
  }
  assert.equal(scopes.size, 10_000)
  assert.ok(pages > 1)
})

test('contents come in pages that fit a message', async (context) => {
  const { dhcp, start } = setUp(context)
  const scopes = Array.from({ length: 40 }, (_, index) => `10.0.${index}.0/24`)
  for (const key of scopes) dhcp.put({ ...aScope(key), properties: { comment: '"'.repeat(20_000) } })
  const gate = start()
  const found = new Set<string>()
  for (let cursor: string | undefined = '0'; cursor !== undefined; ) {
    const page: GateResponses['read'] = await ok(gate, 'read', {
      relationship,
      scopes,
      of: 'live',
      fresh: false,
      cursor,
    })
    assert.ok(Buffer.byteLength(JSON.stringify(page)) < MAX_MESSAGE_BYTES)
    for (const { scope, content } of page.contents) if (content !== undefined) found.add(scope)
    cursor = page.next
  }
  assert.equal(found.size, scopes.length)
})

test('a read that was begun before a write and ends after it does not look like a change back', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  const gate = start()
  await gate.observe(never)
  const from = dhcp.content(A)
  dhcp.holdNextRead()
  const slow = gate.observe(never)

  await write(gate, [{ scope: A, from, to: aScope(A, 7200) }])
  for (const change of gate.unpublished()) gate.published(change)
  dhcp.releaseReads()
  await slow

  assert.deepEqual(gate.unpublished(), [])
  assert.equal(gate.latest()?.contents.get(aScope(A).key)?.fingerprint, dhcp.content(A)?.fingerprint)
})

test('a failure that no one foresaw is answered, not waited for', async (context) => {
  const { dhcp, start } = setUp(context)
  const gate = start()
  await gate.observe(never)
  dhcp.claimed = undefined as never
  assert.equal(await codeOf(gate, 'prepare', { relationship, side: 'dhcp1', epoch: 1, job: 'j' }), 'internal')
  dhcp.claimed = { kind: 'ours' }
  await prepared(gate)
})

test('a job whose commit still runs is uncertain, not unknown', async (context) => {
  const { dhcp, start } = setUp(context)
  const gate = start()
  const change = { scope: A, to: aScope(A) }
  const { ticket } = await prepared(gate)
  await stageAll(gate, ticket, [change])
  dhcp.holdNextRead()
  const running = ok(gate, 'commit', commitRequest(ticket, [change]))
  await new Promise(setImmediate)
  assert.equal(await codeOf(gate, 'result', { relationship, job: 'job' }), 'uncertain')
  dhcp.releaseReads()
  assert.equal((await running).results[0]?.result, 'written')
})
