import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CMDLET } from '#cli/cmdlet.ts'
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

const SCOPE = '10.0.10.0/24'
const limited = aPlan([
  aPlannedScope(SCOPE, { obstacles: [aHold('too-many-deletes', '4 of 10 reservations would be deleted, limit 30 %')] }),
])
const answerOf = (plan: typeof limited) => ({
  body: { level: 'relationship', server: plan.source, plans: [plan], refused: [] },
})
const held = aReplication({ job: 'NEW', status: 'held', scopes: [{ ...aRow(SCOPE, 'held', 'too-many-deletes') }] })
const written = aReplication({ job: 'NEW', scopes: [aRow(SCOPE, 'replicated')] })

/** Answers as replicators do: what a limit holds is written only under the digest that was shown. */
function service(more: Answers = {}): Answers {
  let approved = false
  return {
    'GET /v1/relationships': () => ({ body: { items: [aRelationship({ sync: 'out-of-sync' })] } }),
    'POST /v1/plans': () => answerOf(limited),
    'POST /v1/replications': ({ body }) => {
      const plans = (body.approvedPlans ?? {}) as Record<string, string>
      approved = plans['dhcp1-dhcp2'] === DIGEST.a
      return { status: 202, body: { job: 'NEW' } }
    },
    'GET /v1/replications/NEW/events': () => ({ body: ends(approved ? written : held) }),
    ...more,
  }
}
const REPLICATE = ['replicate', '--server', 'dhcp1', '--relationship', 'dhcp1-dhcp2']

test('--force and -Force leave the question out and carry no approval, so limits hold', async () => {
  for (const args of [
    [...REPLICATE, '--force'],
    [CMDLET, '-ComputerName', 'dhcp1', '-Name', 'dhcp1-dhcp2', '-Force'],
    [CMDLET, '-ComputerName', 'dhcp1', '-Name', 'dhcp1-dhcp2', '-Confirm:$false'],
  ]) {
    const ran = await twinscope(args, service())
    assert.deepEqual([ran.exit, ran.out, ran.questions.length], [4, '', 0], args.join(' '))
    assert.equal('approvedPlans' in (ran.writes[0]?.body ?? {}), false)
    assert.match(ran.err, /10\.0\.10\.0: held/)
  }
})

test('a yes approves exactly what was shown; without a terminal the advice does not promise that --force helps', async () => {
  const ran = await twinscope(REPLICATE, service(), [true])
  assert.deepEqual([ran.exit, ran.out], [0, '10.0.10.0'], ran.err)
  assert.match(ran.err, /! 4 of 10 reservations would be deleted, limit 30 %/)
  const nobody = await twinscope(REPLICATE, service(), [undefined])
  assert.deepEqual([nobody.exit, nobody.writes.length], [2, 0])
  assert.match(nobody.err, /--force does not release the held scope/)
})

test('a plan that changed until it was written is shown and asked again', async () => {
  const other = service({ 'POST /v1/plans': () => answerOf({ ...limited, digest: DIGEST.b }) })
  const same = await twinscope(REPLICATE, other, [true])
  assert.deepEqual([same.exit, same.questions.length], [4, 1], 'the same plan is not asked about again')
  let plans = 0
  const changed = service({
    'POST /v1/plans': () => answerOf({ ...limited, digest: plans++ === 0 ? DIGEST.b : DIGEST.a }),
  })
  const again = await twinscope(REPLICATE, changed, [true, true])
  assert.deepEqual([again.exit, again.questions.length], [0, 2], again.err)
  assert.match(again.err, /The plan has changed since it was approved/)
})

test('--take-authority says both consequences and asks for both at once', async () => {
  const from = aPlan([aPlannedScope(SCOPE)], { source: 'dhcp2.example.net', target: 'dhcp1.example.net' })
  const args = ['replicate', '--server', 'dhcp2', '--relationship', 'dhcp1-dhcp2', '--take-authority']
  const ran = await twinscope(args, service({ 'POST /v1/plans': () => answerOf(from) }), [true])
  assert.equal(ran.exit, 0, ran.err)
  assert.match(
    ran.err,
    /dhcp2\.example\.net becomes the authoritative side \(now dhcp1\.example\.net\).*an edit on dhcp1\.example\.net is then held/,
  )
  assert.equal(
    ran.questions[0],
    'Make dhcp2.example.net the authoritative side of dhcp1-dhcp2, and then: Overwrite 1 scope on dhcp1.example.net with the settings of dhcp2.example.net?',
  )
  assert.equal(ran.writes[0]?.body.takeAuthority, true)
  // The move is asked about also where nothing would be overwritten.
  const equal = aPlan([], { source: 'dhcp2.example.net', target: 'dhcp1.example.net' })
  const move = await twinscope(args, service({ 'POST /v1/plans': () => answerOf(equal) }), [false])
  assert.deepEqual([move.exit, move.writes.length], [1, 0])
})

test('a refusal is the exit code that it stands for', async () => {
  const cases = { 'not-authoritative': 5, paused: 4, 'outside-window': 4, 'observed-only': 4, 'unknown-scope': 1 }
  for (const [code, exit] of Object.entries(cases)) {
    const refused = aReplication({ job: 'NEW', status: 'refused', code, message: `because ${code}` })
    const ran = await twinscope(
      [...REPLICATE, '--force'],
      service({ 'GET /v1/replications/NEW/events': () => ({ body: ends(refused) }) }),
    )
    assert.equal(ran.exit, exit, code)
    assert.match(ran.err, new RegExp(`because ${code}`))
  }
})

test('where it would be refused now, nothing is asked or requested', async () => {
  const refusal = { code: 'outside-window', message: 'outside the allow window; opens Tue 22:00' }
  const ran = await twinscope(REPLICATE, service({ 'POST /v1/plans': () => answerOf({ ...limited, refusal }) }))
  assert.deepEqual([ran.exit, ran.writes.length], [4, 0])
  assert.match(ran.err, /refused now: outside the allow window; opens Tue 22:00/)
})
