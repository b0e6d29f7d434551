import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LedgerEntry } from './projection.ts'
import { stuckAt, stuckScopes } from './stuck.ts'

const SCOPE = '10.0.10.0/24'
const [OURS, THEIRS] = ['v1:ours', 'v1:theirs']

function aHeld(job: string, at: string, more: object): LedgerEntry {
  const row = { scope: SCOPE, status: 'held', code: 'foreign-edit', message: '', before: THEIRS, after: OURS }
  return { job, final: { job, kind: 'final', at, status: 'held', scopes: [row], ...more } } as unknown as LedgerEntry
}

const listed = (...entries: readonly LedgerEntry[]) => ({
  list: ({ status }: { readonly status?: string }) => (status === 'held' ? entries : []),
})

test('an adopt that was held does not hide which replication holds the scope', () => {
  const adopted = { scope: SCOPE, status: 'held', code: 'adopted', message: '', before: OURS, after: THEIRS }
  const stuck = stuckScopes(
    listed(
      aHeld('ADOPT', '2026-11-24T10:00:01Z', { act: 'adopt', scopes: [adopted] }),
      aHeld('HOLD', '2026-11-24T10:00:00Z', {}),
    ) as never,
    'dhcp1-dhcp2',
  )
  assert.equal(stuckAt(stuck, SCOPE, OURS, THEIRS)?.job, 'HOLD')
})

test('of several holds the newest counts, and only for the contents that it was about', () => {
  const stuck = stuckScopes(
    listed(
      aHeld('OLD', '2026-11-24T10:00:00Z', {}),
      aHeld('NEW', '2026-11-24T10:00:01Z', { act: 'replicate' }),
    ) as never,
    'dhcp1-dhcp2',
  )
  assert.equal(stuckAt(stuck, SCOPE, OURS, THEIRS)?.job, 'NEW')
  assert.equal(stuckAt(stuck, SCOPE, OURS, 'v1:edited-since'), undefined)
})
