import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelationshipPlan, ReplicationDetail } from '#contracts/status-api.ts'
import { duration, renderRelationshipPlan, renderResult, replicatedScopeIds, table, withoutWaysOut } from './render.ts'
import { sinceOf } from './times.ts'

function aReplication(more: Partial<ReplicationDetail> = {}): ReplicationDetail {
  return {
    job: 'J1',
    level: 'relationship',
    automatic: false,
    relationship: 'dhcp1-dhcp2',
    source: 'dhcp1',
    act: 'replicate',
    status: 'replicated',
    cause: { kind: 'request' },
    scopeIds: [],
    scopeCount: 0,
    createdAt: '2026-11-24T10:00:00.000Z',
    updatedAt: '2026-11-24T10:00:01.000Z',
    scopes: [],
    stages: [],
    children: [],
    ...more,
  }
}
const replicated = (scope: string) => ({ scope, status: 'replicated' as const, code: 'changed', message: 'written' })
const inSync = (scope: string) => ({ scope, status: 'already-in-sync' as const, code: 'equal', message: 'equal' })

test('replicated scopes are printed by address, with the length where an address is ambiguous', () => {
  const scopes = [replicated('10.0.10.0/24'), replicated('10.1.0.0/16'), inSync('10.1.0.0/24'), inSync('10.0.30.0/24')]
  assert.deepEqual(replicatedScopeIds(aReplication({ scopes })), ['10.0.10.0', '10.1.0.0/16'])
})

test('scopes of the children are printed once', () => {
  const child = aReplication({ scopes: [replicated('10.0.10.0/24')] })
  const parent = aReplication({ scopes: [replicated('10.0.10.0/24')], children: [child] })
  assert.deepEqual(replicatedScopeIds(parent), ['10.0.10.0'])
})

test('a result names what was not replicated, and what runs without being saved', () => {
  const scopes = [
    replicated('10.0.10.0/24'),
    { ...replicated('10.0.20.0/24'), persisted: false },
    { scope: '10.0.30.0/24', status: 'held' as const, code: 'conflict', message: 'both sides changed' },
  ]
  assert.deepEqual(renderResult(aReplication({ status: 'held', scopes, durationMs: 1_500 })), [
    '10.0.20.0: replicated: written (runs on the partner, but does not survive its restart)',
    '10.0.30.0: held: both sides changed',
    'dhcp1-dhcp2: held (2 replicated, 1 held) in 1.5 s',
  ])
})

test('a plan shows changes, limits and what is only shown', () => {
  const plan: RelationshipPlan = {
    relationship: 'dhcp1-dhcp2',
    source: 'dhcp1',
    target: 'dhcp2',
    sync: 'out-of-sync',
    scopes: [
      {
        scope: '10.0.10.0/24',
        scopeId: '10.0.10.0',
        code: 'changed',
        action: 'update',
        counts: { added: 0, updated: 0, deleted: 4 },
        changes: ['- reservation hw-address=aa: 10.0.10.5'],
        obstacles: [
          { code: 'too-many-deletes', message: '4 of 10 objects would be deleted, limit 30 %', approvable: true },
        ],
      },
    ],
    shown: [
      {
        scope: '10.0.90.0/24',
        scopeId: '10.0.90.0',
        code: 'only-on-partner',
        message: 'it exists only on the partner',
      },
    ],
    inSyncCount: 2,
    notes: ['the failover state of dhcp2 is waiting'],
  }
  assert.equal(
    renderRelationshipPlan(plan),
    [
      'dhcp1-dhcp2: dhcp1 → dhcp2',
      '  10.0.10.0  change (changed, held): +0 ~0 -4',
      '      - reservation hw-address=aa: 10.0.10.5',
      '      ! 4 of 10 objects would be deleted, limit 30 %',
      '  10.0.90.0  not written: it exists only on the partner',
      '  2 scopes already in sync',
      '  note: the failover state of dhcp2 is waiting',
    ].join('\n'),
  )
})

test('columns line up and lines have no blanks at their end', () => {
  assert.equal(
    table(
      ['A', 'LONG'],
      [
        ['wide cell', ''],
        ['x', 'y'],
      ],
    ),
    'A          LONG\nwide cell\nx          y',
  )
})

test('durations are read at a glance', () => {
  assert.deepEqual([7, 1_500, 61_000, 3_660_000].map(duration), ['7 ms', '1.5 s', '1 min 1 s', '1 h 1 min'])
})

test('--since takes a time or how far back', () => {
  const now = Date.parse('2026-11-24T10:00:00Z')
  assert.equal(sinceOf('2h', now), '2026-11-24T08:00:00.000Z')
  assert.equal(sinceOf('2026-11-24', now), '2026-11-24T00:00:00.000Z')
  assert.throws(() => sinceOf('yesterday', now), /--since "yesterday"/)
})

test('without the ways out, what else stands in the way is still said', () => {
  const message =
    'somebody rejected it. To copy dhcp1: `twinscope approve ID`; to see both: `twinscope conflicts dhcp1-dhcp2`; 4 of 10 reservations would be deleted, limit 30 %. To write it all the same: `twinscope approve ID`'
  assert.equal(withoutWaysOut(message), 'somebody rejected it; 4 of 10 reservations would be deleted, limit 30 %')
})
