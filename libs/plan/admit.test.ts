import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { comparisonOf, keyOf, planOf, scopesOf } from './a-scope.ts'
import { type AdmittedRun, admit, admitRun, type RunPlan } from './admit.ts'
import { DEFAULT_LIMITS } from './policy.ts'

/** Ten scopes, of which the first so many changed on the authoritative side. */
function changedSides(changed: number) {
  const base = scopesOf(Array(10).fill(1))
  return { source: scopesOf([...Array(changed).fill(2), ...Array(10 - changed).fill(1)]), target: base, base }
}

const keys = (...indexes: readonly number[]) => new Set<string>(indexes.map(keyOf))

function runOf(changed: number, jobs: Readonly<Record<string, ReadonlySet<string>>>, approved: readonly string[] = []) {
  const sides = changedSides(changed)
  const plans = Object.entries(jobs).map(([job, scopes]): RunPlan => {
    const plan = planOf(sides, { scopes })
    return { job, plan, ...(approved.includes(job) ? { approved: plan.digest } : {}) }
  })
  return admitRun(plans, comparisonOf(sides), DEFAULT_LIMITS)
}

const written = (run: AdmittedRun) => run.safe.map(({ scope }) => scope).sort()
const heldOf = (run: AdmittedRun, job: string) => run.jobs.get(job)?.held.map(({ scope }) => scope) ?? []

test('two jobs of one run cannot share out what one may not write', () => {
  const alone = runOf(4, { one: keys(0, 1) })
  assert.deepEqual(written(alone), [keyOf(0), keyOf(1)])

  const both = runOf(4, { one: keys(0, 1), two: keys(2, 3) })
  assert.deepEqual(written(both), [])
  for (const job of ['one', 'two']) {
    const messages = both.jobs.get(job)?.held.map(({ obstacles }) => obstacles.map(({ message }) => message))
    assert.deepEqual(messages, Array(2).fill(['4 of 10 scopes would change in one run, limit 20 %']))
  }
})

test('jobs that write the same scopes count them once', () => {
  const run = runOf(2, { one: keys(0, 1), two: keys(0, 1) })
  assert.deepEqual(written(run), [keyOf(0), keyOf(1)])
  assert.deepEqual([heldOf(run, 'one'), heldOf(run, 'two')], [[], []])
})

test('what somebody approved counts against no other job', () => {
  const run = runOf(5, { approved: keys(0, 1, 2), other: keys(3, 4) }, ['approved'])
  assert.equal(written(run).length, 5)
  assert.deepEqual([...run.approved].sort(), [keyOf(0), keyOf(1), keyOf(2)])
})

test('the automatic job is limited by what remains beside an approval', () => {
  const all = keys(0, 1, 2, 3, 4)
  // Three of its five are approved; the other two are within the limit.
  const within = runOf(5, { automatic: all, approved: keys(0, 1, 2) }, ['approved'])
  assert.equal(written(within).length, 5)
  assert.deepEqual(heldOf(within, 'automatic'), [])
  // Two of five are; the other three are not.
  const over = runOf(5, { automatic: all, approved: keys(0, 1) }, ['approved'])
  assert.deepEqual(written(over), [keyOf(0), keyOf(1)])
  assert.deepEqual(heldOf(over, 'automatic'), [keyOf(2), keyOf(3), keyOf(4)])
})

test('a job that may write nothing itself holds up no other', () => {
  const run = runOf(6, { automatic: keys(0, 1, 2, 3, 4, 5), request: keys(0) })
  assert.deepEqual(written(run), [keyOf(0)])
  assert.equal(heldOf(run, 'automatic').length, 6)
  assert.deepEqual(heldOf(run, 'request'), [])
})

test('an approval of another plan is none, and is said to be outdated', () => {
  const sides = changedSides(4)
  const plan = planOf(sides)
  const run = admitRun([{ job: 'j', plan, approved: 'f'.repeat(64) }], comparisonOf(sides), DEFAULT_LIMITS)
  assert.deepEqual([written(run), run.approved.size], [[], 0])
  assert.match(run.jobs.get('j')?.held[0]?.obstacles[0]?.message ?? '', /^what was approved is not the present plan/)
})

test('creations are not held by the limits of a run', () => {
  const base = scopesOf(Array(10).fill(1))
  const sides = { source: scopesOf([...Array(3).fill(2), ...Array(9).fill(1)]), target: base, base }
  const run = admitRun([{ job: 'j', plan: planOf(sides) }], comparisonOf(sides), DEFAULT_LIMITS)
  assert.deepEqual(written(run), [keyOf(10), keyOf(11)])
})

test('one job of a run is admitted as it would be alone', () => {
  for (const changed of [0, 1, 2, 3, 10]) {
    const sides = changedSides(changed)
    const plan = planOf(sides)
    for (const approved of [undefined, plan.digest]) {
      const run = admitRun([{ job: 'j', plan, approved }], comparisonOf(sides), DEFAULT_LIMITS)
      const alone = admit(plan, approved)
      assert.deepEqual(
        [written(run), heldOf(run, 'j')],
        [alone.safe.map(({ scope }) => scope), alone.held.map(({ scope }) => scope)],
      )
    }
  }
})

test('whatever jobs a run has, what is not approved stays within the limits of the run', () => {
  const someScopes = fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 6 })
  const someJobs = fc.array(fc.record({ scopes: someScopes, isApproved: fc.boolean() }), { minLength: 1, maxLength: 4 })
  const states = fc.array(fc.constantFrom('changed', 'edited', 'deleted', 'equal'), { minLength: 10, maxLength: 10 })
  fc.assert(
    fc.property(someJobs, states, (jobs, scopes) => {
      const sides = {
        source: scopesOf(scopes.map((state) => ({ changed: 2, edited: 1, deleted: undefined, equal: 1 })[state])),
        target: scopesOf(scopes.map((state) => (state === 'edited' ? 3 : 1))),
        base: scopesOf(Array(10).fill(1)),
      }
      const policy = { prune: 'on' as const }
      const plans = jobs.map(({ scopes: indexes, isApproved }, index): RunPlan => {
        const plan = planOf(sides, { scopes: keys(...indexes) }, policy)
        return { job: `j${index}`, plan, ...(isApproved ? { approved: plan.digest } : {}) }
      })
      const run = admitRun(plans, comparisonOf(sides, policy), DEFAULT_LIMITS)
      const unapproved = run.safe.filter(({ scope }) => !run.approved.has(scope))
      assert.ok(unapproved.length <= 2, 'at most 20 % of ten scopes')
      assert.ok(unapproved.filter(({ wanted }) => wanted === undefined).length <= 1)
      assert.ok(unapproved.every(({ code }) => code === 'changed' || code === 'deleted'))
      assert.equal(new Set(run.safe.map(({ scope }) => scope)).size, run.safe.length)
      for (const { job, plan } of plans) {
        const admission = run.jobs.get(job)
        assert.equal((admission?.safe.length ?? 0) + (admission?.held.length ?? 0), plan.scopes.length)
      }
    }),
    { numRuns: 200, seed: 11 },
  )
})
