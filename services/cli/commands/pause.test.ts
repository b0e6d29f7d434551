import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aProblem, aReplication, aRow, ends, twinscope } from '#cli/fake-service.ts'

const fleet = { by: 'anna@admin1', at: '2026-11-24T10:00:00.000Z', reason: 'move' }
const one = { ...fleet, relationship: 'dhcp1-dhcp2', until: '2026-11-24T12:00:00.000Z' }
const PATH = '/v1/relationships/dhcp1-dhcp2/pause'

test('a pause of one relationship with its end and reason; of the fleet without a name', async () => {
  const answers = { [`PUT ${PATH}`]: () => ({ body: one }), 'PUT /v1/pause': () => ({ body: fleet }) }
  const before = Date.now()
  const ran = await twinscope(['pause', '--relationship', 'dhcp1-dhcp2', '--for', '2h', '--reason', 'move'], answers)
  assert.equal(ran.exit, 0, ran.err)
  const { until, reason, actor } = ran.writes[0]?.body ?? {}
  const ends = Date.parse(String(until)) - before
  assert.ok(ends >= 7_200_000 && ends < 7_260_000, String(until))
  assert.equal(reason, 'move')
  assert.match(String(actor), /@/)
  assert.match(ran.err, /is paused until 2026-.*by anna@admin1: move.*twinscope resume --relationship dhcp1-dhcp2/)
  const all = await twinscope(['pause'], answers)
  assert.deepEqual([all.exit, all.writes[0]?.path, all.writes[0]?.body.until], [0, '/v1/pause', undefined])
})

test('a time that is over or no time is a matter of usage', async () => {
  const cases: readonly [readonly string[], RegExp][] = [
    [['--until', '2020-01-01'], /is in the past/],
    [['--until', 'tomorrow'], /write a time/],
    [['--for', 'long'], /write how long, 30m, 2h or 1d/],
    [['--for', '1h', '--until', '2099-01-01'], /not both/],
    [['--list', '--for', '1h'], /--list changes nothing/],
  ]
  for (const [args, message] of cases) {
    const ran = await twinscope(['pause', ...args], {})
    assert.deepEqual([ran.exit, ran.calls.length], [2, 0], args.join(' '))
    assert.match(ran.err, message)
  }
})

test('--list shows what is paused and changes nothing', async () => {
  const answers = { 'GET /v1/pauses': () => ({ body: { items: [fleet, one] } }) }
  const ran = await twinscope(['pause', '--list'], answers)
  assert.match(ran.out, /^the whole fleet is paused until somebody resumes it.*\ndhcp1-dhcp2 is paused until/)
  assert.equal(ran.writes.length, 0)
  const none = await twinscope(['pause', '--list'], { 'GET /v1/pauses': () => ({ body: { items: [] } }) })
  assert.deepEqual([none.exit, none.out], [0, ''])
})

test('resume ends a pause, and says where the fleet still holds the relationship', async () => {
  let pauses = [fleet, one]
  const answers = {
    'GET /v1/pauses': () => ({ body: { items: pauses } }),
    [`DELETE ${PATH}`]: () => {
      pauses = pauses.filter((pause) => !('relationship' in pause))
      return { status: 204 }
    },
    'DELETE /v1/pause': () => {
      pauses = []
      return { status: 204 }
    },
  }
  const ran = await twinscope(['resume', '--relationship', 'dhcp1-dhcp2'], answers)
  assert.equal(ran.exit, 4)
  assert.match(ran.err, /Resumed dhcp1-dhcp2\.\nStill there: the whole fleet is paused.*`twinscope resume` ends it/)
  const rest = await twinscope(['resume'], answers)
  assert.deepEqual([rest.exit, rest.err], [0, 'Resumed the fleet.'])
  const none = await twinscope(['resume', '--json'], answers)
  assert.deepEqual(JSON.parse(none.out), { resumed: false, stillPaused: [] })
})

test('reject names the scopes and the reason, and its outcome is shown', async () => {
  const done = aReplication({
    job: 'REJECT',
    act: 'reject',
    of: 'HELD',
    status: 'done',
    scopes: [aRow('10.0.10.0/24', 'done', 'rejected')],
  })
  const ran = await twinscope(['reject', 'HELD', '--scope', '10.0.10.0', '--reason', 'rebuilt'], {
    'POST /v1/replications/HELD/reject': () => ({ status: 202, body: { job: 'REJECT' } }),
    'GET /v1/replications/REJECT/events': () => ({ body: ends(done) }),
  })
  assert.deepEqual([ran.exit, ran.out], [0, ''])
  assert.deepEqual([ran.writes[0]?.body.scopes, ran.writes[0]?.body.reason], [['10.0.10.0'], 'rebuilt'])
  assert.match(ran.err, /10\.0\.10\.0: done: it is done/)
  const held = await twinscope(['reject', 'X'], {
    'POST /v1/replications/X/reject': () => ({ status: 409, body: aProblem(409, 'X holds nothing', 'nothing-held') }),
  })
  assert.deepEqual([held.exit, held.err], [1, 'twinscope: Not this: X holds nothing'])
})

test('claim-server says what it means, asks, and tells whose the server was', async () => {
  const answers = {
    'POST /v1/servers/dhcp2/claim': () => ({ body: { server: 'dhcp2.example.net', previous: 'old@admin1' } }),
  }
  const ran = await twinscope(['claim-server', 'dhcp2', '--reason', 'moved'], answers, [true])
  assert.equal(ran.exit, 0)
  assert.match(ran.questions[0] ?? '', /write to dhcp2, and no other one/)
  assert.match(ran.err, /it belonged to old@admin1/)
  assert.equal(ran.writes[0]?.body.reason, 'moved')
  for (const [says, exit] of [
    [false, 1],
    [undefined, 2],
  ] as const) {
    const not = await twinscope(['claim-server', 'dhcp2'], answers, [says])
    assert.deepEqual([not.exit, not.writes.length], [exit, 0])
  }
  assert.equal((await twinscope(['claim-server', 'dhcp2', '--force'], answers)).exit, 0)
})
