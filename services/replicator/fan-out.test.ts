import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_POLICY, type RelationshipPolicy } from '#contracts/configuration.ts'
import type { ReplicationRequested } from '#contracts/messages.ts'
import { type Fleet, fanOut } from './fan-out.ts'

function policy(
  name: string,
  servers: readonly [string, string],
  mode: RelationshipPolicy['mode'] = 'automatic',
): RelationshipPolicy {
  return {
    ...DEFAULT_POLICY,
    name,
    servers,
    authority: servers[0],
    mode,
    quietPeriodMs: 0,
  }
}

const FLEET: Fleet = {
  servers: ['dhcp1.example.net', 'dhcp2.example.net', 'dhcp3.example.net'],
  policies: [
    policy('dhcp1-dhcp2', ['dhcp1.example.net', 'dhcp2.example.net']),
    policy('dhcp1-dhcp3', ['dhcp1.example.net', 'dhcp3.example.net']),
  ],
  discovered: [],
  incomplete: new Set(),
  authoritativeSide: new Map([
    ['dhcp1-dhcp2', 'dhcp1.example.net'],
    ['dhcp1-dhcp3', 'dhcp3.example.net'],
  ]),
  scopesOf: new Map([
    ['dhcp1-dhcp2', new Set(['10.0.10.0/24', '10.0.20.0/24'])],
    ['dhcp1-dhcp3', new Set(['10.0.30.0/24', '10.0.30.0/25'])],
  ]),
}

function request(change: Partial<ReplicationRequested>): ReplicationRequested {
  return { level: 'server', server: 'dhcp1', requester: 'test', ...change }
}

function refusalOf(change: Partial<ReplicationRequested>, fleet = FLEET) {
  const result = fanOut(request(change), fleet)
  assert.ok(result.kind === 'refused', JSON.stringify(result))
  return result.refusal
}

test('a server request replicates where the server is authoritative and lists the rest as refused', () => {
  const result = fanOut(request({}), FLEET)
  assert.ok(result.kind === 'jobs')
  assert.deepEqual(result.children, [{ relationship: 'dhcp1-dhcp2' }])
  assert.deepEqual(
    result.refused.map(({ relationship, code }) => [relationship, code]),
    [['dhcp1-dhcp3', 'not-authoritative']],
  )
})

test('a scope request is split by relationship', () => {
  const fleet = {
    ...FLEET,
    authoritativeSide: new Map([
      ['dhcp1-dhcp2', 'dhcp1.example.net'],
      ['dhcp1-dhcp3', 'dhcp1.example.net'],
    ]),
  }
  const result = fanOut(request({ level: 'scope', scopes: ['10.0.10.0', '10.0.30.0/25', '10.0.20.0'] }), fleet)
  assert.ok(result.kind === 'jobs')
  assert.deepEqual(result.children, [
    { relationship: 'dhcp1-dhcp2', scopes: ['10.0.10.0/24', '10.0.20.0/24'] },
    { relationship: 'dhcp1-dhcp3', scopes: ['10.0.30.0/25'] },
  ])
})

test('unknown names are refused, naming the known ones near them', () => {
  assert.match(refusalOf({ server: 'dchp1' }).message, /dhcp1\.example\.net/)
  assert.equal(refusalOf({ server: 'dchp1' }).code, 'unknown-server')
  assert.match(refusalOf({ level: 'relationship', relationship: 'dhcp1-dhcp4' }).message, /dhcp1-dhcp[23]/)
  assert.match(refusalOf({ level: 'scope', scopes: ['10.0.11.0'] }).message, /10\.0\.10\.0/)
  assert.equal(refusalOf({ level: 'scope', scopes: ['lobby'] }).code, 'unknown-scope')
})

test('an address that names two scopes must be written with its prefix', () => {
  assert.equal(refusalOf({ level: 'scope', scopes: ['10.0.30.0'] }).code, 'ambiguous-scope')
})

test('the other side of a relationship is refused, naming the authoritative one', () => {
  const refusal = refusalOf({ level: 'relationship', server: 'dhcp2', relationship: 'dhcp1-dhcp2' })
  assert.equal(refusal.code, 'not-authoritative')
  assert.match(refusal.message, /dhcp1\.example\.net is/)
})

test('observed relationships are refused', () => {
  const fleet: Fleet = {
    ...FLEET,
    policies: [policy('dhcp1-dhcp2', ['dhcp1.example.net', 'dhcp2.example.net'], 'observe')],
  }
  assert.equal(refusalOf({ level: 'relationship', relationship: 'dhcp1-dhcp2' }, fleet).code, 'observed-only')
  const discovered: Fleet = { ...FLEET, policies: [], discovered: [{ server: 'dhcp1.example.net', name: 'x-y' }] }
  assert.equal(refusalOf({ level: 'relationship', relationship: 'x-y' }, discovered).code, 'observed-only')
})

test('a scope that may exist at a silent server is neither refused nor forgotten', () => {
  const fleet: Fleet = { ...FLEET, incomplete: new Set(['dhcp1-dhcp2']) }
  assert.equal(fanOut(request({ level: 'scope', scopes: ['10.0.11.0'] }), fleet).kind, 'unresolved')
  assert.equal(fanOut(request({ level: 'scope', scopes: ['10.0.10.0'] }), fleet).kind, 'jobs')
  assert.equal(refusalOf({ level: 'scope', scopes: ['lobby'] }, fleet).code, 'unknown-scope')
})
