import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answers, aProblem, aRelationship, aReplication, ends, twinscope } from '#cli/fake-service.ts'
import type { AuthorityView } from '#contracts/decisions-api.ts'

const view: AuthorityView = {
  relationship: 'dhcp1-dhcp2',
  side: 'dhcp1.example.net',
  epoch: 3,
  changedAt: '2026-11-24T10:00:00.000Z',
  changedBy: 'anna@admin1',
  configured: 'dhcp1.example.net',
  gates: [
    { server: 'dhcp1.example.net', side: 'dhcp1.example.net', epoch: 3 },
    { server: 'dhcp2.example.net', side: 'dhcp1.example.net', epoch: 3 },
  ],
}
const PATH = '/v1/relationships/dhcp1-dhcp2/authority'
function service(more: Answers = {}): Answers {
  return {
    'GET /v1/relationships': () => ({ body: { items: [aRelationship()] } }),
    'GET /v1/relationships/dhcp1-dhcp2': () => ({
      body: aRelationship({
        sync: 'out-of-sync',
        counts: { inSync: 9, outOfSync: 1, conflict: 0, total: 10, agreed: 9 },
        differences: [
          {
            scope: '10.0.10.0/24',
            scopeId: '10.0.10.0',
            sync: 'out-of-sync',
            action: 'hold',
            code: 'foreign-edit',
            why: 'edited on the partner',
          },
        ],
      }),
    }),
    [`GET ${PATH}`]: () => ({ body: view, etag: '"3"' }),
    [`PUT ${PATH}`]: () => ({ status: 202, body: { job: 'MOVE' } }),
    'GET /v1/replications/MOVE/events': () => ({
      body: ends(
        aReplication({
          job: 'MOVE',
          act: 'move-authority',
          status: 'done',
          message: 'dhcp2.example.net is authoritative, epoch 4',
        }),
      ),
    }),
    ...more,
  }
}
const MOVE = ['authority', 'move', 'dhcp1-dhcp2', '--to', 'dhcp2']

test('show lists side, epoch, since and by; a problem is an error with its words', async () => {
  const all = await twinscope(['authority', 'show'], service())
  assert.equal(all.exit, 0)
  assert.match(all.out, /dhcp1-dhcp2 +dhcp1\.example\.net +3 +2026-.* anna@admin1/)
  const problem = { code: 'lost' as const, message: 'the record is lost; confirm a side' }
  const lost = await twinscope(
    ['authority', 'show', 'dhcp1-dhcp2'],
    service({ [`GET ${PATH}`]: () => ({ body: { ...view, problem } }) }),
  )
  assert.equal(lost.exit, 1)
  assert.match(
    lost.out,
    /the record is lost; confirm a side[\s\S]*gate of dhcp2\.example\.net: dhcp1\.example\.net, epoch 3/,
  )
})

test('move says what differs and what the move means, asks, and names the state that it is about', async () => {
  const ran = await twinscope([...MOVE, '--reason', 'new hardware'], service(), [true])
  assert.equal(ran.exit, 0, ran.err)
  assert.match(ran.err, /changes on dhcp2\.example\.net are copied to dhcp1\.example\.net/)
  assert.match(ran.err, /10\.0\.10\.0 {2}now: edited on the partner/)
  assert.match(ran.err, /epoch 4/)
  const [put] = ran.writes
  assert.deepEqual(
    [put?.headers['if-match'], put?.body.side, put?.body.reason, put?.body.force],
    ['"3"', 'dhcp2.example.net', 'new hardware', undefined],
  )
})

test('no, and no terminal, move nothing', async () => {
  assert.deepEqual((await twinscope(MOVE, service(), [false])).exit, 1)
  const nobody = await twinscope(MOVE, service(), [undefined])
  assert.deepEqual([nobody.exit, nobody.writes.length], [2, 0])
})

test('somebody else moved it meanwhile: shown and asked again, with --force an error', async () => {
  let tries = 0
  const answers = service({
    [`GET ${PATH}`]: () => ({ body: view, etag: `"${3 + tries}"` }),
    [`PUT ${PATH}`]: () =>
      tries++ === 0
        ? { status: 412, body: aProblem(412, 'it is epoch 4 now', 'authority-changed') }
        : { body: { job: 'MOVE' } },
  })
  const ran = await twinscope(MOVE, answers, [true, true])
  assert.deepEqual([ran.exit, ran.questions.length], [0, 2], ran.err)
  assert.deepEqual(
    ran.writes.map(({ headers }) => headers['if-match']),
    ['"3"', '"4"'],
  )
  tries = 0
  const forced = await twinscope([...MOVE, '--force'], answers)
  assert.deepEqual([forced.exit, forced.writes.length], [1, 1])
})

test('a server that cannot be asked is said in the question, and the move is then made without it', async () => {
  const gates = [{ server: 'dhcp1.example.net', problem: 'its watcher does not answer' }, ...view.gates.slice(1)]
  const ran = await twinscope(MOVE, service({ [`GET ${PATH}`]: () => ({ body: { ...view, gates }, etag: '"3"' }) }), [
    true,
  ])
  assert.match(ran.questions[0] ?? '', /though dhcp1\.example\.net cannot be asked/)
  assert.equal(ran.writes[0]?.body.force, true)
})

test('already so: nothing is asked or written; after a loss the same side can be confirmed', async () => {
  const same = await twinscope(['authority', 'move', 'dhcp1-dhcp2', '--to', 'dhcp1'], service())
  assert.deepEqual([same.exit, same.writes.length], [0, 0])
  const lost = { ...view, problem: { code: 'lost' as const, message: 'the record is lost' } }
  const ran = await twinscope(
    ['authority', 'move', 'dhcp1-dhcp2', '--to', 'dhcp1'],
    service({ [`GET ${PATH}`]: () => ({ body: lost, etag: '"3"' }) }),
    [true],
  )
  assert.match(ran.questions[0] ?? '', /Confirm dhcp1\.example\.net as the authoritative side/)
  assert.equal(ran.writes.length, 1)
})

test('wrong words are named with the right ones', async () => {
  const cases: readonly [readonly string[], RegExp][] = [
    [['authority'], /`show` or `move RELATIONSHIP` is missing/],
    [['authority', 'mov', 'x'], /no "authority mov"\. Did you mean move\?/],
    [['authority', 'move', 'dhcp1-dhcp2'], /--to is missing/],
    [['authority', 'show', '--to', 'x'], /--to belongs to `authority move`/],
    [['authority', 'move', 'dhcp1-dhcp2', '--to', 'dhcp9'], /is between dhcp1\.example\.net and dhcp2\.example\.net/],
  ]
  for (const [args, message] of cases) {
    const ran = await twinscope(args, service())
    assert.equal(ran.exit, 2, args.join(' '))
    assert.match(ran.err, message)
  }
})
