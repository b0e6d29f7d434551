// Questions to the state of the machine in correction.ts: which servers, which scopes, what is left.

import type { CorrectionState } from './correction-types.ts'
import type { CommittedScope, ScopeVersion } from './job-types.ts'

export function partnerOf(servers: readonly [string, string], server: string): string {
  return servers[0] === server ? servers[1] : servers[0]
}

/** The servers that are written, in order. */
export function targetsOf({ request }: Pick<CorrectionState, 'request'>): readonly string[] {
  const { kind, server, servers, both } = request
  const partner = partnerOf(servers, server)
  if (kind === 'adopt') return [partner]
  return both ? [server, partner] : [server]
}

export function targetOf(state: CorrectionState): string {
  return targetsOf(state)[state.at] as string
}

export function isDone({ result }: CommittedScope): boolean {
  return result === 'written' || result === 'unchanged'
}

export function isAnythingWritten({ results }: CorrectionState): boolean {
  return Object.values(results).some((of) => of.some(({ result }) => result === 'written'))
}

/** What was approved for a target and is not there yet. */
export function remaining(state: CorrectionState, target: string): readonly ScopeVersion[] {
  const done = new Set((state.results[target] ?? []).filter(isDone).map(({ scope }) => scope))
  return (state.approved?.[target] ?? []).filter(({ scope }) => !done.has(scope))
}

/** Whether what was approved still is what would be done. */
export function isPresent(state: CorrectionState, version: ScopeVersion): boolean {
  const live = state.targetSide?.rows.find(({ scope }) => scope === version.scope)?.live
  const wanted = state.wanted.find(({ scope }) => scope === version.scope)
  return live === version.expected && wanted !== undefined && wanted.fingerprint === version.wanted
}

export function withResults(
  state: CorrectionState,
  target: string,
  results: readonly CommittedScope[],
): CorrectionState {
  const newer = new Set(results.map(({ scope }) => scope))
  const kept = (state.results[target] ?? []).filter(({ scope }) => !newer.has(scope))
  return { ...state, results: { ...state.results, [target]: [...kept, ...results] } }
}
