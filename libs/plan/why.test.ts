import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Decision, HoldCode } from './decide.ts'
import { explain, heldMessage, whyOf } from './why.ts'

const PLACE = { relationship: 'dhcp1-dhcp2', source: 'dhcp1', target: 'dhcp2', job: 'j7', scope: '10.0.10.0/24' }
const APPROVABLE: readonly HoldCode[] = [
  'regressed',
  'conflict',
  'foreign-edit',
  'first-contact',
  'deleted',
  'restored',
  'rejected',
]

test('every hold that an approval releases names both ways: copy, or keep what the partner has', () => {
  for (const code of APPROVABLE) {
    const text = explain({ kind: 'hold', code }, PLACE)
    assert.match(text, /`twinscope (approve j7|onboard dhcp1-dhcp2)`/, code)
    assert.match(text, /`twinscope approve j7 --scope 10\.0\.10\.0\/24 --side dhcp2`/, code)
  }
})

test('a hold that no approval releases says so, and what to do instead', () => {
  for (const code of ['dirty', 'unreplicable'] as const) {
    const text = explain({ kind: 'hold', code, detail: 'option 43' }, PLACE)
    assert.match(text, /option 43/)
    assert.match(text, /no approval releases it; (make|change)/i)
    assert.doesNotMatch(text, /twinscope approve/)
  }
})

test('without names it speaks of sides, and of what to put in their place', () => {
  assert.equal(
    explain({ kind: 'hold', code: 'foreign-edit' }),
    'it was edited on the partner, which is not the authoritative side. To copy the authoritative side over it: `twinscope approve ID`; to keep what the partner has: `twinscope approve ID --side PARTNER`',
  )
})

test('why is always answered, and says what comes next in each mode', () => {
  const changed: Decision = { kind: 'replicate', code: 'changed' }
  const answers: readonly (readonly [Decision, Partial<Parameters<typeof whyOf>[1]>, RegExp])[] = [
    [{ kind: 'converged', code: 'equal' }, {}, /^both sides are equal$/],
    [{ kind: 'converged', code: 'echo', job: 'j3' }, {}, /^both sides are equal: our own write, job j3$/],
    [changed, {}, /^it was changed on dhcp1; it will be copied automatically$/],
    [changed, { mode: 'manual' }, /manual mode, so it waits for a request$/],
    [changed, { mode: 'observe' }, /only observed, so nothing is copied$/],
    [changed, { waits: 'paused by jane' }, /; it waits: paused by jane$/],
    [
      { kind: 'hold', code: 'restored', detail: 'job j3' },
      {},
      /a restore put this content there.*\(job j3\)\. To copy/,
    ],
    [{ kind: 'hold', code: 'conflict' }, { mode: 'observe' }, /; the relationship is only observed/],
    [{ kind: 'show', code: 'only-on-partner' }, {}, /^it exists only on dhcp2; it is never deleted there\. Create it/],
    [{ kind: 'show', code: 'deleted' }, {}, /deleted on dhcp1 and still exists on dhcp2 \(prune: off\)\. Delete it/],
  ]
  for (const [decision, change, expected] of answers) {
    assert.match(whyOf(decision, { ...PLACE, mode: 'automatic', ...change }), expected)
  }
})

test('what limits hold says how it is let through, and nothing that cannot be', () => {
  const limit = {
    code: 'too-many-deletes',
    message: '4 of 10 reservations would be deleted, limit 30 %',
    approvable: true,
  }
  assert.equal(
    heldMessage({ code: 'changed', obstacles: [limit] }, PLACE),
    '4 of 10 reservations would be deleted, limit 30 %. To write it all the same: `twinscope approve j7`',
  )
  const empty = { code: 'empty-source', message: 'the source is empty', approvable: false }
  assert.equal(heldMessage({ code: 'changed', obstacles: [limit, empty] }, PLACE), `${limit.message}; ${empty.message}`)
  const decided = { code: 'conflict', message: 'both sides changed. To …', approvable: true }
  assert.equal(
    heldMessage({ code: 'conflict', obstacles: [decided, limit] }, PLACE),
    `${decided.message}; ${limit.message}`,
  )
})
