// The bounded worlds that are visited completely, and the larger one for random walks. Each says what may happen in
// it and how often; what it leaves out is in another one.

import { ALL } from './steps.ts'
import type { OperatorEdit, Scenario } from './world.ts'

const s = (content: string): OperatorEdit => ({ scope: 's', content })

export const HOLD: Scenario['policy'] = {
  onForeignEdit: 'hold',
  onConflict: 'hold',
  prune: 'ask',
  onAuthorityLoss: 'hold',
}

const PLAIN: Omit<Scenario, 'name' | 'accidents'> = {
  scopes: ['s'],
  policy: HOLD,
  edits: { a: [s('a1')], b: [] },
  lock: false,
  workers: 2,
  checks: ALL,
}

/** Roughly by size, so that two threads end together. */
export const SCENARIOS: readonly Scenario[] = [
  {
    ...PLAIN,
    name: 'a gate dies at any moment, edits on both sides',
    edits: { a: [s('a1')], b: [s('b1')] },
    accidents: { runs: 2, gateKills: 1 },
  },
  { ...PLAIN, name: 'the authority moves while two work', accidents: { runs: 2 }, moves: ['b'] },
  {
    ...PLAIN,
    name: 'the records in NATS are lost, edits on both sides',
    edits: { a: [s('a1')], b: [s('b1')] },
    accidents: { runs: 2, kvLosses: 1 },
  },
  {
    ...PLAIN,
    name: 'two edits on the source, one on the target',
    edits: { a: [s('a1'), s('a2')], b: [s('b1')] },
    accidents: { runs: 2 },
  },
  { ...PLAIN, name: 'a request comes twice, late or out of order', accidents: { runs: 2, duplicates: 1 } },
  {
    ...PLAIN,
    name: 'the lock, lost at any moment',
    edits: { a: [s('a1')], b: [s('b1')] },
    lock: true,
    accidents: { runs: 2 },
  },
  { ...PLAIN, name: 'a message or its answer is lost', accidents: { runs: 2, losses: 1 } },
  {
    ...PLAIN,
    name: 'two scopes in a batch, which the server takes in part',
    scopes: ['s', 't'],
    edits: { a: [s('a1'), { scope: 't', content: 'a2' }], b: [s('b1')] },
    accidents: { runs: 3, badWrites: 1, gateKills: 1 },
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'a worker dies at any moment, edits on both sides',
    edits: { a: [s('a1')], b: [s('b1')] },
    accidents: { runs: 2, workerKills: 1 },
  },
  {
    ...PLAIN,
    name: 'moves of the authority, interrupted and side by side',
    accidents: { runs: 1, moverKills: 1 },
    moves: ['b', 'a'],
    areMovesTogether: true,
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'the authority moves though a gate does not answer',
    accidents: { runs: 2, losses: 1 },
    moves: ['b'],
    force: true,
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'the records are lost and the gates may agree, while the authority moves',
    policy: { ...HOLD, onAuthorityLoss: 'agree' },
    edits: { a: [s('a1')], b: [s('b1')] },
    accidents: { runs: 2, kvLosses: 1 },
    moves: ['b'],
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'writes that the server takes in part, not at all, or without an answer',
    accidents: { runs: 2, badWrites: 1 },
  },
  {
    ...PLAIN,
    name: 'edits on the target are overwritten, as the policy says',
    policy: { ...HOLD, onForeignEdit: 'revert', onConflict: 'authority-wins' },
    edits: { a: [s('a1')], b: [s('b1')] },
    accidents: { runs: 2 },
  },
  {
    ...PLAIN,
    name: 'a scope is deleted and made again',
    policy: { ...HOLD, prune: 'on' },
    edits: { a: [{ scope: 's' }, s('a1')], b: [] },
    accidents: { runs: 2 },
  },
  {
    ...PLAIN,
    name: 'the failover state changes, and a pause begins',
    accidents: { runs: 2, stateChanges: 1, pauses: 1 },
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'servers restart with an old file',
    edits: { a: [{ ...s('a1'), save: true }, s('a2')], b: [] },
    accidents: { runs: 3, restarts: 1, gateKills: 1 },
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'reads, the journal and persisting fail',
    accidents: { runs: 2, readFailures: 1, journalFailures: 1, persistFailures: 1 },
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'a gate loses its journal',
    edits: { a: [s('a1'), s('a2')], b: [] },
    areEditsAtRest: true,
    accidents: { runs: 2, journalLosses: 1 },
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'the other side is picked, while the authority moves',
    edits: { a: [], b: [s('b1')] },
    accidents: { runs: 1, corrections: 1 },
    correction: { kind: 'adopt', server: 'b', both: false, scopes: ['s'] },
    moves: ['b'],
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'the other side is picked, and whoever does it dies',
    edits: { a: [], b: [s('b1')] },
    accidents: { runs: 1, corrections: 2, workerKills: 1 },
    correction: { kind: 'adopt', server: 'b', both: false, scopes: ['s'] },
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'a scope is restored, with bad writes and deaths of a gate',
    accidents: { runs: 2, corrections: 2, badWrites: 1, gateKills: 1 },
    correction: { kind: 'restore', server: 'b', both: false, scopes: ['s'] },
    workers: 1,
  },
  {
    ...PLAIN,
    name: 'both partners are to be written at once, and cover for each other',
    edits: { a: [s('a1')], b: [s('b1')] },
    accidents: { runs: 2, corrections: 2 },
    correction: { kind: 'adopt', server: 'b', both: false, scopes: ['s'] },
    doCoversLast: true,
    workers: 1,
  },
  { ...PLAIN, name: 'every effect a step of its own', isFine: true, accidents: { runs: 2 } },
]

/** Beyond the bounds: everything may happen, several times. For random walks only. */
export const EVERYTHING: Scenario = {
  ...PLAIN,
  name: 'everything',
  scopes: ['s', 't'],
  edits: {
    a: [s('a1'), { scope: 't', content: 'a2' }, s('a3'), { scope: 't', content: '0' }, s('a4')],
    b: [{ scope: 't', content: 'b1' }, s('b2'), s('0')],
  },
  lock: true,
  accidents: {
    runs: 12,
    workerKills: 2,
    gateKills: 2,
    losses: 3,
    duplicates: 2,
    badWrites: 2,
    readFailures: 1,
    journalFailures: 1,
    persistFailures: 1,
    kvLosses: 1,
    stateChanges: 2,
    pauses: 1,
    moverKills: 1,
  },
  moves: ['b', 'a'],
  force: true,
}
