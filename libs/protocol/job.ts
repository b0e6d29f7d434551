// One run over the waiting jobs of a relationship, as a pure machine: (state, input) → (state, effects).
// The replicator performs the effects; the order in which they may happen is decided only here.
//
//   authority ─▶ compare ─▶ permit ─▶ prepare ─▶ read ─▶ plan ─▶ record ─▶ permit ─▶ cover ─▶ commit ─▶ agree ─▶ finish
//                   │          │         │          ▲                                            │
//                   ▼          ▼         └──────────┼── stale ticket or ─────────────────────────┘
//              finish / wait  finish /              │   changed target: again, at most MAX_ROUNDS times
//                               wait                └ always after prepare, never before
//
// Between authority and compare, where an earlier run was interrupted: revoke (a prepare) ─▶ recall.
//
// Rules that the model explorer relies on:
//   - the source is read after prepare, never before: an older read cannot be committed under a newer ticket;
//   - what is committed names the ticket and epoch of that prepare and the fingerprints of that read;
//   - a commit without an answer is made impossible by a prepare, which voids its ticket, and then asked for by its id,
//     before anything else is tried;
//   - the partner of the server that is written begins no write of its own meanwhile: it covers;
//   - a gate that knows a higher epoch than the record, twice in a row, ends the run: the record is outdated.

import { type ComparedScope, compareScopes } from '#plan/compare.ts'
import {
  concerned,
  effectiveRequests,
  foundEqual,
  isAhead,
  justWritten,
  mayBeWritten,
  NOT_BEGUN,
  outdatedRecord,
  postponed,
  REVOKED,
  recordedCommits,
  targetOf,
  versionsDone,
  withResults,
} from './job-concerns.ts'
import { again, agreeAndFinish, agreeAtSource, finish, MAX_ROUNDS, type Step, wait } from './job-steps.ts'
import {
  ALL_RUN_CHECKS,
  type CommittedScope,
  type Permission,
  type RunChecks,
  type RunInput,
  type RunJob,
  type RunPolicy,
  type RunState,
  type Side,
  type SideFailure,
} from './job-types.ts'

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
    rejections: {},
  }
  return { state, effects: [{ kind: 'read-authority' }] }
}

function compare(state: RunState, source: Side, target: Side): readonly ComparedScope[] {
  const { rejections } = state
  return compareScopes(source.rows, target.rows, state.policy, { rejections }).scopes
}

function startCompare(state: RunState): Step {
  const fresh = state.jobs.some((job) => !job.automatic) || state.rounds > 0
  return {
    state: { ...state, phase: 'compare' },
    effects: [{ kind: 'compare', source: state.side as string, target: targetOf(state), fresh }],
  }
}

function onCompared(state: RunState, input: Extract<RunInput, { readonly kind: 'compared' }>): Step {
  const { source, target, nowMs, rejections = {} } = input
  const looked: RunState = { ...state, sourceSide: source, targetSide: target, nowMs, rejections }
  const aheadEpoch = isAhead(state, source, target)
  if (aheadEpoch !== undefined) {
    if (aheadEpoch === state.aheadEpoch) return finish({ ...looked, refusal: outdatedRecord(looked) })
    return again({ ...looked, aheadEpoch }, 'stale-epoch')
  }
  const next: RunState = { ...looked, compared: compare(looked, source, target) }
  const hasRequest = effectiveRequests(next).length > 0
  if (hasRequest || mayBeWritten(next, concerned(next))) {
    return { state: { ...next, phase: 'permit' }, effects: [{ kind: 'permit' }] }
  }
  const left = postponed(next)
  if (left === undefined) return agreeAndFinish(next)
  const { untilMs, ...failure } = left
  return wait(next, { ...failure, server: state.side as string }, untilMs)
}

/** Requests are refused where it is closed; an automatic job waits for the end of it. */
function onClosed(state: RunState, closed: Extract<Permission, { readonly kind: 'closed' }>): Step {
  const next: RunState = { ...state, closed, versions: [] }
  if (effectiveRequests(next).length > 0) return agreeAndFinish(next)
  const failure: SideFailure = { server: targetOf(state), wait: closed.wait, message: closed.message }
  return wait(next, failure, closed.untilMs)
}

function onPermitted(state: RunState): Step {
  if (!mayBeWritten(state, concerned(state))) return agreeAndFinish(state)
  const [source, target] = [state.sourceSide as Side, state.targetSide as Side]
  if (!target.normal || !source.normal) {
    const [server, side] = target.normal ? [state.side as string, source] : [targetOf(state), target]
    return wait(state, {
      server,
      wait: target.normal ? 'source-not-steady' : 'partner-not-normal',
      message: `failover state of ${server} is ${side.state}; writing waits until it is normal`,
    })
  }
  return {
    state: { ...state, phase: 'prepare' },
    effects: [{ kind: 'prepare', target: targetOf(state), side: state.side as string, epoch: state.epoch as number }],
  }
}

function onSourceRead(state: RunState, source: Side): Step {
  // The source's gate learned of a newer authority since it was compared.
  if (isAhead(state, source) !== undefined) return again({ ...state, sourceSide: source }, 'stale-epoch')
  const compared = compare(state, source, state.targetSide as Side)
  const next: RunState = { ...state, compared, sourceSide: source }
  const open = concerned(next)
  if (!mayBeWritten(next, open)) return agreeAndFinish(next)
  return { state: { ...next, phase: 'plan' }, effects: [{ kind: 'plan', scopes: open }] }
}

/** The source may begin writes of its own again; it need not be waited for. */
function uncovered(state: RunState, { state: next, effects }: Step): Step {
  return { state: next, effects: [{ kind: 'uncover', server: state.side as string }, ...effects] }
}

function startCommit(state: RunState): Step {
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
}

function startRecall(state: RunState): Step {
  return { state: { ...state, phase: 'recall' }, effects: [{ kind: 'recall', ...recordedCommits(state) }] }
}

function onRecalled(state: RunState, results: readonly CommittedScope[]): Step {
  const { target } = recordedCommits(state)
  if (target === targetOf(state)) return startCompare(withResults(state, results))
  // Written in the other direction, before the authority moved: it is told as it was, and not mixed with what comes.
  return startCompare(results.length === 0 ? state : { ...state, recalled: { target, results } })
}

function onCommitted(state: RunState, results: readonly CommittedScope[]): Step {
  const next: RunState = { ...withResults(state, results), versions: versionsDone(state, results) }
  // A person edited the target between our read and the gate's: plan again from what is there now.
  const changed = results.some(({ result }) => result === 'target-changed')
  if (changed && next.rounds + 1 < MAX_ROUNDS) return again(next, 'target-changed')
  return agreeAndFinish(next)
}

export function stepRun(state: RunState, input: RunInput, checks: RunChecks = ALL_RUN_CHECKS): Step {
  const next = advance(state, input, checks)
  return checks.baseOnBothSides || next.state.phase !== 'agree-source' ? next : finish(next.state)
}

/** Inputs that do not fit the phase come from an effect that was overtaken; they change nothing. */
function advance(state: RunState, input: RunInput, checks: RunChecks): Step {
  if (state.phase === 'finished' || state.phase === 'waiting') return { state, effects: [] }
  const ended = (step: Step) => (state.phase === 'commit' && checks.cover ? uncovered(state, step) : step)
  // Perhaps the target is still being written: then the cover has to end by itself.
  if (input.kind === 'side-failed')
    return (NOT_BEGUN.has(input.failure.wait) ? ended : (step: Step) => step)(wait(state, input.failure))
  if (state.phase === 'revoke') return REVOKED.has(input.kind) ? startRecall(state) : { state, effects: [] }
  if (input.kind === 'refused')
    return ended(finish({ ...state, refusal: { code: input.code, message: input.message } }))
  if (input.kind === 'outdated') return ended(again(state, input.why))
  switch (state.phase) {
    case 'authority': {
      if (input.kind === 'no-authority')
        return finish({ ...state, refusal: { code: 'authority-unknown', message: input.message } })
      if (input.kind !== 'authority') break
      const next: RunState = { ...state, side: input.side, epoch: input.epoch }
      const { commits, target } = recordedCommits(next)
      if (commits.length === 0 || state.rounds > 0 || !checks.recall) return startCompare(next)
      // In the other direction the epoch has already made it impossible.
      if (target !== targetOf(next)) return startRecall(next)
      const { side, epoch } = input
      return { state: { ...next, phase: 'revoke' }, effects: [{ kind: 'prepare', target, side, epoch }] }
    }
    case 'recall':
      if (input.kind === 'recalled') return onRecalled(state, input.results)
      break
    case 'compare':
      if (input.kind === 'compared') return onCompared(state, input)
      break
    case 'permit':
      if (input.kind !== 'permission') break
      return input.permission.kind === 'closed' ? onClosed(state, input.permission) : onPermitted(state)
    case 'prepare': {
      if (input.kind !== 'prepared') break
      const next: RunState = { ...state, phase: 'read', ticket: input.ticket, targetSide: input.target }
      if (!checks.readAfterPrepare) return onSourceRead(next, state.sourceSide as Side)
      return { state: next, effects: [{ kind: 'read-source', source: state.side as string }] }
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
      return { state: { ...state, phase: 'permit-commit' }, effects: [{ kind: 'permit' }] }
    case 'permit-commit':
      if (input.kind !== 'permission') break
      if (input.permission.kind === 'closed') return onClosed(state, input.permission)
      if (!checks.cover) return startCommit(state)
      return { state: { ...state, phase: 'cover' }, effects: [{ kind: 'cover', server: state.side as string }] }
    case 'cover':
      if (input.kind === 'covered') return startCommit(state)
      break
    case 'commit':
      if (input.kind === 'committed') return ended(onCommitted(state, input.results))
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
