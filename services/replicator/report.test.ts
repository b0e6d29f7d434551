import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Job } from '#contracts/job.ts'
import type { ScopeOutcome } from '#contracts/messages.ts'
import { MAX_PART_BYTES } from '#contracts/streams.ts'
import { againRecorded, committedRow, fitted, outcomeOf, summary, worstStatus } from './report.ts'

const JOB: Job = {
  job: 'J1',
  kind: 'ReplicateRelationship',
  automatic: false,
  slot: 'a-b',
  relationship: 'a-b',
  source: 'a',
  cause: { kind: 'request' },
  createdAt: '2026-01-01T00:00:00.000Z',
  attempts: 0,
  waits: 0,
}

function row(index: number, status: ScopeOutcome['status'], plan: readonly string[] = []): ScopeOutcome {
  return {
    scope: `10.${Math.floor(index / 256)}.${index % 256}.0/24`,
    status,
    code: status === 'replicated' ? 'changed' : 'equal',
    message: 'as it is',
    plan: [...plan],
  }
}

test('the most severe status counts', () => {
  assert.equal(worstStatus(['already-in-sync', 'replicated', 'held', 'replicated']), 'held')
  assert.equal(worstStatus(['held', 'failed']), 'failed')
  assert.equal(worstStatus([]), 'already-in-sync')
})

test('what a job wrote before, and somebody undid, is told with what it wrote last', () => {
  const recorded = { scope: '10.0.0.0/24', code: 'changed', counts: { added: 0, updated: 1, deleted: 0 }, plan: [] }
  const first = { ...recorded, before: 'v1:a', after: 'v1:b' }
  const second = againRecorded(first, { ...recorded, code: 'target-lost-write', before: 'v1:a', after: 'v1:c' })
  const third = againRecorded(second, { ...recorded, before: 'v1:x', after: 'v1:d' })

  const told = committedRow({ scope: '10.0.0.0/24', result: 'written', persisted: true }, third)

  assert.equal(told.after, 'v1:d')
  assert.deepEqual(told.earlier, [
    { before: 'v1:a', after: 'v1:b' },
    { before: 'v1:a', after: 'v1:c' },
  ])
  assert.equal(againRecorded(first, first).earlier, undefined, 'the same write is told once')
  const repeated = againRecorded(second, { ...recorded, before: 'v1:a', after: 'v1:c' })
  assert.deepEqual(repeated.earlier, second.earlier, 'what was written before it is told all the same')
})

test('an outcome that fits is left whole', () => {
  const outcome = fitted({ ...outcomeOf(JOB, 'final', 'now'), scopes: [row(1, 'replicated', ['+ x'])] })
  assert.deepEqual(outcome.scopes?.[0]?.plan, ['+ x'])
  assert.equal(outcome.scopeCount, 1)
})

test('a large outcome fits one message and keeps what was written', () => {
  const rows = Array.from({ length: 10_000 }, (_, index) =>
    row(index, index % 100 === 0 ? 'replicated' : 'already-in-sync', ['+ reservation'.repeat(20)]),
  )
  const outcome = fitted({ ...outcomeOf(JOB, 'final', 'now'), scopes: rows })
  assert.ok(Buffer.byteLength(JSON.stringify(outcome)) <= MAX_PART_BYTES)
  assert.equal(outcome.scopeCount, 10_000)
  assert.equal(outcome.scopes?.filter(({ status }) => status === 'replicated').length, 100)
})

test('the summary of several scopes has their numbers', () => {
  const { status, message } = summary([row(1, 'replicated'), row(2, 'replicated'), row(3, 'already-in-sync')])
  assert.equal(status, 'replicated')
  assert.match(message, /3 scopes: 2 replicated, 1 already-in-sync/)
})

test('what runs and is not persisted says so, with the reason', () => {
  const result = committedRow(
    { scope: '10.0.0.0/24', result: 'written', persisted: false, message: 'the disk is full' },
    undefined,
  )
  assert.equal(result.persisted, false)
  assert.match(result.message, /not persisted: the disk is full/)
})
