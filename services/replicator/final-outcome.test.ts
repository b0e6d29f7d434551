import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Job } from '#contracts/job.ts'
import type { Admission } from '#plan/admit.ts'
import { startRun, stepRun } from '#protocol/job.ts'
import { finalOutcome } from './final-outcome.ts'
import type { RunReport } from './run.ts'

const SCOPE = '10.0.0.0/24'
const POLICY = {
  name: 'a-b',
  relationship: 'a-b',
  servers: ['a', 'b'] as const,
  mode: 'automatic' as const,
  quietPeriodMs: 0,
  soakDelayMs: 0,
  onForeignEdit: 'hold' as const,
  onConflict: 'hold' as const,
  prune: 'off' as const,
}
const JOB: Job = {
  job: 'J1',
  kind: 'ReplicateRelationship',
  automatic: false,
  slot: 'a-b',
  relationship: 'a-b',
  source: 'a',
  cause: { kind: 'request' },
  createdAt: '2026-01-01T00:00:00.000Z',
  attempts: 1,
  waits: 0,
  commit: { id: 'J1', server: 'b', scopes: [] },
}

function reportOf(job: Job): RunReport {
  const { source, automatic } = job
  const begun = startRun(POLICY, [{ job: job.job, automatic, source, commit: 'J1', commitAt: 'b' }])
  const recall = stepRun(begun.state, { kind: 'authority', side: 'b', epoch: 2 })
  const results = [{ scope: SCOPE, result: 'written' as const, persisted: true, baseEpoch: 1, baseSerial: 5 }]
  const side = {
    rows: [{ scope: SCOPE, live: 'x', base: 'x', baseEpoch: 1, baseSerial: 5 }],
    normal: true,
    state: 'up',
  }
  const compare = stepRun(recall.state, { kind: 'recalled', results })
  const { state } = stepRun(compare.state, { kind: 'compared', source: side, target: side, nowMs: 0 })
  const counts = { added: 0, updated: 1, deleted: 0 }
  const recorded = new Map([
    [SCOPE, { scope: SCOPE, code: 'changed', counts, plan: ['~ it'], before: 'w', after: 'x' }],
  ])
  return { state, plans: new Map(), recorded, stages: [] }
}

test('what was written before the authority moved is reported as it was: nobody says that nothing was copied', () => {
  for (const automatic of [false, true]) {
    const job = { ...JOB, automatic }
    const outcome = finalOutcome(
      job,
      POLICY as unknown as RelationshipPolicy,
      reportOf(job),
      '2026-01-01T00:00:09.000Z',
    )
    assert.deepEqual(
      [outcome?.status, outcome?.source, outcome?.target, outcome?.epoch, outcome?.commit],
      ['replicated', 'a', 'b', 1, 'J1'],
    )
    assert.deepEqual(
      outcome?.scopes?.map(({ scope, status, after }) => [scope, status, after]),
      [[SCOPE, 'replicated', 'x']],
    )
    assert.match(outcome?.message ?? '', /before the authority moved to b/)
  }
})

test('what is only shown has the same row whether or not a plan was made, so that it is told once', () => {
  const { commit: _, ...rest } = JOB
  const job = { ...rest, automatic: true }
  const begun = startRun(POLICY, [{ job: 'J1', automatic: true, source: 'a' }])
  const compare = stepRun(begun.state, { kind: 'authority', side: 'a', epoch: 1 })
  const side = (live?: string) => ({
    rows: live === undefined ? [] : [{ scope: SCOPE, live }],
    normal: true,
    state: 'up',
  })
  const { state } = stepRun(compare.state, { kind: 'compared', source: side(), target: side('x'), nowMs: 0 })
  const shown = [{ scope: SCOPE, code: 'only-on-partner', message: 'it exists only on b' }]
  const plan = { relationship: 'a-b', source: 'a', target: 'b', digest: 'd', scopes: [], shown, notes: [] }
  const admission = { plan, isApproved: false, safe: [] as unknown as Admission['safe'], held: [] }
  const [planned, compared] = [new Map([['J1', admission]]), new Map()].map(
    (plans) =>
      finalOutcome(
        job,
        POLICY as unknown as RelationshipPolicy,
        { state, plans, recorded: new Map(), stages: [] },
        '2026-01-01T00:00:09.000Z',
      )?.scopes,
  )
  assert.deepEqual(
    compared?.map(({ code, before }) => [code, before]),
    [['only-on-partner', 'x']],
  )
  assert.deepEqual(planned, compared)
})
