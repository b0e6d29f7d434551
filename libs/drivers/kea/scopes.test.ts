import assert from 'node:assert/strict'
import test from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { JsonObject } from '#dhcp/json.ts'
import type { Scope } from '#dhcp/scope.ts'
import { poolBounds, subnetsOf } from './configuration.ts'
import { mergeScopes, writtenForm } from './merge.ts'
import { objectsOf } from './options.ts'
import { normaliseIdentifier, scopeOfSubnet, unreplicableReason } from './scopes.ts'

const aSubnet: JsonObject = {
  id: 7,
  subnet: '10.0.0.0/24',
  interface: 'eth0',
  '4o6-interface': '',
  '4o6-subnet': '',
  pools: [{ pool: '10.0.0.16/28', 'option-data': [] }],
  reservations: [
    { 'client-id': '01AABB', 'ip-address': '10.0.0.9', hostname: '', 'client-classes': [], 'option-data': [] },
  ],
  'option-data': [
    { code: 3, space: 'dhcp4', data: '10.0.0.1', name: 'routers', 'csv-format': true },
    { code: 54, space: 'dhcp4', data: '10.0.0.250', name: 'dhcp-server-identifier', 'csv-format': true },
  ],
  'valid-lifetime': 4000,
  'future-parameter': { kept: [1] },
}

const aServer: JsonObject = {
  'valid-lifetime': 4000,
  subnet4: [aSubnet],
  'shared-networks': [
    {
      name: 'floor',
      'valid-lifetime': 4000,
      subnet4: [{ id: 8, subnet: '10.0.1.0/24', 'valid-lifetime': 4000, 'option-data': [] }],
    },
  ],
}

function scopesOf(dhcp4: JsonObject): Map<string, Scope> {
  return new Map(subnetsOf(dhcp4).map((placed) => [placed.key, scopeOfSubnet(placed)]))
}

function scope(key = '10.0.0.0/24'): Scope {
  const found = scopesOf(aServer).get(key)
  assert.ok(found)
  return found
}

test('a subnet becomes a scope without what is the server’s own', () => {
  assert.deepEqual(scope(), {
    key: '10.0.0.0/24',
    id: 7,
    properties: {
      'valid-lifetime': 4000,
      'min-valid-lifetime': 4000,
      'max-valid-lifetime': 4000,
      'future-parameter': { kept: [1] },
    },
    ranges: [{ start: '10.0.0.16', end: '10.0.0.31', properties: {}, options: [] }],
    exclusions: [],
    reservations: [
      { identifierType: 'client-id', identifier: '01:aa:bb', address: '10.0.0.9', properties: {}, options: [] },
    ],
    options: [{ space: 'dhcp4', code: 3, data: '10.0.0.1', properties: { name: 'routers', 'csv-format': true } }],
    policies: [],
  })
  assert.equal(scope('10.0.1.0/24').group, 'floor')
})

test('identifiers have one form, however Kea or a person writes them', () => {
  for (const written of ['01:AB:0c', '1:ab:c', '01AB0C', '0x01ab0c'])
    assert.equal(normaliseIdentifier(written), '01:ab:0c')
  assert.equal(normaliseIdentifier("'text'"), '74:65:78:74')
})

test('pools have bounds in either notation', () => {
  assert.deepEqual(poolBounds('10.0.0.16/28'), { start: '10.0.0.16', end: '10.0.0.31' })
  assert.deepEqual(poolBounds('10.0.0.1 - 10.0.0.9'), { start: '10.0.0.1', end: '10.0.0.9' })
  assert.deepEqual(poolBounds('10.0.0.1-10.0.0.9'), { start: '10.0.0.1', end: '10.0.0.9' })
  assert.equal(poolBounds('something'), undefined)
})

test('the same content changes nothing', () => {
  assert.deepEqual(mergeScopes(aServer, [{ scope: scope().key, wanted: scope() }]), { kind: 'unchanged' })
})

test('a written scope keeps the target’s own parameters, and nothing inherited', () => {
  const wanted = { ...scope(), options: [] }
  const merge = mergeScopes(aServer, [{ scope: wanted.key, wanted }])
  assert.equal(merge.kind, 'changed')
  const [written] = (merge.kind === 'changed' ? merge.dhcp4.subnet4 : []) as readonly JsonObject[]
  assert.equal(written?.interface, 'eth0')
  assert.equal(written?.['valid-lifetime'], undefined)
  assert.deepEqual(
    objectsOf(written?.['option-data']).map((option) => option.code),
    [54],
  )
  assert.deepEqual(written?.['future-parameter'], { kept: [1] })
})

test('the written form has the same scopes in effect', () => {
  const before = [...scopesOf(aServer).values()].map((one) => contentOf(one).text)
  const after = [...scopesOf(writtenForm(aServer)).values()].map((one) => contentOf(one).text)
  assert.deepEqual(after, before)
})

test('a scope moves into and out of a shared network', () => {
  const moved = { ...scope(), group: 'floor' }
  const merge = mergeScopes(aServer, [{ scope: moved.key, wanted: moved }])
  assert.ok(merge.kind === 'changed')
  assert.deepEqual(merge.dhcp4.subnet4, [])
  assert.equal(scopesOf(merge.dhcp4).get(moved.key)?.group, 'floor')
})

const refusals: readonly { title: string; wanted: Scope; code: string; names: RegExp }[] = [
  {
    title: 'a shared network',
    wanted: { ...scope(), group: 'cellar' },
    code: 'missing-reference',
    names: /group:cellar/,
  },
  {
    title: 'a client class',
    wanted: { ...scope(), properties: { ...scope().properties, 'client-class': 'phones' } },
    code: 'missing-reference',
    names: /class:phones/,
  },
  {
    title: 'an option definition',
    wanted: { ...scope(), options: [{ space: 'dhcp4', code: 230, data: 'x', properties: { 'csv-format': true } }] },
    code: 'missing-reference',
    names: /option-definition:dhcp4\/230/,
  },
  { title: 'a free subnet id', wanted: { ...scope(), id: 8 }, code: 'id-clash', names: /10\.0\.1\.0\/24/ },
  {
    title: 'exclusion ranges',
    wanted: { ...scope(), exclusions: [{ start: '10.0.0.20', end: '10.0.0.21' }] },
    code: 'unreplicable',
    names: /exclusion/,
  },
]
for (const { title, wanted, code, names } of refusals) {
  test(`a scope that needs ${title}, which the target lacks, is refused by name`, () => {
    const merge = mergeScopes(aServer, [{ scope: wanted.key, wanted }])
    assert.ok(merge.kind === 'refused')
    assert.equal(merge.scopes[0]?.code, code)
    assert.match(merge.scopes[0]?.message ?? '', names)
  })
}

test('two scopes may exchange their ids in one batch', () => {
  const [one, two] = [scope(), scope('10.0.1.0/24')]
  const writes = [
    { scope: one.key, wanted: { ...one, id: 8 } },
    { scope: two.key, wanted: { ...two, id: 7 } },
  ]
  assert.equal(mergeScopes(aServer, writes).kind, 'changed')
})

test('a value that the target imposes and a subnet cannot take back is refused', () => {
  const server = { ...aServer, 'boot-file-name': 'pxe.0' }
  const wanted = { ...scope(), properties: { ...scope().properties, 'boot-file-name': '' } }
  const merge = mergeScopes(server, [{ scope: wanted.key, wanted }])
  assert.ok(merge.kind === 'refused')
  assert.match(merge.scopes[0]?.message ?? '', /boot-file-name/)
})

test('a scope whose raw option 43 came back empty cannot be replicated', () => {
  const emptied = { code: 43, space: 'dhcp4', data: '', 'csv-format': false }
  const placed = (options: readonly JsonObject[]) => {
    const [one] = subnetsOf({ subnet4: [{ ...aSubnet, 'option-data': options }] })
    assert.ok(one)
    return unreplicableReason(one)
  }
  assert.match(placed([emptied]) ?? '', /option 43/)
  assert.equal(
    placed([emptied, { code: 1, space: 'vendor-encapsulated-options-space', data: '0A', 'csv-format': false }]),
    undefined,
  )
  assert.equal(placed([]), undefined)
})

test('a subnet that is there twice, by its host bits, is not written', () => {
  const server = { ...aServer, subnet4: [aSubnet, { ...aSubnet, id: 99, subnet: '10.0.0.1/24' }] }
  const merge = mergeScopes(server, [{ scope: scope().key }])
  assert.ok(merge.kind === 'refused')
  assert.match(merge.scopes[0]?.message ?? '', /twice/)
})

test('a subnet that is not understood is an error, not a subnet less', () => {
  assert.throws(() => subnetsOf({ subnet4: [{ id: 1, subnet: '2001:db8::/32' }] }), { code: 'protocol' })
})
