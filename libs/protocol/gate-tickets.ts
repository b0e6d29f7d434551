// Who may write: tickets, what was staged under them, and the exceptions that a ticket may carry.
//
//   onto the authoritative side   only an adoption or a restore, with a ticket prepared for it and its scopes
//   onto the other side           every current ticket; a restore needs its exception there too

import { coverRefusal } from './gate-cover.ts'
import type { CommitRequest, GateChecks, GateRequest, GateState, GateStep } from './gate-types.ts'

type PrepareRequest = Extract<GateRequest, { op: 'prepare' }>

function authoritative(state: GateState, relationship: string) {
  const message = `${state.server} is the authoritative side of ${relationship}; nothing is copied onto it.`
  return { code: 'authoritative-side', message } as const
}

/** Why a ticket is not given. */
export function judgePrepare(state: GateState, request: PrepareRequest, checks: GateChecks) {
  const { relationship, side, exception } = request
  if (checks.authoritativeSide && side === state.server && exception === undefined)
    return authoritative(state, relationship)
  if (checks.exception && exception?.kind === 'adopt' && side !== state.server) {
    const message = `To adopt is to write onto the authoritative side of ${relationship}, which is ${side}, not ${state.server}.`
    return { code: 'malformed', message } as const
  }
  return coverRefusal(state, checks)
}

/** Why a commit is not even looked at. */
export function judgeCommit(state: GateState, request: CommitRequest, checks: GateChecks) {
  const { relationship, side, purpose = 'replicate' } = request
  if (checks.authoritativeSide && side === state.server && purpose === 'replicate')
    return authoritative(state, relationship)
  const ticket = state.tickets[relationship]
  if (checks.ticket && ticket?.value !== request.ticket) {
    const message = `The ticket for ${relationship} at ${state.server} is not the current one: a newer prepare voided it, or the gate was restarted. Prepare again.`
    return { code: 'stale-ticket', message } as const
  }
  return judgeException(state, request, checks) ?? judgeStaged(state, request) ?? coverRefusal(state, checks)
}

function judgeException(state: GateState, request: CommitRequest, checks: GateChecks) {
  const { relationship, side, purpose = 'replicate' } = request
  if (!checks.exception || purpose === 'replicate') return undefined
  const exception = state.tickets[relationship]?.exception
  const code = side === state.server ? 'authoritative-side' : 'malformed'
  if (exception?.kind !== purpose) {
    const message = `Writing to ${state.server} in order to ${purpose} needs a ticket that was prepared for it, with its approval and its scopes. Nothing was written.`
    return { code, message } as const
  }
  const named = new Set(exception.scopes)
  const other = request.scopes.find(({ scope }) => !named.has(scope))
  if (other === undefined) return undefined
  const message = `The approval of job ${exception.approval} does not name ${other.scope}. Nothing was written.`
  return { code, message } as const
}

function judgeStaged(state: GateState, request: CommitRequest) {
  const staged = new Set(state.tickets[request.relationship]?.staged)
  const missing = request.scopes.find(({ wanted }) => wanted !== undefined && !staged.has(wanted))
  if (missing === undefined) return undefined
  return { code: 'bad-content', message: `The wanted content of ${missing.scope} was not staged.` } as const
}

/** The server was read: a new ticket, which voids the one before. */
export function withTicket(state: GateState, request: PrepareRequest, checks: GateChecks): GateState {
  const { relationship, ticket, exception } = request
  const staged = checks.ticket ? [] : (state.tickets[relationship]?.staged ?? [])
  const next = { value: ticket, staged, ...(exception === undefined ? {} : { exception }) }
  return { ...state, tickets: { ...state.tickets, [relationship]: next } }
}

export function stage(
  state: GateState,
  from: number,
  request: Extract<GateRequest, { op: 'stage' }>,
  checks: GateChecks,
): GateStep {
  const { relationship, ticket, fingerprints } = request
  const current = state.tickets[relationship]
  if (checks.ticket && current?.value !== ticket) {
    const message = `The ticket for ${relationship} at ${state.server} is not the current one. Prepare again.`
    return { state, effects: [{ kind: 'reply', to: from, answer: { kind: 'refused', code: 'stale-ticket', message } }] }
  }
  const staged = [...new Set([...(current?.staged ?? []), ...fingerprints])]
  const tickets = { ...state.tickets, [relationship]: { ...current, value: current?.value ?? ticket, staged } }
  return {
    state: { ...state, tickets },
    effects: [{ kind: 'reply', to: from, answer: { kind: 'staged', count: fingerprints.length } }],
  }
}
