import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Decision, decideScope, type ScopeBase, type ScopeSide } from './decide.ts'
import type { DecisionPolicy } from './policy.ts'

const POLICY: DecisionPolicy = { onForeignEdit: 'hold', onConflict: 'hold', prune: 'off' }

function side(live?: string, flags: Partial<ScopeSide> = {}): ScopeSide {
  return { ...(live === undefined ? {} : { live }), regressed: false, changedAlone: false, dirty: false, ...flags }
}
const EQUAL: Decision = { kind: 'converged', code: 'equal' }
const agreed = (content?: string): ScopeBase => (content === undefined ? { known: true } : { known: true, content })
const never: ScopeBase = { known: false }

type Row = readonly [
  name: string,
  auth: ScopeSide,
  other: ScopeSide,
  base: ScopeBase,
  expected: Decision,
  policy?: Partial<DecisionPolicy>,
]

// Every row of the table on top of decide.ts, in its order.
const ROWS: readonly Row[] = [
  ['equal contents are converged', side('a'), side('a'), never, EQUAL],
  ['absent on both sides is converged', side(), side(), agreed('a'), EQUAL],
  ['equal contents are converged even if both differ from the base', side('b'), side('b'), agreed('a'), EQUAL],
  [
    'the authority came up with an old file',
    side('old', { regressed: true }),
    side('a'),
    agreed('a'),
    { kind: 'hold', code: 'regressed' },
  ],
  [
    'the target came up with an old file',
    side('a'),
    side('old', { regressed: true }),
    agreed('a'),
    { kind: 'replicate', code: 'target-lost-write' },
  ],
  [
    'the target changed while alone',
    side('a'),
    side('b', { changedAlone: true }),
    agreed('a'),
    { kind: 'hold', code: 'conflict' },
  ],
  ['created', side('a'), side(), never, { kind: 'replicate', code: 'created' }],
  [
    'created again after both agreed that it is absent',
    side('a'),
    side(),
    agreed(),
    { kind: 'replicate', code: 'created' },
  ],
  ['deleted on the wrong side', side('a'), side(), agreed('a'), { kind: 'hold', code: 'foreign-edit' }],
  [
    'deleted on the wrong side, revert',
    side('a'),
    side(),
    agreed('a'),
    { kind: 'replicate', code: 'reverted' },
    { onForeignEdit: 'revert' },
  ],
  ['deleted, prune off', side(), side('a'), agreed('a'), { kind: 'show', code: 'deleted' }],
  ['deleted, prune ask', side(), side('a'), agreed('a'), { kind: 'hold', code: 'deleted' }, { prune: 'ask' }],
  ['deleted, prune on', side(), side('a'), agreed('a'), { kind: 'replicate', code: 'deleted' }, { prune: 'on' }],
  ['only on the partner', side(), side('a'), never, { kind: 'show', code: 'only-on-partner' }, { prune: 'on' }],
  [
    'only on the partner, edited there',
    side(),
    side('b'),
    agreed('a'),
    { kind: 'show', code: 'only-on-partner' },
    { prune: 'on' },
  ],
  ['first contact', side('a'), side('b'), never, { kind: 'hold', code: 'first-contact' }],
  ['the normal change', side('b'), side('a'), agreed('a'), { kind: 'replicate', code: 'changed' }],
  ['a foreign edit is held', side('a'), side('b'), agreed('a'), { kind: 'hold', code: 'foreign-edit' }],
  [
    'a foreign edit is reverted',
    side('a'),
    side('b'),
    agreed('a'),
    { kind: 'replicate', code: 'reverted' },
    { onForeignEdit: 'revert' },
  ],
  ['both changed', side('b'), side('c'), agreed('a'), { kind: 'hold', code: 'conflict' }],
  [
    'both changed, authority wins',
    side('b'),
    side('c'),
    agreed('a'),
    { kind: 'replicate', code: 'authority-wins' },
    { onConflict: 'authority-wins' },
  ],
  ['dirty after a recovery', side('b'), side('x', { dirty: true }), agreed('a'), { kind: 'hold', code: 'dirty' }],
  [
    'not replicable',
    side('b', { unreplicable: 'option 43 reads back empty' }),
    side('a'),
    agreed('a'),
    { kind: 'hold', code: 'unreplicable', detail: 'option 43 reads back empty' },
  ],
]

for (const [name, auth, other, base, expected, policy] of ROWS) {
  test(name, () => assert.deepEqual(decideScope(auth, other, base, { ...POLICY, ...policy }), expected))
}

test('what cannot be read in full is held on either side, even where it looks equal', () => {
  const lossy = { unreplicable: 'option 43 reads back empty' }
  assert.equal(decideScope(side('a', lossy), side('a'), agreed('a'), POLICY).kind, 'hold')
  assert.equal(
    decideScope(side('b'), side('a', lossy), agreed('a'), { ...POLICY, onConflict: 'authority-wins' }).kind,
    'hold',
  )
})

test('no policy makes the wrong side win', () => {
  const values = [undefined, 'a', 'b', 'c']
  for (const auth of values) {
    for (const other of values) {
      for (const base of [never, agreed(), agreed('a'), agreed('b')]) {
        for (const onForeignEdit of ['hold', 'revert'] as const) {
          for (const prune of ['off', 'ask', 'on'] as const) {
            const decision = decideScope(side(auth), side(other), base, {
              onForeignEdit,
              onConflict: 'authority-wins',
              prune,
            })
            // A scope is deleted only where both sides had agreed on exactly what is there now.
            if (auth === undefined && decision.kind === 'replicate') assert.equal(other, base.content)
          }
        }
      }
    }
  }
})
