// What the machine of an adoption or a restore is made of: plain data, so that a state can be compared and explored.

import type { CommittedScope, Permission, RunWait, ScopeVersion, Side, SideFailure } from './job-types.ts'

/** Server → what somebody approved to be written there. */
export type Approved = Readonly<Record<string, readonly ScopeVersion[]>>

export type CorrectionRequest = {
  readonly job: string
  /**
   * `adopt`: the content of `server`, which is not the authoritative side, is written onto the authoritative side.
   * `restore`: `server` gets back what was there before a job wrote its scopes; with `both` its partner gets it too.
   */
  readonly kind: 'adopt' | 'restore'
  readonly relationship: string
  readonly servers: readonly [string, string]
  readonly server: string
  readonly both: boolean
  readonly scopes: readonly string[]
  /** What an earlier, interrupted run was about to write. */
  readonly recorded?: Approved
}

/** One scope of the content that is wished; `fingerprint` absent: the scope is deleted. */
export type WantedScope = { readonly scope: string; readonly fingerprint?: string }

export type CorrectionInput =
  | { readonly kind: 'authority'; readonly side: string; readonly epoch: number }
  | { readonly kind: 'no-authority'; readonly message: string }
  /** Per server, what its gate's journal says of this job. */
  | { readonly kind: 'recalled'; readonly results: Readonly<Record<string, readonly CommittedScope[]>> }
  | { readonly kind: 'permission'; readonly permission: Permission }
  | { readonly kind: 'prepared'; readonly ticket: string; readonly target: Side }
  /** Scopes of which nothing is known to be wished are left out. */
  | { readonly kind: 'wanted'; readonly wanted: readonly WantedScope[] }
  /** What of the plans of all targets was approved; nothing: they are shown instead. */
  | { readonly kind: 'planned'; readonly approved: Approved }
  | { readonly kind: 'recorded' }
  | { readonly kind: 'covered' }
  | { readonly kind: 'committed'; readonly results: readonly CommittedScope[] }
  | { readonly kind: 'agreed' }
  | { readonly kind: 'outdated'; readonly why: 'stale-ticket' | 'stale-epoch' | 'input-changed' }
  | { readonly kind: 'side-failed'; readonly failure: SideFailure }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }

type Place = { readonly target: string; readonly side: string; readonly epoch: number }

export type CorrectionEffect =
  | { readonly kind: 'read-authority' }
  | { readonly kind: 'recall'; readonly targets: readonly string[] }
  | { readonly kind: 'permit' }
  /** Lets this ticket's commit write to the authoritative side too, in these scopes only. */
  | ({ readonly kind: 'prepare'; readonly scopes: readonly string[] } & Place)
  | { readonly kind: 'read-wanted'; readonly server: string; readonly scopes: readonly string[] }
  | { readonly kind: 'plan'; readonly targets: readonly string[]; readonly wanted: readonly WantedScope[] }
  | { readonly kind: 'record'; readonly approved: Approved }
  | { readonly kind: 'cover'; readonly server: string }
  /** A courtesy: whatever is answered changes nothing, and the cover ends by itself. */
  | { readonly kind: 'uncover'; readonly server: string }
  | ({
      readonly kind: 'commit'
      readonly purpose: 'adopt' | 'restore'
      readonly ticket: string
      readonly versions: readonly ScopeVersion[]
    } & Place)
  | {
      readonly kind: 'agree'
      readonly server: string
      readonly side: string
      readonly epoch: number
      readonly scopes: readonly { readonly scope: string; readonly fingerprint?: string; readonly serial?: number }[]
    }
  | { readonly kind: 'wait'; readonly failure: SideFailure & { readonly wait: RunWait } }
  | { readonly kind: 'finish' }

export type CorrectionPhase =
  | 'authority'
  | 'revoke'
  | 'recall'
  | 'permit'
  | 'prepare'
  | 'wanted'
  | 'plan'
  | 'record'
  | 'permit-commit'
  | 'cover'
  | 'commit'
  | 'agree'
  | 'waiting'
  | 'finished'

export type CorrectionState = {
  readonly phase: CorrectionPhase
  readonly request: CorrectionRequest
  readonly rounds: number
  readonly side?: string
  readonly epoch?: number
  /** Which of the targets it is at. */
  readonly at: number
  readonly ticket?: string
  readonly targetSide?: Side
  readonly wanted: readonly WantedScope[]
  /** What was approved and recorded; absent: nothing yet. */
  readonly approved?: Approved
  /** What was approved and is being recorded. */
  readonly unrecorded?: Approved
  /** What is sent with the present commit. */
  readonly versions: readonly ScopeVersion[]
  /** Per server; the newest result of a scope counts. */
  readonly results: Readonly<Record<string, readonly CommittedScope[]>>
  readonly refusal?: { readonly code: string; readonly message: string }
}
