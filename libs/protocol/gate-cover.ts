// Covering: this server serves alone for a moment, because its partner is being written, and is not written itself
// meanwhile. So never both partners are disturbed at once.
//
// Neither waits here for the other: a cover that cannot be given is refused at once, and so is a write to a server
// that covers; whoever asked comes again later. A cover that nobody ends expires (the runtime's timer), and a gate
// that was restarted covers nobody.

import { refused, without } from './gate-steps.ts'
import type { CoverRequest, GateChecks, GateState, GateStep } from './gate-types.ts'

/** The jobs whose writes at a partner this server covers. */
function coveredJobs(state: GateState): readonly string[] {
  return Object.values(state.covering)
}

/** Whether the server is being written, or may be as far as is known. */
function isWritten({ open, running, queue }: GateState): boolean {
  if (open !== undefined) return true
  if (running !== undefined && (!('queued' in running) || running.queued.request.op === 'commit')) return true
  return queue.some(({ request }) => request.op === 'commit')
}

/** Why nothing may be written here just now. */
export function coverRefusal(state: GateState, checks: GateChecks) {
  const [job] = coveredJobs(state)
  if (!checks.cover || job === undefined) return undefined
  const message = `${state.server} serves alone for a moment, because job ${job} writes to its partner; its own write has to wait.`
  return { code: 'covering', message } as const
}

export function cover(state: GateState, from: number, request: CoverRequest, checks: GateChecks): GateStep {
  const { relationship, job, on } = request
  const answer = (next: GateState, covering: boolean): GateStep => ({
    state: next,
    effects: [{ kind: 'reply', to: from, answer: { kind: 'covered', relationship, job, covering } }],
  })
  if (!on) {
    // Another run has taken it over meanwhile: its cover is not ours to end.
    const isOurs = state.covering[relationship] === job
    return answer(isOurs ? endCover(state, relationship) : state, false)
  }
  if (checks.cover && (!request.serves || isWritten(state))) {
    const reason = request.serves
      ? 'it is being written itself'
      : `its failover state of ${relationship} is not normal, so it does not serve alone`
    const message = `${state.server} cannot cover for its partner in ${relationship} just now: ${reason}. Nothing was written; it is tried again.`
    return { state, effects: [refused({ from }, 'not-normal', message)] }
  }
  return answer({ ...state, covering: { ...state.covering, [relationship]: job } }, true)
}

/** Nobody ended it in time. A cover that another job has taken over since stays. */
export function expireCover(state: GateState, relationship: string, job: string): GateStep {
  return { state: state.covering[relationship] === job ? endCover(state, relationship) : state, effects: [] }
}

function endCover(state: GateState, relationship: string): GateState {
  return { ...state, covering: without(state.covering as Record<string, never>, relationship) }
}
