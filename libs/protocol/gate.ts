// The write gate of one DHCP server as a pure machine: (state, input) → (state, effects).
// DESIGN section 4. It knows no clock, no network and no chance, so a model checker can run it;
// libs/gate runs it over a driver and a journal.
//
// Whoever holds the mutex is `running`; everything else waits in `queue`. Each effect but `reply`
// is answered by one input, so at most one is under way.
//
//   prepare  epoch ─▶ side ─▶ read ─▶ new ticket
//   commit   known? ─▶ epoch ─▶ side ─▶ ticket ─▶ staged? ─▶ read ─▶ gate-commit.ts
//   agree    epoch ─▶ read ─▶ bases of the scopes that are exactly so
//   fence    epoch
//   claim    at once, also while a commit is open: a foreign mark may be why it cannot be resolved
//   stage, cover   change only memory, so they do not wait for the mutex: gate-tickets.ts, gate-cover.ts
//   an open commit (begin without end) is resolved before any of them: gate-recovery.ts

import { advanceCommit, compare } from './gate-commit.ts'
import { cover, expireCover } from './gate-cover.ts'
import { withoutMarks } from './gate-end.ts'
import { advanceRecovery, beginRecovery } from './gate-recovery.ts'
import { hold, readLive, refused, release, unexpected, without } from './gate-steps.ts'
import { judgeCommit, judgePrepare, stage, withTicket } from './gate-tickets.ts'
import {
  type AgreeScope,
  ALL_CHECKS,
  type CommitRequest,
  type GateAuthority,
  type GateChecks,
  type GateInput,
  type GateState,
  type GateStep,
  type LiveScopes,
  type OpenCommit,
  type Queued,
  type RestoredMarks,
  type Running,
  type ScopeResult,
} from './gate-types.ts'

export type InitialGate = {
  readonly server: string
  readonly authorities?: Readonly<Record<string, GateAuthority>>
  /** What the journal has as begun and not ended. */
  readonly open?: OpenCommit
  readonly restored?: RestoredMarks
}

/** A gate as it starts: epochs, marks and an open commit come from the journal; tickets and covers are gone. */
export function initialGate({ server, authorities = {}, open, restored = {} }: InitialGate): GateState {
  return {
    server,
    authorities,
    tickets: {},
    restored,
    covering: {},
    queue: [],
    ...(open === undefined ? {} : { open }),
  }
}

export function step(state: GateState, input: GateInput, checks: GateChecks = ALL_CHECKS): GateStep {
  const first = accept(state, input, checks)
  return drain(first, checks)
}

/** Starts what waits, as long as nobody holds the mutex. */
function drain(reached: GateStep, checks: GateChecks): GateStep {
  let { state } = reached
  const effects = [...reached.effects]
  while (state.running === undefined && state.queue.length > 0) {
    const started = start(state, checks)
    state = started.state
    effects.push(...started.effects)
  }
  return { state, effects }
}

function accept(state: GateState, input: GateInput, checks: GateChecks): GateStep {
  if (input.kind === 'request') {
    const { from, request } = input
    if (request.op === 'stage') return stage(state, from, request, checks)
    if (request.op === 'cover') return cover(state, from, request, checks)
    if (!checks.mutex && request.op === 'fence' && state.running !== undefined) {
      return fenceBesides(state, { from, request }, checks)
    }
    return { state: { ...state, queue: [...state.queue, { from, request }] }, effects: [] }
  }
  if (input.kind === 'recover') {
    return state.open === undefined || state.running !== undefined
      ? { state, effects: [] }
      : beginRecovery(state, state.open)
  }
  if (input.kind === 'coverExpired') return expireCover(state, input.relationship, input.job)
  if (state.running === undefined) throw new Error(`the gate got "${input.kind}" while nothing was under way`)
  return advance(state, state.running, input, checks)
}

function start(state: GateState, checks: GateChecks): GateStep {
  const [queued, ...queue] = state.queue
  if (queued === undefined) return { state, effects: [] }
  if (queued.request.op === 'claim') return hold({ ...state, queue }, 'claim', queued, { kind: 'claim' })
  // The request stays queued: it is served, or refused, when it is known what the server has.
  if (state.open !== undefined && checks.uncertainty) return beginRecovery(state, state.open)
  const taken = { ...state, queue }
  const { request } = queued
  if (request.op === 'persist') return hold(taken, 'persistAgain', queued, { kind: 'persist', again: true })
  if (request.op === 'commit' && checks.knownJob) {
    return hold(taken, 'lookUp', queued, { kind: 'lookUp', relationship: request.relationship, job: request.job })
  }
  return judgeEpoch(taken, queued, request, checks)
}

type EpochRequest = Exclude<Queued['request'], { op: 'persist' | 'claim' }>

function judgeEpoch(state: GateState, queued: Queued, request: EpochRequest, checks: GateChecks): GateStep {
  const { relationship, epoch, side } = request
  const known = state.authorities[relationship]
  if (checks.epoch && known !== undefined && epoch < known.epoch) {
    const message = `Epoch ${epoch} of ${relationship} is over; ${state.server} knows epoch ${known.epoch}.`
    return release(state, [refused(queued, 'stale-epoch', message)])
  }
  if (checks.epoch && known?.epoch === epoch && known.side !== side) {
    const message = `In epoch ${epoch} of ${relationship} the authoritative side is ${known.side}, not ${side}.`
    return release(state, [refused(queued, 'stale-epoch', message)])
  }
  if (known === undefined || epoch > known.epoch || (epoch === known.epoch && known.side !== side)) {
    const authority: GateAuthority = { epoch, side }
    return hold(state, 'epoch', queued, { kind: 'storeEpoch', relationship, authority })
  }
  return judged(state, queued, request, checks)
}

/** The epoch is durable; whatever was prepared under an earlier one is void. */
function adopt(state: GateState, request: EpochRequest, checks: GateChecks): GateState {
  const { relationship, epoch, side } = request
  const authorities = { ...state.authorities, [relationship]: { epoch, side } }
  const tickets = checks.ticket ? without(state.tickets as Record<string, never>, relationship) : state.tickets
  return { ...state, authorities, tickets }
}

/** The epoch is the gate's own. */
function judged(state: GateState, queued: Queued, request: EpochRequest, checks: GateChecks): GateStep {
  const { relationship } = request
  switch (request.op) {
    case 'fence': {
      const { epoch, side } = request
      return release(state, [{ kind: 'reply', to: queued.from, answer: { kind: 'fenced', epoch, side } }])
    }
    case 'agree':
      return hold(state, 'read', queued, readLive(relationship))
    case 'prepare':
    case 'commit': {
      const refusal =
        request.op === 'commit' ? judgeCommit(state, request, checks) : judgePrepare(state, request, checks)
      if (refusal !== undefined) return release(state, [refused(queued, refusal.code, refusal.message)])
      return hold(state, 'read', queued, readLive(relationship, { toWrite: true }))
    }
    default:
      return request satisfies never
  }
}

/** Without the mutex: a fence that does not wait for what runs. Only the tests and the model checker see it. */
function fenceBesides(
  state: GateState,
  queued: { readonly from: number; readonly request: Extract<EpochRequest, { op: 'fence' }> },
  checks: GateChecks,
): GateStep {
  const { relationship, epoch, side } = queued.request
  const known = state.authorities[relationship]
  if (known !== undefined && epoch <= known.epoch) {
    return { state: { ...state, queue: [...state.queue, queued] }, effects: [] }
  }
  const answer = { kind: 'fenced', epoch, side } as const
  return { state: adopt(state, queued.request, checks), effects: [{ kind: 'reply', to: queued.from, answer }] }
}

function advance(
  state: GateState,
  running: Running,
  input: Exclude<GateInput, { kind: 'request' | 'recover' | 'coverExpired' }>,
  checks: GateChecks,
): GateStep {
  if ('queued' in running) {
    return 'work' in running
      ? advanceCommit(state, running.phase, running.queued, running.work, input, checks)
      : advanceRequest(state, running.phase, running.queued, input, checks)
  }
  return advanceRecovery(state, running, input)
}

function advanceRequest(
  state: GateState,
  phase: Running['phase'],
  queued: Queued,
  input: GateInput,
  checks: GateChecks,
): GateStep {
  const { from, request } = queued
  if (input.kind === 'readFailed') return release(state, [refused(queued, input.code, input.message)])
  if (input.kind === 'journalFailed') return release(state, [refused(queued, 'internal', input.message)])
  if (phase === 'persistAgain' && input.kind === 'persistAnswered') {
    return release(state, [{ kind: 'reply', to: from, answer: { kind: 'persisted', persisted: input.persisted } }])
  }
  if (phase === 'claim' && input.kind === 'claimed') {
    const previous = input.previous === undefined ? {} : { previous: input.previous }
    return release(state, [{ kind: 'reply', to: from, answer: { kind: 'claimed', ...previous } }])
  }
  if (request.op === 'persist' || request.op === 'claim') return unexpected(phase, input)
  if (phase === 'epoch' && input.kind === 'epochStored') {
    return judged(adopt(state, request, checks), queued, request, checks)
  }
  if (phase === 'lookUp' && input.kind === 'lookedUp' && request.op === 'commit') {
    const results = knownResults(request, input.results)
    if (results === undefined) return judgeEpoch(state, queued, request, checks)
    return release(state, [{ kind: 'reply', to: from, answer: { kind: 'committed', job: request.job, results } }])
  }
  if (phase === 'read' && input.kind === 'read') {
    if (request.op === 'commit') return compare(state, queued, request, input, checks)
    if (request.op === 'agree') {
      const { relationship, epoch } = request
      return hold(state, 'storeBases', queued, {
        kind: 'storeBases',
        relationship,
        epoch,
        scopes: exactly(request.scopes, input.live),
      })
    }
    if (request.op === 'prepare') {
      const { ticket } = request
      return release(withTicket(state, request, checks), [
        { kind: 'reply', to: from, answer: { kind: 'prepared', ticket } },
      ])
    }
  }
  if (phase === 'storeBases' && input.kind === 'basesStored') {
    const { scopes, serial } = input
    const restored = withoutMarks(state.restored, request.relationship, scopes)
    return release({ ...state, restored }, [{ kind: 'reply', to: from, answer: { kind: 'agreed', scopes, serial } }])
  }
  return unexpected(phase, input)
}

/** Whether the journal already has what the request asks for, scope by scope. */
function knownResults(request: CommitRequest, results: readonly ScopeResult[]): readonly ScopeResult[] | undefined {
  // "target-changed" asks for a new plan, and the new plan comes with the same job: that is not a repetition.
  const final = new Map(
    results.filter((known) => known.result !== 'target-changed').map((known) => [known.scope, known]),
  )
  const answers = request.scopes.map(({ scope, wanted }) => {
    const known = final.get(scope)
    return known !== undefined && known.wanted === wanted ? known : undefined
  })
  const found = answers.filter((known) => known !== undefined)
  return request.scopes.length > 0 && found.length === answers.length ? found : undefined
}

function exactly(scopes: readonly AgreeScope[], live: LiveScopes): readonly AgreeScope[] {
  return scopes.filter(({ scope, fingerprint }) => live[scope] === fingerprint)
}
