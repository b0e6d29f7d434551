import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { contentOf } from '#dhcp/fingerprint.ts'
import { aRange, aReservation, aScope, comparisonOf, contentsOf, keyOf, planOf, scopesOf } from './a-scope.ts'
import { admit } from './admit.ts'
import { type DigestedScope, digestOf, digestOfAll, PlanInputChanged } from './plan.ts'
import { renderChange } from './render.ts'

const lifetime = (seconds: number) => aScope({ properties: { 'valid-lifetime': seconds } })

test('an added reservation is one change, in DHCP words', () => {
  const before = aScope()
  const after = aScope({ reservations: [...before.reservations, { ...aReservation(99), name: 'printer' }] })

  const plan = planOf({ source: [after], target: [before], base: [before] })

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
  assert.deepEqual(planOf({ source: [aScope()], target: [aScope()], base: [] }).scopes, [])
})

test('the order of what has no order is no difference', () => {
  const scope = aScope()
  const shuffled = aScope({ reservations: [...scope.reservations].reverse(), options: [...scope.options].reverse() })
  assert.equal(contentOf(scope).fingerprint, contentOf(shuffled).fingerprint)
})

test('contents other than those that were compared make no plan', () => {
  const sides = { source: [lifetime(2)], target: [lifetime(1)], base: [lifetime(1)] }
  assert.throws(() => planOf(sides, { sourceContents: contentsOf([lifetime(3)]) }), PlanInputChanged)
  assert.throws(() => planOf(sides, { targetContents: new Map() }), PlanInputChanged)
})

test('an approval releases exactly the plan that was shown', () => {
  const plan = planOf({ source: [lifetime(1)], target: [lifetime(2)], base: [lifetime(1)] })
  assert.deepEqual(
    plan.scopes.map(({ code }) => code),
    ['foreign-edit'],
  )
  assert.equal(admit(plan, undefined).safe.length, 0)
  assert.equal(admit(plan, 'f'.repeat(64)).safe.length, 0)
  assert.equal(admit(plan, plan.digest).safe.length, 1)

  const editedAgain = planOf({ source: [lifetime(1)], target: [lifetime(3)], base: [lifetime(1)] })
  const { safe, held, isApproved } = admit(editedAgain, plan.digest)
  assert.deepEqual([safe.length, isApproved], [0, false])
  assert.equal(held[0]?.obstacles[0]?.code, 'foreign-edit')
  assert.match(
    held[0]?.obstacles[0]?.message ?? '',
    /^what was approved is not the present plan any more, .*: it was edited/,
  )
})

test('a part of a plan has a digest of its own, which approves exactly that part', () => {
  const sides = { source: scopesOf([1, 1, 1]), target: scopesOf([2, 3, 4]), base: scopesOf([1, 1, 1]) }
  const whole = planOf(sides)
  const part = { ...whole, scopes: whole.scopes.slice(1, 2) }
  const asked = planOf(sides, { scopes: new Set([keyOf(1)]) })
  assert.equal(digestOf(part), asked.digest)
  assert.notEqual(digestOf(part), whole.digest)
  assert.equal(admit(asked, digestOf(part)).safe.length, 1)
  assert.equal(admit(whole, digestOf(part)).safe.length, 0)
})

test('what the limits say is no part of the digest', () => {
  const sides = {
    source: scopesOf([2, 2, 2, 2, 2]),
    target: scopesOf([1, 1, 1, 1, 1]),
    base: scopesOf([1, 1, 1, 1, 1]),
  }
  const limited = planOf(sides)
  const limits = { maxDeleteRatio: 1, maxUpdateRatio: 1, minObjects: 0, maxScopesRatio: 1, maxScopeDeletes: 9 }
  const unlimited = planOf(sides, { limits })
  assert.deepEqual(
    [limited, unlimited].map((plan) => admit(plan, undefined).safe.length),
    [0, 5],
  )
  assert.equal(limited.digest, unlimited.digest)
})

const digested = fc.uniqueArray(
  fc.record(
    {
      scope: fc.integer({ min: 0, max: 20 }).map(keyOf),
      expected: fc.constantFrom('x', 'y'),
      wanted: fc.constantFrom('x', 'y'),
      code: fc.constantFrom('changed', 'created', 'foreign-edit'),
    },
    { requiredKeys: ['scope', 'code'] },
  ),
  { selector: ({ scope }) => scope, minLength: 1, maxLength: 4 },
)
const aNamedPlan = fc.record({
  source: fc.constantFrom('dhcp1', 'dhcp2'),
  target: fc.constantFrom('dhcp1', 'dhcp2'),
  scopes: digested as fc.Arbitrary<readonly DigestedScope[]>,
})

test('the digest changes if, and only if, a content, a code, the source or the target changes', () => {
  const named = (plan: { source: string; target: string; scopes: readonly DigestedScope[] }) =>
    JSON.stringify([
      plan.source,
      plan.target,
      plan.scopes
        .map(({ scope, expected, wanted, code }) => [scope, expected ?? null, wanted ?? null, code])
        .sort(([a = ''], [b = '']) => ((a ?? '') < (b ?? '') ? -1 : 1)),
    ])
  fc.assert(
    fc.property(aNamedPlan, aNamedPlan, fc.boolean(), (first, other, isSame) => {
      // Half of the time the same in another order, and with what is no part of it.
      const second = isSame
        ? { ...first, scopes: first.scopes.toReversed().map((scope) => ({ ...scope, obstacles: [], changes: [] })) }
        : other
      assert.equal(digestOf(first) === digestOf(second), named(first) === named(second))
    }),
    { numRuns: 5_000, seed: 7 },
  )
  fc.assert(
    fc.property(aNamedPlan, fc.nat(), (plan, at) => {
      const index = at % plan.scopes.length
      const changed = (change: Partial<DigestedScope>) => ({
        ...plan,
        scopes: plan.scopes.map((scope, each) => (each === index ? { ...scope, ...change } : scope)),
      })
      const others = [
        { ...plan, source: 'dhcp3' },
        { ...plan, target: 'dhcp3' },
        { ...plan, scopes: plan.scopes.toSpliced(index, 1) },
        changed({ expected: 'z' }),
        changed({ wanted: 'z' }),
        changed({ code: 'conflict' }),
        changed({ scope: keyOf(99) }),
      ]
      const digests = new Set([plan, ...others].map(digestOf))
      assert.equal(digests.size, others.length + 1)
    }),
    { numRuns: 1_000, seed: 8 },
  )
})

test('several plans that are shown together have one digest, in their order', () => {
  const [a, b] = [{ digest: 'a'.repeat(64) }, { digest: 'b'.repeat(64) }]
  assert.equal(digestOfAll([a]), a.digest)
  assert.match(digestOfAll([a, b]), /^[0-9a-f]{64}$/)
  assert.notEqual(digestOfAll([a, b]), digestOfAll([b, a]))
  assert.notEqual(digestOfAll([a, b]), digestOfAll([a, a]))
})

test('too many scopes in one run are held, creation excepted', () => {
  const plan = planOf({
    source: scopesOf([2, 2, 2, ...Array(9).fill(1)]),
    target: scopesOf(Array(10).fill(1)),
    base: scopesOf(Array(10).fill(1)),
  })
  const { safe, held } = admit(plan, undefined)
  assert.deepEqual(
    safe.map(({ code }) => code),
    ['created', 'created'],
  )
  assert.equal(held.length, 3)
  assert.equal(held[0]?.obstacles[0]?.message, '3 of 10 scopes would change in one run, limit 20 %')
})

test('prune: on deletes at most so many scopes a run', () => {
  const sides = { source: scopesOf([undefined, undefined, 1]), target: scopesOf([1, 1, 1]), base: scopesOf([1, 1, 1]) }
  const { held } = admit(planOf(sides, {}, { prune: 'on' }), undefined)
  assert.deepEqual(
    held.map(({ obstacles }) => obstacles[0]?.message),
    Array(2).fill('2 scopes would be deleted in one run, limit 1'),
  )
  const one = { ...sides, source: scopesOf([undefined, 1, 1]) }
  assert.equal(admit(planOf(one, {}, { prune: 'on' }), undefined).safe.length, 1)
})

test('nothing is copied from an empty source, even if approved', () => {
  const plan = planOf({ source: [], target: [aScope()], base: [aScope()] }, {}, { prune: 'ask' })
  assert.equal(plan.scopes.length, 1)
  const { safe, held } = admit(plan, plan.digest)
  assert.deepEqual([safe.length, held.length], [0, 1])
})

test('active leases that a smaller range leaves behind hold it; where nobody can say, that is noted', () => {
  const before = aScope({ reservations: [] })
  const after = aScope({ reservations: [], ranges: [aRange('10.0.0.10', '10.0.0.100')] })
  const sides = { source: [after], target: [before], base: [before] }
  const held = (leases: number | undefined) => {
    const plan = planOf(sides, { leasesOutside: new Map([[before.key, leases]]) })
    const [first] = admit(plan, undefined).held
    return [first?.obstacles.map(({ code, message }) => `${code}: ${message}`) ?? [], plan.notes]
  }
  assert.deepEqual(held(12), [
    ['range-shrunk-below-leases: 12 active leases of 10.0.0.0/24 would be outside every range, limit 0'],
    [],
  ])
  assert.deepEqual(held(0), [[], []])
  const note = 'an address range of 10.0.0.0/24 shrinks, and b cannot say whether active leases would be outside of it'
  assert.deepEqual(held(undefined), [[], [note]])
  assert.deepEqual(planOf(sides).notes, [note], 'not asked is not zero')
})

test('restored and rejected are held with their ways out, and an approval releases them', () => {
  const sides = { source: [lifetime(2)], target: [lifetime(1)], base: [lifetime(1)] }
  const [source, target] = [contentOf(lifetime(2)).fingerprint, contentOf(lifetime(1)).fingerprint]
  const comparison = comparisonOf(sides, {}, { rejections: { '10.0.0.0/24': { source, target } } })
  const plan = planOf(sides, { comparison, job: 'j7' })
  const [first] = admit(plan, undefined).held
  assert.equal(first?.obstacles[0]?.code, 'rejected')
  assert.match(
    first?.obstacles[0]?.message ?? '',
    /`twinscope approve j7`.*`twinscope approve j7 --scope 10\.0\.0\.0\/24 --side b`/,
  )
  assert.equal(admit(plan, plan.digest).safe.length, 1)
  assert.notEqual(plan.digest, planOf(sides).digest, 'what was shown before the rejection is not approved by it')
})

const LIFETIMES = fc.array(fc.constantFrom(undefined, 1, 2, 3), { minLength: 7, maxLength: 7 })
const A_POLICY = fc.record({
  onForeignEdit: fc.constantFrom('hold' as const, 'revert' as const),
  onConflict: fc.constantFrom('hold' as const, 'authority-wins' as const),
  prune: fc.constantFrom('off' as const, 'ask' as const, 'on' as const),
})

test('nothing that is held or shown is ever written without the approval of exactly this plan', () => {
  fc.assert(
    fc.property(LIFETIMES, LIFETIMES, LIFETIMES, A_POLICY, (ours, theirs, agreed, policy) => {
      const sides = { source: scopesOf(ours), target: scopesOf(theirs), base: scopesOf(agreed) }
      const comparison = comparisonOf(sides, policy)
      const plan = planOf(sides, { comparison }, policy)
      const decisions = new Map(comparison.scopes.map(({ scope, decision }) => [scope, decision]))
      const unapproved = admit(plan, undefined)
      for (const { scope, obstacles } of unapproved.safe) {
        assert.equal(decisions.get(scope)?.kind, 'replicate')
        assert.deepEqual(obstacles, [])
      }
      const other = admit(plan, 'f'.repeat(64))
      assert.deepEqual(other.safe, [], 'the approval of another plan lets nothing through')
      assert.ok(other.held.every(({ obstacles }) => obstacles.length > 0))
      for (const { scope } of admit(plan, plan.digest).safe) assert.notEqual(decisions.get(scope)?.kind, 'show')
      // Every scope of the plan is either written or held, and what is shown is in neither.
      assert.equal(unapproved.safe.length + unapproved.held.length, plan.scopes.length)
      assert.ok(plan.shown.every(({ scope }) => plan.scopes.every((planned) => planned.scope !== scope)))
    }),
    { numRuns: 150, seed: 9 },
  )
})

test('no force is an input of anything here: it only suppresses a question', () => {
  const sources = readdirSync(import.meta.dirname).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  assert.ok(sources.length > 10)
  for (const file of sources) {
    const code = readFileSync(join(import.meta.dirname, file), 'utf8').replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '')
    assert.doesNotMatch(code, /force/i, file)
  }
})
