// A commit from the first comparison to its journalled end, for libs/protocol/gate.ts.
//
//   read ─▶ compare ─▶ begin ─▶ write ─▶ … (halves, each read and compared again) ─▶ persist ─▶ readBack ─▶ end ─▶ reply
//                                 └── no answer ─▶ the commit stays open: see gate-recovery.ts

import { committed, end, leaveOpen, readBack, startReadBack, withMarksOf } from './gate-end.ts'
import { readLive, refused, release, resultOf, unexpected } from './gate-steps.ts'
import type {
  CommitRequest,
  GateChecks,
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

const CHANGED = 'The scope is not as it was when the change was planned; nothing of it was written.'

function restoredMessage(job: string): string {
  return `Job ${job} restored this scope, so nothing overwrites it until somebody approves: look at the difference, then approve the job that is held, or reject it.`
}

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
  const { purpose = 'replicate' } = request
  const isException = purpose !== 'replicate'
  for (const scope of request.scopes) {
    const live = read.live[scope.scope]
    const mark = state.restored[request.relationship]?.[scope.scope]
    if (live === scope.wanted) settled.push(resultOf(scope, 'unchanged'))
    else if (checks.comparison && live !== scope.expected)
      settled.push(resultOf(scope, 'target-changed', { message: CHANGED }))
    else if (checks.restored && mark !== undefined && scope.approved !== true && !isException)
      settled.push(resultOf(scope, 'held', { code: 'restored', message: restoredMessage(mark) }))
    else {
      const { wanted } = scope
      intents.push({
        scope: scope.scope,
        ...(live === undefined ? {} : { preImage: live }),
        ...(wanted === undefined ? {} : { wanted }),
      })
    }
  }
  const { relationship, epoch, job, serialAbove } = request
  const approval = state.tickets[relationship]?.exception?.approval ?? job
  const open: OpenCommit = {
    job,
    relationship,
    epoch,
    intents,
    settled,
    ...(serialAbove === undefined ? {} : { serialAbove }),
    ...(isException ? { exception: { kind: purpose, approval } } : {}),
  }
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
    case 'applied': {
      const overwrote = answer.overwrote === undefined ? {} : { overwrote: { ...work.overwrote, ...answer.overwrote } }
      return next(state, queued, { ...work, ...overwrote, applied: [...work.applied, ...batch], batches: later })
    }
    case 'changed': {
      // Planned again from what is there now; other scopes of the batch may be as they were, and will pass then.
      const settled = settle(work.batches.flat(), 'target-changed', { message: answer.message })
      return next(state, queued, { ...work, settled, batches: [] })
    }
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
    return startReadBack(state, queued, work, input)
  }
  if (phase === 'reread' && input.kind === 'read') return compareAgain(state, queued, work, input.live, checks)
  if (phase === 'readBack' && input.kind === 'read') return readBack(state, queued, work, input.live, checks)
  if ((phase === 'reread' || phase === 'readBack') && input.kind === 'readFailed')
    return leaveOpen(state, queued, work, input.message)
  if (phase === 'end' && input.kind === 'ended')
    return release(withMarksOf(state, work), [committed(queued, work, input.serial)])
  if (phase === 'end' && input.kind === 'journalFailed') {
    // Nothing was begun where nothing had to be written, so there is nothing to resolve either.
    if (work.intents.length === 0) return release(state, [refused(queued, 'internal', input.message)])
    return leaveOpen(state, queued, work, input.message)
  }
  return unexpected(phase, input)
}
