// The end of a commit, ordinary or recovered: which bases it sets, which scopes it marks as restored, what is answered.
//
//   replicate, adopt   base := wanted where it was written or found so; that ends the scope's `restored` mark
//   restore            the base stays as it was; the scope is marked, so that nothing undoes the restore by itself

import { readLive, refused, release, resultOf, without } from './gate-steps.ts'
import type {
  GateChecks,
  GateEffect,
  GateState,
  GateStep,
  LiveScopes,
  OpenCommit,
  PersistAnswer,
  Queued,
  RestoredMarks,
  ScopeResult,
  Work,
} from './gate-types.ts'

type Ended = Pick<Work, 'relationship' | 'exception' | 'settled'>
type NewBase = { readonly scope: string; readonly fingerprint?: string }

function isThere({ result }: ScopeResult): boolean {
  return result === 'written' || result === 'unchanged'
}

function basesOf({ exception, settled }: Ended): readonly NewBase[] {
  if (exception?.kind === 'restore') return []
  return settled
    .filter(isThere)
    .map(({ scope, wanted }) => ({ scope, ...(wanted === undefined ? {} : { fingerprint: wanted }) }))
}

function restoredBy({ exception, settled }: Ended): readonly string[] {
  return exception?.kind === 'restore' ? settled.filter(isThere).map(({ scope }) => scope) : []
}

export function journalEnd(work: Work): GateEffect {
  const { job, relationship, epoch, settled, persistMessage, serialAbove, exception } = work
  return {
    kind: 'journalEnd',
    job,
    relationship,
    epoch,
    results: settled,
    bases: basesOf(work),
    restored: restoredBy(work),
    ...(exception === undefined ? {} : { exception }),
    ...(persistMessage === undefined ? {} : { persistMessage }),
    ...(serialAbove === undefined ? {} : { serialAbove }),
  }
}

/** Journals the results, bases and marks; where there is nothing to journal, answers at once. */
export function end(state: GateState, queued: Queued, work: Work): GateStep {
  const isNothing = work.intents.length === 0 && basesOf(work).length === 0 && restoredBy(work).length === 0
  if (isNothing) return release(state, [committed(queued, work, 0)])
  return { state: { ...state, running: { phase: 'end', queued, work } }, effects: [journalEnd(work)] }
}

/** The journal has the end: the marks in memory follow it. */
export function withMarksOf(state: GateState, work: Ended): GateState {
  const ends = basesOf(work).map(({ scope }) => scope)
  const cleared = withoutMarks(state.restored, work.relationship, ends)
  const marked = restoredBy(work)
  if (marked.length === 0) return { ...state, restored: cleared }
  const job = work.exception?.approval ?? ''
  const marks = { ...cleared[work.relationship], ...Object.fromEntries(marked.map((scope) => [scope, job])) }
  return { ...state, restored: { ...cleared, [work.relationship]: marks } }
}

export function withoutMarks(marks: RestoredMarks, relationship: string, scopes: readonly string[]): RestoredMarks {
  const known = marks[relationship]
  if (known === undefined || !scopes.some((scope) => scope in known)) return marks
  const ended = new Set(scopes)
  const rest = Object.entries(known).filter(([scope]) => !ended.has(scope))
  if (rest.length === 0) return without(marks as Record<string, never>, relationship)
  return { ...marks, [relationship]: Object.fromEntries(rest) }
}

export function committed(queued: Queued, work: Work, serial: number): GateEffect {
  if (work.failure !== undefined && work.applied.length === 0)
    return refused(queued, work.failure.code, work.failure.message)
  const based = new Set(basesOf(work).map(({ scope }) => scope))
  const results = work.settled.map((result) =>
    based.has(result.scope) ? { ...result, baseEpoch: work.epoch, baseSerial: serial } : result,
  )
  const message = work.persistMessage === undefined ? {} : { persistMessage: work.persistMessage }
  return { kind: 'reply', to: queued.from, answer: { kind: 'committed', job: work.job, results, ...message } }
}

/** It is unknown what the server has now. Every ticket was given out for a state that may be gone. */
export function leaveOpen(state: GateState, queued: Queued, work: Work, message: string): GateStep {
  const { job, relationship, epoch, intents, settled, serialAbove, exception } = work
  const open: OpenCommit = {
    job,
    relationship,
    epoch,
    intents,
    settled,
    ...(serialAbove === undefined ? {} : { serialAbove }),
    ...(exception === undefined ? {} : { exception }),
  }
  return release({ ...state, open, tickets: {} }, [refused(queued, 'uncertain', message)])
}

/** What is known of an edit that the write replaced without having seen it. */
function overwritten({ overwrote }: Work, scope: string): Pick<ScopeResult, 'code' | 'message'> {
  const message = overwrote?.[scope] ?? overwrote?.['*']
  return message === undefined ? {} : { code: 'overwrote-edit', message }
}

/** The server has what was written, as far as it said; only the read-back makes it so. */
export function readBack(state: GateState, queued: Queued, work: Work, live: LiveScopes, checks: GateChecks): GateStep {
  const applied = new Set(work.applied)
  const results = work.intents
    .filter((intent) => applied.has(intent.scope))
    .map((intent) =>
      !checks.readBack || live[intent.scope] === intent.wanted
        ? resultOf(intent, 'written', { persisted: work.persisted === true, ...overwritten(work, intent.scope) })
        : resultOf(intent, 'held', {
            code: 'read-back-differs',
            message:
              'The server took the write, but what it runs now is something else: it was changed in the same moment, or the server altered it.',
          }),
    )
  return end(state, queued, { ...work, settled: [...work.settled, ...results] })
}

/** It is on the server, and durable or not; now it is read back. */
export function startReadBack(state: GateState, queued: Queued, work: Work, answer: PersistAnswer): GateStep {
  const { persisted, message, overwrote } = answer
  const kept: Work = {
    ...work,
    persisted,
    ...(message === undefined ? {} : { persistMessage: message }),
    // The store holds all scopes in one: which one was edited is not known.
    ...(overwrote === undefined ? {} : { overwrote: { ...work.overwrote, '*': overwrote } }),
  }
  return {
    state: { ...state, running: { phase: 'readBack', queued, work: kept } },
    effects: [readLive(work.relationship)],
  }
}
