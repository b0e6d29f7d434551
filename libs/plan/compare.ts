// Compares the manifests of both sides of a relationship: what is in sync, what is not, and what should be done.

import {
  type Decision,
  decideScope,
  type RejectedPair,
  type RestoredMark,
  type ScopeBase,
  type ScopeSide,
} from './decide.ts'
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
  readonly returned?: boolean | undefined
  readonly changedAlone?: boolean | undefined
  readonly dirty?: boolean | undefined
  readonly unreplicable?: string | undefined
  /** A restore put its content there: nothing overwrites or copies it until somebody approves. */
  readonly restored?: RestoredMark | undefined
  /** The job of ours that wrote the live content. */
  readonly writtenBy?: string | undefined
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
  /** The mark of a restore, and at which side it is; the target's where both have one. */
  readonly restored?: RestoredMark & { readonly side: 'source' | 'target' }
  /** The job of ours that wrote what is on the target. */
  readonly writtenBy?: string
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
    ...(row?.restored === undefined ? {} : { restored: row.restored }),
    ...(row?.writtenBy === undefined ? {} : { writtenBy: row.writtenBy }),
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

/**
 * Whether the authoritative side came up with an old file. Its own gate knows that of earlier bases; but what was
 * copied may have been replaced before its gate agreed, and then only it tells that this had been there before.
 */
function isRegressed(row: SideRow | undefined, base: ScopeBase): boolean {
  if (row === undefined || row.regressed === true) return row !== undefined
  return row.returned === true && base.known && base.content !== row.live
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

function restoredAt(ours: SideRow | undefined, theirs: SideRow | undefined): Pick<ComparedScope, 'restored'> {
  if (theirs?.restored !== undefined) return { restored: { ...theirs.restored, side: 'target' } }
  if (ours?.restored !== undefined) return { restored: { ...ours.restored, side: 'source' } }
  return {}
}

export type CompareOptions = {
  /** Scope → the pair of contents that somebody does not want to be proposed again. Default: none. */
  readonly rejections?: Readonly<Record<string, RejectedPair>> | undefined
}

/** Decides every scope that either side knows, in the order of their keys. `source` is the authoritative side. */
export function compareScopes(
  source: Iterable<SideRow>,
  target: Iterable<SideRow>,
  policy: DecisionPolicy,
  { rejections }: CompareOptions = {},
): Comparison {
  const sources = new Map([...source].map((row) => [row.scope, row]))
  const targets = new Map([...target].map((row) => [row.scope, row]))
  const keys = [...new Set([...sources.keys(), ...targets.keys()])].sort()
  const scopes = keys.map((scope): ComparedScope => {
    const ours = sources.get(scope)
    const theirs = targets.get(scope)
    const base = newerBase(ours, theirs)
    const auth = { ...sideOf(ours), regressed: isRegressed(ours, base) }
    const decision = decideScope(auth, sideOf(theirs), base, policy, rejections?.[scope])
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
      ...restoredAt(ours, theirs),
      ...(theirs?.writtenBy === undefined ? {} : { writtenBy: theirs.writtenBy }),
      mayAgree:
        decision.kind === 'converged' &&
        // Agreeing is also what ends `dirty` and `restored`: equal content needs no look any more.
        ([ours, theirs].some((row) => row?.dirty === true || row?.restored !== undefined) ||
          !(hasBase(ours) && hasBase(theirs))),
    }
  })
  return { sync: worstSync(scopes.map((scope) => scope.sync)), scopes }
}
