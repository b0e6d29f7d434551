import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Reservation, Scope, ScopeKey } from '#dhcp/scope.ts'
import { admit } from './admit.ts'
import { compareScopes, type SideRow } from './compare.ts'
import { diffScopes } from './diff.ts'
import { makePlan, type Plan } from './plan.ts'
import { DEFAULT_LIMITS } from './policy.ts'
import { renderChange } from './render.ts'
import { checkScope } from './safety.ts'

const POLICY = { onForeignEdit: 'hold', onConflict: 'hold', prune: 'off' } as const

function reservation(host: number): Reservation {
  return {
    identifierType: 'hw-address',
    identifier: `02:00:00:00:00:${host.toString(16).padStart(2, '0')}`,
    address: `10.0.0.${host}`,
    name: `h${host}`,
    properties: {},
    options: [],
  }
}

function aScope(change: Partial<Scope> = {}): Scope {
  return {
    key: '10.0.0.0/24' as ScopeKey,
    id: 1,
    properties: { 'valid-lifetime': 4000 },
    ranges: [{ start: '10.0.0.10', end: '10.0.0.200', properties: {}, options: [] }],
    exclusions: [],
    reservations: Array.from({ length: 10 }, (_, index) => reservation(index + 20)),
    options: [
      { space: 'dhcp4', code: 3, data: '10.0.0.1', properties: {} },
      { space: 'dhcp4', code: 6, data: '10.0.0.2', properties: {} },
    ],
    policies: [],
    ...change,
  }
}

function planOf(source: readonly Scope[], target: readonly Scope[], base: readonly Scope[]): Plan {
  const bases = new Map(base.map((scope) => [scope.key as string, contentOf(scope).fingerprint]))
  const rows = (scopes: readonly Scope[]): SideRow[] =>
    scopes.map((scope) => {
      const agreed = bases.get(scope.key)
      return {
        scope: scope.key,
        live: contentOf(scope).fingerprint,
        ...(agreed === undefined ? {} : { base: agreed, baseEpoch: 1, baseSerial: 1 }),
      }
    })
  const contents = (scopes: readonly Scope[]) => new Map(scopes.map((scope) => [scope.key as string, contentOf(scope)]))
  return makePlan({
    relationship: 'a-b',
    source: 'a',
    target: 'b',
    comparison: compareScopes(rows(source), rows(target), POLICY),
    sourceContents: contents(source),
    targetContents: contents(target),
    limits: DEFAULT_LIMITS,
  })
}

test('an added reservation is one change, in DHCP words', () => {
  const before = aScope()
  const after = aScope({ reservations: [...before.reservations, { ...reservation(99), name: 'printer' }] })

  const plan = planOf([after], [before], [before])

  assert.deepEqual(
    plan.scopes.map(({ code, obstacles }) => ({ code, obstacles })),
    [{ code: 'changed', obstacles: [] }],
  )
  assert.deepEqual(plan.scopes[0]?.changes.map(renderChange), [
    '+ reservation hw-address=02:00:00:00:00:63: 10.0.0.99 "printer"',
  ])
  assert.equal(admit(plan, undefined).safe.length, 1)
})

test('equal scopes plan nothing', () => {
  assert.deepEqual(planOf([aScope()], [aScope()], []).scopes, [])
})

test('the order of what has no order is no difference', () => {
  const scope = aScope()
  const shuffled = aScope({ reservations: [...scope.reservations].reverse(), options: [...scope.options].reverse() })
  assert.equal(contentOf(scope).fingerprint, contentOf(shuffled).fingerprint)
})

test('a plan that deletes more than the allowed share is held, with its numbers', () => {
  const before = aScope()
  const after = aScope({ reservations: before.reservations.slice(0, 5) })

  const violations = checkScope(before, after, diffScopes(before, after), DEFAULT_LIMITS)

  assert.deepEqual(violations, [
    { code: 'too-many-deletes', message: '5 of 10 reservations would be deleted, limit 30 %' },
  ])
})

test('exactly the allowed share passes', () => {
  const before = aScope({ options: [] })
  // 11 objects; 3 of them are 27 %
  const after = aScope({ options: [], reservations: before.reservations.slice(3) })
  assert.deepEqual(checkScope(before, after, diffScopes(before, after), DEFAULT_LIMITS), [])
})

test('removing the routers is held even in a small scope', () => {
  const before = aScope({ reservations: [] })
  const after = aScope({ reservations: [], options: before.options.slice(1) })
  assert.deepEqual(
    checkScope(before, after, diffScopes(before, after), DEFAULT_LIMITS).map(({ code }) => code),
    ['routers-removed'],
  )
})

test('a range that would no longer hold its reservations is held', () => {
  const before = aScope()
  const after = aScope({ ranges: [{ start: '10.0.0.100', end: '10.0.0.200', properties: {}, options: [] }] })
  const codes = checkScope(before, after, diffScopes(before, after), DEFAULT_LIMITS).map(({ code }) => code)
  assert.ok(codes.includes('range-shrunk-below-reservations'))
})

test('an approval releases exactly the plan that was shown', () => {
  const before = aScope()
  const edited = aScope({ properties: { 'valid-lifetime': 1 } })
  const plan = planOf([before], [edited], [before])
  assert.deepEqual(
    plan.scopes.map(({ code }) => code),
    ['foreign-edit'],
  )

  assert.equal(admit(plan, undefined).safe.length, 0)
  assert.equal(admit(plan, 'f'.repeat(64)).safe.length, 0)
  assert.equal(admit(plan, plan.digest).safe.length, 1)

  const editedAgain = planOf([before], [aScope({ properties: { 'valid-lifetime': 2 } })], [before])
  assert.equal(admit(editedAgain, plan.digest).safe.length, 0)
})

test('too many scopes in one run are held, creation excepted', () => {
  const scopes = (lifetime: number, count: number) =>
    Array.from({ length: count }, (_, index) =>
      aScope({ key: `10.0.${index}.0/24` as ScopeKey, id: index + 1, properties: { 'valid-lifetime': lifetime } }),
    )
  const before = scopes(1, 10)
  const after = [...scopes(2, 3), ...before.slice(3), ...scopes(1, 12).slice(10)]

  const plan = planOf(after, before, before)

  const { safe, held } = admit(plan, undefined)
  assert.deepEqual(
    safe.map(({ code }) => code),
    ['created', 'created'],
  )
  assert.equal(held.length, 3)
  assert.match(held[0]?.obstacles[0]?.message ?? '', /3 of 10 scopes would change in one run, limit 20 %/)
})

test('nothing is copied from an empty source, even if approved', () => {
  const scope = aScope()
  const plan = planOf([], [scope], [scope])
  assert.equal(admit(plan, plan.digest).safe.length, 0)
})
