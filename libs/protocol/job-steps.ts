// Steps that several phases of a run end with: beginning again, waiting, agreeing, finishing.

import { type Agreed, foundEqual, justWritten, outdatedRecord, postponed, targetOf } from './job-concerns.ts'
import type { RunEffect, RunState, SideFailure } from './job-types.ts'

/** Tries within one run before the jobs are put back to wait. */
export const MAX_ROUNDS = 4

export type Step = { readonly state: RunState; readonly effects: readonly RunEffect[] }

export function again(state: RunState, why: string): Step {
  if (state.rounds + 1 >= MAX_ROUNDS) {
    if (why === 'stale-epoch') return finish({ ...state, refusal: outdatedRecord(state) })
    return wait(state, {
      server: targetOf(state),
      wait: 'lock-held',
      message: `gave way ${MAX_ROUNDS} times (${why}); trying again later`,
    })
  }
  // The authority is read again too: a stale epoch means that it moved.
  const { ticket: _, ...rest } = state
  // What was not written is decided anew; only what was written stays true.
  const results = state.results.filter(({ result }) => result !== 'target-changed')
  return {
    state: { ...rest, results, versions: [], phase: 'authority', rounds: state.rounds + 1 },
    effects: [{ kind: 'read-authority' }],
  }
}

export function wait(state: RunState, failure: SideFailure, untilMs?: number): Step {
  return {
    state: { ...state, phase: 'waiting' },
    effects: [{ kind: 'wait', failure, ...(untilMs === undefined ? {} : { untilMs }) }],
  }
}

export function finish(state: RunState): Step {
  const left = state.refusal === undefined ? postponed(state) : undefined
  const effect: RunEffect = { kind: 'finish', ...(left === undefined ? {} : { postponed: left }) }
  return { state: { ...state, phase: 'finished' }, effects: [effect] }
}

/** Both gates remember what they now agree on, the target first: its serial is repeated at the source. */
export function agreeAndFinish(state: RunState): Step {
  if (state.side === undefined || state.epoch === undefined) return finish(state)
  const equal = foundEqual(state)
  if (equal.length === 0) return agreeAtSource(state, justWritten(state))
  return {
    state: { ...state, phase: 'agree-target' },
    effects: [{ kind: 'agree', server: targetOf(state), side: state.side, epoch: state.epoch, scopes: equal }],
  }
}

export function agreeAtSource(state: RunState, scopes: readonly Agreed[]): Step {
  if (scopes.length === 0 || state.side === undefined || state.epoch === undefined) return finish(state)
  return {
    state: { ...state, phase: 'agree-source' },
    effects: [{ kind: 'agree', server: state.side, side: state.side, epoch: state.epoch, scopes }],
  }
}
