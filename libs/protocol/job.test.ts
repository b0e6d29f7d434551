import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SideRow } from '#plan/compare.ts'
import { startRun, stepRun } from './job.ts'
import { MAX_ROUNDS } from './job-steps.ts'
import type { RunInput, RunJob, RunPolicy, RunState, Side } from './job-types.ts'

const POLICY: RunPolicy = {
  relationship: 'a-b',
  servers: ['a', 'b'],
  mode: 'automatic',
  quietPeriodMs: 0,
  soakDelayMs: 0,
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
const open: RunInput = { kind: 'permission', permission: { kind: 'open' } }
const PAUSED: RunInput = {
  kind: 'permission',
  permission: { kind: 'closed', wait: 'paused', message: 'paused by x' },
}
const covered: RunInput = { kind: 'covered' }
const written: RunInput = {
  kind: 'committed',
  results: [{ scope: SCOPE, result: 'written', persisted: true, baseEpoch: 1, baseSerial: 2 }],
}

test('a change is prepared, then read, then committed with that ticket', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [
      authority,
      changed,
      open,
      prepared,
      sourceRead,
      planned,
      { kind: 'recorded' },
      open,
      covered,
      written,
      { kind: 'agreed' },
    ],
  )
  assert.deepEqual(run.effects, [
    ['read-authority'],
    ['compare'],
    ['permit'],
    ['prepare'],
    ['read-source'],
    ['plan'],
    ['record'],
    ['permit'],
    ['cover'],
    ['commit'],
    ['uncover', 'agree'],
    ['finish'],
  ])
})

test('the commit names what was read after prepare, not what was compared before', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [authority, changed, open, prepared, { kind: 'source-read', source: side('newest', 'old') }],
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
  assert.deepEqual(drive(manual, [REQUEST], [authority, changed, open]).effects.at(-1), ['prepare'])
})

const AT = Date.parse('2026-01-01T00:00:00Z')
const QUIET: RunPolicy = { ...POLICY, quietPeriodMs: 2_000 }

/** Two scopes that changed, the second one `ageMs` before the comparison. */
function twoChanged(ageMs: number): RunInput {
  const row = (scope: string, live: string, since: number): SideRow => ({
    scope,
    live,
    base: 'old',
    baseEpoch: 1,
    baseSerial: 1,
    since: new Date(since).toISOString(),
  })
  const rows = (live: string) => [row('10.0.0.0/24', live, AT - 60_000), row('10.0.1.0/24', live, AT - ageMs)]
  const whole = (live: string): Side => ({ rows: rows(live), normal: true, state: 'load-balancing' })
  return { kind: 'compared', source: whole('new'), target: whole('old'), nowMs: AT }
}

function plannedScopes(policy: RunPolicy, jobs: readonly RunJob[], compared: RunInput): readonly string[] {
  assert.ok(compared.kind === 'compared')
  const { source, target } = compared
  const run = drive(policy, jobs, [
    authority,
    compared,
    open,
    { kind: 'prepared', ticket: 't', target },
    { kind: 'source-read', source },
  ])
  const [plan] = run.last
  return plan?.kind === 'plan' ? plan.scopes.map(({ scope }) => scope) : []
}

test('a scope that is not quiet yet does not hold up the others, and is not forgotten', () => {
  assert.deepEqual(plannedScopes(QUIET, [AUTOMATIC], twoChanged(500)), ['10.0.0.0/24'])
  const compared = twoChanged(500)
  assert.ok(compared.kind === 'compared')
  const end = drive(
    QUIET,
    [AUTOMATIC],
    [
      authority,
      compared,
      open,
      { kind: 'prepared', ticket: 't', target: compared.target },
      { kind: 'source-read', source: compared.source },
      { kind: 'planned', safe: [] },
    ],
  )
  const [finish] = end.last
  assert.ok(finish?.kind === 'finish')
  assert.equal(finish.postponed?.wait, 'quiet-period')
  assert.equal(finish.postponed?.untilMs, AT - 500 + 2_000)
})

test('a run in which nothing is quiet yet waits for the first scope', () => {
  const fresh: RunInput = {
    kind: 'compared',
    source: side('new', 'old', { since: new Date(AT - 500).toISOString() }),
    target: side('old', 'old'),
    nowMs: AT,
  }
  const [wait] = drive(QUIET, [AUTOMATIC], [authority, fresh]).last
  assert.ok(wait?.kind === 'wait')
  assert.equal(wait.untilMs, AT + 1_500)
})

test('a request does not wait for quiet in its own scopes, and drags no others along', () => {
  const request = { ...REQUEST, scopes: ['10.0.1.0/24'] }
  assert.deepEqual(plannedScopes(QUIET, [request], twoChanged(500)), ['10.0.1.0/24'])
  const both = { ...REQUEST, scopes: ['10.0.0.0/24'] }
  assert.deepEqual(plannedScopes(QUIET, [both, AUTOMATIC], twoChanged(500)), ['10.0.0.0/24'])
})

test('a failover state that is not normal makes the run wait, and only if something is to be written', () => {
  const waiting = { ...side('old', 'old'), normal: false, state: 'waiting' }
  const [wait] = drive(
    POLICY,
    [AUTOMATIC],
    [authority, { kind: 'compared', source: side('new', 'old'), target: waiting, nowMs: 0 }, open],
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
  const round: readonly RunInput[] = [
    authority,
    changed,
    open,
    prepared,
    sourceRead,
    planned,
    { kind: 'recorded' },
    open,
    covered,
    edited,
  ]
  assert.deepEqual(drive(POLICY, [AUTOMATIC], round).effects.at(-1), ['uncover', 'read-authority'])
  const all = drive(POLICY, [AUTOMATIC], Array.from({ length: MAX_ROUNDS }, () => round).flat())
  assert.deepEqual(all.effects.at(-1), ['uncover', 'finish'])
  assert.equal(all.state.results[0]?.result, 'target-changed')

  const settled = drive(
    POLICY,
    [AUTOMATIC],
    [...round, authority, { kind: 'compared', source: side('new', 'old'), target: side('new', 'old'), nowMs: 0 }],
  )
  assert.deepEqual(settled.state.results, [], 'what was true in an earlier round is not reported')
})

test('the serial of what an earlier run wrote is not given to what this one planned', () => {
  const recalled: RunInput = {
    kind: 'recalled',
    results: [{ scope: SCOPE, result: 'written', baseEpoch: 1, baseSerial: 2 }],
  }
  const until = [
    authority,
    prepared,
    recalled,
    changed,
    open,
    prepared,
    sourceRead,
    planned,
    { kind: 'recorded' } as const,
  ]
  const jobs = [{ ...REQUEST, commit: 'asked' }]
  assert.deepEqual(drive(POLICY, jobs, [...until, PAUSED]).effects.at(-1), ['finish'], 'paused in front of the commit')

  const edited: RunInput = { kind: 'committed', results: [{ scope: SCOPE, result: 'target-changed' }] }
  const foreign: RunInput = { kind: 'compared', source: side('new', 'old'), target: side('edit', 'older'), nowMs: 0 }
  const held = drive(POLICY, [{ ...AUTOMATIC, commit: 'auto' }], [...until, open, covered, edited, authority, foreign])
  assert.deepEqual(held.effects.at(-1), ['finish'], 'held after the target was edited')
})

test('what an earlier run wrote is told, also where this one finds the target changed', () => {
  const recalled: RunInput = { kind: 'recalled', results: [{ scope: SCOPE, result: 'written' }] }
  const edited: RunInput = { kind: 'committed', results: [{ scope: SCOPE, result: 'target-changed' }] }
  const inputs = [authority, prepared, recalled, changed, open, prepared, sourceRead, planned]
  const run = drive(
    POLICY,
    [{ ...AUTOMATIC, commit: 'auto' }],
    [...inputs, { kind: 'recorded' }, open, covered, edited],
  )
  assert.deepEqual(
    run.state.results.map(({ result }) => result),
    ['written'],
  )
})

test('a stale ticket begins again with the authority', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [
      authority,
      changed,
      open,
      prepared,
      sourceRead,
      planned,
      { kind: 'recorded' },
      open,
      covered,
      { kind: 'outdated', why: 'stale-ticket' },
    ],
  )
  assert.deepEqual(run.effects.at(-1), ['uncover', 'read-authority'])
  assert.equal(run.state.ticket, undefined)
})

test('an authority record that stays behind the gates ends as unknown', () => {
  const stale: RunInput = { kind: 'outdated', why: 'stale-epoch' }
  const run = drive(
    POLICY,
    [REQUEST],
    Array.from({ length: MAX_ROUNDS }, () => [authority, changed, open, stale]).flat(),
  )
  assert.deepEqual(run.effects.at(-1), ['finish'])
  assert.equal(run.state.refusal?.code, 'authority-unknown')
})

test('a recorded commit is made impossible and asked for before anything is compared, and its result is kept', () => {
  const run = drive(
    POLICY,
    [{ ...AUTOMATIC, commit: 'c1' }],
    [
      authority,
      prepared,
      { kind: 'recalled', results: [{ scope: SCOPE, result: 'written', persisted: true }] },
      { kind: 'compared', source: side('new', 'new'), target: side('new', 'new'), nowMs: 0 },
    ],
  )
  assert.deepEqual(run.effects.slice(1), [['prepare'], ['recall'], ['compare'], ['finish']])
  assert.equal(run.state.results[0]?.result, 'written')
})

test('where it cannot be made impossible because the gate has gone on, it is asked for; where the gate is silent, later', () => {
  const after = (input: RunInput) => drive(POLICY, [{ ...AUTOMATIC, commit: 'c1' }], [authority, input]).effects.at(-1)
  assert.deepEqual(after({ kind: 'outdated', why: 'stale-epoch' }), ['recall'])
  assert.deepEqual(after({ kind: 'refused', code: 'authoritative-side', message: 'not here' }), ['recall'])
  assert.deepEqual(after({ kind: 'side-failed', failure: { server: 'b', wait: 'unreachable', message: '' } }), ['wait'])
})

test('no sequence of inputs commits without a prepare and a read after it', () => {
  const inputs: readonly RunInput[] = [
    authority,
    changed,
    open,
    prepared,
    sourceRead,
    planned,
    { kind: 'recorded' },
    covered,
    written,
    { kind: 'agreed' },
    PAUSED,
    { kind: 'outdated', why: 'stale-epoch' },
  ]
  const seen = new Set<string>()
  type Seen = { readonly isPrepared: boolean; readonly isRead: boolean; readonly isPermitted: boolean }
  const explore = (state: RunState, { isPrepared, isRead, isPermitted }: Seen, depth: number) => {
    const key = JSON.stringify([state, isPrepared, isRead, isPermitted])
    if (depth === 0 || seen.has(key)) return
    seen.add(key)
    for (const input of inputs) {
      const next = stepRun(state, input)
      let [preparedNow, readNow] = [isPrepared, isRead]
      const permittedNow: boolean = state.phase === 'permit-commit' ? input === open : isPermitted
      if (next.state.phase === 'read' && state.phase === 'prepare') [preparedNow, readNow] = [true, false]
      if (state.phase === 'read' && input.kind === 'source-read') readNow = true
      if (next.effects.some(({ kind }) => kind === 'read-authority')) [preparedNow, readNow] = [false, false]
      for (const effect of next.effects) if (effect.kind === 'commit') assert.ok(preparedNow && readNow && permittedNow)
      explore(next.state, { isPrepared: preparedNow, isRead: readNow, isPermitted: permittedNow }, depth - 1)
    }
  }
  explore(startRun(POLICY, [AUTOMATIC]).state, { isPrepared: false, isRead: false, isPermitted: false }, 40)
  assert.ok(seen.size > 30)
})

const REQUEST_OF_A: RunJob = { ...REQUEST, scopes: [SCOPE] }

test('a pause makes the automatic job wait and refuses a request', () => {
  const [wait] = drive(POLICY, [AUTOMATIC], [authority, changed, PAUSED]).last
  assert.ok(wait?.kind === 'wait')
  assert.equal(wait.failure.wait, 'paused')
  const asked = drive(POLICY, [REQUEST_OF_A], [authority, changed, PAUSED])
  assert.deepEqual(asked.last, [{ kind: 'finish' }])
  assert.equal(asked.state.closed?.wait, 'paused')
})

test('both in one run: the request ends, what is automatic is left to a job of its own', () => {
  const until: RunInput = {
    kind: 'permission',
    permission: { kind: 'closed', wait: 'outside-window', message: 'opens at two', untilMs: 77 },
  }
  const [finish] = drive(POLICY, [REQUEST_OF_A, AUTOMATIC], [authority, changed, until]).last
  assert.deepEqual(finish, {
    kind: 'finish',
    postponed: { wait: 'outside-window', message: 'opens at two', untilMs: 77 },
  })
})

test('nothing that differs may be written: nobody asks whether it is paused', () => {
  const held = drive(
    POLICY,
    [AUTOMATIC],
    [authority, { kind: 'compared', source: side('x', 'x'), target: side('edited', 'x'), nowMs: 0 }],
  )
  assert.deepEqual(held.effects.flat(), ['read-authority', 'compare', 'finish'])
})

test('a pause that begins while it is planned keeps it from being committed', () => {
  const run = drive(
    POLICY,
    [AUTOMATIC],
    [authority, changed, open, prepared, sourceRead, planned, { kind: 'recorded' }, PAUSED],
  )
  assert.deepEqual(run.effects.at(-1), ['wait'])
})

test('the soak delay counts from the last change, and a request does not wait for it', () => {
  const soaking: RunPolicy = { ...QUIET, soakDelayMs: 600_000 }
  const compared: RunInput = {
    kind: 'compared',
    source: side('new', 'old', { since: new Date(AT - 60_000).toISOString() }),
    target: side('old', 'old'),
    nowMs: AT,
  }
  const [wait] = drive(soaking, [AUTOMATIC], [authority, compared]).last
  assert.ok(wait?.kind === 'wait')
  assert.deepEqual([wait.failure.wait, wait.untilMs], ['soak-delay', AT + 540_000])
  assert.deepEqual(drive(soaking, [REQUEST], [authority, compared, open]).effects.at(-1), ['prepare'])
})

test('a scope that is edited again and again is copied after some quiet periods', () => {
  const fresh: RunInput = {
    kind: 'compared',
    source: side('new', 'old', { since: new Date(AT - 500).toISOString() }),
    target: side('old', 'old'),
    nowMs: AT,
  }
  const since = (ms: number): RunJob => ({ ...AUTOMATIC, noticedAtMs: AT - ms })
  assert.deepEqual(drive(QUIET, [since(20_000)], [authority, fresh]).effects.at(-1), ['wait'])
  assert.deepEqual(drive(QUIET, [since(31_000)], [authority, fresh]).effects.at(-1), ['permit'])
})

test('the source covers during the commit, and not when its answer is missing', () => {
  const begun: readonly RunInput[] = [
    authority,
    changed,
    open,
    prepared,
    sourceRead,
    planned,
    { kind: 'recorded' },
    open,
  ]
  const [cover] = drive(POLICY, [AUTOMATIC], begun).last
  assert.deepEqual(cover, { kind: 'cover', server: 'a' })
  const refused: RunInput = {
    kind: 'side-failed',
    failure: { server: 'a', wait: 'covering', message: 'a is being written itself' },
  }
  assert.deepEqual(drive(POLICY, [AUTOMATIC], [...begun, refused]).effects.at(-1), ['wait'])
  const lost: RunInput = {
    kind: 'side-failed',
    failure: { server: 'b', wait: 'unreachable', message: 'no answer' },
  }
  assert.deepEqual(drive(POLICY, [AUTOMATIC], [...begun, covered, lost]).effects.at(-1), ['wait'])
})

test('a commit that was refused before it began ends its cover at once; one without an answer does not', () => {
  const begun = [authority, changed, open, prepared, sourceRead, planned, { kind: 'recorded' } as const, open, covered]
  for (const reason of ['covering', 'partner-not-normal', 'lock-held'] as const) {
    const refused: RunInput = { kind: 'side-failed', failure: { server: 'b', wait: reason, message: 'not now' } }
    assert.deepEqual(drive(POLICY, [AUTOMATIC], [...begun, refused]).effects.at(-1), ['uncover', 'wait'], reason)
  }
  for (const reason of ['unreachable', 'uncertain'] as const) {
    const lost: RunInput = { kind: 'side-failed', failure: { server: 'b', wait: reason, message: 'no answer' } }
    assert.deepEqual(drive(POLICY, [AUTOMATIC], [...begun, lost]).effects.at(-1), ['wait'], reason)
  }
})

test('a commit is asked for where it was sent, and what it wrote is not mixed with what comes after a move', () => {
  const interrupted: RunJob = { ...REQUEST, commit: 'asked', commitAt: 'b' }
  const moved: RunInput = { kind: 'authority', side: 'b', epoch: 2 }
  const run = drive(POLICY, [interrupted, { ...AUTOMATIC, source: 'b' }], [moved])
  assert.deepEqual(run.last, [{ kind: 'recall', commits: ['asked'], target: 'b' }])
  const results = written.kind === 'committed' ? written.results : []
  const after = stepRun(run.state, { kind: 'recalled', results }).state
  assert.deepEqual([after.phase, after.results, after.recalled], ['compare', [], { target: 'b', results }])
  // The other jobs of the run go on in the new direction.
  const differs: RunInput = { kind: 'compared', source: side('newer', 'new'), target: side('new', 'new'), nowMs: 0 }
  assert.deepEqual(
    stepRun(after, differs).effects.map(({ kind }) => kind),
    ['permit'],
  )
  // Nothing was written there: it is decided anew, as if it had not begun.
  assert.equal(stepRun(run.state, { kind: 'recalled', results: [] }).state.recalled, undefined)
})

test('a gate above the record is believed after one more look at the record', () => {
  const ahead: RunInput = {
    kind: 'compared',
    source: side('new', 'old'),
    target: { ...side('old', 'old'), authority: { side: 'b', epoch: 2 } },
    nowMs: 0,
  }
  const run = drive(POLICY, [REQUEST], [authority, ahead, authority, ahead])
  assert.deepEqual(run.effects.slice(-2), [['compare'], ['finish']])
  assert.equal(run.state.refusal?.code, 'authority-unknown')
  assert.match(run.state.refusal?.message ?? '', /a gate knows b in epoch 2.*authority move a-b --to a`, or `--to b`/)
  // Two moves at once: the target's gate refuses for ever in the record's own epoch, and the message says why.
  const torn = { ...ahead, target: { ...side('old', 'old'), authority: { side: 'b', epoch: 1 } } }
  const stale: RunInput = { kind: 'outdated', why: 'stale-epoch' }
  const round = [authority, torn, open, stale]
  const ended = drive(POLICY, [REQUEST], [...round, ...round, ...round, ...round])
  assert.match(ended.state.refusal?.message ?? '', /a gate knows b in epoch 1/)
  const moved = drive(POLICY, [AUTOMATIC], [authority, ahead, { kind: 'authority', side: 'b', epoch: 2 }, ahead])
  assert.equal(moved.state.refusal, undefined)
})

test('a rejected pair is held', () => {
  const rejected: RunInput = {
    kind: 'compared',
    source: side('new', 'old'),
    target: side('old', 'old'),
    nowMs: 0,
    rejections: { [SCOPE]: { source: 'new', target: 'old' } },
  }
  const run = drive(POLICY, [AUTOMATIC], [authority, rejected])
  assert.deepEqual(run.effects.at(-1), ['finish'])
  assert.deepEqual(run.state.compared[0]?.decision, { kind: 'hold', code: 'rejected' })
})
