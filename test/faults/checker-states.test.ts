// What the checker makes of the lines that only real servers' logs have: failover states, and writes without an answer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { check } from './checker/check.ts'
import type { Entry, Evidence, LogLine, Relationship } from './checker/evidence.ts'

const A = '10.0.1.0/24'
const PERIOD_MS = 1_000

const HOLD: Partial<Relationship> = { onForeignEdit: 'hold', onConflict: 'hold' }
const REVERT: Partial<Relationship> = { onForeignEdit: 'revert', onConflict: 'authority-wins' }

const start = (at: number, content = 'v1'): LogLine => ({
  kind: 'start',
  monotonicMs: at,
  token: `i${at}/0`,
  scopes: { [A]: content },
})
const state = (at: number, name: string): LogLine => ({ kind: 'state', monotonicMs: at, token: 'i0/0', state: name })
const write = (at: number, who: string, before: string, after: string, readToken = 'i0/0'): LogLine => {
  const by = { who, scope: A, before, after, token: `i0/${at}`, readToken }
  return { kind: 'write', monotonicMs: at, ...by }
}
const edit = (at: number) => write(at, 'operator', 'v1', 'x')
const unanswered = (at: number, who = 'twinscope'): LogLine => ({
  kind: 'unanswered',
  monotonicMs: at,
  who,
  token: 'i0/0',
})
const unchanged = (at: number, isWhole = true): LogLine => {
  const by = { who: 'twinscope', token: 'i0/0', readToken: 'i0/0' }
  return { kind: 'unchanged', monotonicMs: at, ...by, ...(isWhole ? { isWhole: true } : {}) }
}

function held(code: string, status = 'held', after?: string): Entry {
  const rows = [{ scope: A, status, code, ...(after === undefined ? {} : { after }) }]
  const of = { incarnation: 0, sequence: 1, storedAtMs: 21_000, kind: 'final', job: 'J', slot: 'a-b', automatic: true }
  return { ...of, status, code, rows }
}

/** What is found where the partner's log is this, beside a source that nobody touches. */
function found(
  b: readonly LogLine[],
  ledger: readonly Entry[],
  policy: Partial<Relationship> = HOLD,
  more: Partial<Evidence> = {},
): readonly string[] {
  const relationship: Relationship = {
    name: 'a-b',
    authority: 'a',
    partner: 'b',
    scopes: [A],
    onForeignEdit: 'hold',
    onConflict: 'hold',
    prune: 'ask',
    onAuthorityLoss: 'agree',
    ...policy,
  }
  const evidence: Evidence = {
    relationships: [relationship],
    logs: { a: [start(0)], b: [start(0), ...b] },
    ledger,
    requests: [],
    wipes: [],
    confirmations: [],
    interruptions: [],
    healedAtMs: 21_500,
    endedAtMs: 60_000,
    ...more,
  }
  return check(evidence, PERIOD_MS).violations.map(({ invariant }) => invariant)
}

const ALONE = [state(1_000, 'load-balancing'), state(10_000, 'partner-down'), edit(20_000), state(20_100, 'waiting')]

test('an edit on a server that serves alone is a conflict, whatever the policy', () => {
  for (const policy of [HOLD, REVERT]) {
    assert.deepEqual(found(ALONE, [held('conflict')], policy), [])
    assert.deepEqual(found(ALONE, [held('foreign-edit')], policy), ['wrong-reason'])
    assert.deepEqual(found(ALONE, [], policy), ['not-converged'])
  }
})

test('what was edited on a server that served alone may not be overwritten, whatever the policy', () => {
  const log = [...ALONE, write(21_000, 'twinscope', 'x', 'v1', 'i0/20000')]
  assert.deepEqual(found(log, [held('reverted', 'replicated', 'v1')], REVERT), ['foreign-overwritten'])
  const together = [state(1_000, 'load-balancing'), edit(20_000), write(21_000, 'twinscope', 'x', 'v1', 'i0/20000')]
  assert.deepEqual(found(together, [held('reverted', 'replicated', 'v1')], REVERT), [])
})

test('an edit long after a server served alone is a foreign edit', () => {
  const log = [state(5_000, 'partner-down'), state(9_000, 'waiting'), state(9_500, 'load-balancing'), edit(20_000)]
  assert.deepEqual(found(log, [held('foreign-edit')]), [])
  assert.deepEqual(found(log, [held('conflict')]), ['wrong-reason'])
  const never = [state(5_000, 'load-balancing'), edit(20_000)]
  assert.deepEqual(found(never, [held('conflict')]), ['wrong-reason'])
})

test('a restart ends that a server serves alone', () => {
  const log = [state(5_000, 'partner-down'), start(9_000), edit(20_000)]
  assert.deepEqual(found(log, [held('conflict')]), ['wrong-reason'])
})

test('where Twinscope may have seen the edit together with that state or without it, either reason is right', () => {
  const after = [state(5_000, 'partner-down'), state(18_000, 'waiting'), edit(20_000)]
  const before = [state(5_000, 'load-balancing'), edit(20_000), state(21_000, 'partner-down')]
  for (const log of [after, before])
    for (const code of ['conflict', 'foreign-edit']) assert.deepEqual(found(log, [held(code)]), [])
  const interruptions = [{ server: 'b', atMs: 9_000 }]
  for (const code of ['conflict', 'foreign-edit'])
    assert.deepEqual(found(ALONE, [held(code)], HOLD, { interruptions }), [])
  assert.deepEqual(found(ALONE, [held('deleted')], HOLD, { interruptions }), ['wrong-reason'])
})

test('the whole configuration is repeated without need only where the end of the write before it was known', () => {
  assert.deepEqual(found([unchanged(5_000)], []), ['echo'])
  assert.deepEqual(found([unanswered(4_000), unchanged(5_000)], []), [])
  assert.deepEqual(found([unanswered(4_000), unchanged(5_000), unchanged(6_000)], []), ['echo'], 'once is enough')
  assert.deepEqual(found([unanswered(4_000, 'operator'), unchanged(5_000)], []), ['echo'], 'of somebody else')
  assert.deepEqual(found([unanswered(4_000), unchanged(5_000, false)], []), ['echo'], 'not the whole')
  // Killed before it could note what became of its write, it looks after the server when it is back.
  const interruptions = [{ server: 'b', atMs: 4_500 }]
  assert.deepEqual(found([unchanged(5_000)], [], HOLD, { interruptions }), [])
  assert.deepEqual(found([unchanged(5_000, false)], [], HOLD, { interruptions }), ['echo'])
  assert.deepEqual(found([unchanged(5_000)], [], HOLD, { interruptions: [{ server: 'b', atMs: 5_500 }] }), ['echo'])
})
