import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DiscoveredRelationship } from '#dhcp/relationship.ts'
import { DEFAULT_POLICY, type RelationshipPolicy } from './configuration.ts'
import { matchRelationships, partnerOf, shortName } from './relationships.ts'

const SERVER = 'dhcp1.example.net'

function policy(name: string, partner: string): RelationshipPolicy {
  return {
    ...DEFAULT_POLICY,
    name,
    servers: [SERVER, partner],
    authority: SERVER,
    mode: 'automatic',
    quietPeriodMs: 0,
  }
}

function found(name: string, partnerName: string): DiscoveredRelationship {
  return {
    name,
    mode: 'hot-standby',
    ownName: 'server1',
    partnerName,
    state: 'normal',
    nativeState: 'hot-standby',
    scopes: 'all',
  }
}

/** `configured name → discovered name`, in the form of one line each. */
function matched(policies: readonly RelationshipPolicy[], discovered: readonly DiscoveredRelationship[]) {
  return matchRelationships(SERVER, policies, discovered).map((match) => {
    if (match.kind === 'configured') return `${match.policy.name} = ${match.discovered.name} with ${match.partner}`
    return match.kind === 'missing' ? `${match.policy.name} missing` : `${match.discovered.name} only observed`
  })
}

test('the same name is the same relationship, whatever its case', () => {
  assert.deepEqual(matched([policy('DHCP1-dhcp2', 'dhcp2.example.net')], [found('dhcp1-DHCP2', 'somebody')]), [
    'DHCP1-dhcp2 = dhcp1-DHCP2 with dhcp2.example.net',
  ])
})

test('the same partner is the same relationship, by its short name', () => {
  const policies = [policy('one', 'dhcp2.example.net'), policy('two', 'dhcp3.example.net')]
  assert.deepEqual(matched(policies, [found('x', 'DHCP3'), found('y', 'dhcp2.other.net')]), [
    'one = y with dhcp2.example.net',
    'two = x with dhcp3.example.net',
  ])
})

test('one configured and one discovered that are left belong together', () => {
  assert.deepEqual(matched([policy('a-b', 'dhcp2.example.net')], [found('server1-server2', 'server2')]), [
    'a-b = server1-server2 with dhcp2.example.net',
  ])
})

test('two that could be meant are not guessed', () => {
  const policies = [policy('one', 'dhcp2.example.net'), policy('two', 'dhcp3.example.net')]
  const results = matched(policies, [found('x', 'server2'), found('y', 'server3')])
  assert.deepEqual(results, ['one missing', 'two missing', 'x only observed', 'y only observed'])

  const twice = matched([policy('one', 'dhcp2.example.net')], [found('x', 'dhcp2'), found('y', 'dhcp2')])
  assert.deepEqual(twice, ['one missing', 'x only observed', 'y only observed'])
})

test('a relationship of other servers is not looked for', () => {
  const other = { ...policy('c-d', 'd'), servers: ['c', 'd'] as const }
  assert.deepEqual(matched([other], [found('x', 'server2')]), ['x only observed'])
})

test('what is missing says what is there and what to do', () => {
  const [missing] = matchRelationships(SERVER, [policy('a-b', 'dhcp2.example.net')], [])
  assert.ok(missing?.kind === 'missing')
  assert.match(missing.message, /dhcp1\.example\.net has no failover relationship with dhcp2\.example\.net/)
  assert.match(missing.message, /it has: none/)
})

test('partner and short name', () => {
  assert.equal(partnerOf(policy('a-b', 'b'), SERVER), 'b')
  assert.equal(partnerOf(policy('a-b', 'b'), 'b'), SERVER)
  assert.equal(shortName('dhcp1.example.net'), 'dhcp1')
  assert.equal(shortName('dhcp1'), 'dhcp1')
})
