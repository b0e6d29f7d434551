// Each protection of the machines is needed: without it the explorer finds a way to break a rule, in a world in which
// there is none with it. TWINSCOPE_MODEL_TRACE=1 prints the ways.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GateChecks } from '#protocol/gate-types.ts'
import type { RunChecks } from '#protocol/job-types.ts'
import type { TakeoverChecks } from '#protocol/takeover.ts'
import { type Exploration, Explorer } from './explore.ts'
import { HOLD } from './scenarios.ts'
import { ALL } from './steps.ts'
import type { Checks, OperatorEdit, Scenario } from './world.ts'

const s = (content: string): OperatorEdit => ({ scope: 's', content })

type Small = Omit<Scenario, 'name' | 'scopes' | 'policy' | 'lock' | 'checks'>
type Needed = { readonly off: Checks; readonly in: Small; readonly breaks: RegExp }

const withoutGate = (check: keyof GateChecks): Checks => ({ ...ALL, gate: { ...ALL.gate, [check]: false } })
const withoutRun = (check: keyof RunChecks): Checks => ({ ...ALL, run: { ...ALL.run, [check]: false } })
const withoutMove = (check: keyof TakeoverChecks): Checks => ({ ...ALL, takeover: { ...ALL.takeover, [check]: false } })

const one: Small = { edits: { a: [s('a1')], b: [] }, accidents: { runs: 1 }, workers: 1 }
const two: Small = { ...one, accidents: { runs: 2 }, workers: 2 }

/** A caller that takes the authoritative side for the target: another version, or a wrong configuration. */
const WRONG_CALLER: Scenario['strayMessages'] = [
  { to: 'a', request: { op: 'prepare', relationship: 'r', side: 'a', epoch: 1, ticket: 'T9' } },
  {
    to: 'a',
    request: {
      op: 'commit',
      relationship: 'r',
      side: 'a',
      epoch: 1,
      ticket: 'T9',
      job: 'X',
      scopes: [{ scope: 's', expected: '0' }],
    },
  },
]

/** A caller that uses the approval of one scope for another. */
const OTHER_APPROVAL: Scenario['strayMessages'] = [
  {
    to: 'a',
    request: {
      op: 'prepare',
      relationship: 'r',
      side: 'a',
      epoch: 1,
      ticket: 'T9',
      exception: { kind: 'restore', approval: 'X', scopes: ['t'] },
    },
  },
  {
    to: 'a',
    request: {
      op: 'commit',
      relationship: 'r',
      side: 'a',
      epoch: 1,
      ticket: 'T9',
      job: 'X',
      purpose: 'restore',
      scopes: [{ scope: 's', expected: '0' }],
    },
  },
]

const NEEDED: Readonly<Record<string, Needed>> = {
  // The target has again what the older plan was made for: only the ticket tells that the plan is older.
  ticket: {
    off: withoutGate('ticket'),
    in: { ...two, edits: { a: [s('a1'), s('a2')], b: [s('0')] } },
    breaks: /operator's edit|older content/,
  },
  epoch: { off: withoutGate('epoch'), in: { ...two, moves: ['b'] }, breaks: /b is authoritative/ },
  comparison: {
    off: withoutGate('comparison'),
    in: { ...one, edits: { a: [s('a1')], b: [s('b1')] } },
    breaks: /overwritten unseen/,
  },
  'authoritative side': {
    off: withoutGate('authoritativeSide'),
    in: { ...one, strayMessages: WRONG_CALLER },
    breaks: /a is authoritative/,
  },
  'exception with the scopes that are approved': {
    off: withoutGate('exception'),
    in: { ...one, strayMessages: OTHER_APPROVAL },
    breaks: /a is authoritative/,
  },
  cover: {
    off: withoutGate('cover'),
    in: {
      ...one,
      edits: { a: [s('a1')], b: [s('b1')] },
      accidents: { runs: 2, corrections: 2 },
      correction: { kind: 'adopt', server: 'b', both: false, scopes: ['s'] },
      doCoversLast: true,
    },
    breaks: /both partners are being written/,
  },
  'failover state': {
    off: withoutGate('failoverState'),
    in: { ...one, accidents: { runs: 1, stateChanges: 1 } },
    breaks: /not normal/,
  },
  'known job': {
    off: withoutGate('knownJob'),
    in: { ...one, edits: { a: [s('a1')], b: [s('0')] }, accidents: { runs: 1, duplicates: 1 } },
    breaks: /operator's edit|twice/,
  },
  uncertainty: {
    off: withoutGate('uncertainty'),
    in: { ...two, accidents: { runs: 2, badWrites: 1 } },
    breaks: /while J\d is open/,
  },
  'read-back': {
    off: withoutGate('readBack'),
    in: { ...one, accidents: { runs: 1, badWrites: 1 } },
    breaks: /base of s became a1, which b never had/,
  },
  'mutex over fence and commit': {
    off: withoutGate('mutex'),
    in: { ...one, moves: ['b'] },
    breaks: /b is authoritative/,
  },
  'read after prepare': {
    off: withoutRun('readAfterPrepare'),
    in: { ...two, edits: { a: [s('a1'), s('a2')], b: [] } },
    breaks: /older content a1/,
  },
  recall: {
    off: withoutRun('recall'),
    in: { ...one, accidents: { runs: 2, workerKills: 1 } },
    breaks: /nobody is told/,
  },
  'base on both sides': {
    off: withoutRun('baseOnBothSides'),
    in: {
      ...one,
      edits: { a: [s('a1'), s('a2')], b: [] },
      areEditsAtRest: true,
      accidents: { runs: 2, journalLosses: 1 },
    },
    breaks: /conflict/,
  },
  'fence before publish': { off: withoutMove('fence'), in: { ...one, moves: ['b'] }, breaks: /b is authoritative/ },
  'compare-and-set of the record': {
    off: withoutMove('compareAndSet'),
    in: { ...one, moves: ['b', 'a'], areMovesTogether: true },
    breaks: /the record went from epoch 3 to 2/,
  },
}

function explore(name: string, small: Small, checks: Checks, maxStates?: number): Exploration {
  const scenario = { ...small, name, checks, scopes: ['s'], policy: HOLD, lock: false }
  return new Explorer(scenario).run(maxStates === undefined ? {} : { maxStates })
}

for (const [name, needed] of Object.entries(NEEDED)) {
  test(`${name}: without it a rule is broken, with it none`, (context) => {
    const { found, states } = explore(name, needed.in, needed.off)
    assert.ok(found !== undefined, 'nothing goes wrong without it')
    assert.match(found.problem, needed.breaks)
    context.diagnostic(`${found.problem}, after ${found.trace.length} steps`)
    if (process.env.TWINSCOPE_MODEL_TRACE !== undefined) for (const line of found.trace) context.diagnostic(`  ${line}`)

    // Breadth first, so twice as many states are farther from the beginning than what was found without it.
    assert.equal(explore(name, needed.in, ALL, Math.max(10_000, 2 * states)).found, undefined)
  })
}
