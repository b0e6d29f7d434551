// The checker finds every kind of violation in a history that has it, and none in one that does not.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { check } from './checker/check.ts'
import {
  type Entry,
  type Evidence,
  INVARIANTS,
  type Invariant,
  type LogLine,
  type Relationship,
} from './checker/evidence.ts'

const A = '10.0.1.0/24'
const PERIOD_MS = 1_000

const relationship: Relationship = {
  name: 'a-b',
  authority: 'a',
  partner: 'b',
  scopes: [A],
  onForeignEdit: 'hold',
  onConflict: 'hold',
  prune: 'ask',
  onAuthorityLoss: 'agree',
}

const start = (scopes: Record<string, string>, at = 0): LogLine => ({
  kind: 'start',
  monotonicMs: at,
  token: `i${at}/0`,
  scopes,
})

/** A server's log; every line names the configuration after it, and a write of Twinscope the one before it. */
function logOf(first: Record<string, string>, ...changes: readonly Change[]): readonly LogLine[] {
  const log: LogLine[] = [start(first)]
  const live = new Map(Object.entries(first))
  let token = 'i0/0'
  for (const [index, { at, who, to, kind = 'write', readToken = token, scope = A }] of changes.entries()) {
    const before = live.get(scope)
    token = `i0/${index + 1}`
    log.push({
      kind,
      monotonicMs: at,
      who,
      scope,
      ...(before === undefined ? {} : { before }),
      ...(to === undefined ? {} : { after: to }),
      token,
      ...(who === 'twinscope' ? { readToken } : {}),
    })
    if (to === undefined) live.delete(scope)
    else live.set(scope, to)
  }
  return log
}

type Change = {
  readonly at: number
  readonly who: string
  readonly to?: string
  readonly kind?: 'write' | 'restart'
  readonly readToken?: string
  readonly scope?: string
}

let sequence = 0
function final(status: string, code: string, more: Partial<Entry> = {}): Entry {
  sequence++
  const rows = more.rows ?? [{ scope: A, status, code, after: 'v2' }]
  return {
    incarnation: 0,
    sequence,
    storedAtMs: 3_000,
    kind: 'final',
    job: `J${sequence}`,
    slot: 'a-b',
    automatic: true,
    status,
    code,
    ...more,
    rows,
  }
}

/** The source was changed and the change was replicated; long ago, so that everything is certain. */
function good(change: Partial<Evidence> = {}): Evidence {
  return {
    relationships: [relationship],
    logs: {
      a: logOf({ [A]: 'v1' }, { at: 2_000, who: 'admin', to: 'v2' }),
      b: logOf({ [A]: 'v1' }, { at: 2_500, who: 'twinscope', to: 'v2' }),
    },
    ledger: [final('replicated', 'changed')],
    requests: [],
    wipes: [],
    confirmations: [],
    interruptions: [],
    healedAtMs: 5_000,
    settledAtMs: 6_000,
    endedAtMs: 60_000,
    ...change,
  }
}

const found = (evidence: Evidence) => [
  ...new Set(check(evidence, PERIOD_MS).violations.map(({ invariant }) => invariant)),
]

test('nothing is found in a history without a violation', () => {
  const verdict = check(good(), PERIOD_MS)
  assert.deepEqual(verdict.violations, [])
  assert.equal(verdict.writes, 1)
})

const replicated = [final('replicated', 'changed')]
const b = (...changes: readonly Change[]) => logOf({ [A]: 'v1' }, ...changes)
const a = b

const CASES: readonly (readonly [name: string, invariant: Invariant, evidence: Evidence])[] = [
  [
    'a change never arrives',
    'lost',
    good({ logs: { a: a({ at: 2_000, who: 'admin', to: 'v2' }), b: b() }, ledger: [] }),
  ],
  [
    'the authoritative side is written',
    'wrong-side',
    good({ logs: { a: a({ at: 2_500, who: 'twinscope', to: 'v2' }), b: b({ at: 2_000, who: 'admin', to: 'v2' }) } }),
  ],
  [
    'a scope of no relationship is written',
    'wrong-side',
    good({
      logs: {
        a: good().logs.a ?? [],
        b: b({ at: 2_500, who: 'twinscope', to: 'v2' }, { at: 2_600, who: 'twinscope', to: 'x', scope: '10.9.0.0/24' }),
      },
      ledger: [
        ...replicated,
        final('replicated', 'changed', {
          rows: [{ scope: '10.9.0.0/24', status: 'replicated', code: 'changed', after: 'x' }],
        }),
      ],
    }),
  ],
  [
    'something else was written between the read and the write',
    'interleaved',
    good({
      relationships: [{ ...relationship, scopes: [A, '10.0.2.0/24'] }],
      logs: {
        a: logOf(
          { [A]: 'v1', '10.0.2.0/24': 'w1' },
          { at: 2_000, who: 'admin', to: 'v2' },
          { at: 2_000, who: 'admin', to: 'w2', scope: '10.0.2.0/24' },
        ),
        b: logOf(
          { [A]: 'v1', '10.0.2.0/24': 'w1' },
          { at: 2_500, who: 'twinscope', to: 'w2', scope: '10.0.2.0/24' },
          { at: 2_600, who: 'twinscope', to: 'v2', readToken: 'i0/0' },
        ),
      },
      ledger: [
        ...replicated,
        final('replicated', 'changed', {
          rows: [{ scope: '10.0.2.0/24', status: 'replicated', code: 'changed', after: 'w2' }],
        }),
      ],
    }),
  ],
  [
    'the source never had what was written',
    'stale',
    good({
      logs: {
        a: a({ at: 2_000, who: 'admin', to: 'v2' }),
        b: b({ at: 2_400, who: 'twinscope', to: 'x' }, { at: 2_500, who: 'twinscope', to: 'v2' }),
      },
      ledger: [
        ...replicated,
        final('replicated', 'changed', { rows: [{ scope: A, status: 'replicated', code: 'changed', after: 'x' }] }),
      ],
    }),
  ],
  [
    'an older content is written after a newer one',
    'stale',
    good({
      logs: {
        a: a({ at: 2_000, who: 'admin', to: 'v2' }, { at: 2_100, who: 'admin', to: 'v3' }),
        b: b(
          { at: 2_500, who: 'twinscope', to: 'v3' },
          { at: 2_600, who: 'twinscope', to: 'v2' },
          { at: 2_700, who: 'twinscope', to: 'v3' },
        ),
      },
      ledger: ['v2', 'v3'].map((after) =>
        final('replicated', 'changed', { rows: [{ scope: A, status: 'replicated', code: 'changed', after }] }),
      ),
    }),
  ],
  [
    "a person's edit on the partner is overwritten",
    'foreign-overwritten',
    good({
      logs: {
        a: a({ at: 2_000, who: 'admin', to: 'v2' }),
        b: b({ at: 1_500, who: 'admin', to: 'mine' }, { at: 2_500, who: 'twinscope', to: 'v2' }),
      },
    }),
  ],
  [
    'what is there already is written again',
    'echo',
    good({
      logs: {
        a: a({ at: 2_000, who: 'admin', to: 'v2' }),
        b: [
          ...b({ at: 2_500, who: 'twinscope', to: 'v2' }),
          { kind: 'unchanged', monotonicMs: 2_600, who: 'twinscope', token: 'i0/1', readToken: 'i0/1' },
        ],
      },
    }),
  ],
  ['an acknowledged request never ends', 'outcomes', good({ requests: [{ job: 'R1', acknowledgedAtMs: 1_000 }] })],
  [
    'a request ends twice',
    'outcomes',
    good({
      requests: [{ job: 'R1', acknowledgedAtMs: 1_000 }],
      ledger: [
        ...replicated,
        final('already-in-sync', 'equal', { job: 'R1', automatic: false }),
        final('already-in-sync', 'equal', { job: 'R1', automatic: false }),
      ],
    }),
  ],
  ['a write has no outcome', 'unreported', good({ ledger: [] })],
  [
    'a difference that is to be held is told by nobody',
    'not-converged',
    good({ logs: { a: a(), b: b({ at: 9_000, who: 'admin', to: 'mine' }) }, ledger: [] }),
  ],
  [
    'a difference is held for another reason than the table says',
    'wrong-reason',
    good({ logs: { a: a(), b: b({ at: 9_000, who: 'admin', to: 'mine' }) }, ledger: [final('held', 'conflict')] }),
  ],
  [
    'an authority that is lost is not told',
    'wrong-reason',
    good({
      relationships: [{ ...relationship, onAuthorityLoss: 'hold' }],
      wipes: [{ beganAtMs: 4_000, endedAtMs: 4_100 }],
    }),
  ],
  [
    'something is said after all was settled',
    'not-silent',
    good({ ledger: [...replicated, final('already-in-sync', 'equal', { storedAtMs: 9_000 })] }),
  ],
  ['something is written after all was settled', 'not-silent', good({ settledAtMs: 2_400 })],
]

for (const [name, invariant, evidence] of CASES) {
  test(`found: ${name}`, () => assert.deepEqual(found(evidence), [invariant]))
}

test('every invariant has a history that violates it', () => {
  assert.deepEqual([...new Set(CASES.map(([, invariant]) => invariant))].toSorted(), INVARIANTS.toSorted())
})

/** What both sides end with, and what the table makes of it. Everything was agreed on for long, or never. */
const DECISIONS: readonly (readonly [string, Partial<Relationship>, readonly LogLine[], readonly LogLine[], string])[] =
  [
    ['an edit on the partner', {}, a(), b({ at: 9_000, who: 'admin', to: 'x' }), 'foreign-edit'],
    ['a deletion on the partner', {}, a(), b({ at: 9_000, who: 'admin' }), 'foreign-edit'],
    ['both changed', {}, a({ at: 9_000, who: 'admin', to: 'y' }), b({ at: 9_000, who: 'admin', to: 'x' }), 'conflict'],
    ['a deletion on the source', {}, a({ at: 9_000, who: 'admin' }), b(), 'deleted'],
    ['a deletion on the source, prune off', { prune: 'off' }, a({ at: 9_000, who: 'admin' }), b(), 'deleted'],
    ['made on the partner', {}, logOf({}), logOf({}, { at: 9_000, who: 'admin', to: 'x' }), 'only-on-partner'],
    [
      'made on both sides',
      {},
      logOf({}, { at: 9_000, who: 'admin', to: 'y' }),
      logOf({}, { at: 9_000, who: 'admin', to: 'x' }),
      'first-contact',
    ],
    [
      'the source came up with an old file',
      {},
      a({ at: 2_000, who: 'admin', to: 'v2' }, { at: 9_000, who: 'restart', kind: 'restart', to: 'v1' }),
      b({ at: 2_500, who: 'twinscope', to: 'v2' }),
      'regressed',
    ],
    [
      'the source came up without what had been made since',
      { prune: 'on' },
      logOf({}, { at: 2_000, who: 'admin', to: 'v2' }, { at: 9_000, who: 'restart', kind: 'restart' }),
      logOf({}, { at: 2_500, who: 'twinscope', to: 'v2' }),
      'regressed',
    ],
  ]

for (const [name, policy, ours, theirs, code] of DECISIONS) {
  const evidence = (said: string) =>
    good({
      relationships: [{ ...relationship, ...policy }],
      logs: { a: ours, b: theirs },
      ledger: [...replicated, final('held', said)],
      settledAtMs: 10_000,
    })
  test(`held rightly: ${name} is ${code}`, () => {
    assert.deepEqual(found(evidence(code)), [])
    assert.equal(check(evidence(code), PERIOD_MS).held, 1)
    assert.deepEqual(found(evidence('dirty')), ['wrong-reason'])
  })
}

const MUST_ARRIVE: readonly (readonly [string, Partial<Relationship>, readonly LogLine[], readonly LogLine[]])[] = [
  ['an edit on the partner, to be reverted', { onForeignEdit: 'revert' }, a(), b({ at: 9_000, who: 'admin', to: 'x' })],
  [
    'a conflict that the authority wins',
    { onConflict: 'authority-wins' },
    a({ at: 9_000, who: 'admin', to: 'y' }),
    b({ at: 9_000, who: 'admin', to: 'x' }),
  ],
  ['a deletion, prune on', { prune: 'on' }, a({ at: 9_000, who: 'admin' }), b()],
  ['a creation', {}, logOf({}, { at: 9_000, who: 'admin', to: 'y' }), logOf({})],
  [
    'the partner lost the write',
    {},
    a({ at: 2_000, who: 'admin', to: 'v2' }),
    b({ at: 2_500, who: 'twinscope', to: 'v2' }, { at: 9_000, who: 'restart', kind: 'restart', to: 'v1' }),
  ],
]

for (const [name, policy, ours, theirs] of MUST_ARRIVE) {
  test(`must be replicated: ${name}`, () => {
    const evidence = good({ relationships: [{ ...relationship, ...policy }], logs: { a: ours, b: theirs } })
    assert.deepEqual(found(evidence), ['lost'])
  })
}

test('a write that a later outcome of the same job tells as an earlier one is told', () => {
  const logs = {
    a: a({ at: 2_000, who: 'admin', to: 'v2' }, { at: 3_000, who: 'admin', to: 'v3' }),
    b: b({ at: 2_500, who: 'twinscope', to: 'v2' }, { at: 3_500, who: 'twinscope', to: 'v3' }),
  }
  const row = { scope: A, status: 'replicated', code: 'changed', after: 'v3' }
  const told = (earlier?: Entry['rows'][number]['earlier']) =>
    good({ logs, ledger: [final('replicated', 'changed', { rows: [{ ...row, ...(earlier && { earlier }) }] })] })
  assert.deepEqual(found(told()), ['unreported'])
  assert.deepEqual(found(told([{ after: 'v2' }])), [])
})

test('a request that was accepted before NATS was wiped may be lost with it, and is counted', () => {
  const wipes = [{ beganAtMs: 4_000, endedAtMs: 4_100 }]
  const verdict = check(good({ wipes, requests: [{ job: 'R1', acknowledgedAtMs: 1_000 }] }), PERIOD_MS)
  assert.deepEqual(verdict.violations, [])
  assert.equal(verdict.lostInWipes, 1)
  assert.deepEqual(found(good({ wipes, requests: [{ job: 'R1', acknowledgedAtMs: 4_200 }] })), ['outcomes'])
})

test("an edit in the gate's own gap is counted and is no violation", () => {
  const logs = {
    a: a({ at: 2_000, who: 'admin', to: 'v2' }),
    b: b({ at: 2_450, who: 'admin', to: 'mine' }, { at: 2_500, who: 'twinscope', to: 'v2', readToken: 'i0/0' }),
  }
  const verdict = check(good({ logs }), PERIOD_MS)
  assert.deepEqual(verdict.violations, [])
  assert.equal(verdict.inTheGap, 1)
})

test('what a person has undone is not written a second time', () => {
  const source = logOf({ [A]: 'v1' }, { at: 1_000, who: 'operator', to: 'v2' })
  const changes = [
    { at: 1_200, who: 'twinscope', to: 'v2' },
    { at: 2_500, who: 'operator', to: 'v1' },
    { at: 2_600, who: 'twinscope', to: 'v2' },
  ]
  const target = logOf({ [A]: 'v1' }, ...changes)
  const found = (at: number) => {
    const evidence: Evidence = {
      relationships: [relationship],
      logs: { a: source, b: target },
      ledger: [final('replicated', 'changed')],
      requests: [],
      wipes: [],
      confirmations: [],
      interruptions: at === 0 ? [] : [{ server: 'b', atMs: at }],
      healedAtMs: 4_000,
      endedAtMs: 9_000,
    }
    return check(evidence, PERIOD_MS).violations.map(({ invariant }) => invariant)
  }
  assert.deepEqual(found(0), ['foreign-overwritten'])
  // Where the first write may not have been agreed on, what the person put there may be taken for what was before.
  assert.deepEqual(found(1_100), [])
})

test('which side is written wrongly follows the authority', () => {
  const source = logOf({ [A]: 'v1' }, { at: 5_000, who: 'operator', to: 'v2' })
  const target = logOf({ [A]: 'v1' }, { at: 6_000, who: 'twinscope', to: 'v2' })
  const found = (moves: NonNullable<Evidence['moves']>) => {
    const evidence: Evidence = {
      relationships: [relationship],
      logs: { a: source, b: target },
      ledger: [final('replicated', 'changed')],
      requests: [],
      wipes: [],
      confirmations: [],
      moves,
      interruptions: [],
      healedAtMs: 7_000,
      endedAtMs: 9_000,
    }
    return check(evidence, PERIOD_MS).violations.map(({ invariant }) => invariant)
  }
  const moved = (beganAtMs: number, endedAtMs: number) => [{ relationship: 'a-b', side: 'b', beganAtMs, endedAtMs }]
  assert.deepEqual(found([]), [])
  assert.deepEqual(found(moved(3_000, 4_000)), ['wrong-side'])
  assert.deepEqual(found(moved(5_500, 6_500)), [], 'while it is being moved either side may be copied from')
})

test('the checker imports nothing but itself', () => {
  const directory = join(import.meta.dirname, 'checker')
  const files = readdirSync(directory)
  assert.ok(files.length >= 4)
  for (const file of files) {
    const imports = [
      ...readFileSync(join(directory, file), 'utf8').matchAll(/\bfrom\s+'([^']+)'|\bimport\(\s*'?([^')]*)/g),
    ]
    for (const [, name, computed] of imports)
      assert.match(name ?? computed ?? '', /^\.\/[a-z-]+\.ts$/, `${file} imports it`)
  }
})
