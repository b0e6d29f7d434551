// Moving the authority of a relationship to one of its servers, as a pure machine: (state, input) → (state, effects).
// The same walk moves it, confirms it after the record was lost, and finishes or cancels an interrupted move:
//
//   authority ─▶ gates ─▶ fence(to) ─▶ publish ─▶ inform(partner) ─▶ finish
//       ▲                    │            │
//       └── a higher epoch, or another record, came in between: again, at most MAX_TAKEOVER_ROUNDS times
//
// Rules that the model explorer relies on:
//   - the new epoch is higher than the record's and that of every gate that can be asked;
//   - the new side's gate has it durably, and no commit of an older epoch runs there, before the record names that
//     side: from then on nothing is copied onto it;
//   - the record is replaced only where it is still the one that was read. A death before that leaves a gate above
//     the record: nothing is written, and the same walk settles it under a new epoch.

export type TakeoverRequest = {
  readonly relationship: string
  readonly servers: readonly [string, string]
  /** The server that becomes, or stays, the authoritative side. */
  readonly to: string
  /** Go on though the partner's gate cannot be asked; it may know a higher epoch, or edits that nobody has seen. */
  readonly force: boolean
  /** Refused where the record has another epoch; 0: where there is a record. Absent: not checked. */
  readonly expectedEpoch?: number
  /** Names this move, so that one that was interrupted after it was recorded knows its own record. */
  readonly job?: string
}

/** `job`: the move that made it. */
export type AuthorityRecord = {
  readonly side: string
  readonly epoch: number
  readonly revision: number
  readonly job?: string
}

export type KnownAtGate =
  | { readonly kind: 'knows'; readonly side: string; readonly epoch: number }
  | { readonly kind: 'knows-nothing' }
  | { readonly kind: 'unreachable'; readonly message: string }

export type TakeoverInput =
  | { readonly kind: 'authority'; readonly record?: AuthorityRecord }
  | { readonly kind: 'gates'; readonly gates: Readonly<Record<string, KnownAtGate>> }
  | { readonly kind: 'fenced' }
  /** The gate knows a higher epoch by now. */
  | { readonly kind: 'outdated' }
  | { readonly kind: 'unreachable'; readonly message: string }
  | { readonly kind: 'published' }
  | { readonly kind: 'informed' }

export type TakeoverEffect =
  | { readonly kind: 'read-authority'; readonly relationship: string }
  | { readonly kind: 'read-gates'; readonly servers: readonly string[] }
  /** Answered by `fenced`, `outdated` or `unreachable`. */
  | { readonly kind: 'fence'; readonly server: string; readonly side: string; readonly epoch: number }
  /** Replaces the record of that revision, or creates one where `revision` is absent: `published` or `outdated`. */
  | { readonly kind: 'publish'; readonly side: string; readonly epoch: number; readonly revision?: number }
  /** Tells the partner's gate too. A courtesy: it learns it at the latest from the next prepare. */
  | { readonly kind: 'inform'; readonly server: string; readonly side: string; readonly epoch: number }
  | { readonly kind: 'finish'; readonly result: TakeoverResult }

export type TakeoverResult =
  | { readonly kind: 'moved'; readonly from?: string; readonly side: string; readonly epoch: number }
  | { readonly kind: 'already'; readonly side: string; readonly epoch: number }
  | {
      readonly kind: 'refused'
      readonly code: 'authority-changed' | 'unreachable' | 'partner-unreachable' | 'contended'
      readonly message: string
    }

export type TakeoverPhase = 'authority' | 'gates' | 'fence' | 'publish' | 'inform' | 'finished'

export type TakeoverState = {
  readonly phase: TakeoverPhase
  readonly request: TakeoverRequest
  readonly rounds: number
  readonly record?: AuthorityRecord
  /** The epoch that is being made. */
  readonly epoch?: number
  readonly partnerAnswers?: boolean
}

/** The protections of the machine; all are on in production. The model checker switches single ones off. */
export type TakeoverChecks = {
  /** The new side is fenced before the record names it. */
  readonly fence: boolean
  /** The record is replaced only where it is the one that was read. */
  readonly compareAndSet: boolean
}
export const ALL_TAKEOVER_CHECKS: TakeoverChecks = { fence: true, compareAndSet: true }

export const MAX_TAKEOVER_ROUNDS = 4

type Step = { readonly state: TakeoverState; readonly effects: readonly TakeoverEffect[] }

export function startTakeover(request: TakeoverRequest): Step {
  const state: TakeoverState = { phase: 'authority', request, rounds: 0 }
  return { state, effects: [{ kind: 'read-authority', relationship: request.relationship }] }
}

function finish(state: TakeoverState, result: TakeoverResult): Step {
  return { state: { ...state, phase: 'finished' }, effects: [{ kind: 'finish', result }] }
}

function refuse(state: TakeoverState, code: Extract<TakeoverResult, { kind: 'refused' }>['code'], message: string) {
  return finish(state, { kind: 'refused', code, message })
}

function again(state: TakeoverState): Step {
  const { request, rounds } = state
  if (rounds + 1 >= MAX_TAKEOVER_ROUNDS) {
    const message = `somebody else moves the authority of ${request.relationship} at the same time; look at it again before you repeat the move`
    return refuse(state, 'contended', message)
  }
  return {
    state: { phase: 'authority', request, rounds: rounds + 1 },
    effects: [{ kind: 'read-authority', relationship: request.relationship }],
  }
}

function partnerOf({ servers, to }: TakeoverRequest): string {
  return servers[0] === to ? servers[1] : servers[0]
}

function onAuthority(state: TakeoverState, record: AuthorityRecord | undefined): Step {
  const { request } = state
  const epoch = record?.epoch ?? 0
  // An earlier run of this very move was interrupted after the record: it has moved, whatever was expected then.
  if (record?.job !== undefined && record.job === request.job) {
    return finish(state, { kind: 'moved', side: record.side, epoch })
  }
  if (request.expectedEpoch !== undefined && request.expectedEpoch !== epoch) {
    const now = record === undefined ? 'there is no record' : `${record.side} has it in epoch ${record.epoch}`
    const message = `the authority of ${request.relationship} is not what was looked at (epoch ${request.expectedEpoch}): ${now}. Look again, then decide`
    return refuse(state, 'authority-changed', message)
  }
  return {
    state: { ...state, phase: 'gates', ...(record === undefined ? {} : { record }) },
    effects: [{ kind: 'read-gates', servers: request.servers }],
  }
}

function onGates(state: TakeoverState, gates: Readonly<Record<string, KnownAtGate>>, checks: TakeoverChecks): Step {
  const { request, record } = state
  const partner = partnerOf(request)
  const [own, other] = [gates[request.to], gates[partner]]
  if (own === undefined || own.kind === 'unreachable') {
    const detail = own === undefined ? '' : `: ${own.message}`
    const message = `the gate of ${request.to} cannot be asked, and it has to keep the new epoch before anything else${detail}`
    return refuse(state, 'unreachable', message)
  }
  const partnerAnswers = other !== undefined && other.kind !== 'unreachable'
  if (!partnerAnswers && !request.force) {
    const detail = other?.kind === 'unreachable' ? `: ${other.message}` : ''
    const message = `the gate of ${partner} cannot be asked${detail}. Edits made there that nobody has seen yet would count as edits on the wrong side. Move with --force if ${partner} will not come back soon`
    return refuse(state, 'partner-unreachable', message)
  }
  const known = [own, other].flatMap((gate) => (gate?.kind === 'knows' ? [gate] : []))
  const highest = Math.max(record?.epoch ?? 0, ...known.map(({ epoch }) => epoch))
  // Two moves at once may leave a gate in the record's epoch with the other side; it needs a newer epoch to follow.
  const isAgainst = known.some(({ side, epoch }) => epoch === record?.epoch && side !== record.side)
  if (record?.side === request.to && record.epoch === highest && !isAgainst) {
    return finish(state, { kind: 'already', side: record.side, epoch: record.epoch })
  }
  const epoch = highest + 1
  const next: TakeoverState = { ...state, phase: 'fence', epoch, partnerAnswers }
  if (!checks.fence) return publish(next, checks)
  return { state: next, effects: [{ kind: 'fence', server: request.to, side: request.to, epoch }] }
}

function publish(state: TakeoverState, checks: TakeoverChecks): Step {
  const revision = state.record === undefined || !checks.compareAndSet ? {} : { revision: state.record.revision }
  const effect: TakeoverEffect = { kind: 'publish', side: state.request.to, epoch: state.epoch as number, ...revision }
  return { state: { ...state, phase: 'publish' }, effects: [effect] }
}

function moved(state: TakeoverState): Step {
  const from = state.record === undefined ? {} : { from: state.record.side }
  return finish(state, { kind: 'moved', ...from, side: state.request.to, epoch: state.epoch as number })
}

/** Inputs that do not fit the phase come from an effect that was overtaken; they change nothing. */
export function stepTakeover(
  state: TakeoverState,
  input: TakeoverInput,
  checks: TakeoverChecks = ALL_TAKEOVER_CHECKS,
): Step {
  switch (state.phase) {
    case 'authority':
      if (input.kind === 'authority') return onAuthority(state, input.record)
      break
    case 'gates':
      if (input.kind === 'gates') return onGates(state, input.gates, checks)
      break
    case 'fence':
      if (input.kind === 'fenced') return publish(state, checks)
      if (input.kind === 'outdated') return again(state)
      if (input.kind === 'unreachable') {
        const message = `the gate of ${state.request.to} did not confirm the new epoch: ${input.message}. Nothing was moved; repeat the move`
        return refuse(state, 'unreachable', message)
      }
      break
    case 'publish':
      if (input.kind === 'outdated') return again(state)
      if (input.kind !== 'published') break
      if (state.partnerAnswers !== true) return moved(state)
      return {
        state: { ...state, phase: 'inform' },
        effects: [
          {
            kind: 'inform',
            server: partnerOf(state.request),
            side: state.request.to,
            epoch: state.epoch as number,
          },
        ],
      }
    case 'inform':
      if (input.kind === 'informed' || input.kind === 'unreachable' || input.kind === 'outdated') return moved(state)
      break
    case 'finished':
      break
  }
  return { state, effects: [] }
}
