// The reference in services/README.md says what the code does: every setting, metric, stream, message and error.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { RelationshipConfig, ServerConfig } from '#contracts/configuration.ts'
import { GATE_ERROR_CODES } from '#contracts/gate.ts'
import { MESSAGE_TYPES } from '#contracts/messages.ts'
import { PROBLEM_TYPE_PREFIX, PROBLEMS } from '#contracts/problems.ts'
import { BUCKETS, STREAMS } from '#contracts/streams.ts'
import { parseIgnoredField } from '#dhcp/mask.ts'
import { windowProblems } from '#plan/windows.ts'
import { parseConfiguration } from '#service-host/configuration.ts'
import { SETTINGS } from '#service-host/settings.ts'
import { METRICS } from '#telemetry/instruments.ts'

const reference = readFileSync(join(import.meta.dirname, '..', '..', 'services', 'README.md'), 'utf8')
/** Table rows with their cells, so that the width of a column does not matter. */
const rows = new Set(
  reference
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim())
        .join(' | '),
    ),
)

function missing(expected: readonly string[]): readonly string[] {
  assert.ok(expected.length > 0)
  return expected.filter((row) => !rows.has(row))
}

test('settings', () => {
  const expected = Object.entries(SETTINGS).map(([name, { description, default: fallback }]) =>
    [`\`${name}\``, description, String(fallback) === '' ? '' : `\`${String(fallback)}\``].join(' | '),
  )
  assert.deepEqual(missing(expected), [])
})

test('metrics, as Prometheus shows them', () => {
  const expected = Object.values(METRICS).map(({ name, kind, description, labels }) =>
    [
      `\`${name}${kind === 'counter' ? '_total' : ''}\``,
      kind,
      description,
      labels.map((label) => `\`${label}\``).join(', '),
    ].join(' | '),
  )
  assert.deepEqual(missing(expected), [])
})

test('streams and buckets', () => {
  const streams = Object.values(STREAMS).map((stream) =>
    [
      `\`${stream.name}\``,
      stream.subjects.map((subject) => `\`${subject}\``).join(', '),
      stream.description,
      'maxAgeDays' in stream ? `${stream.maxAgeDays} days` : 'the newest of each subject',
    ].join(' | '),
  )
  const buckets = Object.values(BUCKETS).map((bucket) =>
    [
      `\`${bucket.name}\``,
      bucket.description,
      'ttlDays' in bucket ? `${bucket.ttlDays} day` : 'until it is removed',
    ].join(' | '),
  )
  assert.deepEqual(missing([...streams, ...buckets]), [])
})

test('message types', () => {
  const expected = Object.entries(MESSAGE_TYPES).map(
    ([type, schema]) => `\`${type}\` | ${(schema as { description?: string }).description}`,
  )
  assert.deepEqual(missing(expected), [])
})

test('problems of the HTTP API', () => {
  const expected = Object.entries(PROBLEMS).map(
    ([code, { status, title }]) => `\`${PROBLEM_TYPE_PREFIX}${code}\` | ${status} | ${title}`,
  )
  assert.deepEqual(missing(expected), [])
})

test('errors of a gate', () => {
  assert.deepEqual(
    GATE_ERROR_CODES.filter((code) => ![...rows].some((row) => row.startsWith(`\`${code}\` | `))),
    [],
  )
})

/** The cells of the row about one key, in the table that has so many columns. */
function rowOf(key: string, columns: number): readonly string[] {
  const cells = [...rows].map((row) => row.split(' | '))
  const row = cells.find((each) => each[0] === `\`${key}\`` && each.length === columns)
  assert.ok(row !== undefined, `${key} is not documented`)
  return row
}

const codesIn = (cell: string | undefined): readonly string[] =>
  [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, code = '']) => code)

test('the configuration file: every key of a server', () => {
  for (const key of ServerConfig.anyOf.flatMap((kind) => Object.keys(kind.properties))) rowOf(key, 3)
})

const { limits, ...policies } = RelationshipConfig.properties
const LIMITS = limits.properties

test('the configuration file: every policy with its values, its default and what follows', () => {
  for (const [key, schema] of Object.entries({ ...policies, limits, ...LIMITS })) {
    const [, values, fallback, consequence = ''] = rowOf(key, 4)
    assert.ok(consequence.length > 10, `${key}: what follows from it is not said`)
    assert.ok(values !== '' && fallback !== undefined)
    const { enum: known } = schema as { readonly enum?: readonly string[] }
    if (known !== undefined) {
      assert.deepEqual(codesIn(values), known, `the values of ${key}`)
      for (const value of known) assert.ok(consequence.includes(`\`${value}\``), `${key}: ${value} is not explained`)
    }
  }
})

test('the configuration file: what is documented as default is what holds without it', () => {
  const configuration = (lines: readonly string[]) => `servers:
  - {name: a, kind: simulated, control: 'http://x/'}
  - {name: b, kind: simulated, control: 'http://x/'}
relationships:
  - name: a-b
    servers: [a, b]
    authority: a
${lines.map((line) => `    ${line}\n`).join('')}`
  const policyOf = (lines: readonly string[]) => parseConfiguration(configuration(lines), 'x').relationships[0]
  const defaultOf = (key: string) => codesIn(rowOf(key, 4)[2])[0]
  let checked = 0
  for (const [keys, indent] of [
    [Object.keys(policies), ''],
    [Object.keys(LIMITS), 'limits: '],
  ] as const) {
    for (const key of keys) {
      const fallback = defaultOf(key)
      if (fallback === undefined) continue
      const line = indent === '' ? `${key}: ${fallback}` : `${indent}{${key}: ${fallback}}`
      assert.deepEqual(policyOf([line]), policyOf([]), `${key}: ${fallback}`)
      checked++
    }
  }
  assert.ok(checked >= 12, `only ${checked} defaults were found in the table`)
})

test('the forms of windows that are documented are understood', () => {
  const firstCells = [...rows].map((row) => row.split(' | ')[0]?.replaceAll('`', '') ?? '')
  const forms = firstCells.filter((cell) => /\d\d:\d\d-|^\d{4}-\d\d-\d\d/.test(cell))
  assert.equal(forms.length, 5, forms.join('\n'))
  for (const form of forms) assert.deepEqual(windowProblems({ allow: [], freeze: [form], timeZone: 'UTC' }), [])
})

test('the fields that are documented can be ignored', () => {
  const cells = [...rows].filter((row) => row.split(' | ').length === 2).map((row) => row.split(' | ')[0])
  const fields = cells
    .flatMap((cell) => codesIn(cell))
    .filter((code) => /^(properties|options)\.|^(group|exclusions|reservations|policies)$/.test(code))
  assert.equal(fields.length, 6, fields.join(' '))
  for (const field of fields) assert.notEqual(parseIgnoredField(field), undefined, field)
})
