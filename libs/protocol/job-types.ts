// What the machine of one run is made of: plain data, so that a state can be compared, stored and explored.

import type { ComparedScope, SideRow } from '#plan/compare.ts'
import type { RejectedPair } from '#plan/decide.ts'
import type { DecisionPolicy } from '#plan/policy.ts'

/** What the machine needs to know of a waiting job. */
export type RunJob = {
  readonly job: string
  readonly automatic: boolean
  readonly source: string
  /** Absent: every scope of the relationship. */
  readonly scopes?: readonly string[]
  /** A commit that an earlier, interrupted run had recorded for it. */
  readonly commit?: string
  /** The server that it was for. */
  readonly commitAt?: string
  /** When the first change that it carries was seen. Milliseconds since the epoch. */
  readonly noticedAtMs?: number
}

export type RunPolicy = DecisionPolicy & {
  readonly relationship: string
  readonly servers: readonly [string, string]
  readonly mode: 'automatic' | 'manual' | 'observe'
  readonly quietPeriodMs: number
  readonly soakDelayMs: number
}

export type ScopeVersion = {
  readonly scope: string
  readonly expected?: string
  readonly wanted?: string
  /** Somebody approved exactly this write. */
  readonly approved?: boolean
}

export type CommittedScope = {
  readonly scope: string
  readonly result: 'written' | 'unchanged' | 'target-changed' | 'rejected' | 'held'
  readonly code?: string | undefined
  readonly message?: string | undefined
  readonly persisted?: boolean | undefined
  readonly baseEpoch?: number | undefined
  readonly baseSerial?: number | undefined
}

export type RunWait =
  | 'quiet-period'
  | 'soak-delay'
  | 'paused'
  | 'outside-window'
  | 'covering'
  | 'settings-differ'
  | 'partner-not-normal'
  | 'source-not-steady'
  | 'unreachable'
  | 'uncertain'
  | 'lock-held'

/** Whether a pause or a window keeps the relationship from being written now. */
export type Permission =
  | { readonly kind: 'open' }
  | {
      readonly kind: 'closed'
      readonly wait: 'paused' | 'outside-window'
      readonly message: string
      /** When it ends by itself, where that is known. Milliseconds since the epoch. */
      readonly untilMs?: number
    }

/** What is left to a later run: differences that may not be copied yet. */
export type Postponed = { readonly wait: RunWait; readonly message: string; readonly untilMs?: number }

export type SideFailure = { readonly server: string; readonly wait: RunWait; readonly message: string }

export type RunInput =
  | { readonly kind: 'authority'; readonly side: string; readonly epoch: number }
  | { readonly kind: 'no-authority'; readonly message: string }
  /** Results of commits that earlier runs had recorded. */
  | { readonly kind: 'recalled'; readonly results: readonly CommittedScope[] }
  | {
      readonly kind: 'compared'
      readonly source: Side
      readonly target: Side
      readonly nowMs: number
      /** Scope → the pair of contents that somebody rejected. */
      readonly rejections?: Readonly<Record<string, RejectedPair>>
    }
  | { readonly kind: 'permission'; readonly permission: Permission }
  | { readonly kind: 'prepared'; readonly ticket: string; readonly target: Side }
  | { readonly kind: 'source-read'; readonly source: Side }
  | { readonly kind: 'planned'; readonly safe: readonly ScopeVersion[] }
  | { readonly kind: 'recorded' }
  /** The source's gate begins no write of its own until it is told, or for 30 s. */
  | { readonly kind: 'covered' }
  | { readonly kind: 'committed'; readonly results: readonly CommittedScope[] }
  /** `serial`: what the gate gave to the bases it set. */
  | { readonly kind: 'agreed'; readonly serial?: number }
  /** What was read or promised is no longer so: begin again with comparing. */
  | { readonly kind: 'outdated'; readonly why: 'stale-ticket' | 'stale-epoch' | 'input-changed' }
  | { readonly kind: 'side-failed'; readonly failure: SideFailure }
  /** A refusal by the target's gate that waiting does not cure. */
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }

export type Side = {
  readonly rows: readonly SideRow[]
  readonly normal: boolean
  readonly state: string
  /** What the gate of this side has made durable. */
  readonly authority?: { readonly side: string; readonly epoch: number }
}

export type RunEffect =
  | { readonly kind: 'read-authority' }
  | { readonly kind: 'recall'; readonly commits: readonly string[]; readonly target: string }
  | { readonly kind: 'compare'; readonly source: string; readonly target: string; readonly fresh: boolean }
  /** Do pauses and windows let it be written now? Asked before anything is prepared, and again before the commit. */
  | { readonly kind: 'permit' }
  | { readonly kind: 'prepare'; readonly target: string; readonly side: string; readonly epoch: number }
  | { readonly kind: 'read-source'; readonly source: string }
  | { readonly kind: 'plan'; readonly scopes: readonly ComparedScope[] }
  | { readonly kind: 'record'; readonly versions: readonly ScopeVersion[] }
  | { readonly kind: 'cover'; readonly server: string }
  /** A courtesy: whatever is answered changes nothing, and the cover ends by itself. */
  | { readonly kind: 'uncover'; readonly server: string }
  | {
      readonly kind: 'commit'
      readonly target: string
      readonly side: string
      readonly epoch: number
      readonly ticket: string
      readonly versions: readonly ScopeVersion[]
    }
  | {
      readonly kind: 'agree'
      readonly server: string
      readonly side: string
      readonly epoch: number
      readonly scopes: readonly { readonly scope: string; readonly fingerprint?: string; readonly serial?: number }[]
    }
  | { readonly kind: 'wait'; readonly failure: SideFailure; readonly untilMs?: number }
  /** `postponed`: differences that may not be copied yet are left to a job of their own. */
  | { readonly kind: 'finish'; readonly postponed?: Postponed }

export type RunPhase =
  | 'authority'
  | 'revoke'
  | 'recall'
  | 'compare'
  | 'permit'
  | 'prepare'
  | 'read'
  | 'plan'
  | 'record'
  | 'permit-commit'
  | 'cover'
  | 'commit'
  | 'agree-target'
  | 'agree-source'
  | 'waiting'
  | 'finished'

export type RunState = {
  readonly phase: RunPhase
  readonly policy: RunPolicy
  readonly jobs: readonly RunJob[]
  readonly rounds: number
  readonly side?: string
  readonly epoch?: number
  readonly ticket?: string
  readonly targetSide?: Side
  readonly sourceSide?: Side
  /** The newest comparison; rows of the outcome are made of it. */
  readonly compared: readonly ComparedScope[]
  /** What is being committed; afterwards, what of it the target has. */
  readonly versions: readonly ScopeVersion[]
  /** Results per scope, over all rounds and recalled commits; the newest counts. */
  readonly results: readonly CommittedScope[]
  /** What an interrupted run had written to this server, which has the authority by now. */
  readonly recalled?: { readonly target: string; readonly results: readonly CommittedScope[] }
  /** When the sides were compared, by the replicator's clock. Milliseconds since the epoch. */
  readonly nowMs: number
  readonly rejections: Readonly<Record<string, RejectedPair>>
  /** Set where a pause or a window keeps it from being written. */
  readonly closed?: Extract<Permission, { readonly kind: 'closed' }>
  /** The epoch above the record's that a gate showed; seen twice, the record is outdated. */
  readonly aheadEpoch?: number
  readonly refusal?: { readonly code: string; readonly message: string }
}

/** The protections of the machine; all are on in production. The model checker switches single ones off. */
export type RunChecks = {
  /** The source is read after prepare, never before. */
  readonly readAfterPrepare: boolean
  /** A recorded commit is asked for before anything else is tried. */
  readonly recall: boolean
  /** The source's gate is asked to begin no write of its own while the target is written. */
  readonly cover: boolean
  /** The source's gate gets the new base too, so that it knows an old file when its server comes up with one. */
  readonly baseOnBothSides: boolean
}
export const ALL_RUN_CHECKS: RunChecks = { readAfterPrepare: true, recall: true, cover: true, baseOnBothSides: true }
