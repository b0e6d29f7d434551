import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from './fingerprint.ts'
import { type IgnoredField, maskScope, mergeIgnored, parseIgnoredField } from './mask.ts'
import { type OptionValue, parseScopeKey, type Scope, type ScopeKey } from './scope.ts'

function field(text: string): IgnoredField {
  const parsed = parseIgnoredField(text)
  assert.ok(parsed, text)
  return parsed
}

const option = (code: number, data: string, space = 'dhcp4'): OptionValue => ({ space, code, data, properties: {} })

function aScope(change: Partial<Scope> = {}): Scope {
  return {
    key: parseScopeKey('10.0.1.0/24') as ScopeKey,
    properties: { 'valid-lifetime': 3600, description: 'floor 1' },
    ranges: [{ start: '10.0.1.10', end: '10.0.1.20', properties: {}, options: [option(66, 'in-range')] }],
    exclusions: [{ start: '10.0.1.12', end: '10.0.1.13' }],
    reservations: [],
    options: [option(3, '10.0.1.1'), option(66, 'boot1'), option(66, 'vendor', 'other')],
    policies: [],
    ...change,
  }
}

test('fields are named by parameter, option, group or list', () => {
  assert.deepEqual(
    [
      'description',
      'properties.valid-lifetime',
      'properties.group',
      'options.66',
      'options.vendor-1.2',
      'group',
      'reservations',
    ].map(parseIgnoredField),
    [
      { kind: 'property', name: 'description' },
      { kind: 'property', name: 'valid-lifetime' },
      { kind: 'property', name: 'group' },
      { kind: 'option', space: 'dhcp4', code: 66 },
      { kind: 'option', space: 'vendor-1', code: 2 },
      { kind: 'group' },
      { kind: 'list', list: 'reservations' },
    ],
  )
  for (const text of [
    '',
    'key',
    'id',
    'ranges',
    'options',
    'properties',
    'options.',
    'options.0',
    'options.255',
    'a.b',
  ])
    assert.equal(parseIgnoredField(text), undefined, text)
})

test('what is ignored is not compared, and nothing else is left out', () => {
  const fields = ['description', 'options.66', 'exclusions', 'group'].map(field)
  const masked = maskScope(aScope({ group: 'floor' }), fields)
  assert.deepEqual(masked, {
    ...aScope(),
    properties: { 'valid-lifetime': 3600 },
    exclusions: [],
    // The one of a range and the one of another space stay.
    options: [option(3, '10.0.1.1'), option(66, 'vendor', 'other')],
  })
  assert.deepEqual(maskScope(masked, fields), masked)
})

test('a write leaves what is ignored as the target has it, be it that it has nothing', () => {
  const fields = ['description', 'options.66', 'group'].map(field)
  const source = aScope({ properties: { 'valid-lifetime': 7200, description: 'the source’s' }, group: 'theirs' })
  const target = aScope({ options: [option(66, 'boot2')], group: 'ours' })
  assert.deepEqual(mergeIgnored(source, target, fields), {
    ...source,
    properties: { 'valid-lifetime': 7200, description: 'floor 1' },
    options: [option(3, '10.0.1.1'), option(66, 'vendor', 'other'), option(66, 'boot2')],
    group: 'ours',
  })
  const bare = aScope({ properties: {}, options: [] })
  const { group: _, ...without } = source
  assert.deepEqual(mergeIgnored(source, bare, fields), {
    ...without,
    properties: { 'valid-lifetime': 7200 },
    options: [option(3, '10.0.1.1'), option(66, 'vendor', 'other')],
  })
  assert.deepEqual(mergeIgnored(source, undefined, fields), maskScope(source, fields))
})

test('whatever is ignored: what is written looks like what was wanted, and keeps what the target had', () => {
  const value = fc.constantFrom('a', 'b', 'c')
  const scope = fc
    .record({
      properties: fc.dictionary(fc.constantFrom('x', 'y', 'description'), value),
      options: fc.uniqueArray(
        fc.record({ code: fc.constantFrom(3, 66), space: fc.constantFrom('dhcp4', 'other'), data: value }),
        { selector: ({ code, space }) => `${space}/${code}` },
      ),
      group: fc.option(value, { nil: undefined }),
      exclusions: fc.array(fc.constant({ start: '10.0.1.12', end: '10.0.1.13' }), { maxLength: 1 }),
    })
    .map(({ options, group, ...rest }) =>
      aScope({
        ...rest,
        options: options.map(({ code, space, data }) => option(code, data, space)),
        ...(group === undefined ? {} : { group }),
      }),
    )
  const names = ['x', 'description', 'options.66', 'options.other.3', 'group', 'exclusions', 'policies']
  const fields = fc.uniqueArray(fc.constantFrom(...names)).map((texts) => texts.map(field))
  const fingerprint = (of: Scope) => contentOf(of).fingerprint
  fc.assert(
    fc.property(scope, scope, fields, (wanted, live, ignored) => {
      const written = mergeIgnored(maskScope(wanted, ignored), live, ignored)
      assert.equal(fingerprint(maskScope(written, ignored)), fingerprint(maskScope(wanted, ignored)))
      // Writing the target's own content changes nothing of it.
      assert.equal(fingerprint(mergeIgnored(maskScope(live, ignored), live, ignored)), fingerprint(live))
    }),
  )
})
