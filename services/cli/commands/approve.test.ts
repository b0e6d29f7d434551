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
  type Call,
  DIGEST,
  ends,
  twinscope,
} from '#cli/fake-service.ts'

const SCOPE = '10.0.10.0/24'
const held = aReplication({
  job: 'HELD',
  status: 'held',
  planDigest: DIGEST.a,
  scopes: [aRow(SCOPE, 'held', 'foreign-edit'), aRow('10.0.20.0/24', 'replicated')],
})
const heldPlan = aPlan([aPlannedScope(SCOPE, { code: 'foreign-edit', obstacles: [aHold()] })])
const written = aReplication({ job: 'NEW', scopes: [aRow(SCOPE, 'replicated')] })

function service(more: Answers = {}): Answers {
  return {
    'GET /v1/replications/HELD': () => ({ body: held }),
    'POST /v1/plans': () => ({ body: { level: 'scope', server: 'dhcp1.example.net', plans: [heldPlan], refused: [] } }),
    'POST /v1/replications/HELD/approve': () => ({ status: 202, body: { job: 'NEW' } }),
    'GET /v1/replications/NEW/events': () => ({ body: ends(written) }),
    ...more,
  }
}
const planOf = (plan: typeof heldPlan) => ({
  body: { level: 'scope', server: plan.source, plans: [plan], refused: [] },
})

test('a held job is shown with its changes and holds, asked about, and approved by exactly its digest', async () => {
  const ran = await twinscope(['approve', 'HELD', '--reason', 'CHG-1'], service(), [true])
  assert.equal(ran.exit, 0, ran.err)
  assert.equal(ran.out, '10.0.10.0')
  assert.match(ran.err, /10\.0\.10\.0 {2}change \(foreign-edit, held\)/)
  assert.match(ran.err, /~ option 3 \(routers\): 10\.0\.10\.1 → 10\.0\.10\.254/)
  assert.match(ran.err, /! it was edited on the partner/)
  assert.match(
    ran.questions[0] ?? '',
    /Overwrite 1 scope on dhcp2\.example\.net with the settings of dhcp1\.example\.net/,
  )
  const [approve] = ran.writes
  assert.deepEqual(
    { scopes: approve?.body.scopes, digest: approve?.body.planDigest, reason: approve?.body.reason },
    { scopes: [SCOPE], digest: DIGEST.a, reason: 'CHG-1' },
  )
  assert.match(String(approve?.body.actor), /@/)
  assert.ok(approve?.headers['idempotency-key'])
})

test('no changes nothing; no terminal ends with 2 and asks nothing of the service; --force approves what is printed', async () => {
  const no = await twinscope(['approve', 'HELD'], service(), [false])
  assert.deepEqual([no.exit, no.writes.length], [1, 0])
  const nobody = await twinscope(['approve', 'HELD'], service(), [undefined])
  assert.deepEqual([nobody.exit, nobody.writes.length], [2, 0])
  assert.match(nobody.err, /no terminal to ask on.*--force/)
  const forced = await twinscope(['approve', 'HELD', '--force'], service())
  assert.deepEqual([forced.exit, forced.writes[0]?.body.planDigest], [0, DIGEST.a])
})

test('what a job held is approved by its id, also where another scope made the whole refused or failed', async () => {
  for (const status of ['refused', 'failed'] as const) {
    const scopes = [aRow(SCOPE, 'held', 'foreign-edit'), aRow('10.0.20.0/24', status, 'paused')]
    const worse = aReplication({ job: 'HELD', status, planDigest: DIGEST.a, scopes })
    const ran = await twinscope(
      ['approve', 'HELD'],
      service({ 'GET /v1/replications/HELD': () => ({ body: worse }) }),
      [true],
    )
    assert.equal(ran.exit, 0, ran.err)
    assert.deepEqual(ran.writes[0]?.body.scopes, [SCOPE])
  }
})

test('a plan that has changed since it was held is said to be another one', async () => {
  const other = aPlan(heldPlan.scopes, { digest: DIGEST.b })
  const ran = await twinscope(['approve', 'HELD'], service({ 'POST /v1/plans': () => planOf(other) }), [true])
  assert.match(ran.err, /The plan has changed since HELD held it/)
  assert.equal(ran.writes[0]?.body.planDigest, DIGEST.b)
})

test('what changed between the answer and the write is shown and asked again, and only then approved', async () => {
  const other = aPlan([aPlannedScope(SCOPE, { changes: ['- reservation aa'], obstacles: [aHold()] })], {
    digest: DIGEST.b,
  })
  let [plans, approvals] = [0, 0]
  const answers = service({
    'POST /v1/plans': () => planOf(plans++ === 0 ? heldPlan : other),
    'POST /v1/replications/HELD/approve': () => ({ body: { job: `NEW${++approvals}` } }),
    'GET /v1/replications/NEW1/events': () => ({
      body: ends(aReplication({ job: 'NEW1', status: 'held', scopes: [aRow(SCOPE, 'held')] })),
    }),
    'GET /v1/replications/NEW2/events': () => ({ body: ends(written) }),
  })
  const ran = await twinscope(['approve', 'HELD'], answers, [true, true])
  assert.equal(ran.exit, 0, ran.err)
  assert.match(ran.err, /not the present plan any more[\s\S]*- reservation aa/)
  assert.deepEqual(
    ran.writes.map(({ body }) => body.planDigest),
    [DIGEST.a, DIGEST.b],
  )

  plans = approvals = 0
  const refused = await twinscope(['approve', 'HELD'], answers, [true, false])
  assert.deepEqual([refused.exit, refused.writes.length], [1, 1])

  plans = approvals = 0
  const forced = await twinscope(['approve', 'HELD', '--force'], answers)
  assert.deepEqual([forced.exit, forced.writes.length], [4, 1], 'what nobody saw is not approved')
})

test('an approval that is held though the plan is the same is not asked about for ever', async () => {
  const stays = aReplication({ job: 'NEW', status: 'held', scopes: [aRow(SCOPE, 'held')] })
  const ran = await twinscope(
    ['approve', 'HELD'],
    service({ 'GET /v1/replications/NEW/events': () => ({ body: ends(stays) }) }),
    [true],
  )
  assert.deepEqual([ran.exit, ran.questions.length], [4, 1])
})

test('what no approval releases is listed with its reason, and the digest covers only the rest', async () => {
  const dirty = aPlannedScope('10.0.30.0/24', {
    code: 'dirty',
    obstacles: [aHold('dirty', 'an interrupted write', false)],
  })
  const safe = aPlannedScope('10.0.40.0/24')
  const whole = aPlan([...heldPlan.scopes, dirty, safe], {
    digest: DIGEST.c,
    shown: [{ scope: '10.0.90.0/24', scopeId: '10.0.90.0', code: 'only-on-partner', message: 'only on the partner' }],
  })
  const asked: Call[] = []
  const ran = await twinscope(
    ['approve', '--relationship', 'dhcp1-dhcp2'],
    service({
      'GET /v1/relationships/dhcp1-dhcp2': () => ({ body: aRelationship({ sync: 'out-of-sync' }) }),
      'POST /v1/plans': (call) => {
        asked.push(call)
        return planOf(call.body.scopes === undefined ? whole : heldPlan)
      },
      'POST /v1/replications': () => ({ status: 202, body: { job: 'NEW' } }),
    }),
    [true],
  )
  assert.equal(ran.exit, 4, 'one stays held')
  assert.deepEqual(
    asked.map(({ body }) => body.scopes),
    [undefined, [SCOPE]],
  )
  assert.match(
    ran.err,
    /No approval releases:\n {2}dhcp1-dhcp2 {2}10\.0\.30\.0: an interrupted write\n {2}dhcp1-dhcp2 {2}10\.0\.90\.0: only on the partner/,
  )
  assert.deepEqual(ran.writes[0]?.body.approvedPlans, { 'dhcp1-dhcp2': DIGEST.a })
  assert.deepEqual(ran.writes[0]?.body.scopes, [SCOPE])
})

test('--all asks once for all relationships; observed ones are told and are no error', async () => {
  const observed = { relationship: 'dhcp1-dhcp3', code: 'observed-only', message: 'only observed' }
  const ran = await twinscope(
    ['approve', '--all'],
    service({
      'GET /v1/relationships': () => ({
        body: {
          items: [
            aRelationship({ sync: 'out-of-sync' }),
            aRelationship({ name: 'dhcp1-dhcp3', sync: 'out-of-sync' }),
            aRelationship({ name: 'fine' }),
          ],
        },
      }),
      'POST /v1/plans': ({ body }) =>
        body.relationship === 'dhcp1-dhcp3'
          ? { body: { level: 'relationship', server: 'dhcp1.example.net', plans: [], refused: [observed] } }
          : planOf(heldPlan),
      'POST /v1/replications': () => ({ body: { job: 'NEW' } }),
    }),
    [true],
  )
  assert.deepEqual([ran.exit, ran.questions.length, ran.writes.length], [0, 1, 1])
  assert.match(ran.err, /dhcp1-dhcp3: only observed/)
})

test("--side of the partner shows what is written onto the authoritative side, and approves that side's digest", async () => {
  const side = (server: string, role: string, digest: string) => ({
    server,
    role,
    changes: [],
    counts: { added: 1, updated: 0, deleted: 0 },
    digest,
    plan: [`+ reservation of ${server}`, '- reservation of the other'],
    planned: { action: 'update', counts: { added: 1, updated: 0, deleted: 1 } },
    obstacles: [aHold('adopt', 'it is written onto the authoritative side')],
  })
  const item = {
    scope: SCOPE,
    scopeId: '10.0.10.0',
    code: 'conflict',
    why: 'both changed',
    base: 'known',
    job: 'HELD',
    sides: [side('dhcp1.example.net', 'authoritative', DIGEST.a), side('dhcp2.example.net', 'partner', DIGEST.b)],
  }
  const list = {
    relationship: 'dhcp1-dhcp2',
    items: [item],
    sides: [
      { server: 'dhcp1.example.net', role: 'authoritative', scopes: [SCOPE], digest: DIGEST.a },
      { server: 'dhcp2.example.net', role: 'partner', scopes: [SCOPE], digest: DIGEST.b },
    ],
  }
  const answers = service({
    [`GET /v1/relationships/dhcp1-dhcp2/conflicts?scope=${encodeURIComponent(SCOPE)}`]: () => ({ body: list }),
  })
  const ran = await twinscope(['approve', 'HELD', '--scope', '10.0.10.0', '--side', 'dhcp2'], answers, [true])
  assert.equal(ran.exit, 0, ran.err)
  assert.match(ran.err, /dhcp2\.example\.net → dhcp1\.example\.net/)
  assert.match(ran.err, /10\.0\.10\.0 {2}change \(conflict.*\): \+1 ~0 -1/)
  assert.match(ran.err, /\+ reservation of dhcp2\.example\.net/)
  assert.match(ran.questions[0] ?? '', /on dhcp1\.example\.net with the settings of dhcp2\.example\.net/)
  const { side: picked, planDigest, scopes } = ran.writes[0]?.body ?? {}
  assert.deepEqual(
    { picked, planDigest, scopes },
    { picked: 'dhcp2.example.net', planDigest: DIGEST.b, scopes: [SCOPE] },
  )

  const wrong = await twinscope(['approve', 'HELD', '--side', 'dhcp9'], answers)
  assert.equal(wrong.exit, 2)
  assert.match(wrong.err, /write dhcp1\.example\.net or dhcp2\.example\.net/)
})

test('a job that holds nothing is told so; a held restore is sent to its own command', async () => {
  const done = await twinscope(['approve', 'DONE'], {
    'GET /v1/replications/DONE': () => ({ body: aReplication({ job: 'DONE' }) }),
  })
  assert.equal(done.exit, 1)
  assert.match(done.err, /DONE is replicated, so it holds nothing/)
  const restore = await twinscope(['approve', 'R'], {
    'GET /v1/replications/R': () => ({ body: aReplication({ job: 'R', act: 'restore', of: 'OLD', status: 'held' }) }),
  })
  assert.equal(restore.exit, 4)
  assert.match(restore.err, /twinscope restore OLD/)
})

test('--json has the outcomes and what stays; usage is checked first', async () => {
  const json = await twinscope(['approve', 'HELD', '--force', '--json'], service())
  const answer = JSON.parse(json.out)
  assert.deepEqual([answer.replications[0].job, answer.notApprovable], ['NEW', []])
  for (const args of [
    ['approve'],
    ['approve', 'A', '--all'],
    ['approve', '--all', '--side', 'dhcp2'],
    ['approve', 'A', '--scope', 'x'],
  ]) {
    assert.equal((await twinscope(args, {})).exit, 2, args.join(' '))
  }
})

test('scopes that the ledger cut are approved as a request of their own', async () => {
  const { before: _, ...row } = aRow(SCOPE, 'held')
  const ran = await twinscope(
    ['approve', 'HELD', '--force'],
    service({
      'GET /v1/replications/HELD': () => ({ body: { ...held, scopes: [row], scopeCount: 1 } }),
      'POST /v1/replications': () => ({ body: { job: 'NEW' } }),
    }),
  )
  assert.deepEqual([ran.exit, ran.writes[0]?.path], [0, '/v1/replications'], ran.err)
  assert.deepEqual(ran.writes[0]?.body.approvedPlans, { 'dhcp1-dhcp2': DIGEST.a })
})

test('where a request would be refused now, nothing is asked', async () => {
  const refusal = { code: 'paused', message: 'dhcp1-dhcp2 is paused' }
  const ran = await twinscope(
    ['approve', 'HELD'],
    service({ 'POST /v1/plans': () => planOf({ ...heldPlan, refusal }) }),
  )
  assert.deepEqual([ran.exit, ran.writes.length], [4, 0])
  assert.match(ran.err, /No approval releases:\n {2}dhcp1-dhcp2: dhcp1-dhcp2 is paused/)
})

test('a side is picked without a job that held it, as in manual mode', async () => {
  const digest = DIGEST.b
  const side = {
    server: 'dhcp2.example.net',
    role: 'partner',
    changes: [],
    counts: { added: 0, updated: 1, deleted: 0 },
  }
  const list = {
    relationship: 'dhcp1-dhcp2',
    items: [
      {
        scope: SCOPE,
        scopeId: '10.0.10.0',
        code: 'conflict',
        why: '',
        base: 'known',
        sides: [{ ...side, digest, plan: [], obstacles: [] }],
      },
    ],
    sides: [{ server: 'dhcp2.example.net', role: 'partner', scopes: [SCOPE], digest }],
  }
  const path = '/v1/relationships/dhcp1-dhcp2/conflicts'
  const ran = await twinscope(
    ['approve', '--relationship', 'dhcp1-dhcp2', '--scope', '10.0.10.0', '--side', 'dhcp2.example.net', '--force'],
    service({
      'GET /v1/relationships/dhcp1-dhcp2': () => ({ body: aRelationship({ sync: 'conflict', mode: 'manual' }) }),
      [`GET ${path}`]: () => ({ body: list }),
      [`POST ${path}/pick`]: () => ({ status: 202, body: { job: 'NEW' } }),
    }),
  )
  assert.equal(ran.exit, 0, ran.err)
  const { side: picked, planDigest, scopes } = ran.writes[0]?.body ?? {}
  assert.deepEqual([picked, planDigest, scopes], ['dhcp2.example.net', digest, [SCOPE]])
})
