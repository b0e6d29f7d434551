import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { canonicalScope, contentOf, type Fingerprint, fingerprintOfText, scopeOf } from './fingerprint.ts'
import { parseJson, realOf } from './json.ts'
import type { OptionValue, Scope, ScopeKey } from './scope.ts'

function option(code: number, data = '10.0.10.1'): OptionValue {
  return { space: 'dhcp4', code, data, properties: { 'always-send': false } }
}

const SCOPE: Scope = {
  key: '10.0.10.0/24' as ScopeKey,
  id: 10,
  properties: { 'valid-lifetime': 4000, 't1-percent': realOf(0.5), 'user-context': { big: 12345678901234567890n } },
  ranges: [
    { start: '10.0.10.10', end: '10.0.10.99', properties: {}, options: [option(6), option(3)] },
    { start: '10.0.10.100', end: '10.0.10.200', properties: {}, options: [] },
  ],
  exclusions: [
    { start: '10.0.10.20', end: '10.0.10.21' },
    { start: '10.0.10.50', end: '10.0.10.51' },
  ],
  reservations: [
    {
      identifierType: 'hw-address',
      identifier: '00:11:22:33:44:55',
      address: '10.0.10.5',
      properties: {},
      options: [option(12, 'a'), option(15, 'b')],
    },
    { identifierType: 'client-id', identifier: '01:02', properties: {}, options: [] },
  ],
  options: [option(3), option(6), option(42)],
  policies: [
    { name: 'voice', properties: {}, ranges: [] },
    { name: 'guest', properties: {}, ranges: [] },
  ],
}

const print = (scope: Scope) => contentOf(scope).fingerprint

/** The same scope in another order of everything that has none. */
function shuffled(scope: Scope): fc.Arbitrary<Scope> {
  const any = <T>(items: readonly T[]) => fc.shuffledSubarray([...items], { minLength: items.length })
  return fc
    .record({
      ranges: any(scope.ranges),
      exclusions: any(scope.exclusions),
      reservations: any(scope.reservations),
      options: any(scope.options),
      policies: any(scope.policies),
      properties: any(Object.entries(scope.properties)).map(Object.fromEntries),
      innerOptions: any(scope.ranges[0]?.options ?? []),
    })
    .map(({ innerOptions, ...parts }) => ({
      ...scope,
      ...parts,
      ranges: parts.ranges.map((range) => (range.options.length > 0 ? { ...range, options: innerOptions } : range)),
    }))
}

test('the order of what has no order does not count', () => {
  fc.assert(fc.property(shuffled(SCOPE), (other) => assert.equal(print(other), print(SCOPE))))
})

test('everything else counts', () => {
  const [range] = SCOPE.ranges
  const [reservation] = SCOPE.reservations
  assert.ok(range !== undefined && reservation !== undefined)
  const others: Scope[] = [
    { ...SCOPE, key: '10.0.11.0/24' as ScopeKey },
    { ...SCOPE, id: 11 },
    { ...SCOPE, group: 'floor' },
    { ...SCOPE, properties: { ...SCOPE.properties, 'valid-lifetime': 4001 } },
    { ...SCOPE, properties: { ...SCOPE.properties, 'valid-lifetime': realOf(4000) } },
    { ...SCOPE, properties: { ...SCOPE.properties, 'user-context': { big: 12345678901234567891n } } },
    { ...SCOPE, ranges: [range] },
    { ...SCOPE, ranges: [{ ...range, options: [] }, ...SCOPE.ranges.slice(1)] },
    { ...SCOPE, exclusions: [] },
    { ...SCOPE, reservations: [{ ...reservation, address: '10.0.10.6' }, ...SCOPE.reservations.slice(1)] },
    { ...SCOPE, reservations: [{ ...reservation, options: [] }, ...SCOPE.reservations.slice(1)] },
    { ...SCOPE, options: [option(3, '10.0.10.2'), option(6), option(42)] },
    { ...SCOPE, policies: [] },
  ]
  assert.equal(new Set([SCOPE, ...others].map(print)).size, others.length + 1)
})

test('two values of one option keep a fixed order among them', () => {
  const one = { ...SCOPE, options: [option(3, 'a'), option(3, 'b')] }
  assert.equal(print({ ...SCOPE, options: [option(3, 'b'), option(3, 'a')] }), print(one))
})

test('a content gives its scope again, with every number', () => {
  const content = contentOf(SCOPE)
  assert.match(content.fingerprint, /^v1:[0-9a-f]{64}$/)
  const again = scopeOf(content)
  assert.equal(contentOf(again).text, content.text)
  assert.equal(print(again), content.fingerprint)
  assert.deepEqual(again.properties['user-context'], { big: 12345678901234567890n })
})

test('a content survives a JSON codec on its way', () => {
  const content = contentOf(SCOPE)
  const travelled = JSON.parse(JSON.stringify(content))
  assert.deepEqual(scopeOf(travelled), scopeOf(content))
})

test('a content that is not what its fingerprint names is refused', () => {
  const content = contentOf(SCOPE)
  assert.throws(() => scopeOf({ ...content, text: `${content.text} ` }), /does not match/)
  assert.throws(() => scopeOf({ ...content, fingerprint: `v1:${'0'.repeat(64)}` as Fingerprint }), /does not match/)
})

test('the form of the fingerprint is fixed: a change of it needs a new version', () => {
  assert.equal(fingerprintOfText('{}'), 'v1:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
  const small = contentOf({
    ...SCOPE,
    properties: {},
    ranges: [],
    exclusions: [],
    reservations: [],
    options: [],
    policies: [],
  })
  assert.equal(
    small.text,
    '{"exclusions":[],"id":10,"key":"10.0.10.0/24","options":[],"policies":[],"properties":{},"ranges":[],"reservations":[]}',
  )
})

test('canonical twice is canonical once', () => {
  const once = canonicalScope(SCOPE)
  assert.deepEqual(canonicalScope(once), once)
  assert.equal(typeof parseJson(contentOf(once).text), 'object')
})
