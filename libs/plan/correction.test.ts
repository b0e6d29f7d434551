import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aRange, aScope, contentsOf, keyOf, scopesOf } from './a-scope.ts'
import { admit } from './admit.ts'
import { type CorrectionInput, makeCorrection } from './correction.ts'
import { DEFAULT_LIMITS } from './policy.ts'
import { renderChange } from './render.ts'

function correction(change: Partial<CorrectionInput>) {
  return makeCorrection({
    relationship: 'dhcp1-dhcp2',
    target: 'dhcp1',
    wanted: new Map(),
    live: new Map(),
    limits: DEFAULT_LIMITS,
    code: 'adopted',
    ...change,
  })
}

test('an adoption writes what the partner has, and only once exactly that is approved', () => {
  const plan = correction({
    source: 'dhcp2',
    wanted: contentsOf(scopesOf([2, 1])),
    live: contentsOf(scopesOf([1, 1])),
  })
  assert.deepEqual(
    plan.scopes.map(({ scope, code, obstacles }) => [scope, code, obstacles.map((each) => each.code)]),
    [[keyOf(0), 'adopted', ['adopt']]],
  )
  assert.deepEqual(plan.scopes[0]?.changes.map(renderChange), ['~ valid-lifetime: 1 → 2'])
  assert.equal(admit(plan, undefined).safe.length, 0)
  assert.equal(admit(plan, plan.digest).safe.length, 1)
  const [first] = plan.scopes[0]?.obstacles ?? []
  assert.match(first?.message ?? '', /dhcp1 is the authoritative side; writing what dhcp2 has onto it needs/)
})

test('a restore puts an earlier content back, removes what was not there, and creates what was deleted', () => {
  const [first, second, third] = [keyOf(0), keyOf(1), keyOf(2)]
  const earlier = contentsOf(scopesOf([1, 1, 1]))
  const now = contentsOf(scopesOf([2, 2, 2]))
  const plan = correction({
    code: 'restored-preimage',
    target: 'dhcp2',
    wanted: new Map([
      [third, earlier.get(third)],
      [first, undefined],
      [second, earlier.get(second)],
    ]),
    live: new Map([
      [first, now.get(first)],
      [second, now.get(second)],
      [third, undefined],
    ]),
  })
  assert.deepEqual([plan.source, plan.target], ['dhcp2', 'dhcp2'])
  assert.deepEqual(
    plan.scopes.map(({ scope, changes }) => [scope, changes.map(renderChange)]),
    [
      [first, ['- scope 10.0.0.0/24, whole']],
      [second, ['~ valid-lifetime: 2 → 1']],
      [third, ['+ scope 10.0.2.0/24, whole']],
    ],
  )
  assert.ok(plan.scopes.every(({ obstacles }) => obstacles[0]?.code === 'restore'))
  assert.equal(admit(plan, plan.digest).safe.length, 3)
})

test('how many scopes would be deleted is said, with the limit', () => {
  const live = contentsOf(scopesOf([1, 1, 1]))
  const deleting = (count: number) =>
    correction({
      code: 'restored-preimage',
      target: 'dhcp2',
      wanted: new Map([...live.keys()].slice(0, count).map((scope) => [scope, undefined])),
      live,
    })
  const codes = (count: number) => deleting(count).scopes.map(({ obstacles }) => obstacles.map(({ code }) => code))
  assert.deepEqual(codes(1), [['restore']])
  assert.deepEqual(codes(2), [
    ['restore', 'too-many-scope-deletes'],
    ['restore', 'too-many-scope-deletes'],
  ])
  assert.match(deleting(3).scopes[0]?.obstacles[1]?.message ?? '', /3 scopes would be deleted in one run, limit 1/)
  assert.equal(admit(deleting(3), deleting(3).digest).safe.length, 3)
})

test('the limits speak too, with their numbers, and are approved with the rest', () => {
  const scope = aScope()
  const smaller = aScope({
    reservations: scope.reservations.slice(4),
    ranges: [aRange('10.0.0.10', '10.0.0.100')],
  })
  const wanted = contentsOf([smaller])
  const plan = correction({ wanted, live: contentsOf([scope]), leasesOutside: new Map([[scope.key, 2]]) })
  assert.deepEqual(plan.scopes[0]?.obstacles.map(({ message }) => message).slice(1), [
    '4 of 10 reservations would be deleted, limit 30 %',
    '2 active leases of 10.0.0.0/24 would be outside every range, limit 0',
  ])
  assert.equal(admit(plan, plan.digest).safe.length, 1)
  const unknown = correction({ wanted, live: contentsOf([scope]) })
  assert.match(unknown.notes[0] ?? '', /dhcp1 cannot say whether active leases would be outside/)
})

test('what cannot be carried faithfully is not approved away', () => {
  const plan = correction({
    wanted: contentsOf(scopesOf([2])),
    live: contentsOf(scopesOf([1])),
    unreplicable: new Map([[keyOf(0), 'option 43 reads back empty']]),
  })
  const { safe, held } = admit(plan, plan.digest)
  assert.equal(safe.length, 0)
  assert.match(held[0]?.obstacles[0]?.message ?? '', /option 43 reads back empty/)
})

test('a content that was not read is no empty scope', () => {
  assert.throws(
    () => correction({ wanted: contentsOf(scopesOf([2])) }),
    /the present content of 10\.0\.0\.0\/24 is needed/,
  )
})

test('adopting and restoring the same content are two plans', () => {
  const common = { source: 'dhcp2', wanted: contentsOf(scopesOf([2])), live: contentsOf(scopesOf([1])) }
  assert.notEqual(correction(common).digest, correction({ ...common, code: 'restored-preimage' }).digest)
})
