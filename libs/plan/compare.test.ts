import assert from 'node:assert/strict'
import { test } from 'node:test'
import { compareScopes, type SideRow } from './compare.ts'

const policy = { onForeignEdit: 'hold', onConflict: 'hold', prune: 'ask' } as const

function decisionFor(source: Omit<SideRow, 'scope'>, target: Omit<SideRow, 'scope'>) {
  const { scopes } = compareScopes([{ scope: 's', ...source }], [{ scope: 's', ...target }], policy)
  return scopes[0]?.decision
}

// The partner was written, then the source restarted with its old file before its own gate had agreed to the new base.
const old = { live: 'old', base: 'old', baseEpoch: 1, baseSerial: 1 }
const written = { live: 'new', base: 'new', baseEpoch: 1, baseSerial: 2 }

test('a source that came up with what was agreed before the last write is held, though its own gate has not heard of it', () => {
  assert.deepEqual(decisionFor({ ...old, returned: true }, written), { kind: 'hold', code: 'regressed' })
})

test('the same content without a restart is a change that was taken back', () => {
  assert.deepEqual(decisionFor(old, written), { kind: 'replicate', code: 'changed' })
})

test('a source that restarted with the base that both agree on has nothing old', () => {
  const target = { live: 'edited', base: 'old', baseEpoch: 1, baseSerial: 1 }
  assert.deepEqual(decisionFor({ ...old, returned: true }, target), { kind: 'hold', code: 'foreign-edit' })
})

const S = '10.0.0.0/24'
const MARK = { job: 'j1', at: '2026-11-24T12:00:00Z' }

function row(live: string | undefined, change: Partial<SideRow> = {}): SideRow {
  return { scope: S, live, ...change }
}
const agreed = (base: string, baseSerial = 1) => ({ base, baseEpoch: 1, baseSerial })

function compared(source: SideRow, target: SideRow, options?: Parameters<typeof compareScopes>[3]) {
  const [first] = compareScopes([source], [target], policy, options).scopes
  assert.ok(first !== undefined)
  return first
}

test('equal rows may agree while one base, a dirty mark or a restored mark is in the way', () => {
  const both = (change: Partial<SideRow> = {}) =>
    compared(row('a', { ...agreed('a'), ...change }), row('a', agreed('a')))
  assert.equal(both().mayAgree, false)
  assert.equal(both({ base: 'b' }).mayAgree, true)
  assert.equal(both({ dirty: true }).mayAgree, true)
  assert.equal(both({ restored: MARK }).mayAgree, true)
  assert.equal(compared(row('a', agreed('a')), row('a', { ...agreed('a'), restored: MARK })).mayAgree, true)
  assert.equal(compared(row('b', agreed('a')), row('a', { ...agreed('a'), restored: MARK })).mayAgree, false)
})

test('a restored mark of either side is told with its side, and holds', () => {
  const atTarget = compared(row('b', agreed('b')), row('a', { ...agreed('b'), restored: MARK }))
  assert.deepEqual([atTarget.decision.code, atTarget.restored], ['restored', { ...MARK, side: 'target' }])
  const atSource = compared(row('b', { ...agreed('a'), restored: MARK }), row('a', agreed('a')))
  assert.deepEqual([atSource.decision.code, atSource.restored?.side], ['restored', 'source'])
})

test('equal is told apart from our own write', () => {
  const echo = compared(row('a', agreed('a')), row('a', { ...agreed('a'), writtenBy: 'j2' }))
  assert.deepEqual(echo.decision, { kind: 'converged', code: 'echo', job: 'j2' })
  assert.equal(echo.writtenBy, 'j2')
  assert.deepEqual(compared(row('a'), row('a')).decision, { kind: 'converged', code: 'equal' })
})

test('only the rejected pair of the scope is held as rejected', () => {
  const rejections = { [S]: { source: 'b', target: 'a' } }
  const decide = (source: string) => compared(row(source, agreed('a')), row('a', agreed('a')), { rejections }).decision
  assert.equal(decide('b').code, 'rejected')
  assert.equal(decide('c').code, 'changed')
  const other = { '10.0.1.0/24': { source: 'b', target: 'a' } }
  assert.equal(compared(row('b', agreed('a')), row('a', agreed('a')), { rejections: other }).decision.code, 'changed')
})

test('the newer base of the two gates counts, first by epoch, then by serial', () => {
  const decide = (ours: Partial<SideRow>, theirs: Partial<SideRow>) =>
    compared(row('b', ours), row('a', theirs)).decision.code
  assert.equal(decide(agreed('b', 1), agreed('a', 2)), 'changed')
  assert.equal(decide(agreed('b', 2), agreed('a', 1)), 'foreign-edit')
  assert.equal(decide({ ...agreed('b', 1), baseEpoch: 2 }, agreed('a', 9)), 'foreign-edit')
  assert.equal(decide({}, {}), 'first-contact')
})
