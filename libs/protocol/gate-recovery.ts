// A commit that was begun and not ended, because the process died or the server did not answer.
// The server is read, and per scope the first that fits decides:
//
//   live == wanted                                 it was written: persist it, base := wanted (a restore: mark it)
//   live == pre-image                              it was not written
//   every object is of the pre-image or wanted     half a write: the pre-image is put back
//   anything else                                  touched by somebody else: left alone, held as dirty

import { journalEnd, withMarksOf } from './gate-end.ts'
import { readLive, refused, release, resultOf, unexpected, without } from './gate-steps.ts'
import type {
  GateInput,
  GateState,
  GateStep,
  Intent,
  LiveScopes,
  OpenCommit,
  RecoveryRunning,
  ScopeResult,
  Work,
  WriteAnswer,
} from './gate-types.ts'

const INTERRUPTED = 'The write was interrupted; the scope is as it was before it.'
const DIRTY =
  'A write was interrupted, and what the server has now is neither what it had before nor what was to be written. Nothing is written over it. Compare the scope and make both sides equal, then it goes on by itself.'

export function beginRecovery(state: GateState, open: OpenCommit): GateStep {
  const effects = [readLive(open.relationship, { recovering: true })]
  return { state: { ...state, running: { phase: 'recoverRead' } }, effects }
}

function recover(state: GateState, open: OpenCommit, read: Extract<GateInput, { kind: 'read' }>): GateStep {
  const mixed = new Set(read.mixed)
  const settled: ScopeResult[] = open.settled.filter(
    (known) => !open.intents.some((intent) => intent.scope === known.scope),
  )
  const applied: string[] = []
  const restore: string[] = []
  for (const intent of open.intents) {
    const live = read.live[intent.scope]
    if (live === intent.wanted) applied.push(intent.scope)
    else if (live === intent.preImage) settled.push(notWritten(open, intent))
    else if (mixed.has(intent.scope)) restore.push(intent.scope)
    else settled.push(resultOf(intent, 'held', { code: 'dirty', message: DIRTY }))
  }
  const work: Work = { ...open, settled, applied, batches: restore.length > 0 ? [restore] : [] }
  if (restore.length > 0) {
    const preImages = new Map(open.intents.map((intent) => [intent.scope, intent.preImage]))
    const writes = restore.map((scope) => {
      const fingerprint = preImages.get(scope)
      return { scope, ...(fingerprint === undefined ? {} : { fingerprint }) }
    })
    return { state: { ...state, running: { phase: 'restore', work } }, effects: [{ kind: 'write', writes }] }
  }
  return applied.length > 0 ? persistRecovered(state, work) : endRecovery(state, work)
}

/** A scope that the server had already refused keeps that answer. */
function notWritten(open: OpenCommit, intent: Intent): ScopeResult {
  const known = open.settled.find((settled) => settled.scope === intent.scope)
  return known ?? resultOf(intent, 'target-changed', { code: 'interrupted', message: INTERRUPTED })
}

function persistRecovered(state: GateState, work: Work): GateStep {
  return { state: { ...state, running: { phase: 'recoverPersist', work } }, effects: [{ kind: 'persist' }] }
}

/** The pre-images were sent. `undefined`: the server did not say what became of them; it stays uncertain. */
function restored(state: GateState, work: Work, answer: WriteAnswer): GateStep | undefined {
  switch (answer.kind) {
    case 'applied':
      return persistRecovered(state, work)
    case 'rejected':
    case 'held': {
      const refusedScopes = new Set(work.batches[0])
      const message = `${DIRTY} The server refused to take the earlier content back: ${answer.message}`
      const dirty = work.intents
        .filter((intent) => refusedScopes.has(intent.scope))
        .map((intent) => resultOf(intent, 'held', { code: 'dirty', message }))
      const rest: Work = { ...work, batches: [], settled: [...work.settled, ...dirty] }
      return rest.applied.length > 0 ? persistRecovered(state, rest) : endRecovery(state, rest)
    }
    case 'changed':
    case 'not-sent':
    case 'unknown':
      return undefined
    default:
      return answer satisfies never
  }
}

function readBackRecovered(state: GateState, work: Work, live: LiveScopes): GateStep {
  const applied = new Set(work.applied)
  const putBack = new Set(work.batches[0])
  const results = work.intents.flatMap((intent): readonly ScopeResult[] => {
    const dirty = resultOf(intent, 'held', { code: 'dirty', message: DIRTY })
    if (applied.has(intent.scope)) {
      const ours = live[intent.scope] === intent.wanted
      return [ours ? resultOf(intent, 'written', { persisted: work.persisted === true }) : dirty]
    }
    if (!putBack.has(intent.scope)) return []
    const asBefore = live[intent.scope] === intent.preImage
    return [asBefore ? resultOf(intent, 'target-changed', { code: 'interrupted', message: INTERRUPTED }) : dirty]
  })
  return endRecovery(state, { ...work, settled: [...work.settled, ...results] })
}

function endRecovery(state: GateState, work: Work): GateStep {
  return { state: { ...state, running: { phase: 'recoverEnd', work } }, effects: [journalEnd(work)] }
}

/** What came back for a recovery that holds the mutex. */
export function advanceRecovery(state: GateState, running: RecoveryRunning, input: GateInput): GateStep {
  if (input.kind === 'readFailed' || input.kind === 'journalFailed') return stayUncertain(state, input.message)
  if (running.phase === 'recoverRead') {
    if (input.kind !== 'read' || state.open === undefined) return unexpected(running.phase, input)
    return recover(state, state.open, input)
  }
  const { work } = running
  if (running.phase === 'restore' && input.kind === 'writeAnswered') {
    return (
      restored(state, work, input.answer) ?? stayUncertain(state, 'The server did not take back the earlier content.')
    )
  }
  if (running.phase === 'recoverPersist' && input.kind === 'persistAnswered') {
    const { persisted, message } = input
    const kept: Work = { ...work, persisted, ...(message === undefined ? {} : { persistMessage: message }) }
    const effects = [readLive(work.relationship, { recovering: true })]
    return { state: { ...state, running: { phase: 'recoverReadBack', work: kept } }, effects }
  }
  if (running.phase === 'recoverReadBack' && input.kind === 'read') return readBackRecovered(state, work, input.live)
  if (running.phase === 'recoverEnd' && input.kind === 'ended')
    return release(without(withMarksOf(state, work), 'open'), [])
  return unexpected(running.phase, input)
}

/** The server could not be read: everybody who waits is told, rather than asked to wait for it one by one. */
function stayUncertain(state: GateState, message: string): GateStep {
  const text = `A write to ${state.server} was interrupted, and what it has now is not known yet: ${message}`
  // A foreign mark may be the very reason, and whoever claims the server does away with it.
  const claims = state.queue.filter(({ request }) => request.op === 'claim')
  const effects = state.queue
    .filter(({ request }) => request.op !== 'claim')
    .map((queued) => refused(queued, 'uncertain', text))
  return release({ ...state, queue: claims }, effects)
}
