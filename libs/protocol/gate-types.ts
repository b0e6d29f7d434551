// What the gate machine is made of: plain data, so that a state can be compared, stored and explored.
// Scopes and contents are only names here (scope key, fingerprint); an absent fingerprint is an absent scope.

import type { CommitScopeResult, GateErrorCode } from '#contracts/gate.ts'

/**
 * The protections of the machine. All are on in production; the tests and the model checker
 * switch single ones off to show that each is needed.
 */
export type GateChecks = {
  /** A request with an epoch below the gate's is refused. */
  readonly epoch: boolean
  /** A commit needs the ticket of the newest prepare of its relationship. */
  readonly ticket: boolean
  /** A scope is written only where its freshly read content is the expected one. */
  readonly comparison: boolean
  /** Nothing is written to the authoritative side. */
  readonly authoritativeSide: boolean
  /** Nothing is written while the relationship is not normal. */
  readonly failoverState: boolean
  /** A job that is known is answered from the journal. */
  readonly knownJob: boolean
  /** After a write without an answer nothing is accepted until the server was read. */
  readonly uncertainty: boolean
  /** What was written counts only when it was read back. */
  readonly readBack: boolean
}

export const ALL_CHECKS: GateChecks = {
  epoch: true,
  ticket: true,
  comparison: true,
  authoritativeSide: true,
  failoverState: true,
  knownJob: true,
  uncertainty: true,
  readBack: true,
}

/** Who is copied from. */
export type GateAuthority = { readonly epoch: number; readonly side: string }

/** Scope → fingerprint; a scope that is not there has no entry. */
export type LiveScopes = Readonly<Record<string, string>>

export type CommitScope = { readonly scope: string; readonly expected?: string; readonly wanted?: string }
export type AgreeScope = { readonly scope: string; readonly fingerprint?: string; readonly serial?: number }

export type GateRequest =
  /** `ticket` is the value that the new ticket gets; the caller draws it. */
  | {
      readonly op: 'prepare'
      readonly relationship: string
      readonly side: string
      readonly epoch: number
      readonly ticket: string
    }
  | {
      readonly op: 'stage'
      readonly relationship: string
      readonly ticket: string
      readonly fingerprints: readonly string[]
    }
  | CommitRequest
  | {
      readonly op: 'agree'
      readonly relationship: string
      readonly side: string
      readonly epoch: number
      readonly scopes: readonly AgreeScope[]
    }
  | { readonly op: 'fence'; readonly relationship: string; readonly side: string; readonly epoch: number }
  /** Tries again to make what runs survive a restart. */
  | { readonly op: 'persist' }
export type CommitRequest = {
  readonly op: 'commit'
  readonly relationship: string
  readonly side: string
  readonly epoch: number
  readonly ticket: string
  readonly job: string
  readonly scopes: readonly CommitScope[]
  /** The highest serial that the other side's bases have: the new ones must be newer on both. */
  readonly serialAbove?: number
}

/** A request with the number under which its answer is given. */
export type Queued = { readonly from: number; readonly request: Exclude<GateRequest, { op: 'stage' }> }

export type ScopeResult = Pick<
  CommitScopeResult,
  'scope' | 'result' | 'code' | 'message' | 'persisted' | 'baseEpoch' | 'baseSerial'
> & {
  readonly wanted?: string
}

/** One scope that is to be written: from what to what. */
export type Intent = { readonly scope: string; readonly preImage?: string; readonly wanted?: string }

/** A commit whose *begin* is journalled and whose *end* is not. */
export type OpenCommit = {
  readonly job: string
  readonly relationship: string
  readonly epoch: number
  readonly intents: readonly Intent[]
  /** What is already known of scopes that were not written. */
  readonly settled: readonly ScopeResult[]
  readonly serialAbove?: number
}

/** A commit on its way. */
export type Work = OpenCommit & {
  /** Scopes still to be written; the first batch is next. */
  readonly batches: readonly (readonly string[])[]
  /** Scopes of which the server said that it has them. */
  readonly applied: readonly string[]
  readonly persisted?: boolean
  readonly persistMessage?: string
  /** Set where nothing was sent because of it. */
  readonly failure?: { readonly code: GateErrorCode; readonly message: string }
}

export type Running =
  | { readonly phase: 'epoch' | 'read' | 'storeBases' | 'persistAgain' | 'lookUp'; readonly queued: Queued }
  | {
      readonly phase: 'begin' | 'write' | 'reread' | 'persist' | 'readBack' | 'end'
      readonly queued: Queued
      readonly work: Work
    }
  | RecoveryRunning
export type RecoveryRunning =
  | { readonly phase: 'recoverRead' }
  | { readonly phase: 'restore' | 'recoverPersist' | 'recoverReadBack' | 'recoverEnd'; readonly work: Work }

/** The current ticket of a relationship and the contents staged under it. */
export type Ticket = { readonly value: string; readonly staged: readonly string[] }

export type GateState = {
  /** The name of the DHCP server that this gate guards. */
  readonly server: string
  readonly authorities: Readonly<Record<string, GateAuthority>>
  readonly tickets: Readonly<Record<string, Ticket>>
  /** Waits for the mutex, in order of arrival. */
  readonly queue: readonly Queued[]
  /** Holds the mutex. */
  readonly running?: Running
  /** The server is uncertain: this commit has to be resolved first. */
  readonly open?: OpenCommit
}

export type WriteAnswer =
  | { readonly kind: 'applied' }
  | {
      readonly kind: 'rejected'
      readonly message: string
      readonly scopes: readonly { readonly scope: string; readonly code: string; readonly message: string }[]
    }
  | { readonly kind: 'held'; readonly code: string; readonly message: string }
  /** Nothing reached the server. */
  | { readonly kind: 'not-sent'; readonly code: GateErrorCode; readonly message: string }
  /** Whether it took effect is unknown. */
  | { readonly kind: 'unknown'; readonly message: string }

export type GateInput =
  | { readonly kind: 'request'; readonly from: number; readonly request: GateRequest }
  /** The server may be readable again: resolve the open commit. */
  | { readonly kind: 'recover' }
  | { readonly kind: 'epochStored' }
  | { readonly kind: 'lookedUp'; readonly results: readonly ScopeResult[] }
  /**
   * The server was read. `normal`: the failover state of the relationship allows a write. `mixed`: scopes of
   * the open commit that are partly pre-image and partly wanted, each of their objects being one of the two.
   */
  | { readonly kind: 'read'; readonly live: LiveScopes; readonly normal: boolean; readonly mixed?: readonly string[] }
  | { readonly kind: 'readFailed'; readonly code: GateErrorCode; readonly message: string }
  | { readonly kind: 'begun' }
  | { readonly kind: 'writeAnswered'; readonly answer: WriteAnswer }
  | { readonly kind: 'persistAnswered'; readonly persisted: boolean; readonly message?: string }
  | { readonly kind: 'ended'; readonly serial: number }
  | { readonly kind: 'basesStored'; readonly scopes: readonly string[]; readonly serial: number }
  /** The journal could not be written. */
  | { readonly kind: 'journalFailed'; readonly message: string }

export type GateReply =
  | { readonly kind: 'refused'; readonly code: GateErrorCode; readonly message: string }
  | { readonly kind: 'prepared'; readonly ticket: string }
  | { readonly kind: 'staged'; readonly count: number }
  | {
      readonly kind: 'committed'
      readonly job: string
      readonly results: readonly ScopeResult[]
      readonly persistMessage?: string
      readonly serialAbove?: number
    }
  | { readonly kind: 'agreed'; readonly scopes: readonly string[]; readonly serial: number }
  | { readonly kind: 'fenced'; readonly epoch: number; readonly side: string }
  | { readonly kind: 'persisted'; readonly persisted: boolean }

/** Everything but `reply` is answered by exactly one input before the machine goes on. */
export type GateEffect =
  | { readonly kind: 'storeEpoch'; readonly relationship: string; readonly authority: GateAuthority }
  | { readonly kind: 'lookUp'; readonly relationship: string; readonly job: string }
  /** `toWrite` and `recovering`: also check that this installation may write here. */
  | {
      readonly kind: 'readLive'
      readonly relationship: string
      readonly toWrite: boolean
      readonly recovering: boolean
    }
  | { readonly kind: 'journalBegin'; readonly commit: OpenCommit }
  /** `fingerprint` absent: the scope is deleted. */
  | { readonly kind: 'write'; readonly writes: readonly { readonly scope: string; readonly fingerprint?: string }[] }
  | { readonly kind: 'persist' }
  | {
      readonly kind: 'journalEnd'
      readonly job: string
      readonly relationship: string
      readonly epoch: number
      readonly results: readonly ScopeResult[]
      /** Scopes that both sides now have alike. */
      readonly bases: readonly { readonly scope: string; readonly fingerprint?: string }[]
      readonly persistMessage?: string
    }
  | {
      readonly kind: 'storeBases'
      readonly relationship: string
      readonly epoch: number
      readonly scopes: readonly AgreeScope[]
    }
  | { readonly kind: 'reply'; readonly to: number; readonly answer: GateReply }

export type GateStep = { readonly state: GateState; readonly effects: readonly GateEffect[] }
