import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aRelationship, twinscope } from '#cli/fake-service.ts'
import type { RelationshipDetail, ScopeView } from '#contracts/status-api.ts'

const AT = '2026-11-24T10:00:00.000Z'
const scope = (scopeId: string, more: Partial<ScopeView> = {}): ScopeView => ({
  scope: `${scopeId}/24`,
  scopeId,
  sync: 'in-sync',
  action: 'none',
  code: 'equal',
  why: 'both sides are equal',
  ...more,
})
const scopes = [
  scope('10.0.10.0', { code: 'echo', why: 'both sides are equal: our own write, job WROTE', writtenBy: 'WROTE' }),
  scope('10.0.20.0'),
  scope('10.0.30.0', {
    sync: 'out-of-sync',
    action: 'hold',
    code: 'restored',
    why: 'a restore put it there. To copy: `twinscope approve ID`; to keep: `twinscope approve ID --scope 10.0.30.0/24 --side dhcp2`',
    restored: { job: 'RESTORE', at: AT },
  }),
  scope('10.0.40.0', {
    sync: 'out-of-sync',
    action: 'hold',
    code: 'rejected',
    why: 'somebody rejected it',
    rejected: { job: 'R', by: 'anna', at: AT, reason: 'later' },
  }),
]
const relationship = aRelationship({
  sync: 'out-of-sync',
  scopes,
  differences: scopes.slice(2),
  counts: { inSync: 2, outOfSync: 2, conflict: 0, total: 4, agreed: 2 },
  pauses: [{ relationship: 'dhcp1-dhcp2', by: 'anna@admin1', at: AT, reason: 'new disk' }],
  window: { state: 'closed', changesAt: AT },
  authorityProblem: { code: 'interrupted', message: 'a move of the authority was interrupted' },
  pending: [
    {
      job: 'WAIT',
      kind: 'ReplicateRelationship',
      automatic: true,
      running: false,
      reason: 'soak-delay',
      detail: 'unchanged for 3 min of 5 min',
      dueAt: AT,
      createdAt: AT,
    },
  ],
})
function service(detail: RelationshipDetail = relationship) {
  return {
    'GET /v1/relationships': () => ({ body: { items: [detail] } }),
    'GET /v1/relationships/dhcp1-dhcp2': () => ({ body: detail }),
  }
}

test('--why says every reason: pause, window, authority, soak, restored, rejected', async () => {
  const ran = await twinscope(['status', '--why'], service())
  assert.equal(ran.exit, 3)
  for (const reason of [
    /dhcp1-dhcp2: paused until somebody resumes it.*by anna@admin1: new disk/,
    /outside its maintenance window; it opens 2026-/,
    /a move of the authority was interrupted/,
    /job WAIT waits \(soak-delay\): unchanged for 3 min of 5 min, looked at again 2026-/,
    /10\.0\.30\.0 {2}out-of-sync: a restore put it there\. To copy: `twinscope approve --relationship dhcp1-dhcp2 --scope 10\.0\.30\.0`; to keep: `twinscope approve --relationship dhcp1-dhcp2 --scope 10\.0\.30\.0 --side dhcp2`\n {4}restored by RESTORE/,
    /10\.0\.40\.0 {2}out-of-sync: somebody rejected it\n {4}rejected by anna, .*: later/,
  ]) {
    assert.match(ran.out, reason)
  }
  assert.doesNotMatch(ran.out, /10\.0\.20\.0/, 'what is in sync is many')
})

test('of one relationship also why nothing was written: echo and equal', async () => {
  const ran = await twinscope(['status', 'dhcp1-dhcp2', '--why'], service())
  assert.match(ran.out, /10\.0\.10\.0 {2}in-sync: both sides are equal: our own write, job WROTE/)
  assert.match(ran.out, /10\.0\.20\.0 {2}in-sync: both sides are equal/)
})

test('one scope has its own answer and exit code', async () => {
  const equal = await twinscope(['status', 'dhcp1-dhcp2', '--scope', '10.0.20.0'], service())
  assert.deepEqual([equal.exit, equal.out], [0, 'dhcp1-dhcp2  10.0.20.0  in-sync: both sides are equal'])
  const held = await twinscope(['status', 'dhcp1-dhcp2', '--scope', '10.0.30.0/24', '--json'], service())
  assert.deepEqual([held.exit, JSON.parse(held.out).items[0].code], [3, 'restored'])
  const typo = await twinscope(['status', 'dhcp1-dhcp2', '--scope', '10.0.31.0'], service())
  assert.equal(typo.exit, 2)
  assert.match(typo.err, /has no scope 10\.0\.31\.0\. Did you mean 10\.0\.30\.0/)
})

test('the exit code is that of the state', async () => {
  const codes = { 'in-sync': 0, unknown: 1, 'out-of-sync': 3, conflict: 4 } as const
  for (const [sync, exit] of Object.entries(codes) as [keyof typeof codes, number][]) {
    assert.equal((await twinscope(['status'], service(aRelationship({ sync })))).exit, exit, sync)
  }
})
