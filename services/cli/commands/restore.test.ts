import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Answers,
  aHold,
  aPlan,
  aPlannedScope,
  aReplication,
  aRow,
  DIGEST,
  ends,
  twinscope,
} from '#cli/fake-service.ts'
import type { RestorePlan } from '#contracts/decisions-api.ts'

const SCOPE = '10.0.10.0/24'
const own = aHold('restore', 'a restore needs an approval')
const limit = aHold('too-many-deletes', '4 of 10 reservations would be deleted, limit 30 %')

function aRestore(obstacles = [own], more: Partial<RestorePlan> = {}): RestorePlan {
  return {
    job: 'OLD',
    server: 'dhcp2.example.net',
    relationship: 'dhcp1-dhcp2',
    both: false,
    digest: DIGEST.a,
    plans: [aPlan([aPlannedScope(SCOPE, { obstacles })], { source: 'dhcp2.example.net', target: 'dhcp2.example.net' })],
    missing: [],
    ...more,
  }
}
function service(
  plan: () => RestorePlan,
  ended = aReplication({ job: 'NEW', act: 'restore', scopes: [aRow(SCOPE, 'replicated')] }),
): Answers {
  return {
    'POST /v1/replications/OLD/restore/plan': () => ({ body: plan() }),
    'POST /v1/replications/OLD/restore': () => ({ status: 202, body: { job: 'NEW' } }),
    'GET /v1/replications/NEW/events': () => ({ body: ends(ended) }),
  }
}

test('a restore is shown, says what comes after, and approves exactly the plan that was shown', async () => {
  const ran = await twinscope(['restore', 'OLD', '--scope', '10.0.10.0', '--reason', 'CHG-2'], service(aRestore), [
    true,
  ])
  assert.deepEqual([ran.exit, ran.out], [0, '10.0.10.0'], ran.err)
  assert.match(ran.questions[0] ?? '', /1 on dhcp2\.example\.net.*then held until somebody approves/)
  const { approvedPlan, scopes, both, reason } = ran.writes[0]?.body ?? {}
  assert.deepEqual(
    { approvedPlan, scopes, both, reason },
    { approvedPlan: DIGEST.a, scopes: ['10.0.10.0'], both: false, reason: 'CHG-2' },
  )
})

test('--both says that both sides are written and leaves nothing held', async () => {
  const both = aRestore([own], {
    both: true,
    plans: [...aRestore().plans, aPlan([aPlannedScope(SCOPE)], { target: 'dhcp1.example.net' })],
  })
  const ran = await twinscope(
    ['restore', 'OLD', '--both'],
    service(() => both),
    [true],
  )
  assert.match(ran.questions[0] ?? '', /1 on dhcp2\.example\.net, 1 on dhcp1\.example\.net\)\?$/)
  assert.equal(ran.writes[0]?.body.both, true)
})

test('--force leaves the question out and releases no limit', async () => {
  const plain = await twinscope(['restore', 'OLD', '--force'], service(aRestore))
  assert.deepEqual([plain.exit, plain.writes.length], [0, 1])
  const limited = await twinscope(
    ['restore', 'OLD', '--force'],
    service(() => aRestore([own, limit])),
  )
  assert.deepEqual([limited.exit, limited.writes.length], [4, 0])
  assert.match(limited.err, /4 of 10 reservations would be deleted, limit 30 %. --force releases no limit/)
  const asked = await twinscope(
    ['restore', 'OLD'],
    service(() => aRestore([own, limit])),
    [true],
  )
  assert.deepEqual([asked.exit, asked.writes.length], [0, 1])
})

test('what-if changes nothing and ends with 3, or 0 where nothing would be written', async () => {
  const some = await twinscope(['restore', 'OLD', '--what-if'], service(aRestore))
  assert.deepEqual([some.exit, some.writes.length], [3, 0])
  const { digest: _, ...nothing } = aRestore([], { plans: [aPlan([])] })
  assert.equal(
    (
      await twinscope(
        ['restore', 'OLD', '--what-if'],
        service(() => nothing),
      )
    ).exit,
    0,
  )
  const json = await twinscope(['restore', 'OLD', '--what-if', '--json'], service(aRestore))
  assert.equal(JSON.parse(json.out).digest, DIGEST.a)
})

test('without a terminal nothing is restored; what cannot be restored is named', async () => {
  const missing = [
    { scope: '10.0.20.0/24', scopeId: '10.0.20.0', message: 'its content from before is older than 90 days' },
  ]
  const ran = await twinscope(
    ['restore', 'OLD'],
    service(() => aRestore([own], { missing })),
    [undefined],
  )
  assert.deepEqual([ran.exit, ran.writes.length], [2, 0])
  assert.match(ran.err, /10\.0\.20\.0: cannot be restored: its content from before is older than 90 days/)
})

test('a plan that changed until it was written is shown and asked again', async () => {
  let reads = 0
  const plan = () => aRestore([own], { digest: reads++ === 0 ? DIGEST.a : DIGEST.b })
  const held = aReplication({ job: 'NEW', act: 'restore', status: 'held', scopes: [aRow(SCOPE, 'held')] })
  const ran = await twinscope(['restore', 'OLD'], service(plan, held), [true, false])
  assert.deepEqual([ran.exit, ran.questions.length, ran.writes.length], [1, 2, 1])
  assert.match(ran.err, /The plan has changed since it was approved/)
})
