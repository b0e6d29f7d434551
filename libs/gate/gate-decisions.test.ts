// What people decide, as the gate keeps it over restarts: adoptions, restores, claims; and covers, leases, writers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommitPurpose, GateRequests, WriteException } from '#contracts/gate.ts'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Scope } from '#dhcp/scope.ts'
import { aScope, noAnswer, noConnection } from './fake-driver.ts'
import {
  A,
  B,
  type Change,
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
import type { Gate } from './gate.ts'

const DAY_MS = 24 * 3_600_000
const HOUSE_SIDE = 'dhcp1'

type Exceptional = { readonly side?: string; readonly job?: string; readonly scopes?: readonly string[] }

/** Prepare with an exception, stage and commit in one go. */
async function writeBy(
  gate: Gate,
  purpose: WriteException['kind'],
  changes: readonly Change[],
  more: Exceptional = {},
) {
  const { side = HOUSE_SIDE, job = 'act', scopes = changes.map(({ scope }) => scope) } = more
  const exception = { kind: purpose, approval: job, scopes: [...scopes] }
  const { ticket } = await ok(gate, 'prepare', { relationship, side, epoch: 1, job, exception })
  await stageAll(gate, ticket, changes)
  return await ok(gate, 'commit', { ...commitRequest(ticket, changes, `${job}-commit`), side, purpose })
}

async function commitAs(gate: Gate, purpose: CommitPurpose, change: Change, approved = false, job = 'again') {
  const { ticket } = await prepared(gate)
  await stageAll(gate, ticket, [change])
  const request = { ...commitRequest(ticket, [change], job), purpose }
  const scopes = request.scopes.map((scope) => ({ ...scope, approved }))
  return (await ok(gate, 'commit', { ...request, scopes })).results[0]
}

test('an adoption writes onto the authoritative side, within its approval', async (context) => {
  const { dhcp, start } = setUp(context, 'dhcp1')
  dhcp.put(aScope(A), aScope(B))
  const gate = start()
  const change = { scope: A, from: dhcp.content(A), to: aScope(A, 7200) }
  assert.equal(await codeOf(gate, 'prepare', { relationship, side: 'dhcp1', epoch: 1, job: 'j' }), 'authoritative-side')

  const answer = await writeBy(gate, 'adopt', [change], { side: 'dhcp1' })

  assert.deepEqual(answer.results, [{ scope: A, result: 'written', persisted: true, baseEpoch: 1, baseSerial: 1 }])
  assert.equal((await rowOf(gate, A))?.base, contentOf(aScope(A, 7200)).fingerprint)
  await assert.rejects(
    writeBy(gate, 'adopt', [{ scope: B, from: dhcp.content(B), to: aScope(B, 9) }], { side: 'dhcp1', scopes: [A] }),
    /authoritative-side.*does not name 10\.0\.2\.0\/24/,
  )
  const malformed = { kind: 'adopt' as const, approval: 'j', scopes: ['10.0.1.7/24'] }
  assert.equal(
    await codeOf(gate, 'prepare', { relationship, side: 'dhcp1', epoch: 1, job: 'j', exception: malformed }),
    'malformed',
  )
})

test('a restored scope keeps its base, and is held over restarts until somebody approves', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A, 1))
  let gate = start()
  await write(gate, [{ scope: A, from: dhcp.content(A), to: aScope(A, 2) }], 'copied')
  const base = contentOf(aScope(A, 2)).fingerprint

  const answer = await writeBy(gate, 'restore', [{ scope: A, from: dhcp.content(A), to: aScope(A, 1) }])
  assert.deepEqual(answer.results, [{ scope: A, result: 'written', persisted: true }])
  gate = start()
  const row = await rowOf(gate, A)
  assert.deepEqual([row?.live, row?.base, row?.baseSerial], [dhcp.content(A)?.fingerprint, base, 1])
  assert.equal(row?.restored?.job, 'act')
  assert.ok(Date.parse(row?.restored?.at ?? '') > 0)
  // The journal's answer for the job sets no base at the source either.
  assert.deepEqual((await ok(gate, 'result', { relationship, job: 'act-commit' })).results, answer.results)

  const change = { scope: A, from: dhcp.content(A), to: aScope(A, 2) }
  const held = await commitAs(gate, 'replicate', change)
  assert.deepEqual([held?.result, held?.code], ['held', 'restored'])
  assert.match(held?.message ?? '', /^Job act restored this scope/)
  assert.deepEqual(dhcp.content(A), contentOf(aScope(A, 1)))

  assert.equal((await commitAs(gate, 'replicate', change, true, 'approved'))?.result, 'written')
  assert.equal((await rowOf(gate, A))?.restored, undefined)
  assert.equal((await rowOf(start(), A))?.restored, undefined)
})

test('agreeing on what a restore put back ends the hold', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A, 2))
  const gate = start()
  await writeBy(gate, 'restore', [{ scope: A, from: dhcp.content(A), to: aScope(A, 1) }])
  const agree = (lifetime: number) => {
    const scopes = [{ scope: A, fingerprint: contentOf(aScope(A, lifetime)).fingerprint }]
    return ok(gate, 'agree', { relationship, side: HOUSE_SIDE, epoch: 1, scopes })
  }
  await agree(2)
  assert.equal((await rowOf(gate, A))?.restored?.job, 'act')
  await agree(1)
  assert.equal((await rowOf(gate, A))?.restored, undefined)
  assert.equal((await rowOf(start(), A))?.restored, undefined)
})

test('a restore of a scope that was not there deletes it, and the scope stays listed and held', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  const gate = start()
  await writeBy(gate, 'restore', [{ scope: A, from: dhcp.content(A) }])
  assert.deepEqual([dhcp.content(A), (await rowOf(gate, A))?.restored?.job], [undefined, 'act'])
  assert.equal((await commitAs(gate, 'replicate', { scope: A, to: aScope(A) }))?.code, 'restored')
})

for (const [name, reached, marked] of [
  ['it had reached the server', true, true],
  ['nothing had reached the server', false, false],
] as const) {
  test(`a restore that was interrupted is ended as a restore by the next process: ${name}`, async (context) => {
    const { dhcp, start, journal } = setUp(context)
    dhcp.put(aScope(A, 1))
    const first = start()
    await write(first, [{ scope: A, from: dhcp.content(A), to: aScope(A, 2) }], 'copied')
    const [now, before] = [contentOf(aScope(A, 2)), contentOf(aScope(A, 1))]
    const exception = { kind: 'restore', approval: 'act' } as const
    const intents = [{ scope: A, preImage: now.fingerprint, wanted: before.fingerprint }]
    const texts = new Map<string, string>([now, before].map(({ fingerprint, text }) => [fingerprint, text]))
    journal().begin(
      { job: 'c', relationship, epoch: 1, intents, settled: [], exception },
      texts,
      '2026-01-01T00:00:00Z',
    )
    if (reached) dhcp.put(aScope(A, 1))

    const gate = start()
    await gate.recover(never)

    const row = await rowOf(gate, A)
    assert.deepEqual([row?.base, row?.baseSerial], [now.fingerprint, 1])
    assert.equal(row?.restored?.job, marked ? 'act' : undefined)
    const held = await commitAs(gate, 'replicate', { scope: A, from: dhcp.content(A), to: aScope(A, 3) })
    assert.equal(held?.code, marked ? 'restored' : undefined)
  })
}

test('a restore makes a dirty scope whole again', async (context) => {
  const { dhcp, start, journal } = setUp(context)
  dhcp.put(aScope(A, 1))
  start()
  const [before, wanted] = [contentOf(aScope(A, 1)), contentOf(aScope(A, 2))]
  const texts = new Map<string, string>([before, wanted].map(({ fingerprint, text }) => [fingerprint, text]))
  const intents = [{ scope: A, preImage: before.fingerprint, wanted: wanted.fingerprint }]
  journal().begin({ job: 'job', relationship, epoch: 1, intents, settled: [] }, texts, '2026-01-01T00:00:00Z')
  dhcp.put(aScope(A, 99))
  const gate = start()
  await gate.recover(never)
  assert.equal((await rowOf(gate, A))?.dirty, true)

  await writeBy(gate, 'restore', [{ scope: A, from: dhcp.content(A), to: aScope(A, 1) }])
  const row = await rowOf(gate, A)
  assert.deepEqual([row?.dirty, row?.restored?.job], [undefined, 'act'])
})

test('who wrote what is there is known until somebody else changes it, be it back to the same', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A, 1))
  let gate = start()
  const row = async () => await rowOf(gate, A)
  assert.equal((await row())?.writtenBy, undefined)
  await write(gate, [{ scope: A, from: dhcp.content(A), to: aScope(A, 2) }], 'copied')
  assert.equal((await row())?.writtenBy, 'copied')
  gate = start()
  assert.equal((await row())?.writtenBy, 'copied')

  dhcp.put(aScope(A, 3))
  assert.equal((await row())?.writtenBy, undefined)
  dhcp.put(aScope(A, 2))
  assert.equal((await row())?.writtenBy, undefined)

  await write(gate, [{ scope: A, from: dhcp.content(A), to: aScope(A, 4) }], 'second')
  await write(gate, [{ scope: A, from: dhcp.content(A) }], 'third')
  assert.deepEqual([(await row())?.live, (await row())?.writtenBy], [undefined, 'third'])
})

test('what a recovery put back was not written by the job that failed', async (context) => {
  const { dhcp, start, journal } = setUp(context)
  const scope = (lifetime: number, name: string): Scope => ({
    ...aScope(A),
    properties: { 'valid-lifetime': lifetime, name },
  })
  dhcp.put(scope(1, 'old'))
  const [before, wanted] = [contentOf(scope(1, 'old')), contentOf(scope(2, 'new'))]
  await start().observe(never)
  const texts = new Map<string, string>([before, wanted].map(({ fingerprint, text }) => [fingerprint, text]))
  const intents = [{ scope: A, preImage: before.fingerprint, wanted: wanted.fingerprint }]
  journal().begin({ job: 'job', relationship, epoch: 1, intents, settled: [] }, texts, '2026-01-01T00:00:00Z')
  dhcp.put(scope(2, 'old'))
  const gate = start()
  await gate.recover(never)
  assert.deepEqual(dhcp.content(A), before)
  assert.equal((await rowOf(gate, A))?.writtenBy, undefined)
})

for (const [retention, days, kept] of [
  [undefined, 89, true],
  [undefined, 91, false],
  [7 * DAY_MS, 8, false],
] as const) {
  test(`pre-images ${kept ? 'are there' : 'are gone'} after ${days} days, kept for ${retention === undefined ? 'the default' : '7 days'}`, async (context) => {
    const clock = { ms: Date.parse('2026-01-01T12:00:00Z') }
    const now = () => new Date(clock.ms).toISOString()
    const more = retention === undefined ? { now } : { now, retentionMs: retention }
    const { dhcp, start } = setUp(context, 'dhcp2', more)
    dhcp.put(aScope(A, 1))
    const before = dhcp.content(A)
    await write(start(), [{ scope: A, from: before, to: aScope(A, 2) }], 'copied')

    clock.ms += days * DAY_MS
    const gate = start()
    await gate.observe(never)
    const asked = { relationship, job: 'copied', scope: A }
    if (kept) assert.deepEqual((await ok(gate, 'preimage', asked)).content, before)
    else assert.equal(await codeOf(gate, 'preimage', asked), 'unknown-job')
  })
}

test('the pre-image is what the write replaced, not what an earlier beginning of the job had found', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A, 1), aScope(B, 1))
  const gate = start()
  const first = dhcp.content(A)
  // The server refuses the batch, and A is edited before it is tried alone.
  dhcp.onApply = () => {
    dhcp.put(aScope(A, 5))
    dhcp.onApply = undefined
    return { kind: 'rejected', message: 'no', scopes: [] }
  }
  const results = await write(gate, [
    { scope: A, from: first, to: aScope(A, 2) },
    { scope: B, from: dhcp.content(B), to: aScope(B, 2) },
  ])
  assert.deepEqual(
    results.results.map(({ scope, result }) => [scope, result]),
    [
      [A, 'target-changed'],
      [B, 'written'],
    ],
  )
  await write(gate, [{ scope: A, from: dhcp.content(A), to: aScope(A, 2) }])
  const { content, wanted } = await ok(gate, 'preimage', { relationship, job: 'job', scope: A })
  assert.deepEqual([content, wanted], [contentOf(aScope(A, 5)), contentOf(aScope(A, 2)).fingerprint])
})

const cover = (gate: Gate, on: boolean, job = 'elsewhere') => codeOf(gate, 'cover', { relationship, job, on })
const COVER_MS = 150

test('a cover holds writes off, and ends when it is ended, in time, and with the process', async (context) => {
  const { dhcp, start } = setUp(context, 'dhcp2', { coverMs: COVER_MS })
  const gate = start()
  const tryPrepare = (of: Gate) => codeOf(of, 'prepare', { relationship, side: HOUSE_SIDE, epoch: 1, job: 'j' })
  assert.deepEqual(await ok(gate, 'cover', { relationship, job: 'one', on: true }), { covering: true })
  const { error } = (await gate.handle('prepare', { relationship, side: HOUSE_SIDE, epoch: 1, job: 'j' })) as {
    error: { code: string; message: string }
  }
  assert.equal(error.code, 'covering')
  assert.match(error.message, /^dhcp2 serves alone for a moment, because job one writes to its partner/)
  assert.equal(await cover(gate, false, 'other'), 'ok')
  assert.equal(await tryPrepare(gate), 'covering', "another job's cover is not ended")
  assert.deepEqual(await ok(gate, 'cover', { relationship, job: 'one', on: false }), { covering: false })
  assert.equal(await tryPrepare(gate), 'ok')

  await cover(gate, true)
  assert.equal(await tryPrepare(gate), 'covering')
  const askedAt = performance.now()
  while ((await tryPrepare(gate)) === 'covering') {
    assert.ok(performance.now() - askedAt < 20 * COVER_MS, 'it does not end by itself')
    await sleep(5)
  }
  assert.ok(performance.now() - askedAt > COVER_MS * 0.8, 'it ended too early')

  await cover(gate, true)
  assert.equal(await tryPrepare(start()), 'ok')
  dhcp.state = 'partner-down'
  assert.equal(await cover(gate, true), 'not-normal')
  dhcp.failure = noConnection
  assert.equal(await cover(gate, true), 'unreachable')
})

test('a cover that is asked for again lasts longer; one that is over ends nobody else', async (context) => {
  const { start } = setUp(context, 'dhcp2', { coverMs: COVER_MS })
  const gate = start()
  await cover(gate, true)
  const from = performance.now()
  // Half the time later it is asked for again; after the first time is over it still stands.
  await sleep(COVER_MS / 2)
  await cover(gate, true)
  const renewedAt = performance.now()
  const isRefused = async () =>
    (await codeOf(gate, 'prepare', { relationship, side: HOUSE_SIDE, epoch: 1, job: 'j' })) === 'covering'
  while ((await isRefused()) && performance.now() - from < 20 * COVER_MS) await sleep(5)
  assert.equal(await isRefused(), false, 'it does not end by itself')
  assert.ok(performance.now() - renewedAt > COVER_MS * 0.8 && performance.now() - from > COVER_MS * 1.3)
})

test('while a commit runs nobody is covered', async (context) => {
  const { dhcp, start } = setUp(context)
  const gate = start()
  const change = { scope: A, to: aScope(A) }
  const { ticket } = await prepared(gate)
  await stageAll(gate, ticket, [change])
  dhcp.holdNextRead()
  const running = ok(gate, 'commit', commitRequest(ticket, [change]))
  await new Promise(setImmediate)
  assert.equal(await cover(gate, true), 'not-normal')
  dhcp.releaseReads()
  await running
  assert.equal(await cover(gate, true), 'ok')
})

test('a server that another installation writes to is claimed, also in the middle of an interrupted write', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A))
  const gate = start()
  assert.deepEqual(await ok(gate, 'claim', {}), {})
  const change = { scope: A, from: dhcp.content(A), to: aScope(A, 2) }
  const { ticket } = await prepared(gate)
  await stageAll(gate, ticket, [change])
  dhcp.onApply = (take) => {
    take()
    dhcp.claimed = { kind: 'foreign', owner: 'theirs' }
    throw noAnswer
  }
  assert.equal(await codeOf(gate, 'commit', commitRequest(ticket, [change])), 'uncertain')
  const answer = await gate.handle('prepare', { relationship, side: HOUSE_SIDE, epoch: 1, job: 'j' })
  assert.match(
    'error' in answer ? answer.error.message : '',
    /\(theirs\) writes to dhcp2.*twinscope claim-server dhcp2/,
  )

  assert.deepEqual(await ok(gate, 'claim', { actor: 'anna' }), { previous: 'theirs' })
  await prepared(gate)
  assert.equal((await ok(gate, 'result', { relationship, job: 'job' })).results[0]?.result, 'written')
  dhcp.claimed = { kind: 'unsupported' }
  assert.equal(await codeOf(gate, 'claim', {}), 'foreign-installation')
})

test('what could not be persisted is not persisted over the mark of another installation', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.persistResult = { kind: 'not-persisted', code: 'read-only', message: 'the file is read-only' }
  const gate = start()
  await write(gate, [{ scope: A, to: aScope(A) }])
  dhcp.persistResult = { kind: 'persisted' }
  dhcp.claimed = { kind: 'foreign', owner: 'theirs' }
  const before = dhcp.asked.filter((asked) => asked === 'persist').length
  assert.equal(await gate.retryPersist(never), false)
  assert.equal(dhcp.asked.filter((asked) => asked === 'persist').length, before)
  dhcp.claimed = { kind: 'ours' }
  assert.equal(await gate.retryPersist(never), true)
})

test('leases outside of ranges are counted, and a server that cannot say is no server without leases', async (context) => {
  const { dhcp, start } = setUp(context)
  dhcp.put(aScope(A), aScope(B))
  dhcp.leases.set(aScope(A).key, ['10.0.1.9', '10.0.1.10', '10.0.1.200'])
  const gate = start()
  const outside: GateRequests['leases']['outside'] = [{ start: '10.0.1.10', end: '10.0.1.99' }]
  const ask = (scope: string) => ok(gate, 'leases', { relationship, scope, outside })
  assert.deepEqual(await ask(A), { supported: true, count: 2, examples: ['10.0.1.9', '10.0.1.200'] })
  assert.deepEqual(await ask(B), { supported: false, count: 0, examples: [] })
  assert.deepEqual(await ask('10.0.9.0/24'), { supported: true, count: 0, examples: [] })
  assert.equal(await codeOf(gate, 'leases', { relationship, scope: 'nonsense', outside }), 'malformed')
})
