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

test('the configuration file', () => {
  const limits = RelationshipConfig.properties.limits.properties
  const names = [
    ...Object.keys(RelationshipConfig.properties),
    ...Object.keys(limits),
    ...ServerConfig.anyOf.flatMap((kind) => Object.keys(kind.properties)),
  ]
  assert.deepEqual(
    names.filter((name) => ![...rows].some((row) => row.startsWith(`\`${name}\` | `))),
    [],
  )
})
