import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_POLICY, type RelationshipPolicy } from '#contracts/configuration.ts'
import type { Outcome, ReplicationRequested, RequestedAct, ScopeOutcome } from '#contracts/messages.ts'
import { fanOutAct } from './act-requests.ts'
import type { Fleet } from './fan-out.ts'

const [ONE, TWO, THREE] = ['dhcp1.example.net', 'dhcp2.example.net', 'dhcp3.example.net'] as const

function policy(name: string, other: string, mode: RelationshipPolicy['mode'] = 'automatic'): RelationshipPolicy {
  return { ...DEFAULT_POLICY, name, servers: [ONE, other], authority: ONE, mode }
}

const FLEET: Fleet = {
  servers: [ONE, TWO, THREE],
  policies: [policy('dhcp1-dhcp2', TWO), policy('dhcp1-dhcp3', THREE, 'observe')],
  discovered: [],
  incomplete: new Set(),
  authoritativeSide: new Map([['dhcp1-dhcp2', ONE]]),
  scopesOf: new Map([['dhcp1-dhcp2', new Set(['10.0.10.0/24', '10.0.20.0/24'])]]),
}

function outcome(rows: readonly (readonly [string, ScopeOutcome['status']])[]): Outcome {
  return {
    job: 'J1',
    kind: 'final',
    level: 'relationship',
    automatic: true,
    slot: 'dhcp1-dhcp2',
    source: ONE,
    status: 'replicated',
    cause: { kind: 'change' },
    createdAt: '2026-01-01T00:00:00.000Z',
    at: '2026-01-01T00:00:00.000Z',
    scopes: rows.map(([scope, status]) => ({ scope, status, code: 'changed', message: '' })),
  }
}

function fan(act: RequestedAct, more: Partial<ReplicationRequested> = {}, known?: Outcome, fleet = FLEET) {
  const request = { level: 'scope' as const, server: 'dhcp2', requester: 'test', act, ...more }
  return fanOutAct(request, act, fleet, known)
}

function refusal(...parameters: Parameters<typeof fan>): string {
  const result = fan(...parameters)
  assert.ok(result.kind === 'refused', JSON.stringify(result))
  return result.refusal.code
}

const restore: RequestedAct = { kind: 'restore', of: 'J1', both: false }

test('a restore is about what its job wrote, or the part of it that is named', () => {
  const wrote = outcome([
    ['10.0.10.0/24', 'replicated'],
    ['10.0.20.0/24', 'replicated'],
    ['10.0.30.0/24', 'held'],
  ])
  const whole = fan(restore, {}, wrote)
  assert.ok(whole.kind === 'act')
  assert.deepEqual(whole.scopes, ['10.0.10.0/24', '10.0.20.0/24'])
  const part = fan(restore, { scopes: ['10.0.20.0'] }, wrote)
  assert.ok(part.kind === 'act')
  assert.deepEqual(part.scopes, ['10.0.20.0/24'])
  assert.equal(refusal(restore, { scopes: ['10.0.30.0/24'] }, wrote), 'nothing-written')
  assert.equal(refusal(restore, {}, outcome([['10.0.10.0/24', 'held']])), 'nothing-written')
})

test('a restore of a job that the ledger lost needs its scopes named', () => {
  assert.equal(refusal(restore), 'unknown-job')
  const named = fan(restore, { scopes: ['10.0.10.0/24'] })
  assert.ok(named.kind === 'act')
  assert.deepEqual(named.act, restore)
})

test('a job that had children is restored by the child of the relationship', () => {
  const child = { ...outcome([['10.0.10.0/24', 'replicated']]), job: 'J1-1' }
  const result = fan(restore, {}, child)
  assert.ok(result.kind === 'act')
  assert.deepEqual(result.act, { ...restore, of: 'J1-1' })
})

test('an adoption picks the other side; the authoritative one cannot be picked', () => {
  const adopt: RequestedAct = { kind: 'adopt' }
  const picked = fan(adopt, { scopes: ['10.0.10.0'] })
  assert.ok(picked.kind === 'act')
  assert.deepEqual([picked.server, picked.relationship, picked.scopes], [TWO, 'dhcp1-dhcp2', ['10.0.10.0/24']])
  const own = { server: 'dhcp1', relationship: 'dhcp1-dhcp2', scopes: ['10.0.10.0'] }
  assert.equal(refusal(adopt, own), 'authoritative-side')
  assert.equal(refusal(adopt), 'malformed')
  assert.equal(refusal(adopt, { scopes: ['10.0.99.0'] }), 'unknown-scope')
  assert.equal(refusal(adopt, { scopes: ['lobby'] }), 'unknown-scope')
})

test('a scope that cannot be told because a server is silent waits', () => {
  const fleet = { ...FLEET, incomplete: new Set(['dhcp1-dhcp2']) }
  assert.equal(fan({ kind: 'adopt' }, { scopes: ['10.0.99.0'] }, undefined, fleet).kind, 'unresolved')
})

test('the relationship has to be named where a server has several, and has to be one of its own', () => {
  const move: RequestedAct = { kind: 'move-authority', force: false }
  assert.equal(refusal(move, { server: 'dhcp1' }), 'malformed')
  assert.equal(refusal(move, { server: 'dhcp9' }), 'unknown-server')
  assert.equal(refusal(move, { relationship: 'dhcp1-dhcp3' }), 'unknown-relationship')
  const moved = fan(move, { level: 'relationship' })
  assert.ok(moved.kind === 'act')
  assert.equal(moved.scopes, undefined)
})

test('where it is only observed nothing is written, but the authority may be moved', () => {
  const there = { server: 'dhcp3', relationship: 'dhcp1-dhcp3', scopes: ['10.0.10.0/24'] }
  assert.equal(refusal({ kind: 'adopt' }, there), 'observed-only')
  assert.equal(refusal(restore, there), 'observed-only')
  assert.equal(fan({ kind: 'move-authority', force: false }, there).kind, 'act')
})
