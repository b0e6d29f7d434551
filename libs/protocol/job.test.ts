import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SideRow } from '#plan/compare.ts'
import { MAX_ROUNDS, startRun, stepRun } from './job.ts'
import type { RunInput, RunJob, RunPolicy, RunState, Side } from './job-types.ts'

const POLICY: RunPolicy = {
  relationship: 'a-b',
  servers: ['a', 'b'],
  mode: 'automatic',
  quietPeriodMs: 0,
  onForeignEdit: 'hold',
  onConflict: 'hold',
  prune: 'off',
}
const AUTOMATIC: RunJob = { job: 'auto', automatic: true, source: 'a' }
const REQUEST: RunJob = { job: 'asked', automatic: false, source: 'a' }
const SCOPE = '10.0.0.0/24'

function side(live: string | undefined, base: string | undefined, more: Partial<SideRow> = {}): Side {
  const row: SideRow = {
    scope: SCOPE,
    live,
    base,
    ...(base === undefined ? {} : { baseEpoch: 1, baseSerial: 1 }),
    ...more,
  }
  return { rows: [row], normal: true, state: 'load-balancing' }
}

/** Feeds inputs and returns the kinds of the effects that each of them had. */
function drive(policy: RunPolicy, jobs: readonly RunJob[], inputs: readonly RunInput[]) {
  let step = startRun(policy, jobs)
  const effects = [step.effects.map(({ kind }) => kind)]
  for (const input of inputs) {
    step = stepRun(step.state, input)
    effects.push(step.effects.map(({ kind }) => kind))
  }
  return { state: step.state, effects, last: step.effects }
}

const authority: RunInput = { kind: 'authority', side: 'a', epoch: 1 }
const changed: RunInput = { kind: 'compared', source: side('new', 'old'), target: side('old', 'old'), nowMs: 0 }
const prepared: RunInput = { kind: 'prepared', ticket: 't1', target: side('old', 'old') }
const sourceRead: RunInput = { kind: 'source-read', source: side('new', 'old') }
const planned: RunInput = { kind: 'planned', safe: [{ scope: SCOPE, expected: 'old', wanted: 'new' }] }
const written: RunInput = {
  kind: 'committed',
  results: [{ scope: SCOPE, result: 'written', persisted: true, baseEpoch: 1, baseSerial: 2 }],
}

test('a change is prepared, then read, then committed with that ticket', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [authority, changed, prepared, sourceRead, planned, { kind: 'recorded' }, written, { kind: 'agreed' }],
  )
  assert.deepEqual(run.effects, [
    ['read-authority'],
    ['compare'],
    ['prepare'],
    ['read-source'],
    ['plan'],
    ['record'],
    ['commit'],
    ['agree'],
    ['finish'],
  ])
})

test('the commit names what was read after prepare, not what was compared before', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [authority, changed, prepared, { kind: 'source-read', source: side('newest', 'old') }],
  )
  const plan = run.last[0]
  assert.ok(plan?.kind === 'plan')
  assert.equal(plan.scopes[0]?.source, 'newest')
})

test('nothing differs: nothing is prepared', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [authority, { kind: 'compared', source: side('x', 'x'), target: side('x', 'x'), nowMs: 0 }],
  )
  assert.deepEqual(run.effects.at(-1), ['finish'])
})

test('equal contents that no gate has as base are agreed on both sides', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [authority, { kind: 'compared', source: side('x', undefined), target: side('x', undefined), nowMs: 0 }],
  )
  assert.deepEqual(
    run.last.map((effect) => effect.kind === 'agree' && effect.server),
    ['b'],
  )
  const [source] = stepRun(run.state, { kind: 'agreed', serial: 7 }).effects
  assert.ok(source?.kind === 'agree')
  assert.deepEqual([source.server, source.scopes], ['a', [{ scope: SCOPE, fingerprint: 'x', serial: 7 }]])
})

test('an automatic run does not prepare for a foreign edit', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [authority, { kind: 'compared', source: side('x', 'x'), target: side('edited', 'x'), nowMs: 0 }],
  )
  assert.deepEqual(run.effects.at(-1), ['finish'])
})

test('a request by the other side is not acted on', () => {
  const run = drive(POLICY, [{ ...REQUEST, source: 'b' }], [authority, changed])
  assert.deepEqual(run.effects.at(-1), ['finish'])
})

test('in mode manual only requests are acted on', () => {
  const manual = { ...POLICY, mode: 'manual' as const }
  assert.deepEqual(drive(manual, [AUTOMATIC], [authority, changed]).effects.at(-1), ['finish'])
  assert.deepEqual(drive(manual, [REQUEST], [authority, changed]).effects.at(-1), ['prepare'])
})

test('the quiet period holds automatic runs back, requests not', () => {
  const policy = { ...POLICY, quietPeriodMs: 2_000 }
  const at = Date.parse('2026-01-01T00:00:00Z')
  const fresh: RunInput = {
    kind: 'compared',
    source: side('new', 'old', { since: '2026-01-01T00:00:00.000Z' }),
    target: side('old', 'old'),
    nowMs: at + 500,
  }
  const [wait] = drive(policy, [AUTOMATIC], [authority, fresh]).last
  assert.ok(wait?.kind === 'wait')
  assert.equal(wait.untilMs, at + 2_000)
  assert.deepEqual(drive(policy, [AUTOMATIC, REQUEST], [authority, fresh]).effects.at(-1), ['prepare'])
})

test('a failover state that is not normal makes the run wait, and only if something is to be written', () => {
  const waiting = { ...side('old', 'old'), normal: false, state: 'waiting' }
  const [wait] = drive(
    POLICY,
    [AUTOMATIC],
    [authority, { kind: 'compared', source: side('new', 'old'), target: waiting, nowMs: 0 }],
  ).last
  assert.ok(wait?.kind === 'wait' && wait.failure.wait === 'partner-not-normal')
  const idle = drive(
    POLICY,
    [AUTOMATIC],
    [authority, { kind: 'compared', source: side('old', 'old'), target: waiting, nowMs: 0 }],
  )
  assert.deepEqual(idle.effects.at(-1), ['finish'])
})

test('a target edited in between is planned again, a limited number of times', () => {
  const edited: RunInput = { kind: 'committed', results: [{ scope: SCOPE, result: 'target-changed' }] }
  const round: readonly RunInput[] = [authority, changed, prepared, sourceRead, planned, { kind: 'recorded' }, edited]
  assert.deepEqual(drive(POLICY, [AUTOMATIC], round).effects.at(-1), ['read-authority'])
  const all = drive(POLICY, [AUTOMATIC], Array.from({ length: MAX_ROUNDS }, () => round).flat())
  assert.deepEqual(all.effects.at(-1), ['finish'])
  assert.equal(all.state.results[0]?.result, 'target-changed')
})

test('a stale ticket begins again with the authority', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [
      authority,
      changed,
      prepared,
      sourceRead,
      planned,
      { kind: 'recorded' },
      { kind: 'outdated', why: 'stale-ticket' },
    ],
  )
  assert.deepEqual(run.effects.at(-1), ['read-authority'])
  assert.equal(run.state.ticket, undefined)
})

test('a recorded commit is asked for before anything is compared, and its result is kept', () => {
  const run = drive(
    POLICY,
    [{ ...AUTOMATIC, commit: 'c1' }],
    [
      authority,
      { kind: 'recalled', results: [{ scope: SCOPE, result: 'written', persisted: true }] },
      { kind: 'compared', source: side('new', 'new'), target: side('new', 'new'), nowMs: 0 },
    ],
  )
  assert.deepEqual(run.effects.slice(1), [['recall'], ['compare'], ['finish']])
  assert.equal(run.state.results[0]?.result, 'written')
})

test('no sequence of inputs commits without a prepare and a read after it', () => {
  const inputs: readonly RunInput[] = [
    authority,
    changed,
    prepared,
    sourceRead,
    planned,
    { kind: 'recorded' },
    written,
    { kind: 'agreed' },
    { kind: 'outdated', why: 'stale-epoch' },
  ]
  const seen = new Set<string>()
  const explore = (state: RunState, isPrepared: boolean, isRead: boolean, depth: number) => {
    const key = JSON.stringify([state, isPrepared, isRead])
    if (depth === 0 || seen.has(key)) return
    seen.add(key)
    for (const input of inputs) {
      const next = stepRun(state, input)
      let [preparedNow, readNow] = [isPrepared, isRead]
      if (next.state.phase === 'read' && state.phase === 'prepare') [preparedNow, readNow] = [true, false]
      if (state.phase === 'read' && input.kind === 'source-read') readNow = true
      if (next.effects.some(({ kind }) => kind === 'read-authority')) [preparedNow, readNow] = [false, false]
      for (const effect of next.effects) if (effect.kind === 'commit') assert.ok(preparedNow && readNow)
      explore(next.state, preparedNow, readNow, depth - 1)
    }
  }
  explore(startRun(POLICY, [AUTOMATIC]).state, false, false, 24)
  assert.ok(seen.size > 30)
})
