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
  assert.deepEqual(decisionFor({ ...old, afterRestart: true }, written), { kind: 'hold', code: 'regressed' })
})

test('the same content without a restart is a change that was taken back', () => {
  assert.deepEqual(decisionFor(old, written), { kind: 'replicate', code: 'changed' })
})

test('a source that restarted with the base that both agree on has nothing old', () => {
  const target = { live: 'edited', base: 'old', baseEpoch: 1, baseSerial: 1 }
  assert.deepEqual(decisionFor({ ...old, afterRestart: true }, target), { kind: 'hold', code: 'foreign-edit' })
})
