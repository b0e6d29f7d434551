import assert from 'node:assert/strict'
import { test } from 'node:test'
import { aHold, aRelationship, DIGEST, twinscope } from '#cli/fake-service.ts'
import type { ConflictView } from '#contracts/decisions-api.ts'

const AT = '2026-11-24T10:00:00.000Z'
type Side = ConflictView['sides'][number]
const side = (server: string, more: Partial<Side>): Side => ({
  server,
  role: 'partner',
  changes: [],
  counts: { added: 0, updated: 0, deleted: 0 },
  digest: DIGEST.a,
  plan: [],
  obstacles: [],
  ...more,
})
const conflict: ConflictView = {
  scope: '10.0.10.0/24',
  scopeId: '10.0.10.0',
  code: 'conflict',
  why: 'both sides changed since they last agreed. To see both: `twinscope conflicts dhcp1-dhcp2`',
  base: 'known',
  job: 'HELD',
  sides: [
    side('dhcp1.example.net', {
      role: 'authoritative',
      changes: ['~ option 3 (routers): 10.0.10.1 → 10.0.10.254'],
      counts: { added: 0, updated: 1, deleted: 0 },
      since: AT,
      by: 'anna@admin1',
      obstacles: [aHold('conflict', 'both'), aHold('routers-removed', 'the routers would be removed')],
    }),
    side('dhcp2.example.net', {
      changes: ['+ reservation aa: 10.0.10.9'],
      counts: { added: 1, updated: 0, deleted: 0 },
      since: AT,
    }),
  ],
}
function service(items: readonly ConflictView[]) {
  return {
    'GET /v1/relationships': () => ({
      body: { items: [aRelationship({ sync: 'conflict' }), aRelationship({ name: 'fine' })] },
    }),
    'GET /v1/relationships/dhcp1-dhcp2/conflicts': () => ({ body: { relationship: 'dhcp1-dhcp2', items, sides: [] } }),
  }
}

test('what changed on each side, since when, by whom, and the exact command that keeps each', async () => {
  const ran = await twinscope(['conflicts'], service([conflict]))
  assert.equal(ran.exit, 4)
  const lines = ran.out.split('\n').map((line) => line.replace(/2026-\d\d-\d\d \d\d:\d\d:\d\d/, 'TIME'))
  assert.deepEqual(lines, [
    'dhcp1-dhcp2  10.0.10.0  conflict: both sides changed since they last agreed',
    '  dhcp1.example.net, the authoritative side: changed since TIME by anna@admin1, +0 ~1 -0',
    '      ~ option 3 (routers): 10.0.10.1 → 10.0.10.254',
    '  dhcp2.example.net: changed since TIME, +1 ~0 -0',
    '      + reservation aa: 10.0.10.9',
    '  keep dhcp1.example.net:  twinscope approve HELD --scope 10.0.10.0',
    '      ! the routers would be removed',
    '  keep dhcp2.example.net:  twinscope approve HELD --scope 10.0.10.0 --side dhcp2.example.net',
    '  neither now:             twinscope reject HELD --scope 10.0.10.0',
  ])
})

test('a side that cannot be picked says why; without a job the relationship is named; a rejection is shown', async () => {
  const { job: _, ...rest } = conflict
  const { digest: __, ...firm } = side('dhcp2.example.net', {
    obstacles: [aHold('dirty', 'neither old nor new', false)],
  })
  const rejected = { job: 'R', by: 'berta@admin2', at: AT, reason: 'later' }
  const [first] = conflict.sides
  const ran = await twinscope(
    ['conflicts', 'dhcp1-dhcp2'],
    service([{ ...rest, rejected, sides: first === undefined ? [] : [first, firm] }]),
  )
  assert.match(
    ran.out,
    /keep dhcp1\.example\.net: {2}twinscope approve --relationship dhcp1-dhcp2 --scope 10\.0\.10\.0\n/,
  )
  assert.match(ran.out, /keep dhcp2\.example\.net: {2}not possible: neither old nor new/)
  assert.match(ran.out, /dhcp2\.example\.net: unchanged/)
  assert.match(ran.out, /rejected by berta@admin2, .*: later/)
})

test('nothing waits: 0 and nothing on standard output; JSON; a scope needs its relationship', async () => {
  const none = await twinscope(['conflicts'], service([]))
  assert.deepEqual([none.exit, none.out, none.err], [0, '', 'Nothing waits for a decision.'])
  const json = await twinscope(['conflicts', 'dhcp1-dhcp2', '--json'], service([conflict]))
  assert.equal(JSON.parse(json.out).items[0].scope, '10.0.10.0/24')
  assert.equal((await twinscope(['conflicts', '--scope', '10.0.10.0'], {})).exit, 2)
})
