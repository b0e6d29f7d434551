import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Answers,
  aHold,
  aPlan,
  aPlannedScope,
  aRelationship,
  aReplication,
  aRow,
  DIGEST,
  ends,
  twinscope,
} from '#cli/fake-service.ts'

const first = aHold('first-contact', 'they have never agreed. To look: `twinscope onboard dhcp1-dhcp2`')
const differing = aPlannedScope('10.0.10.0/24', { code: 'first-contact', obstacles: [first] })
const limited = aPlannedScope('10.0.20.0/24', {
  code: 'first-contact',
  counts: { added: 0, updated: 0, deleted: 4 },
  obstacles: [first, aHold('too-many-deletes', '4 of 10 reservations would be deleted, limit 30 %')],
})
const created = aPlannedScope('10.0.30.0/24', { code: 'created', action: 'create' })
const onlyThere = {
  scope: '10.0.90.0/24',
  scopeId: '10.0.90.0',
  code: 'only-on-partner',
  message: 'it exists only on dhcp2',
}
const contact = aPlan([differing, limited, created], { shown: [onlyThere], inSyncCount: 7 })
const written = aReplication({
  job: 'NEW',
  scopes: ['10.0.10.0/24', '10.0.20.0/24', '10.0.30.0/24'].map((scope) => aRow(scope, 'replicated')),
})

function service(more: Answers = {}): Answers {
  return {
    'GET /v1/relationships/dhcp1-dhcp2': () => ({ body: aRelationship({ sync: 'out-of-sync' }) }),
    'GET /v1/relationships/dhcp1-dhcp2/diff': () => ({ body: contact }),
    'POST /v1/replications': () => ({ status: 202, body: { job: 'NEW' } }),
    'GET /v1/replications/NEW/events': () => ({ body: ends(written) }),
    ...more,
  }
}

test('one report, grouped, with direction and numbers; one approval of exactly that; then it is automatic', async () => {
  const ran = await twinscope(['onboard', 'dhcp1-dhcp2'], service(), [true])
  assert.equal(ran.exit, 0, ran.err)
  assert.match(
    ran.err,
    /Direction: dhcp1\.example\.net → dhcp2\.example\.net:.*dhcp2\.example\.net's settings of 2 scopes are overwritten/,
  )
  assert.match(ran.err, /equal on both: 7 scopes/)
  assert.match(
    ran.err,
    /different, overwritten on dhcp2\.example\.net: 2 scopes\n {6}10\.0\.10\.0 {2}\+0 ~1 -0\n {6}10\.0\.20\.0 {2}\+0 ~0 -4\n {10}! 4 of 10 reservations/,
  )
  assert.match(ran.err, /only on dhcp1\.example\.net, created on dhcp2\.example\.net: 1 scope\n {6}10\.0\.30\.0/)
  assert.match(ran.err, /only on dhcp2\.example\.net, not touched: 1 scope\n {6}10\.0\.90\.0/)
  assert.match(ran.err, /twinscope authority move dhcp1-dhcp2 --to dhcp2\.example\.net/)
  assert.doesNotMatch(ran.err, /option 3/)
  assert.match(
    ran.questions[0] ?? '',
    /3 scopes on dhcp2\.example\.net.* 1 of them is held by a limit too, which your yes passes/,
  )
  assert.deepEqual(
    ran.writes.map(({ body }) => body.approvedPlans),
    [{ 'dhcp1-dhcp2': DIGEST.a }],
  )
  assert.equal(ran.writes[0]?.body.scopes, undefined, 'the whole relationship')
  assert.match(ran.err, /From now on changes on dhcp1\.example\.net are copied to dhcp2\.example\.net automatically/)
  assert.equal(ran.out, '10.0.10.0\n10.0.20.0\n10.0.30.0')
})

test('--verbose shows every change; --what-if changes nothing and ends with 3', async () => {
  const ran = await twinscope(['onboard', 'dhcp1-dhcp2', '--verbose', '--what-if'], service())
  assert.deepEqual([ran.exit, ran.writes.length], [3, 0])
  assert.match(ran.out, /option 3 \(routers\)/)
})

test('some scopes only: exactly those are approved', async () => {
  const part = aPlan([differing], { digest: DIGEST.b })
  const answers = service({ 'GET /v1/relationships/dhcp1-dhcp2/diff?scope=10.0.10.0': () => ({ body: part }) })
  const ran = await twinscope(['onboard', 'dhcp1-dhcp2', '--scope', '10.0.10.0'], answers, [true])
  assert.deepEqual(
    [ran.writes[0]?.body.scopes, ran.writes[0]?.body.approvedPlans],
    [['10.0.10.0/24'], { 'dhcp1-dhcp2': DIGEST.b }],
  )
})

test('no, and no terminal, approve nothing, and the way without a terminal is named', async () => {
  assert.deepEqual((await twinscope(['onboard', 'dhcp1-dhcp2'], service(), [false])).exit, 1)
  const nobody = await twinscope(['onboard', 'dhcp1-dhcp2'], service(), [undefined])
  assert.deepEqual([nobody.exit, nobody.writes.length], [2, 0])
  assert.match(nobody.err, /twinscope approve --relationship dhcp1-dhcp2 --force/)
})

test('an observed relationship gets its report and what to put into the configuration', async () => {
  const observed = aRelationship({ sync: 'out-of-sync', mode: 'observe' })
  const ran = await twinscope(
    ['onboard', 'dhcp1-dhcp2'],
    service({ 'GET /v1/relationships/dhcp1-dhcp2': () => ({ body: observed }) }),
  )
  assert.deepEqual([ran.exit, ran.writes.length], [4, 0])
  assert.match(ran.err, /equal on both: 7 scopes[\s\S]*only observed[\s\S]*mode: automatic/)
  const found = aRelationship({ configured: false, mode: 'observe' })
  const unknown = await twinscope(
    ['onboard', 'dhcp1-dhcp2'],
    service({ 'GET /v1/relationships/dhcp1-dhcp2': () => ({ body: found }) }),
  )
  assert.equal(unknown.exit, 4)
  assert.match(unknown.err, /not in the configuration[\s\S]*servers: \[dhcp1\.example\.net, dhcp2\.example\.net\]/)
})

test('what changed after the report is held, shown, and asked again', async () => {
  let reads = 0
  const held = aReplication({ job: 'NEW', status: 'held', scopes: [aRow('10.0.10.0/24', 'held')] })
  const answers = service({
    'GET /v1/relationships/dhcp1-dhcp2/diff': () => ({
      body: reads++ === 0 ? contact : aPlan([differing], { digest: DIGEST.b }),
    }),
    'GET /v1/replications/NEW/events': () => ({ body: ends(held) }),
  })
  const ran = await twinscope(['onboard', 'dhcp1-dhcp2'], answers, [true, false])
  assert.deepEqual([ran.exit, ran.questions.length, ran.writes.length], [1, 2, 1])
  assert.match(ran.err, /Something has changed since the report/)
})

test('manual mode says how changes are copied from now on; nothing to approve is said', async () => {
  const manual = { 'GET /v1/relationships/dhcp1-dhcp2': () => ({ body: aRelationship({ mode: 'manual' }) }) }
  const ran = await twinscope(['onboard', 'dhcp1-dhcp2'], service(manual), [true])
  assert.match(ran.err, /twinscope replicate --server dhcp1\.example\.net --relationship dhcp1-dhcp2/)
  const nothing = await twinscope(
    ['onboard', 'dhcp1-dhcp2'],
    service({ 'GET /v1/relationships/dhcp1-dhcp2/diff': () => ({ body: aPlan([]) }) }),
  )
  assert.deepEqual([nothing.exit, nothing.writes.length], [0, 0])
  assert.match(nothing.err, /nothing to approve/)
})

test('a paused relationship is reported and not asked about', async () => {
  const refusal = { code: 'paused', message: 'paused by anna' }
  const answers = service({ 'GET /v1/relationships/dhcp1-dhcp2/diff': () => ({ body: { ...contact, refusal } }) })
  const ran = await twinscope(['onboard', 'dhcp1-dhcp2'], answers)
  assert.deepEqual([ran.exit, ran.writes.length], [4, 0])
  assert.match(ran.err, /Not now: paused by anna/)
})
