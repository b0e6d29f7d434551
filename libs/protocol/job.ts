// One run over the waiting jobs of a relationship, as a pure machine: (state, input) → (state, effects).
// The replicator performs the effects; the order in which they may happen is decided only here.
//
//   authority ─▶ compare ─▶ prepare ─▶ read ─▶ plan ─▶ record ─▶ commit ─▶ agree ─▶ finish
//                   │          │         ▲                          │
//                   │          └─────────┼── stale ticket or ───────┘
//                   ▼                    │   changed target: again, at most MAX_ROUNDS times
//              finish / wait             └ always after prepare, never before
//
// Rules that the model explorer relies on:
//   - the source is read after prepare, never before: an older read cannot be committed under a newer ticket;
//   - what is committed names the ticket and epoch of that prepare and the fingerprints of that read;
//   - a commit without an answer is asked for by its id before anything else is tried.

import { type ComparedScope, compareScopes } from '#plan/compare.ts'
import type {
  CommittedScope,
  RunEffect,
  RunInput,
  RunJob,
  RunPolicy,
  RunState,
  Side,
  SideFailure,
} from './job-types.ts'

/** Tries within one run before the jobs are put back to wait. */
export const MAX_ROUNDS = 4

type Step = { readonly state: RunState; readonly effects: readonly RunEffect[] }

export function startRun(policy: RunPolicy, jobs: readonly RunJob[]): Step {
  const state: RunState = {
    phase: 'authority',
    policy,
    jobs,
    rounds: 0,
    compared: [],
    versions: [],
    results: [],
    nowMs: 0,
  }
  return { state, effects: [{ kind: 'read-authority' }] }
}

function targetOf({ policy, side }: RunState): string {
  return policy.servers[0] === side ? policy.servers[1] : policy.servers[0]
}

/** Jobs that may be acted on: automatic ones in mode `automatic`, requests that name the authoritative side. */
export function effectiveJobs(state: RunState): readonly RunJob[] {
  return state.jobs.filter((job) =>
    job.automatic ? state.policy.mode === 'automatic' : job.source === state.side && state.policy.mode !== 'observe',
  )
}

/** Whether any effective job asks for this scope. */
export function isAskedFor(jobs: readonly RunJob[], scope: string): boolean {
  return jobs.some((job) => job.scopes === undefined || job.scopes.includes(scope))
}

function compare(state: RunState, source: Side, target: Side): readonly ComparedScope[] {
  return compareScopes(source.rows, target.rows, state.policy).scopes
}

/**
 * Until when a scope must be left alone: its quiet period. A request does not wait for quiet in the scopes
 * that it asks for, and in no others; what is only held or shown has nothing to wait for.
 */
function quietUntilMs(state: RunState, { scope, decision, since }: ComparedScope): number {
  const requests = effectiveJobs(state).filter((job) => !job.automatic)
  if (decision.kind !== 'replicate' || since === undefined || isAskedFor(requests, scope)) return 0
  return Date.parse(since) + state.policy.quietPeriodMs
}

function differing(state: RunState): readonly ComparedScope[] {
  const jobs = effectiveJobs(state)
  return state.compared.filter(({ scope, decision }) => decision.kind !== 'converged' && isAskedFor(jobs, scope))
}

/** Differences that this run is about: one busy scope does not hold up the others. */
function concerned(state: RunState): readonly ComparedScope[] {
  return differing(state).filter((compared) => quietUntilMs(state, compared) <= state.nowMs)
}

/** When the first of the scopes that are not quiet yet will be; `undefined` where all are. */
function postponedUntilMs(state: RunState): number | undefined {
  const ends = differing(state).flatMap((compared) => {
    const end = quietUntilMs(state, compared)
    return end > state.nowMs ? [end] : []
  })
  return ends.length === 0 ? undefined : Math.min(...ends)
}

function mayBeWritten(state: RunState, scopes: readonly ComparedScope[]): boolean {
  // A held scope may be written where a request brings an approval; the plan decides.
  const hasRequest = effectiveJobs(state).some((job) => !job.automatic)
  return scopes.some(({ decision }) => decision.kind === 'replicate' || (decision.kind === 'hold' && hasRequest))
}

function startCompare(state: RunState): Step {
  const fresh = state.jobs.some((job) => !job.automatic) || state.rounds > 0
  return {
    state: { ...state, phase: 'compare' },
    effects: [{ kind: 'compare', source: state.side as string, target: targetOf(state), fresh }],
  }
}

function again(state: RunState, why: string): Step {
  if (state.rounds + 1 >= MAX_ROUNDS) {
    if (why === 'stale-epoch') {
      const message = `a gate knows a newer epoch than the authority record of ${state.policy.relationship} (${state.side}, epoch ${state.epoch}): the record is outdated. Nothing is written until an operator settles it`
      return finish({ ...state, refusal: { code: 'authority-unknown', message } })
    }
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
    state: { ...rest, results, phase: 'authority', rounds: state.rounds + 1 },
    effects: [{ kind: 'read-authority' }],
  }
}

function wait(state: RunState, failure: SideFailure, untilMs?: number): Step {
  return {
    state: { ...state, phase: 'waiting' },
    effects: [{ kind: 'wait', failure, ...(untilMs === undefined ? {} : { untilMs }) }],
  }
}

function finish(state: RunState): Step {
  const untilMs = postponedUntilMs(state)
  const effect: RunEffect = { kind: 'finish', ...(untilMs === undefined ? {} : { postponedUntilMs: untilMs }) }
  return { state: { ...state, phase: 'finished' }, effects: [effect] }
}

type Agreed = { readonly scope: string; readonly fingerprint?: string; readonly serial?: number }

/** Scopes that were found equal and that not both gates have as their base. */
function foundEqual(state: RunState): readonly Agreed[] {
  return state.compared
    .filter(({ mayAgree }) => mayAgree)
    .map(({ scope, source }) => ({ scope, ...(source === undefined ? {} : { fingerprint: source }) }))
}

/** Scopes that were written; the source repeats the serial that the target gave them. */
function justWritten(state: RunState): readonly Agreed[] {
  const versions = new Map(state.versions.map((version) => [version.scope, version]))
  return state.results.flatMap(({ result, scope, baseSerial }) => {
    const version = versions.get(scope)
    if (version === undefined || baseSerial === undefined || (result !== 'written' && result !== 'unchanged')) return []
    return [{ scope, ...(version.wanted === undefined ? {} : { fingerprint: version.wanted }), serial: baseSerial }]
  })
}

/** Both gates remember what they now agree on, the target first: its serial is repeated at the source. */
function agreeAndFinish(state: RunState): Step {
  if (state.side === undefined || state.epoch === undefined) return finish(state)
  const equal = foundEqual(state)
  if (equal.length === 0) return agreeAtSource(state, justWritten(state))
  return {
    state: { ...state, phase: 'agree-target' },
    effects: [{ kind: 'agree', server: targetOf(state), side: state.side, epoch: state.epoch, scopes: equal }],
  }
}

function agreeAtSource(state: RunState, scopes: readonly Agreed[]): Step {
  if (scopes.length === 0 || state.side === undefined || state.epoch === undefined) return finish(state)
  return {
    state: { ...state, phase: 'agree-source' },
    effects: [{ kind: 'agree', server: state.side, side: state.side, epoch: state.epoch, scopes }],
  }
}

function onCompared(state: RunState, source: Side, target: Side, nowMs: number): Step {
  const compared = compare(state, source, target)
  const next: RunState = { ...state, compared, sourceSide: source, targetSide: target, nowMs }
  if (!mayBeWritten(next, concerned(next))) {
    const untilMs = postponedUntilMs(next)
    const hasRequest = effectiveJobs(next).some((job) => !job.automatic)
    if (untilMs === undefined || hasRequest) return agreeAndFinish(next)
    const message = `what changed is younger than the quiet period of ${state.policy.quietPeriodMs} ms`
    return wait(next, { server: state.side as string, wait: 'quiet-period', message }, untilMs)
  }
  if (!target.normal || !source.normal) {
    const [server, side] = target.normal ? [state.side as string, source] : [targetOf(state), target]
    return wait(next, {
      server,
      wait: target.normal ? 'source-not-steady' : 'partner-not-normal',
      message: `failover state of ${server} is ${side.state}; writing waits until it is normal`,
    })
  }
  return {
    state: { ...next, phase: 'prepare' },
    effects: [{ kind: 'prepare', target: targetOf(state), side: state.side as string, epoch: state.epoch as number }],
  }
}

function onSourceRead(state: RunState, source: Side): Step {
  const compared = compare(state, source, state.targetSide as Side)
  const next: RunState = { ...state, compared, sourceSide: source }
  const open = concerned(next)
  if (!mayBeWritten(next, open)) return agreeAndFinish(next)
  return { state: { ...next, phase: 'plan' }, effects: [{ kind: 'plan', scopes: open }] }
}

function withResults(state: RunState, results: readonly CommittedScope[]): RunState {
  const newer = new Set(results.map(({ scope }) => scope))
  return { ...state, results: [...state.results.filter(({ scope }) => !newer.has(scope)), ...results] }
}

function onCommitted(state: RunState, results: readonly CommittedScope[]): Step {
  const next = withResults(state, results)
  // A person edited the target between our read and the gate's: plan again from what is there now.
  const changed = results.some(({ result }) => result === 'target-changed')
  if (changed && next.rounds + 1 < MAX_ROUNDS) return again(next, 'target-changed')
  return agreeAndFinish(next)
}

/** Inputs that do not fit the phase come from an effect that was overtaken; they change nothing. */
export function stepRun(state: RunState, input: RunInput): Step {
  if (state.phase === 'finished' || state.phase === 'waiting') return { state, effects: [] }
  if (input.kind === 'side-failed') return wait(state, input.failure)
  if (input.kind === 'refused') return finish({ ...state, refusal: { code: input.code, message: input.message } })
  if (input.kind === 'outdated') return again(state, input.why)
  switch (state.phase) {
    case 'authority': {
      if (input.kind === 'no-authority')
        return finish({ ...state, refusal: { code: 'authority-unknown', message: input.message } })
      if (input.kind !== 'authority') break
      const next: RunState = { ...state, side: input.side, epoch: input.epoch }
      const commits = [...new Set(state.jobs.flatMap((job) => (job.commit === undefined ? [] : [job.commit])))]
      if (commits.length > 0 && state.rounds === 0) {
        return { state: { ...next, phase: 'recall' }, effects: [{ kind: 'recall', commits, target: targetOf(next) }] }
      }
      return startCompare(next)
    }
    case 'recall':
      if (input.kind === 'recalled') return startCompare(withResults(state, input.results))
      break
    case 'compare':
      if (input.kind === 'compared') return onCompared(state, input.source, input.target, input.nowMs)
      break
    case 'prepare':
      if (input.kind !== 'prepared') break
      return {
        state: { ...state, phase: 'read', ticket: input.ticket, targetSide: input.target },
        effects: [{ kind: 'read-source', source: state.side as string }],
      }
    case 'read':
      if (input.kind === 'source-read') return onSourceRead(state, input.source)
      break
    case 'plan':
      if (input.kind !== 'planned') break
      if (input.safe.length === 0) return agreeAndFinish(state)
      return {
        state: { ...state, phase: 'record', versions: input.safe },
        effects: [{ kind: 'record', versions: input.safe }],
      }
    case 'record':
      if (input.kind !== 'recorded') break
      return {
        state: { ...state, phase: 'commit' },
        effects: [
          {
            kind: 'commit',
            target: targetOf(state),
            side: state.side as string,
            epoch: state.epoch as number,
            ticket: state.ticket as string,
            versions: state.versions,
          },
        ],
      }
    case 'commit':
      if (input.kind === 'committed') return onCommitted(state, input.results)
      break
    case 'agree-target': {
      if (input.kind !== 'agreed') break
      const { serial } = input
      const equal = foundEqual(state).map((scope) => (serial === undefined ? scope : { ...scope, serial }))
      return agreeAtSource(state, [...justWritten(state), ...equal])
    }
    case 'agree-source':
      if (input.kind === 'agreed') return finish(state)
      break
  }
  return { state, effects: [] }
}
