import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Scope } from '#dhcp/scope.ts'
import { aRange, aReservation, aScope } from './a-scope.ts'
import { diffScopes } from './diff.ts'
import { DEFAULT_LIMITS, type SafetyLimits } from './policy.ts'
import { checkRun, checkScope } from './safety.ts'

function violations(before: Scope, after: Scope, limits: Partial<SafetyLimits> = {}): readonly string[] {
  return checkScope(before, after, diffScopes(before, after), { ...DEFAULT_LIMITS, ...limits }).map(
    ({ code, message }) => `${code}: ${message}`,
  )
}

/** An edit: the same reservation with another name. */
const renamed = (scope: Scope, count: number) => ({
  ...scope,
  reservations: scope.reservations.map((each, index) => (index < count ? { ...each, name: 'new' } : each)),
})
const option = (code: number) => ({ space: 'dhcp4', code, data: 'x', properties: {} })

test('more than the share of one kind is held, with its numbers', () => {
  const before = aScope()
  assert.deepEqual(violations(before, aScope({ reservations: before.reservations.slice(4) })), [
    'too-many-deletes: 4 of 10 reservations would be deleted, limit 30 %',
  ])
  assert.deepEqual(violations(before, renamed(before, 4)), [
    'too-many-updates: 4 of 10 reservations would be updated, limit 30 %',
  ])
})

test('exactly the share passes, also one that has no exact binary form', () => {
  const before = aScope()
  assert.deepEqual(violations(before, aScope({ reservations: before.reservations.slice(3) })), [])
  assert.deepEqual(violations(before, renamed(before, 3)), [])
  const many = aScope({ reservations: Array.from({ length: 100 }, (_, index) => aReservation(index + 20)) })
  assert.deepEqual(violations(many, renamed(many, 29), { maxUpdateRatio: 0.29 }), [])
  assert.equal(violations(many, renamed(many, 30), { maxUpdateRatio: 0.29 }).length, 1)
})

test('a large kind does not hide what happens to a small one', () => {
  const before = aScope({ options: Array.from({ length: 40 }, (_, index) => option(index + 100)) })
  assert.deepEqual(violations(before, { ...before, reservations: before.reservations.slice(4) }), [
    'too-many-deletes: 4 of 10 reservations would be deleted, limit 30 %',
  ])
})

test('kinds that are too small for a ratio of their own count together', () => {
  const before = aScope({
    reservations: Array.from({ length: 6 }, (_, index) => aReservation(index + 20)),
    options: Array.from({ length: 5 }, (_, index) => option(index + 100)),
  })
  const after = { ...before, reservations: before.reservations.slice(2), options: before.options.slice(2) }
  assert.deepEqual(violations(before, after), [
    'too-many-deletes: 4 of 12 objects would be deleted (2 of 6 reservations, 2 of 5 option values), limit 30 %',
  ])
})

test('a small scope has no ratios, and min-objects and the ratios are settings', () => {
  const before = aScope({ reservations: [aReservation(20), aReservation(21)] })
  const after = { ...before, reservations: [aReservation(20)] }
  assert.deepEqual(violations(before, after), [])
  assert.deepEqual(violations(before, after, { minObjects: 2 }), [
    'too-many-deletes: 1 of 2 reservations would be deleted, limit 30 %',
  ])
  assert.deepEqual(violations(before, after, { minObjects: 2, maxDeleteRatio: 0.5 }), [])
  assert.deepEqual(violations(before, after, { minObjects: 0, maxDeleteRatio: 0.125 }), [
    'too-many-deletes: 1 of 2 reservations would be deleted, limit 12.5 %',
  ])
})

test('the last of its kind, routers and DNS servers are held even in a small scope', () => {
  const before = aScope({ reservations: [aReservation(20)] })
  assert.deepEqual(violations(before, { ...before, reservations: [] }), [
    'all-reservations-removed: all 1 reservation of 10.0.0.0/24 would be deleted',
  ])
  assert.deepEqual(violations(before, { ...before, options: before.options.slice(1) }), [
    'routers-removed: the routers (option 3) of 10.0.0.0/24 would be removed',
  ])
  assert.deepEqual(violations(before, { ...before, options: before.options.slice(0, 1) }), [
    'dns-servers-removed: the DNS servers (option 6) of 10.0.0.0/24 would be removed',
  ])
  assert.deepEqual(
    violations(before, { ...before, options: [] }).map((text) => text.split(':')[0]),
    ['all-options-removed', 'routers-removed', 'dns-servers-removed'],
  )
})

test('routers of a reservation, or of another space, are not the routers of the scope', () => {
  const reserved = { ...aReservation(20), options: [option(3)] }
  const before = aScope({ reservations: [reserved], options: [option(100), { ...option(3), space: 'vendor-9' }] })
  const after = { ...before, reservations: [aReservation(20)], options: [option(100)] }
  assert.deepEqual(violations(before, after), [])
})

test('reservations that stay and would be in no range are named', () => {
  const before = aScope()
  const after = aScope({ ranges: [aRange('10.0.0.100', '10.0.0.200')] })
  assert.deepEqual(
    violations(before, after).filter((text) => text.startsWith('range')),
    [
      'range-shrunk-below-reservations: 10 reservations of 10.0.0.0/24 would no longer be in an address range: 10.0.0.20, 10.0.0.21, 10.0.0.22, 10.0.0.23, 10.0.0.24, …',
    ],
  )
})

test('leases count only where a range shrinks', () => {
  const before = aScope({ reservations: [] })
  const smaller = aScope({ reservations: [], ranges: [aRange('10.0.0.10', '10.0.0.100')] })
  const check = (after: Scope, leases?: number) =>
    checkScope(before, after, diffScopes(before, after), DEFAULT_LIMITS, leases).map(({ message }) => message)
  assert.deepEqual(check(smaller, 1), ['1 active lease of 10.0.0.0/24 would be outside every range, limit 0'])
  assert.deepEqual([check(smaller, 0), check(smaller), check(before, 3)], [[], [], []])
})

test('a scope that comes or goes as a whole is judged by the run', () => {
  assert.deepEqual(checkScope(undefined, aScope(), [], DEFAULT_LIMITS), [])
  assert.deepEqual(checkScope(aScope(), undefined, [], DEFAULT_LIMITS), [])
})

test('the limits of a run', () => {
  const run = (change: Partial<Parameters<typeof checkRun>[0]>) =>
    checkRun({ sourceScopes: 10, targetScopes: 10, changed: 0, deleted: 0, ...change }, DEFAULT_LIMITS).map(
      ({ code }) => code,
    )
  assert.deepEqual(run({ changed: 2 }), [])
  assert.deepEqual(run({ changed: 3 }), ['too-many-scopes'])
  assert.deepEqual(run({ targetScopes: 4, changed: 4 }), [], 'from five scopes on')
  assert.deepEqual(run({ deleted: 1, changed: 1 }), [])
  assert.deepEqual(run({ deleted: 2, changed: 2 }), ['too-many-scope-deletes'])
  assert.deepEqual(run({ sourceScopes: 0 }), ['empty-source'])
  assert.deepEqual(run({ sourceScopes: 0, targetScopes: 0 }), [])
})
