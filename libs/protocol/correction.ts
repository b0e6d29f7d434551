// An adoption or a restore, as a pure machine: (state, input) → (state, effects). Somebody approved exactly one plan
// that the decision table would not make; it is written once, through the same gate checks as every other write.
//
//   authority ─▶ permit ─▶ prepare(exception) ─▶ wanted ─▶ plan ─▶ record ─▶ permit ─▶ cover ─▶ commit ─▶ agree
//       ▲                    ▲                                                          │
//       └── stale ticket or    └───────────── the next target, with what was approved ────┴─▶ finish
//           epoch: again, at most MAX_ROUNDS times
//
// Between authority and permit, where an earlier run was interrupted: revoke (a prepare at every target) ─▶ recall.
//
// (permit and agree: adoptions only. A restore goes on while it is paused, and leaves the base as it was.)
//
// Rules that the model explorer relies on:
//   - what is wished is read after prepare, never before;
//   - nothing is committed that was not approved: the same scopes, with what was there and what was wished then;
//   - what was approved is recorded before the first commit. An interrupted run revokes
//     (prepares every target, so that no commit can come late), asks the gates what became of it, and goes on with
//     exactly that: what was approved for the second target does not change because the first is written.

import {
  isAnythingWritten,
  isDone,
  isPresent,
  partnerOf,
  remaining,
  targetOf,
  targetsOf,
  withResults,
} from './correction-scopes.ts'
import type {
  Approved,
  CorrectionEffect,
  CorrectionInput,
  CorrectionRequest,
  CorrectionState,
} from './correction-types.ts'
import { NOT_BEGUN, REVOKED } from './job-concerns.ts'
import { MAX_ROUNDS } from './job-steps.ts'
import type { CommittedScope, Side, SideFailure } from './job-types.ts'

type Step = { readonly state: CorrectionState; readonly effects: readonly CorrectionEffect[] }

export function startCorrection(request: CorrectionRequest): Step {
  const { recorded } = request
  const state: CorrectionState = {
    phase: 'authority',
    request,
    rounds: 0,
    at: 0,
    wanted: [],
    versions: [],
    results: {},
    ...(recorded === undefined ? {} : { approved: recorded }),
  }
  return { state, effects: [{ kind: 'read-authority' }] }
}

function finish(state: CorrectionState, refusal?: CorrectionState['refusal']): Step {
  const next: CorrectionState = { ...state, phase: 'finished', ...(refusal === undefined ? {} : { refusal }) }
  return { state: next, effects: [{ kind: 'finish' }] }
}

function wait(state: CorrectionState, failure: SideFailure): Step {
  return { state: { ...state, phase: 'waiting' }, effects: [{ kind: 'wait', failure }] }
}

function again(state: CorrectionState, why: string): Step {
  if (state.rounds + 1 >= MAX_ROUNDS) {
    if (why === 'stale-epoch') {
      const { relationship } = state.request
      const message = `a gate knows a newer epoch than the record of the authority of ${relationship} (${state.side}, epoch ${state.epoch}). Settle it with \`twinscope authority move ${relationship} --to SERVER\`, then repeat this`
      return finish(state, { code: 'authority-unknown', message })
    }
    const message = `gave way ${MAX_ROUNDS} times (${why}); trying again later`
    return wait(state, { server: targetOf(state), wait: 'lock-held', message })
  }
  const { ticket: _, targetSide: __, ...rest } = state
  return {
    state: { ...rest, phase: 'authority', rounds: state.rounds + 1 },
    effects: [{ kind: 'read-authority' }],
  }
}

/** Prepares the next target of which something is left; without an approved plan the first, to make the plan. */
function nextTarget(state: CorrectionState, from: number): Step {
  const targets = targetsOf(state)
  const isLeft = (target: string) => state.approved === undefined || remaining(state, target).length > 0
  const at = targets.findIndex((target, index) => index >= from && isLeft(target))
  const target = targets[at]
  if (target === undefined) return finish(state)
  const { scopes } = state.request
  const place = { target, side: state.side as string, epoch: state.epoch as number }
  return { state: { ...state, phase: 'prepare', at }, effects: [{ kind: 'prepare', ...place, scopes }] }
}

function onAuthority(state: CorrectionState, side: string, epoch: number): Step {
  const next: CorrectionState = { ...state, side, epoch }
  // First of all what was written already: whatever has changed since, it is told.
  if (state.approved !== undefined && state.rounds === 0) {
    return revoke(next, 0)
  }
  return begin(next)
}

/** A prepare at every target makes the interrupted commits impossible; only then nothing can happen after it was asked. */
function revoke(state: CorrectionState, at: number): Step {
  const targets = targetsOf(state)
  const target = targets[at]
  if (target === undefined) return { state: { ...state, phase: 'recall' }, effects: [{ kind: 'recall', targets }] }
  const place = { target, side: state.side as string, epoch: state.epoch as number }
  return {
    state: { ...state, phase: 'revoke', at },
    effects: [{ kind: 'prepare', ...place, scopes: state.request.scopes }],
  }
}

/** Where a target is written, nobody needs to cover for it any more; the interrupted run could not say so. */
function onRecalled(state: CorrectionState, known: CorrectionState['results']): Step {
  const next = Object.entries(known).reduce((so, [target, of]) => withResults(so, target, of.filter(isDone)), state)
  const targets = targetsOf(next)
  const written = targets.filter((target) => (next.results[target] ?? []).length > 0)
  const uncovers = written.map((target): CorrectionEffect => {
    return { kind: 'uncover', server: partnerOf(state.request.servers, target) }
  })
  const isLeft = targets.some((target) => remaining(next, target).length > 0)
  // All of it was written before the interruption; whatever is closed by now, it is done.
  const done = { ...next, at: targets.length - 1, versions: next.approved?.[targets.at(-1) as string] ?? [] }
  const step = isLeft ? begin(next) : agree(done)
  return { state: step.state, effects: [...uncovers, ...step.effects] }
}

function begin(state: CorrectionState): Step {
  const { kind, server, relationship } = state.request
  if (kind === 'restore') return nextTarget(state, 0)
  if (state.side === server) {
    const message = `${server} is the authoritative side of ${relationship} by now; its settings are copied by an ordinary replication`
    return finish(state, { code: 'authority-changed', message })
  }
  return { state: { ...state, phase: 'permit' }, effects: [{ kind: 'permit' }] }
}

function onPrepared(state: CorrectionState, ticket: string, target: Side): Step {
  if (!target.normal) {
    const server = targetOf(state)
    const message = `failover state of ${server} is ${target.state}; writing waits until it is normal`
    return wait(state, { server, wait: 'partner-not-normal', message })
  }
  const { server, scopes } = state.request
  return {
    state: { ...state, phase: 'wanted', ticket, targetSide: target },
    effects: [{ kind: 'read-wanted', server, scopes }],
  }
}

function plan(state: CorrectionState): Step {
  const { approved: _, ...rest } = state
  return {
    state: { ...rest, phase: 'plan' },
    effects: [{ kind: 'plan', targets: targetsOf(state), wanted: state.wanted }],
  }
}

function onWanted(state: CorrectionState): Step {
  if (state.approved === undefined) return plan(state)
  const target = targetOf(state)
  const left = remaining(state, target)
  const changed = left.filter((version) => !isPresent(state, version))
  // Another plan than the approved one: it is made anew, and shown.
  if (changed.length > 0 && !isAnythingWritten(state) && state.at === 0) return plan(state)
  const results = changed.map(({ scope }): CommittedScope => ({ scope, result: 'target-changed' }))
  const versions = left.filter((version) => isPresent(state, version))
  return mayCommit({ ...withResults(state, target, results), versions })
}

function onPlanned(state: CorrectionState, approved: Approved): Step {
  const isEmpty = targetsOf(state).every((target) => (approved[target] ?? []).length === 0)
  if (isEmpty) return finish(state)
  return { state: { ...state, phase: 'record', unrecorded: approved }, effects: [{ kind: 'record', approved }] }
}

/** Only what is recorded may be committed. */
function onRecorded({ unrecorded = {}, ...state }: CorrectionState): Step {
  const next: CorrectionState = { ...state, approved: unrecorded }
  return mayCommit({ ...next, versions: remaining(next, targetOf(next)) })
}

function mayCommit(state: CorrectionState): Step {
  if (state.versions.length === 0) return nextTarget(state, state.at + 1)
  if (state.request.kind === 'adopt') {
    return { state: { ...state, phase: 'permit-commit' }, effects: [{ kind: 'permit' }] }
  }
  return cover(state)
}

const coverOf = (state: CorrectionState) => partnerOf(state.request.servers, targetOf(state))

function cover(state: CorrectionState): Step {
  return { state: { ...state, phase: 'cover' }, effects: [{ kind: 'cover', server: coverOf(state) }] }
}

function commit(state: CorrectionState): Step {
  return {
    state: { ...state, phase: 'commit' },
    effects: [
      {
        kind: 'commit',
        purpose: state.request.kind,
        target: targetOf(state),
        side: state.side as string,
        epoch: state.epoch as number,
        ticket: state.ticket as string,
        versions: state.versions,
      },
    ],
  }
}

/** After an adoption both sides have the same content; the picked side repeats the serial of the new base. */
function agree(state: CorrectionState): Step {
  const versions = new Map(state.versions.map((version) => [version.scope, version]))
  const scopes = (state.results[targetOf(state)] ?? []).flatMap((result) => {
    const version = versions.get(result.scope)
    if (version === undefined || result.baseSerial === undefined || !isDone(result)) return []
    const { wanted } = version
    return [
      { scope: result.scope, ...(wanted === undefined ? {} : { fingerprint: wanted }), serial: result.baseSerial },
    ]
  })
  if (state.request.kind !== 'adopt' || scopes.length === 0) return nextTarget(state, state.at + 1)
  const { server } = state.request
  const effect = { server, side: state.side as string, epoch: state.epoch as number, scopes }
  return { state: { ...state, phase: 'agree' }, effects: [{ kind: 'agree', ...effect }] }
}

function onCommitted(state: CorrectionState, results: readonly CommittedScope[]): Step {
  const isAllChanged = results.length > 0 && results.every(({ result }) => result === 'target-changed')
  if (isAllChanged && !isAnythingWritten(state) && state.at === 0) {
    const { approved: _, ...rest } = state
    return again(rest, 'target-changed')
  }
  return agree(withResults(state, targetOf(state), results))
}

/** Inputs that do not fit the phase come from an effect that was overtaken; they change nothing. */
export function stepCorrection(state: CorrectionState, input: CorrectionInput): Step {
  if (state.phase === 'finished' || state.phase === 'waiting') return { state, effects: [] }
  const ended = (step: Step): Step => {
    if (state.phase !== 'commit') return step
    return { state: step.state, effects: [{ kind: 'uncover', server: coverOf(state) }, ...step.effects] }
  }
  // Perhaps the target is still being written: then the cover has to end by itself.
  if (input.kind === 'side-failed')
    return (NOT_BEGUN.has(input.failure.wait) ? ended : (step: Step) => step)(wait(state, input.failure))
  if (state.phase === 'revoke') return REVOKED.has(input.kind) ? revoke(state, state.at + 1) : { state, effects: [] }
  if (input.kind === 'refused') return ended(finish(state, { code: input.code, message: input.message }))
  if (input.kind === 'outdated') return ended(again(state, input.why))
  if (input.kind === 'no-authority') return finish(state, { code: 'authority-unknown', message: input.message })
  if (input.kind === 'permission' && input.permission.kind === 'closed') {
    const { wait: code, message } = input.permission
    return finish(state, { code, message: `nothing was written: ${message}` })
  }
  switch (state.phase) {
    case 'authority':
      if (input.kind === 'authority') return onAuthority(state, input.side, input.epoch)
      break
    case 'recall':
      if (input.kind === 'recalled') return onRecalled(state, input.results)
      break
    case 'permit':
      if (input.kind === 'permission') return nextTarget(state, 0)
      break
    case 'prepare':
      if (input.kind === 'prepared') return onPrepared(state, input.ticket, input.target)
      break
    case 'wanted':
      if (input.kind === 'wanted') return onWanted({ ...state, wanted: input.wanted })
      break
    case 'plan':
      if (input.kind === 'planned') return onPlanned(state, input.approved)
      break
    case 'record':
      if (input.kind === 'recorded') return onRecorded(state)
      break
    case 'permit-commit':
      if (input.kind === 'permission') return cover(state)
      break
    case 'cover':
      if (input.kind === 'covered') return commit(state)
      break
    case 'commit':
      if (input.kind === 'committed') return ended(onCommitted(state, input.results))
      break
    case 'agree':
      if (input.kind === 'agreed') return nextTarget(state, state.at + 1)
      break
  }
  return { state, effects: [] }
}
