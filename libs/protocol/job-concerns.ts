// What a run is about: which jobs may be acted on, which differences they ask for, and which of those may not
// be copied yet. Pure questions to the state of the machine in job.ts.

import { durationText } from '#contracts/durations.ts'
import type { ComparedScope } from '#plan/compare.ts'
import type { CommittedScope, Postponed, RunJob, RunState, RunWait, ScopeVersion, Side } from './job-types.ts'

/**
 * A scope that is edited again and again is copied after this many quiet periods, counted from the first change
 * that was noticed: somebody's script must not keep a change from the partner for ever.
 */
export const MAX_QUIET_PERIODS = 15

/** A commit that failed like this was not even begun: nothing is being written, so nobody needs to cover. */
export const NOT_BEGUN: ReadonlySet<RunWait> = new Set(['covering', 'partner-not-normal', 'lock-held'])

/**
 * After these answers to a prepare no commit of an earlier ticket can happen any more: a gate that refuses to prepare
 * for this epoch commits nothing of an earlier one either.
 */
export const REVOKED: ReadonlySet<string> = new Set(['prepared', 'refused', 'outdated'])

export function targetOf({ policy, side }: Pick<RunState, 'policy' | 'side'>): string {
  return policy.servers[0] === side ? policy.servers[1] : policy.servers[0]
}

/** Commits that interrupted runs had recorded, and where: the authority may have moved since. */
export function recordedCommits(state: RunState): { readonly commits: readonly string[]; readonly target: string } {
  const known = state.jobs.flatMap(({ commit, commitAt }) => (commit === undefined ? [] : [{ commit, commitAt }]))
  const target = known.find(({ commitAt }) => commitAt !== undefined)?.commitAt ?? targetOf(state)
  const there = known.filter(({ commitAt }) => commitAt === undefined || commitAt === target)
  return { commits: [...new Set(there.map(({ commit }) => commit))], target }
}

/** What an interrupted run had written for a job in the other direction, before the authority moved. */
export function recalledFor({ recalled }: Pick<RunState, 'recalled'>, job: RunJob): readonly CommittedScope[] {
  if (recalled === undefined || job.commitAt !== recalled.target) return []
  return recalled.results.filter(({ scope }) => isAskedFor([job], scope))
}

/** Jobs that may be acted on: automatic ones in mode `automatic`, requests that name the authoritative side. */
export function effectiveJobs(state: RunState): readonly RunJob[] {
  const open = state.jobs.filter((job) => recalledFor(state, job).length === 0)
  return open.filter((job) =>
    job.automatic ? state.policy.mode === 'automatic' : job.source === state.side && state.policy.mode !== 'observe',
  )
}

export function effectiveRequests(state: RunState): readonly RunJob[] {
  return effectiveJobs(state).filter((job) => !job.automatic)
}

/** Whether any of the jobs asks for this scope. */
export function isAskedFor(jobs: readonly RunJob[], scope: string): boolean {
  return jobs.some((job) => job.scopes === undefined || job.scopes.includes(scope))
}

/**
 * Until when a scope must be left alone: its quiet period and its soak delay, both counted from its last change.
 * A request does not wait in the scopes that it asks for, and in no others; what is only held or shown has nothing
 * to wait for.
 */
function notBefore(state: RunState, { scope, decision, since }: ComparedScope): Required<Postponed> | undefined {
  if (decision.kind !== 'replicate' || since === undefined) return undefined
  if (isAskedFor(effectiveRequests(state), scope)) return undefined
  const { quietPeriodMs, soakDelayMs } = state.policy
  const noticed = effectiveJobs(state).flatMap(({ noticedAtMs }) => noticedAtMs ?? [])
  const lastQuietMs = noticed.length === 0 ? Infinity : Math.min(...noticed) + MAX_QUIET_PERIODS * quietPeriodMs
  const quietMs = Math.min(Date.parse(since) + quietPeriodMs, lastQuietMs)
  const soakMs = Date.parse(since) + soakDelayMs
  if (Math.max(quietMs, soakMs) <= state.nowMs) return undefined
  if (soakMs > quietMs) {
    const message = `what changed has not been stable for the soak delay of ${durationText(soakDelayMs)} yet`
    return { wait: 'soak-delay', message, untilMs: soakMs }
  }
  const message = `what changed is younger than the quiet period of ${durationText(quietPeriodMs)}`
  return { wait: 'quiet-period', message, untilMs: quietMs }
}

function differing(state: RunState): readonly ComparedScope[] {
  const jobs = effectiveJobs(state)
  return state.compared.filter(({ scope, decision }) => decision.kind !== 'converged' && isAskedFor(jobs, scope))
}

/** Differences that this run is about: one busy scope does not hold up the others. */
export function concerned(state: RunState): readonly ComparedScope[] {
  return differing(state).filter((compared) => notBefore(state, compared) === undefined)
}

/** A held scope may be written where a request brings an approval; the plan decides. */
export function mayBeWritten(state: RunState, scopes: readonly ComparedScope[]): boolean {
  const hasRequest = effectiveRequests(state).length > 0
  return scopes.some(({ decision }) => decision.kind === 'replicate' || (decision.kind === 'hold' && hasRequest))
}

/** What of the differences is left to a later run, and when the first of it is due; `undefined`: nothing. */
export function postponed(state: RunState): Postponed | undefined {
  const { closed } = state
  const hasAutomatic = effectiveJobs(state).some(({ automatic }) => automatic)
  if (closed !== undefined && hasAutomatic && concerned(state).some(({ decision }) => decision.kind === 'replicate')) {
    const { wait, message, untilMs } = closed
    return { wait, message, ...(untilMs === undefined ? {} : { untilMs }) }
  }
  const [first] = differing(state)
    .flatMap((compared) => notBefore(state, compared) ?? [])
    .toSorted((a, b) => a.untilMs - b.untilMs)
  return first
}

export type Agreed = { readonly scope: string; readonly fingerprint?: string; readonly serial?: number }

/** Scopes that were found equal and that not both gates have as their base. */
export function foundEqual(state: RunState): readonly Agreed[] {
  return state.compared
    .filter(({ mayAgree }) => mayAgree)
    .map(({ scope, source }) => ({ scope, ...(source === undefined ? {} : { fingerprint: source }) }))
}

/** Scopes that were written by this run's last commit; the source repeats the serial that the target gave them. */
export function justWritten(state: RunState): readonly Agreed[] {
  const versions = new Map(state.versions.map((version) => [version.scope, version]))
  return state.results.flatMap(({ result, scope, baseSerial }) => {
    const version = versions.get(scope)
    if (version === undefined || baseSerial === undefined || (result !== 'written' && result !== 'unchanged')) return []
    return [{ scope, ...(version.wanted === undefined ? {} : { fingerprint: version.wanted }), serial: baseSerial }]
  })
}

/** A gate is above the record: a move of the authority was interrupted, or the record is an old one. */
export function outdatedRecord(state: RunState): { readonly code: string; readonly message: string } {
  const { relationship } = state.policy
  const known = [state.sourceSide?.authority, state.targetSide?.authority]
    .filter((one) => one !== undefined)
    .filter((one) => one.side !== state.side || one.epoch > (state.epoch ?? 0))
    .toSorted((a, b) => b.epoch - a.epoch)
  const [highest] = known
  const seen = highest === undefined ? 'a newer epoch' : `${highest.side} in epoch ${highest.epoch}`
  const other = highest === undefined || highest.side === state.side ? targetOf(state) : highest.side
  const message = `the record says that ${state.side} has the authority of ${relationship} (epoch ${state.epoch}), a gate knows ${seen}: a move was interrupted, or the record is outdated. Nothing is written until somebody settles it: \`twinscope authority move ${relationship} --to ${state.side}\`, or \`--to ${other}\``
  return { code: 'authority-unknown', message }
}

/** A gate whose epoch is above the record's: read the record again, it may just have been replaced. */
export function isAhead({ epoch = 0 }: RunState, ...sides: readonly Side[]): number | undefined {
  const highest = Math.max(0, ...sides.map(({ authority }) => authority?.epoch ?? 0))
  return highest > epoch ? highest : undefined
}

/** The newest result of a scope counts, except that what was written stays so: somebody has to be told. */
export function withResults(state: RunState, results: readonly CommittedScope[]): RunState {
  const written = new Set(state.results.filter(({ result }) => result === 'written').map(({ scope }) => scope))
  const news = results.filter(({ scope, result }) => result !== 'target-changed' || !written.has(scope))
  const newer = new Set(news.map(({ scope }) => scope))
  return { ...state, results: [...state.results.filter(({ scope }) => !newer.has(scope)), ...news] }
}

/** What of the commit the target has now. */
export function versionsDone({ versions }: RunState, results: readonly CommittedScope[]): readonly ScopeVersion[] {
  const isDone = ({ result }: CommittedScope) => result === 'written' || result === 'unchanged'
  const done = new Set(results.filter(isDone).map(({ scope }) => scope))
  return versions.filter(({ scope }) => done.has(scope))
}
