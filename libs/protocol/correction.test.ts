import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startCorrection, stepCorrection } from './correction.ts'
import type { CorrectionInput, CorrectionRequest, CorrectionState } from './correction-types.ts'
import { MAX_ROUNDS } from './job-steps.ts'
import type { Side } from './job-types.ts'

const SCOPE = '10.0.0.0/24'
const RESTORE: CorrectionRequest = {
  job: 'undo',
  kind: 'restore',
  relationship: 'a-b',
  servers: ['a', 'b'],
  server: 'b',
  both: false,
  scopes: [SCOPE],
}
const BOTH: CorrectionRequest = { ...RESTORE, both: true }
const ADOPT: CorrectionRequest = { ...RESTORE, job: 'pick', kind: 'adopt' }

function side(live: string): Side {
  return { rows: [{ scope: SCOPE, live }], normal: true, state: 'normal' }
}

const authority: CorrectionInput = { kind: 'authority', side: 'a', epoch: 3 }
const open: CorrectionInput = { kind: 'permission', permission: { kind: 'open' } }
const paused: CorrectionInput = { kind: 'permission', permission: { kind: 'closed', wait: 'paused', message: 'by x' } }
const prepared = (live: string): CorrectionInput => ({ kind: 'prepared', ticket: 't', target: side(live) })
const wanted: CorrectionInput = { kind: 'wanted', wanted: [{ scope: SCOPE, fingerprint: 'old' }] }
const version = { scope: SCOPE, expected: 'new', wanted: 'old', approved: true }
const plannedAt = (...targets: string[]): CorrectionInput => ({
  kind: 'planned',
  approved: Object.fromEntries(targets.map((target) => [target, [version]])),
})
const recorded: CorrectionInput = { kind: 'recorded' }
const covered: CorrectionInput = { kind: 'covered' }
const written: CorrectionInput = {
  kind: 'committed',
  results: [{ scope: SCOPE, result: 'written', baseEpoch: 3, baseSerial: 9 }],
}

function drive(request: CorrectionRequest, inputs: readonly CorrectionInput[]) {
  let step = startCorrection(request)
  const effects = [step.effects.map(({ kind }) => kind)]
  for (const input of inputs) {
    step = stepCorrection(step.state, input)
    effects.push(step.effects.map(({ kind }) => kind))
  }
  return { state: step.state, effects, last: step.effects }
}

test('a restore is prepared with its exception, then read, planned, recorded, covered and committed', () => {
  const inputs = [authority, prepared('new'), wanted, plannedAt('b'), recorded, covered, written]
  const run = drive(RESTORE, inputs)
  assert.deepEqual(run.effects.flat(), [
    'read-authority',
    'prepare',
    'read-wanted',
    'plan',
    'record',
    'cover',
    'commit',
    'uncover',
    'finish',
  ])
  const [prepare] = drive(RESTORE, [authority]).last
  assert.deepEqual(prepare, { kind: 'prepare', target: 'b', side: 'a', epoch: 3, scopes: [SCOPE] })
  const [cover] = drive(RESTORE, inputs.slice(0, 5)).last
  assert.deepEqual(cover, { kind: 'cover', server: 'a' })
  const [commit] = drive(RESTORE, inputs.slice(0, 6)).last
  assert.ok(commit?.kind === 'commit')
  assert.deepEqual([commit.purpose, commit.ticket, commit.versions], ['restore', 't', [version]])
})

test('an adoption writes onto the authoritative side, and the picked side repeats the new base', () => {
  const inputs = [authority, open, prepared('new'), wanted, plannedAt('a'), recorded, open, covered, written]
  const run = drive(ADOPT, inputs)
  assert.deepEqual(run.last, [
    { kind: 'uncover', server: 'b' },
    {
      kind: 'agree',
      server: 'b',
      side: 'a',
      epoch: 3,
      scopes: [{ scope: SCOPE, fingerprint: 'old', serial: 9 }],
    },
  ])
  assert.deepEqual(stepCorrection(run.state, { kind: 'agreed' }).effects, [{ kind: 'finish' }])
})

test('nothing was approved: it is finished without a record, and nothing is committed', () => {
  const run = drive(BOTH, [authority, prepared('new'), wanted, { kind: 'planned', approved: { a: [], b: [] } }])
  assert.deepEqual(run.effects.at(-1), ['finish'])
})

test('with both, the second is prepared when the first is written, and keeps to what was approved for it', () => {
  const first = [authority, prepared('new'), wanted, plannedAt('b', 'a'), recorded, covered, written]
  const run = drive(BOTH, [...first, prepared('new'), wanted])
  assert.deepEqual(run.effects.slice(-3), [['uncover', 'prepare'], ['read-wanted'], ['cover']])
  const edited = drive(BOTH, [...first, prepared('somebody else'), wanted])
  assert.deepEqual(edited.effects.at(-1), ['finish'])
  assert.equal(edited.state.results.a?.[0]?.result, 'target-changed')
})

test('an adoption onto a side that lost the authority meanwhile is refused', () => {
  const run = drive(ADOPT, [{ kind: 'authority', side: 'b', epoch: 4 }])
  assert.deepEqual(run.effects.at(-1), ['finish'])
  assert.equal(run.state.refusal?.code, 'authority-changed')
})

test('a pause refuses an adoption, before it is prepared and again before the commit; a restore goes on', () => {
  assert.equal(drive(ADOPT, [authority, paused]).state.refusal?.code, 'paused')
  const late = drive(ADOPT, [authority, open, prepared('new'), wanted, plannedAt('a'), recorded, paused])
  assert.deepEqual([late.effects.at(-1), late.state.refusal?.code], [['finish'], 'paused'])
  assert.ok(!drive(RESTORE, [authority]).effects.flat().includes('permit'))
})

test('a target that changed since it was read is planned anew, so that the new plan is shown', () => {
  const changed: CorrectionInput = { kind: 'committed', results: [{ scope: SCOPE, result: 'target-changed' }] }
  const round = [authority, prepared('new'), wanted, plannedAt('b'), recorded, covered, changed]
  const run = drive(RESTORE, [...round, authority, prepared('newer'), wanted])
  assert.deepEqual(run.effects.at(-1), ['plan'])
})

test('an interrupted run asks the gates first, and writes only what is left of what was approved', () => {
  const interrupted: CorrectionRequest = { ...BOTH, recorded: { b: [version], a: [version] } }
  const recalled: CorrectionInput = {
    kind: 'recalled',
    results: { b: [{ scope: SCOPE, result: 'written' }], a: [] },
  }
  const run = drive(interrupted, [
    authority,
    prepared('new'),
    prepared('new'),
    recalled,
    prepared('new'),
    wanted,
    covered,
  ])
  assert.deepEqual(run.effects.flat(), [
    'read-authority',
    'prepare',
    'prepare',
    'recall',
    'uncover',
    'prepare',
    'read-wanted',
    'cover',
    'commit',
  ])
  const [commit] = run.last
  assert.ok(commit?.kind === 'commit')
  assert.equal(commit.target, 'a')
})

test('an interrupted adoption that was written is only agreed, though it is paused by now', () => {
  const interrupted: CorrectionRequest = { ...ADOPT, recorded: { a: [version] } }
  const recalled: CorrectionInput = {
    kind: 'recalled',
    results: { a: [{ scope: SCOPE, result: 'written', baseSerial: 9 }] },
  }
  const run = drive(interrupted, [authority, prepared('new'), recalled])
  assert.deepEqual(run.effects.at(-1), ['uncover', 'agree'])
})

test('an interrupted adoption that was written is told, though the authority moved to the picked side meanwhile', () => {
  const interrupted: CorrectionRequest = { ...ADOPT, recorded: { a: [version] } }
  const moved: CorrectionInput = { kind: 'authority', side: 'b', epoch: 4 }
  const results = { a: written.kind === 'committed' ? written.results : [] }
  const run = drive(interrupted, [moved, prepared('new'), { kind: 'recalled', results }, { kind: 'agreed' }])
  assert.deepEqual([run.state.phase, run.state.refusal, run.state.results], ['finished', undefined, results])
  // Where it had not been written, it is refused after the gate was asked, not before.
  const unwritten = drive(interrupted, [moved, prepared('old'), { kind: 'recalled', results: {} }])
  assert.deepEqual([unwritten.effects[2], unwritten.state.refusal?.code], [['recall'], 'authority-changed'])
})

test('a commit that was refused before it began ends its cover at once; one without an answer does not', () => {
  const begun = [authority, prepared('new'), wanted, plannedAt('b'), recorded, covered]
  const failed = (wait: 'covering' | 'unreachable'): CorrectionInput => ({
    kind: 'side-failed',
    failure: { server: 'b', wait, message: 'not now' },
  })
  assert.deepEqual(drive(RESTORE, [...begun, failed('covering')]).effects.at(-1), ['uncover', 'wait'])
  assert.deepEqual(drive(RESTORE, [...begun, failed('unreachable')]).effects.at(-1), ['wait'])
})

test('an interrupted run whose approved plan is gone makes the plan anew', () => {
  const interrupted: CorrectionRequest = { ...RESTORE, recorded: { b: [version] } }
  const recalled: CorrectionInput = { kind: 'recalled', results: { b: [] } }
  const run = drive(interrupted, [authority, prepared('edited'), recalled, prepared('edited'), wanted])
  assert.deepEqual(run.effects.at(-1), ['plan'])
  assert.equal(run.state.approved, undefined)
})

test('an interrupted commit is made impossible before it is asked for, also where the gate refuses to prepare', () => {
  const interrupted: CorrectionRequest = { ...ADOPT, recorded: { a: [version] } }
  const after = (input: CorrectionInput) => drive(interrupted, [authority, input]).effects.at(-1)
  assert.deepEqual(drive(interrupted, [authority]).effects.at(-1), ['prepare'])
  assert.deepEqual(after({ kind: 'refused', code: 'unknown-relationship', message: 'not here' }), ['recall'])
  assert.deepEqual(after({ kind: 'outdated', why: 'stale-epoch' }), ['recall'])
  assert.deepEqual(after({ kind: 'side-failed', failure: { server: 'a', wait: 'unreachable', message: '' } }), ['wait'])
})

test('a failover state that is not normal makes it wait', () => {
  const waiting: CorrectionInput = {
    kind: 'prepared',
    ticket: 't',
    target: { ...side('new'), normal: false, state: 'partner-down' },
  }
  const [wait] = drive(RESTORE, [authority, waiting]).last
  assert.ok(wait?.kind === 'wait')
  assert.equal(wait.failure.wait, 'partner-not-normal')
})

test('stale tickets are tried again a limited number of times, stale epochs end as unknown authority', () => {
  const stale = (why: 'stale-ticket' | 'stale-epoch'): CorrectionInput[] =>
    Array.from({ length: MAX_ROUNDS }, (): CorrectionInput[] => [authority, { kind: 'outdated', why }]).flat()
  assert.deepEqual(drive(RESTORE, stale('stale-ticket')).effects.at(-1), ['wait'])
  assert.equal(drive(RESTORE, stale('stale-epoch')).state.refusal?.code, 'authority-unknown')
})

test('no sequence of inputs commits what was not prepared, read after that, approved and recorded', () => {
  for (const request of [RESTORE, BOTH, ADOPT]) {
    const inputs: readonly CorrectionInput[] = [
      authority,
      open,
      prepared('new'),
      prepared('edited'),
      wanted,
      plannedAt('a', 'b'),
      recorded,
      covered,
      written,
      { kind: 'agreed' },
      { kind: 'outdated', why: 'stale-ticket' },
    ]
    const seen = new Set<string>()
    type Done = { readonly isPrepared: boolean; readonly isRead: boolean; readonly isRecorded: boolean }
    const explore = (state: CorrectionState, done: Done, depth: number): void => {
      const key = JSON.stringify([state, done])
      if (depth === 0 || seen.has(key)) return
      seen.add(key)
      for (const input of inputs) {
        const next = stepCorrection(state, input)
        const now = {
          isPrepared: next.effects.some(({ kind }) => kind === 'prepare')
            ? false
            : done.isPrepared || (state.phase === 'prepare' && input.kind === 'prepared'),
          isRead: next.effects.some(({ kind }) => kind === 'prepare')
            ? false
            : done.isRead || (state.phase === 'wanted' && input.kind === 'wanted' && done.isPrepared),
          isRecorded: done.isRecorded || (state.phase === 'record' && input.kind === 'recorded'),
        }
        for (const effect of next.effects) {
          if (effect.kind !== 'commit') continue
          assert.ok(now.isPrepared && now.isRead && now.isRecorded)
          assert.ok(effect.versions.every(({ approved, expected }) => approved === true && expected === 'new'))
        }
        explore(next.state, now, depth - 1)
      }
    }
    explore(startCorrection(request).state, { isPrepared: false, isRead: false, isRecorded: false }, 40)
    assert.ok(seen.size > 20, `${seen.size} states`)
  }
})
