import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScopeOutcome } from '#contracts/messages.ts'
import { RUN_STATUSES } from '#contracts/status-api.ts'
import {
  EXIT,
  exitOfDifference,
  exitOfPlan,
  exitOfReplication,
  exitOfStatus,
  exitOfSync,
  mostSevere,
} from './exit-codes.ts'

function scope(status: ScopeOutcome['status'], code = 'changed'): ScopeOutcome {
  return { scope: '10.0.10.0/24', status, code, message: '' }
}

test('the numbers are those of the manual', () => {
  assert.deepEqual(EXIT, { done: 0, error: 1, usage: 2, outOfSync: 3, held: 4, notAuthoritative: 5 })
})

test('of several results the most severe counts: 1, then 5, 4, 3', () => {
  assert.equal(mostSevere([3, 4, 5, 1]), 1)
  assert.equal(mostSevere([3, 4, 5]), 5)
  assert.equal(mostSevere([3, 4, 0]), 4)
  assert.equal(mostSevere([0, 3]), 3)
  assert.equal(mostSevere([]), 0)
})

test('every status has an exit code', () => {
  const codes = RUN_STATUSES.map((status) => [status, exitOfStatus(status, undefined)])
  assert.deepEqual(Object.fromEntries(codes), {
    replicated: 0,
    'already-in-sync': 0,
    done: 0,
    held: 4,
    refused: 1,
    failed: 1,
    superseded: 0,
    pending: 0,
    running: 0,
  })
})

test('a refusal tells the wrong side from "not in this mode" and from a wrong name', () => {
  assert.equal(exitOfStatus('refused', 'not-authoritative'), 5)
  assert.equal(exitOfStatus('refused', 'observed-only'), 4)
  assert.equal(exitOfStatus('refused', 'paused'), 4)
  assert.equal(exitOfStatus('refused', 'outside-window'), 4)
  assert.equal(exitOfStatus('refused', 'unknown-scope'), 1)
})

test('a server request that is partly refused ends with 5, though the rest was replicated', () => {
  const child = { status: 'replicated' as const, scopes: [scope('replicated')] }
  const refused = [{ relationship: 'dhcp1-dhcp3', code: 'not-authoritative', message: '' }]
  assert.equal(exitOfReplication({ status: 'replicated', scopes: [], children: [child], refused }), 5)
})

test('one failed scope among replicated ones is an error, one held is 4', () => {
  const of = (...scopes: ScopeOutcome[]) => exitOfReplication({ status: 'replicated', scopes, children: [] })
  assert.equal(of(scope('replicated'), scope('failed', 'rejected')), 1)
  assert.equal(of(scope('replicated'), scope('held', 'foreign-edit')), 4)
  assert.equal(of(scope('replicated'), scope('already-in-sync', 'equal')), 0)
})

test('what-if: 3 with differences, 0 without, 1 where a server cannot be read, 5 where the side is wrong', () => {
  const plan = {
    relationship: 'r',
    source: 'a',
    target: 'b',
    sync: 'in-sync' as const,
    inSyncCount: 1,
    notes: [],
    shown: [],
    scopes: [],
  }
  const different = {
    ...plan,
    shown: [{ scope: '10.0.10.0/24', scopeId: '10.0.10.0', code: 'only-on-partner', message: '' }],
  }
  assert.equal(exitOfPlan({ plans: [plan], refused: [] }), 0)
  assert.equal(exitOfPlan({ plans: [plan, different], refused: [] }), 3)
  assert.equal(
    exitOfPlan({ plans: [different, { ...plan, failure: { code: 'unreachable', message: '' } }], refused: [] }),
    1,
  )
  assert.equal(
    exitOfPlan({ plans: [different], refused: [{ relationship: 'x', code: 'not-authoritative', message: '' }] }),
    5,
  )
})

test('diff says what differs, also where a request would be refused; what-if says the refusal', () => {
  const refusal = { code: 'paused', message: '' }
  const plan = {
    relationship: 'r',
    source: 'a',
    target: 'b',
    inSyncCount: 1,
    notes: [],
    shown: [],
    scopes: [],
    refusal,
  }
  assert.equal(exitOfDifference({ ...plan, sync: 'in-sync' }), 0)
  assert.equal(exitOfDifference({ ...plan, sync: 'conflict' }), 4)
  assert.equal(exitOfDifference({ ...plan, sync: 'unknown', failure: refusal }), 1)
  assert.equal(exitOfPlan({ plans: [{ ...plan, sync: 'in-sync' }], refused: [] }), 4)
})

test('status: unknown is an error, never in sync', () => {
  assert.deepEqual((['in-sync', 'out-of-sync', 'conflict', 'unknown'] as const).map(exitOfSync), [0, 3, 4, 1])
})
