// A commit from the first comparison to its journalled end, for libs/protocol/gate.ts.
//
//   read ─▶ compare ─▶ begin ─▶ write ─▶ … (halves, each read and compared again) ─▶ persist ─▶ readBack ─▶ end ─▶ reply
//                                 └── no answer ─▶ the commit stays open: see gate-recovery.ts

import type { GateErrorCode } from '#contracts/gate.ts'
import type {
  CommitRequest,
  GateChecks,
  GateEffect,
  GateInput,
  GateState,
  GateStep,
  LiveScopes,
  OpenCommit,
  Queued,
  Running,
  ScopeResult,
  Work,
  WriteAnswer,
} from './gate-types.ts'

/** The same object without one of its optional members. */
export function without<T extends object, K extends keyof T>(value: T, key: K): Omit<T, K> {
  const { [key]: _, ...rest } = value
  return rest
}

export function refused(queued: Queued, code: GateErrorCode, message: string): GateEffect {
  return { kind: 'reply', to: queued.from, answer: { kind: 'refused', code, message } }
}

/** Gives the mutex back. */
export function release(state: GateState, effects: readonly GateEffect[]): GateStep {
  return { state: without(state, 'running'), effects }
}

export function readLive(relationship: string, options: { toWrite?: boolean; recovering?: boolean } = {}): GateEffect {
  return { kind: 'readLive', relationship, toWrite: options.toWrite === true, recovering: options.recovering === true }
}

/** The result of one scope; `wanted` stays away where the scope is to be deleted. */
export function resultOf(
  intent: { readonly scope: string; readonly wanted?: string },
  result: ScopeResult['result'],
  more: Pick<ScopeResult, 'code' | 'message' | 'persisted'> = {},
): ScopeResult {
  return { scope: intent.scope, ...(intent.wanted === undefined ? {} : { wanted: intent.wanted }), result, ...more }
}

const CHANGED = 'The scope is not as it was when the change was planned; nothing of it was written.'

/** Compares what was just read and begins to write what may be written. */
export function compare(
  state: GateState,
  queued: Queued,
  request: CommitRequest,
  read: Extract<GateInput, { kind: 'read' }>,
  checks: GateChecks,
): GateStep {
  const settled: ScopeResult[] = []
  const intents: Work['intents'][number][] = []
  for (const scope of request.scopes) {
    const live = read.live[scope.scope]
    if (live === scope.wanted) settled.push(resultOf(scope, 'unchanged'))
    else if (checks.comparison && live !== scope.expected)
      settled.push(resultOf(scope, 'target-changed', { message: CHANGED }))
    else {
      const { wanted } = scope
      intents.push({
        scope: scope.scope,
        ...(live === undefined ? {} : { preImage: live }),
        ...(wanted === undefined ? {} : { wanted }),
      })
    }
  }
  const { relationship, epoch, job } = request
  const above = request.serialAbove === undefined ? {} : { serialAbove: request.serialAbove }
  const open: OpenCommit = { job, relationship, epoch, intents, settled, ...above }
  const work: Work = { ...open, batches: [intents.map((intent) => intent.scope)], applied: [] }
  if (intents.length === 0) return end(state, queued, { ...work, batches: [] })
  if (checks.failoverState && !read.normal) {
    const message = `The failover state of ${relationship} is not normal at ${state.server}; nothing was written.`
    return release(state, [refused(queued, 'not-normal', message)])
  }
  return {
    state: { ...state, running: { phase: 'begin', queued, work } },
    effects: [{ kind: 'journalBegin', commit: open }],
  }
}

/** Sends the next batch. */
function write(state: GateState, queued: Queued, work: Work): GateStep {
  const batch = new Set(work.batches[0])
  const writes = work.intents
    .filter((intent) => batch.has(intent.scope))
    .map(({ scope, wanted }) => ({ scope, ...(wanted === undefined ? {} : { fingerprint: wanted }) }))
  return { state: { ...state, running: { phase: 'write', queued, work } }, effects: [{ kind: 'write', writes }] }
}

/** The next batch was read again just now: it is compared like the first one. */
function compareAgain(state: GateState, queued: Queued, work: Work, live: LiveScopes, checks: GateChecks): GateStep {
  const [batch = [], ...later] = work.batches
  const waiting = new Set(batch)
  const changed = checks.comparison
    ? work.intents.filter((intent) => waiting.has(intent.scope) && live[intent.scope] !== intent.preImage)
    : []
  for (const { scope } of changed) waiting.delete(scope)
  const settled = [
    ...work.settled,
    ...changed.map((intent) => resultOf(intent, 'target-changed', { message: CHANGED })),
  ]
  const rest: Work = { ...work, settled, batches: waiting.size > 0 ? [[...waiting], ...later] : later }
  return waiting.size > 0 ? write(state, queued, rest) : next(state, queued, rest)
}

/** Goes on to the next batch, or finishes what was written. */
function next(state: GateState, queued: Queued, work: Work): GateStep {
  if (work.batches.length > 0) {
    const effects = [readLive(work.relationship, { toWrite: true })]
    return { state: { ...state, running: { phase: 'reread', queued, work } }, effects }
  }
  if (work.applied.length === 0) return end(state, queued, work)
  return { state: { ...state, running: { phase: 'persist', queued, work } }, effects: [{ kind: 'persist' }] }
}

function written(state: GateState, queued: Queued, work: Work, answer: WriteAnswer): GateStep {
  const [batch = [], ...later] = work.batches
  const settle = (
    scopes: readonly string[],
    result: ScopeResult['result'],
    more: Pick<ScopeResult, 'code' | 'message'>,
  ) => {
    const named = new Set(scopes)
    return [
      ...work.settled,
      ...work.intents.filter(({ scope }) => named.has(scope)).map((intent) => resultOf(intent, result, more)),
    ]
  }
  switch (answer.kind) {
    case 'applied':
      return next(state, queued, { ...work, applied: [...work.applied, ...batch], batches: later })
    case 'rejected': {
      const culprits = new Map(
        answer.scopes.filter(({ scope }) => batch.includes(scope)).map((named) => [named.scope, named]),
      )
      if (culprits.size === 0 && batch.length === 1) {
        const settled = settle(batch, 'rejected', { code: 'rejected', message: answer.message })
        return next(state, queued, { ...work, settled, batches: later })
      }
      if (culprits.size === 0) {
        const half = Math.ceil(batch.length / 2)
        return next(state, queued, { ...work, batches: [batch.slice(0, half), batch.slice(half), ...later] })
      }
      const rejected = work.intents.flatMap((intent) => {
        const named = culprits.get(intent.scope)
        return named === undefined ? [] : [resultOf(intent, 'rejected', { code: named.code, message: named.message })]
      })
      const rest = batch.filter((scope) => !culprits.has(scope))
      const batches = rest.length > 0 ? [rest, ...later] : later
      return next(state, queued, { ...work, settled: [...work.settled, ...rejected], batches })
    }
    case 'held': {
      const { code, message } = answer
      return next(state, queued, {
        ...work,
        settled: settle(work.batches.flat(), 'held', { code, message }),
        batches: [],
      })
    }
    case 'not-sent': {
      const { code, message } = answer
      const settled = settle(work.batches.flat(), 'target-changed', { code, message })
      return next(state, queued, { ...work, settled, batches: [], failure: { code, message } })
    }
    case 'unknown':
      return leaveOpen(state, queued, work, answer.message)
    default:
      return answer satisfies never
  }
}

/** The server has what was written, as far as it said; only the read-back makes it so. */
function readBack(state: GateState, queued: Queued, work: Work, live: LiveScopes, checks: GateChecks): GateStep {
  const applied = new Set(work.applied)
  const results = work.intents
    .filter((intent) => applied.has(intent.scope))
    .map((intent) =>
      !checks.readBack || live[intent.scope] === intent.wanted
        ? resultOf(intent, 'written', { persisted: work.persisted === true })
        : resultOf(intent, 'held', {
            code: 'read-back-differs',
            message:
              'The server took the write, but what it runs now is something else: it was changed in the same moment, or the server altered it.',
          }),
    )
  return end(state, queued, { ...work, settled: [...work.settled, ...results] })
}

/** Journals the results and the bases they set; where there is nothing to journal, answers at once. */
function end(state: GateState, queued: Queued, work: Work): GateStep {
  const bases = basesOf(work.settled)
  if (work.intents.length === 0 && bases.length === 0) return release(state, [committed(queued, work, 0)])
  return { state: { ...state, running: { phase: 'end', queued, work } }, effects: [journalEnd(work, bases)] }
}

export function basesOf(
  results: readonly ScopeResult[],
): readonly { readonly scope: string; readonly fingerprint?: string }[] {
  return results
    .filter(({ result }) => result === 'written' || result === 'unchanged')
    .map(({ scope, wanted }) => ({ scope, ...(wanted === undefined ? {} : { fingerprint: wanted }) }))
}

export function journalEnd(work: Work, bases: ReturnType<typeof basesOf>): GateEffect {
  const { job, relationship, epoch, settled, persistMessage, serialAbove } = work
  const message = persistMessage === undefined ? {} : { persistMessage }
  return {
    kind: 'journalEnd',
    job,
    relationship,
    epoch,
    results: settled,
    bases,
    ...message,
    ...(serialAbove === undefined ? {} : { serialAbove }),
  }
}

function committed(queued: Queued, work: Work, serial: number): GateEffect {
  if (work.failure !== undefined && work.applied.length === 0)
    return refused(queued, work.failure.code, work.failure.message)
  const based = new Set(basesOf(work.settled).map(({ scope }) => scope))
  const results = work.settled.map((result) =>
    based.has(result.scope) ? { ...result, baseEpoch: work.epoch, baseSerial: serial } : result,
  )
  const message = work.persistMessage === undefined ? {} : { persistMessage: work.persistMessage }
  return { kind: 'reply', to: queued.from, answer: { kind: 'committed', job: work.job, results, ...message } }
}

/** It is unknown what the server has now. Every ticket was given out for a state that may be gone. */
function leaveOpen(state: GateState, queued: Queued, work: Work, message: string): GateStep {
  const { job, relationship, epoch, intents, settled, serialAbove } = work
  const above = serialAbove === undefined ? {} : { serialAbove }
  const open: OpenCommit = { job, relationship, epoch, intents, settled, ...above }
  return release({ ...state, open, tickets: {} }, [refused(queued, 'uncertain', message)])
}

/** What came back for a commit that holds the mutex. */
export function advanceCommit(
  state: GateState,
  phase: Running['phase'],
  queued: Queued,
  work: Work,
  input: GateInput,
  checks: GateChecks,
): GateStep {
  if (phase === 'begin' && input.kind === 'begun') return write(state, queued, work)
  if (phase === 'begin' && input.kind === 'journalFailed')
    return release(state, [refused(queued, 'internal', input.message)])
  if (phase === 'write' && input.kind === 'writeAnswered') return written(state, queued, work, input.answer)
  if (phase === 'persist' && input.kind === 'persistAnswered') {
    const { persisted, message } = input
    const kept: Work = { ...work, persisted, ...(message === undefined ? {} : { persistMessage: message }) }
    return {
      state: { ...state, running: { phase: 'readBack', queued, work: kept } },
      effects: [readLive(work.relationship)],
    }
  }
  if (phase === 'reread' && input.kind === 'read') return compareAgain(state, queued, work, input.live, checks)
  if (phase === 'readBack' && input.kind === 'read') return readBack(state, queued, work, input.live, checks)
  if ((phase === 'reread' || phase === 'readBack') && input.kind === 'readFailed')
    return leaveOpen(state, queued, work, input.message)
  if (phase === 'end' && input.kind === 'ended') return release(state, [committed(queued, work, input.serial)])
  if (phase === 'end' && input.kind === 'journalFailed') {
    // Nothing was begun where nothing had to be written, so there is nothing to resolve either.
    if (work.intents.length === 0) return release(state, [refused(queued, 'internal', input.message)])
    return leaveOpen(state, queued, work, input.message)
  }
  return unexpected(phase, input)
}

/** An input that answers nothing that was asked is a bug of the caller. */
export function unexpected(phase: string, input: GateInput): never {
  throw new Error(`the gate got "${input.kind}" in phase "${phase}"`)
}
