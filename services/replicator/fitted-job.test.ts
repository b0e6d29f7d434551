import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Job } from '#contracts/job.ts'
import { MAX_PART_BYTES } from '#contracts/streams.ts'
import { fittedJob } from './fitted-job.ts'

function aJob(scopes: number, lines: number): Job {
  const fingerprint = `v1:${'0'.repeat(64)}`
  return {
    job: 'J1',
    kind: 'ReplicateRelationship',
    automatic: false,
    slot: 'a-b',
    relationship: 'a-b',
    source: 'a',
    cause: { kind: 'request' },
    createdAt: '2026-01-01T00:00:00.000Z',
    attempts: 0,
    waits: 0,
    commit: {
      id: 'C1',
      scopes: Array.from({ length: scopes }, (_, index) => ({
        scope: `10.${index >> 8}.${index & 255}.0/24`,
        code: 'changed',
        counts: { added: 1, updated: 0, deleted: 0 },
        plan: Array.from({ length: lines }, () => '+ reservation 02:00:00:00:00:01'),
        before: fingerprint,
        after: fingerprint,
      })),
    },
  }
}

test('a job that fits is left whole', () => {
  const job = aJob(100, 3)
  assert.equal(fittedJob(job), job)
  const { commit: _, ...waiting } = job
  assert.equal(fittedJob(waiting), waiting)
})

test('a job of any number of scopes fits one message and keeps its commit', () => {
  for (const [scopes, lines, kept] of [
    [1_000, 20, 1_000],
    [5_000, 20, 2_500],
    [20_000, 1, 2_500],
  ] as const) {
    const { commit } = fittedJob(aJob(scopes, lines))
    assert.ok(Buffer.byteLength(JSON.stringify(fittedJob(aJob(scopes, lines)))) <= MAX_PART_BYTES)
    assert.equal(commit?.id, 'C1')
    assert.ok((commit?.scopes.length ?? 0) >= kept, `${scopes}: ${commit?.scopes.length}`)
  }
})
