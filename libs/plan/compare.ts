// Compares the manifests of both sides of a relationship: what is in sync, what is not, and what should be done.

import { type Decision, decideScope, type ScopeBase, type ScopeSide } from './decide.ts'
import type { DecisionPolicy } from './policy.ts'

/** One row of a server's manifest. */
export type SideRow = {
  readonly scope: string
  readonly live?: string | undefined
  readonly since?: string | undefined
  readonly base?: string | undefined
  readonly baseEpoch?: number | undefined
  readonly baseSerial?: number | undefined
  readonly regressed?: boolean | undefined
  readonly changedAlone?: boolean | undefined
  readonly dirty?: boolean | undefined
  readonly unreplicable?: string | undefined
}

/** DESIGN's four words; *unknown* is a status of its own: a side could not be read. */
export type SyncState = 'in-sync' | 'out-of-sync' | 'conflict' | 'unknown'

export type ComparedScope = {
  readonly scope: string
  readonly decision: Decision
  readonly sync: Exclude<SyncState, 'unknown'>
  readonly source?: string
  readonly target?: string
  readonly base: ScopeBase
  /** When the difference began, as far as the watchers saw: the later of both sides' *unchanged since*. */
  readonly since?: string
  /** The bases that the two gates hold differ from the common content; they should agree on it. */
  readonly mayAgree: boolean
}

export type Comparison = { readonly sync: Exclude<SyncState, 'unknown'>; readonly scopes: readonly ComparedScope[] }

function sideOf(row: SideRow | undefined): ScopeSide {
  return {
    ...(row?.live === undefined ? {} : { live: row.live }),
    regressed: row?.regressed ?? false,
    changedAlone: row?.changedAlone ?? false,
    dirty: row?.dirty ?? false,
    ...(row?.unreplicable === undefined ? {} : { unreplicable: row.unreplicable }),
  }
}

function rank(row: SideRow | undefined): readonly [number, number] {
  return [row?.baseEpoch ?? 0, row?.baseSerial ?? 0]
}

/** The newer of the bases that the two gates know, by (epoch, serial). */
export function newerBase(a: SideRow | undefined, b: SideRow | undefined): ScopeBase {
  const [epochA, serialA] = rank(a)
  const [epochB, serialB] = rank(b)
  if (epochA === 0 && epochB === 0) return { known: false }
  const newer = epochA > epochB || (epochA === epochB && serialA >= serialB) ? a : b
  return newer?.base === undefined ? { known: true } : { known: true, content: newer.base }
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return a > b ? a : b
}

export function syncOf(decision: Decision): Exclude<SyncState, 'unknown'> {
  if (decision.kind === 'converged') return 'in-sync'
  return decision.kind === 'hold' && decision.code === 'conflict' ? 'conflict' : 'out-of-sync'
}

/** Worst first: a conflict anywhere is a conflict of the relationship. */
export function worstSync(states: Iterable<Exclude<SyncState, 'unknown'>>): Exclude<SyncState, 'unknown'> {
  const seen = new Set(states)
  return seen.has('conflict') ? 'conflict' : seen.has('out-of-sync') ? 'out-of-sync' : 'in-sync'
}

/** Decides every scope that either side knows, in the order of their keys. `source` is the authoritative side. */
export function compareScopes(
  source: Iterable<SideRow>,
  target: Iterable<SideRow>,
  policy: DecisionPolicy,
): Comparison {
  const sources = new Map([...source].map((row) => [row.scope, row]))
  const targets = new Map([...target].map((row) => [row.scope, row]))
  const keys = [...new Set([...sources.keys(), ...targets.keys()])].sort()
  const scopes = keys.map((scope): ComparedScope => {
    const ours = sources.get(scope)
    const theirs = targets.get(scope)
    const base = newerBase(ours, theirs)
    const decision = decideScope(sideOf(ours), sideOf(theirs), base, policy)
    const since = later(ours?.since, theirs?.since)
    const hasBase = (row: SideRow | undefined) => rank(row)[0] > 0 && row?.base === ours?.live
    return {
      scope,
      decision,
      sync: syncOf(decision),
      ...(ours?.live === undefined ? {} : { source: ours.live }),
      ...(theirs?.live === undefined ? {} : { target: theirs.live }),
      base,
      ...(since === undefined ? {} : { since }),
      mayAgree:
        decision.kind === 'converged' &&
        // Agreeing is also what ends `dirty`: equal content needs no look any more.
        (ours?.dirty === true || theirs?.dirty === true || !(hasBase(ours) && hasBase(theirs))),
    }
  })
  return { sync: worstSync(scopes.map((scope) => scope.sync)), scopes }
}
