import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Decision,
  decideScope,
  isApprovable,
  type RejectedPair,
  type ScopeBase,
  type ScopeSide,
} from './decide.ts'
import type { DecisionPolicy } from './policy.ts'

const FOREIGN_EDIT = ['hold', 'revert'] as const
const CONFLICT = ['hold', 'authority-wins'] as const
const PRUNE = ['off', 'ask', 'on'] as const
/** Every combination of the policies that the table reads. */
const POLICIES: readonly DecisionPolicy[] = FOREIGN_EDIT.flatMap((onForeignEdit) =>
  CONFLICT.flatMap((onConflict) => PRUNE.map((prune) => ({ onForeignEdit, onConflict, prune }))),
)

function side(live?: string, flags: Partial<ScopeSide> = {}): ScopeSide {
  return { ...(live === undefined ? {} : { live }), regressed: false, changedAlone: false, dirty: false, ...flags }
}
const agreed = (content?: string): ScopeBase => (content === undefined ? { known: true } : { known: true, content })
const never: ScopeBase = { known: false }

const EQUAL: Decision = { kind: 'converged', code: 'equal' }
const hold = (code: Extract<Decision, { kind: 'hold' }>['code'], detail?: string): Decision => ({
  kind: 'hold',
  code,
  ...(detail === undefined ? {} : { detail }),
})
const replicate = (code: Extract<Decision, { kind: 'replicate' }>['code']): Decision => ({ kind: 'replicate', code })
const show = (code: Extract<Decision, { kind: 'show' }>['code']): Decision => ({ kind: 'show', code })

const always = (decision: Decision) => () => decision
const byForeignEdit = ({ onForeignEdit }: DecisionPolicy) =>
  onForeignEdit === 'revert' ? replicate('reverted') : hold('foreign-edit')
const byConflict = ({ onConflict }: DecisionPolicy) =>
  onConflict === 'authority-wins' ? replicate('authority-wins') : hold('conflict')
const byPrune = ({ prune }: DecisionPolicy) =>
  ({ off: show('deleted'), ask: hold('deleted'), on: replicate('deleted') })[prune]

const old = { regressed: true }
const alone = { changedAlone: true }
const restored = { restored: { job: 'j1', at: '2026-11-24T12:00:00Z' } }
const RESTORED = hold('restored', 'job j1, 2026-11-24T12:00:00Z')

type Row = readonly [
  name: string,
  auth: ScopeSide,
  other: ScopeSide,
  base: ScopeBase,
  expected: (policy: DecisionPolicy) => Decision,
  rejected?: RejectedPair,
]

// Every row of the table on top of decide.ts, in its order, each under every policy.
const ROWS: readonly Row[] = [
  // not readable in full
  [
    'auth not readable in full',
    side('b', { unreplicable: 'x' }),
    side('a'),
    agreed('a'),
    always(hold('unreplicable', 'x')),
  ],
  [
    'other not readable in full',
    side('b'),
    side('a', { unreplicable: 'x' }),
    agreed('a'),
    always(hold('unreplicable', 'x')),
  ],
  [
    'lossy where it looks equal',
    side('a', { unreplicable: 'x' }),
    side('a'),
    agreed('a'),
    always(hold('unreplicable', 'x')),
  ],
  // converged
  ['equal', side('a'), side('a'), never, always(EQUAL)],
  ['equal, both other than the base', side('b'), side('b'), agreed('a'), always(EQUAL)],
  ['absent on both sides', side(), side(), agreed('a'), always(EQUAL)],
  ['equal, though regressed', side('a', old), side('a', old), agreed('b'), always(EQUAL)],
  ['equal, though dirty', side('a', { dirty: true }), side('a'), agreed('b'), always(EQUAL)],
  ['equal, though restored', side('a'), side('a', restored), agreed('b'), always(EQUAL)],
  [
    'our own write',
    side('a'),
    side('a', { writtenBy: 'j' }),
    agreed('a'),
    always({ kind: 'converged', code: 'echo', job: 'j' }),
  ],
  [
    'our own write onto the authoritative side',
    side('a', { writtenBy: 'j' }),
    side('a'),
    agreed('a'),
    always({ kind: 'converged', code: 'echo', job: 'j' }),
  ],
  [
    'our own deletion',
    side(),
    side(undefined, { writtenBy: 'j' }),
    agreed(),
    always({ kind: 'converged', code: 'echo', job: 'j' }),
  ],
  ['written by us, not agreed on', side('a'), side('a', { writtenBy: 'j' }), agreed('b'), always(EQUAL)],
  ['written by us, no base', side('a'), side('a', { writtenBy: 'j' }), never, always(EQUAL)],
  // dirty
  ['dirty on the other side', side('b'), side('x', { dirty: true }), agreed('a'), always(hold('dirty'))],
  ['dirty on the authoritative side', side('x', { dirty: true }), side('a'), agreed('a'), always(hold('dirty'))],
  ['dirty and restored', side('b'), side('x', { dirty: true, ...restored }), agreed('a'), always(hold('dirty'))],
  // an earlier base after a restart
  ['auth came up with an old file', side('old', old), side('a'), agreed('a'), always(hold('regressed'))],
  ['auth came up old, other edited', side('old', old), side('b'), agreed('a'), always(hold('regressed'))],
  ['auth came up old, without the scope', side(undefined, old), side('a'), agreed('a'), always(hold('regressed'))],
  ['both came up old', side('old', old), side('older', old), agreed('a'), always(hold('regressed'))],
  ['other came up with an old file', side('a'), side('old', old), agreed('a'), always(replicate('target-lost-write'))],
  [
    'other came up old, auth changed since',
    side('b'),
    side('old', old),
    agreed('a'),
    always(replicate('target-lost-write')),
  ],
  [
    'other came up old, without the scope',
    side('a'),
    side(undefined, old),
    agreed('a'),
    always(replicate('target-lost-write')),
  ],
  ['other came up old with what is deleted', side(), side('old', old), agreed('a'), always(show('only-on-partner'))],
  // changed while alone
  ['other changed alone', side('a'), side('b', alone), agreed('a'), always(hold('conflict'))],
  ['other changed alone, auth too', side('b'), side('c', alone), agreed('a'), always(hold('conflict'))],
  ['other changed alone, back to the base', side('b'), side('a', alone), agreed('a'), always(hold('conflict'))],
  ['other deleted it alone', side('a'), side(undefined, alone), agreed('a'), always(hold('conflict'))],
  ['other created it alone', side(), side('b', alone), never, always(hold('conflict'))],
  ['auth changed alone: the normal change', side('b', alone), side('a'), agreed('a'), always(replicate('changed'))],
  // present, missing
  ['created', side('a'), side(), never, always(replicate('created'))],
  ['created again after both agreed that it is absent', side('a'), side(), agreed(), always(replicate('created'))],
  ['deleted on the wrong side', side('a'), side(), agreed('a'), byForeignEdit],
  ['deleted on the wrong side, auth changed', side('b'), side(), agreed('a'), byForeignEdit],
  // missing
  ['deleted', side(), side('a'), agreed('a'), byPrune],
  ['only on the partner, never known', side(), side('a'), never, always(show('only-on-partner'))],
  ['only on the partner, edited there', side(), side('b'), agreed('a'), always(show('only-on-partner'))],
  ['only on the partner, both agreed on its absence', side(), side('a'), agreed(), always(show('only-on-partner'))],
  // present on both sides
  ['first contact', side('a'), side('b'), never, always(hold('first-contact'))],
  ['the normal change', side('b'), side('a'), agreed('a'), always(replicate('changed'))],
  ['edit on the wrong side', side('a'), side('b'), agreed('a'), byForeignEdit],
  ['both changed', side('b'), side('c'), agreed('a'), byConflict],
  ['both created it differently', side('b'), side('c'), agreed(), byConflict],
  // restored, whatever the policy
  ['restored on the other side', side('b'), side('a', restored), agreed('b'), always(RESTORED)],
  ['restored to the base', side('b'), side('a', restored), agreed('a'), always(RESTORED)],
  ['restored on the authoritative side', side('a', restored), side('b'), agreed('b'), always(RESTORED)],
  ['restored to absence', side('a'), side(undefined, restored), agreed('a'), always(RESTORED)],
  ['restored, only on the partner: shown', side(), side('a', restored), agreed(), always(show('only-on-partner'))],
  // rejected, until one side changes
  ['rejected change', side('b'), side('a'), agreed('a'), always(hold('rejected')), { source: 'b', target: 'a' }],
  ['rejected foreign edit', side('a'), side('b'), agreed('a'), always(hold('rejected')), { source: 'a', target: 'b' }],
  ['rejected creation', side('a'), side(), never, always(hold('rejected')), { source: 'a' }],
  [
    'rejected and restored',
    side('b'),
    side('a', restored),
    agreed('a'),
    always(hold('rejected')),
    { source: 'b', target: 'a' },
  ],
  [
    'rejected, source changed since',
    side('c'),
    side('a'),
    agreed('a'),
    always(replicate('changed')),
    { source: 'b', target: 'a' },
  ],
  [
    'rejected, target changed since',
    side('b'),
    side(),
    never,
    always(replicate('created')),
    { source: 'b', target: 'a' },
  ],
  ['rejected the other way round', side('a'), side('b'), agreed('a'), byForeignEdit, { source: 'b', target: 'a' }],
  [
    'rejected does not make dirty approvable',
    side('b'),
    side('a', { dirty: true }),
    agreed('a'),
    always(hold('dirty')),
    { source: 'b', target: 'a' },
  ],
  ['rejected and equal', side('a'), side('a'), never, always(EQUAL), { source: 'a', target: 'a' }],
  ['rejected, only on the partner: shown', side(), side('a'), never, always(show('only-on-partner')), { target: 'a' }],
]

for (const [name, auth, other, base, expected, rejected] of ROWS) {
  test(`decision: ${name}`, () => {
    for (const policy of POLICIES) {
      assert.deepEqual(decideScope(auth, other, base, policy, rejected), expected(policy), JSON.stringify(policy))
    }
  })
}

const content = fc.constantFrom(undefined, 'a', 'b', 'c')
const aSide = fc
  .record({
    live: content,
    regressed: fc.boolean(),
    changedAlone: fc.boolean(),
    dirty: fc.boolean(),
    unreplicable: fc.constantFrom(undefined, undefined, undefined, 'lossy'),
    restored: fc.constantFrom(undefined, undefined, restored.restored),
    writtenBy: fc.constantFrom(undefined, 'j'),
  })
  .map(({ live, regressed, changedAlone, dirty, ...rest }) =>
    side(live, {
      regressed,
      changedAlone,
      dirty,
      ...(Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as Partial<ScopeSide>),
    }),
  )
const aBase = fc.oneof(fc.constant(never), content.map(agreed))
const aPair = fc
  .tuple(content, content)
  .map(([source, target]) => ({ ...(source && { source }), ...(target && { target }) }))
const input = {
  auth: aSide,
  other: aSide,
  base: aBase,
  policy: fc.constantFrom(...POLICIES),
  rejected: fc.option(aPair, { nil: undefined }),
}

test('the table is total, and what must not happen does not, whatever the policy', () => {
  fc.assert(
    fc.property(fc.record(input), ({ auth, other, base, policy, rejected }) => {
      const decision = decideScope(auth, other, base, policy, rejected)
      assert.ok(['converged', 'replicate', 'hold', 'show'].includes(decision.kind) && decision.code.length > 0)
      const isLossy = auth.unreplicable !== undefined || other.unreplicable !== undefined
      assert.equal(decision.kind === 'converged', auth.live === other.live && !isLossy)

      if (decision.kind === 'replicate') {
        assert.ok(!isLossy && !auth.dirty && !other.dirty, 'neither lossy nor dirty content is overwritten')
        assert.ok(auth.restored === undefined && other.restored === undefined, 'no policy undoes a restore')
        assert.ok(!auth.regressed && (!other.changedAlone || (other.regressed && auth.live !== undefined)))
        assert.ok(rejected === undefined || rejected.source !== auth.live || rejected.target !== other.live)
        // What nobody agreed on is overwritten only where a policy says so.
        const isAgreed = other.live === undefined || other.regressed || (base.known && other.live === base.content)
        if (!isAgreed) assert.ok(policy.onForeignEdit === 'revert' || policy.onConflict === 'authority-wins')
        // A scope is deleted only where both sides had agreed on exactly what is there now, and prune says so.
        if (auth.live === undefined) assert.ok(base.known && other.live === base.content && policy.prune === 'on')
      }
      if (decision.kind === 'hold' && (isLossy || ((auth.dirty || other.dirty) && auth.live !== other.live))) {
        assert.ok(!isApprovable(decision.code), `${decision.code} cannot be approved away`)
      }
    }),
    { numRuns: 20_000, seed: 5 },
  )
})

test('a policy only ever changes what it is about', () => {
  fc.assert(
    fc.property(fc.record(input), ({ auth, other, base, rejected }) => {
      const decide = (policy: DecisionPolicy) => decideScope(auth, other, base, policy, rejected)
      const careful: DecisionPolicy = { onForeignEdit: 'hold', onConflict: 'hold', prune: 'off' }
      const decision = decide(careful)
      const differs = (change: Partial<DecisionPolicy>) => {
        try {
          assert.deepEqual(decide({ ...careful, ...change }), decision)
          return false
        } catch {
          return true
        }
      }
      if (differs({ onForeignEdit: 'revert' })) assert.deepEqual(decision, hold('foreign-edit'))
      if (differs({ onConflict: 'authority-wins' })) assert.deepEqual(decision, hold('conflict'))
      for (const prune of ['ask', 'on'] as const) if (differs({ prune })) assert.deepEqual(decision, show('deleted'))
    }),
    { numRuns: 20_000, seed: 6 },
  )
})
