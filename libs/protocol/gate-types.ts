// What the gate machine is made of: plain data, that can be compared, stored and explored. Scopes and contents
// are only names here (scope key, fingerprint); an absent fingerprint is an absent scope.

import type { CommitPurpose, CommitScopeResult, GateErrorCode, WriteException } from '#contracts/gate.ts'

/** The protections of the machine, all on in production; tests and model checker switch single ones off. */
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
  /** An adoption or a restore needs a ticket that was prepared with an exception for exactly its scopes. */
  readonly exception: boolean
  /** What a restore put back is overwritten only by a write that somebody approved. */
  readonly restored: boolean
  /** While this server serves alone for its partner, it is not written; while it is written, it does not cover. */
  readonly cover: boolean
  /** A fence waits for the commit that runs. */
  readonly mutex: boolean
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
  exception: true,
  restored: true,
  cover: true,
  mutex: true,
}

/** Who is copied from. */
export type GateAuthority = { readonly epoch: number; readonly side: string }

/** Who allowed a write that the ordinary rules refuse, and where. */
export type Exception = {
  readonly kind: WriteException['kind']
  readonly approval: string
  readonly scopes: readonly string[]
}

/** Relationship → scope → the job that restored it. Such a scope is written only where somebody approved it. */
export type RestoredMarks = Readonly<Record<string, Readonly<Record<string, string>>>>

/** Scope → fingerprint; a scope that is not there has no entry. */
export type LiveScopes = Readonly<Record<string, string>>

export type CommitScope = {
  readonly scope: string
  readonly expected?: string
  readonly wanted?: string
  /** Somebody approved exactly this write. */
  readonly approved?: boolean
}
export type AgreeScope = { readonly scope: string; readonly fingerprint?: string; readonly serial?: number }

export type GateRequest =
  /** `ticket` is the value that the new ticket gets; the caller draws it. */
  | {
      readonly op: 'prepare'
      readonly relationship: string
      readonly side: string
      readonly epoch: number
      readonly ticket: string
      /** The approved write that this ticket is for, and its scopes. */
      readonly exception?: Exception
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
  /** Makes the server ours, whoever's mark it bears. */
  | { readonly op: 'claim' }
  | CoverRequest
export type CoverRequest = {
  readonly op: 'cover'
  readonly relationship: string
  readonly job: string
  readonly on: boolean
  /** Whether the server serves this relationship in a normal failover state; the caller has just looked. */
  readonly serves: boolean
}
export type CommitRequest = {
  readonly op: 'commit'
  readonly relationship: string
  readonly side: string
  readonly epoch: number
  readonly ticket: string
  readonly job: string
  readonly scopes: readonly CommitScope[]
  /** Default `replicate`. */
  readonly purpose?: CommitPurpose
  /** The highest serial that the other side's bases have: the new ones must be newer on both. */
  readonly serialAbove?: number
}

/** A request with the number under which its answer is given. */
export type Queued = { readonly from: number; readonly request: Exclude<GateRequest, { op: 'stage' | 'cover' }> }

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
  /** Set where it is an adoption or a restore. */
  readonly exception?: Pick<Exception, 'kind' | 'approval'>
}

/** A commit on its way. */
export type Work = OpenCommit & {
  /** Scopes still to be written; the first batch is next. */
  readonly batches: readonly (readonly string[])[]
  /** Scopes of which the server said that it has them. */
  readonly applied: readonly string[]
  /** Scope → what is known of an edit that our write replaced unseen. */
  readonly overwrote?: Readonly<Record<string, string>>
  readonly persisted?: boolean
  readonly persistMessage?: string
  /** Set where nothing was sent because of it. */
  readonly failure?: { readonly code: GateErrorCode; readonly message: string }
}

export type Running =
  | { readonly phase: 'epoch' | 'read' | 'storeBases' | 'persistAgain' | 'lookUp' | 'claim'; readonly queued: Queued }
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
export type Ticket = { readonly value: string; readonly staged: readonly string[]; readonly exception?: Exception }

export type GateState = {
  /** The name of the DHCP server that this gate guards. */
  readonly server: string
  readonly authorities: Readonly<Record<string, GateAuthority>>
  readonly tickets: Readonly<Record<string, Ticket>>
  readonly restored: RestoredMarks
  /** Relationship → the job whose write at the partner this server covers by serving alone. In memory only. */
  readonly covering: Readonly<Record<string, string>>
  /** Waits for the mutex, in order of arrival. */
  readonly queue: readonly Queued[]
  /** Holds the mutex. */
  readonly running?: Running
  /** The server is uncertain: this commit has to be resolved first. */
  readonly open?: OpenCommit
}

export type WriteAnswer =
  /** `overwrote`: scopes in which somebody's edit of that very moment is gone, with the sentence that says so. */
  | { readonly kind: 'applied'; readonly overwrote?: Readonly<Record<string, string>> }
  /** It changed after it was read. Nothing was sent. */
  | { readonly kind: 'changed'; readonly message: string }
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

/** `overwrote`: the stored configuration was edited in between; where that is kept. */
export type PersistAnswer = { readonly persisted: boolean; readonly message?: string; readonly overwrote?: string }

export type GateInput =
  | { readonly kind: 'request'; readonly from: number; readonly request: GateRequest }
  /** The server may be readable again: resolve the open commit. */
  | { readonly kind: 'recover' }
  /** Nobody ended the cover in time: whoever asked for it is dead, or too slow to go on. */
  | { readonly kind: 'coverExpired'; readonly relationship: string; readonly job: string }
  | { readonly kind: 'epochStored' }
  /** The server bears our mark now; `previous`: whose it bore. */
  | { readonly kind: 'claimed'; readonly previous?: string }
  | { readonly kind: 'lookedUp'; readonly results: readonly ScopeResult[] }
  /**
   * The server was read. `normal`: the failover state of the relationship allows a write. `mixed`: scopes of
   * the open commit that are partly pre-image and partly wanted, each of their objects being one of the two.
   */
  | { readonly kind: 'read'; readonly live: LiveScopes; readonly normal: boolean; readonly mixed?: readonly string[] }
  | { readonly kind: 'readFailed'; readonly code: GateErrorCode; readonly message: string }
  | { readonly kind: 'begun' }
  | { readonly kind: 'writeAnswered'; readonly answer: WriteAnswer }
  | ({ readonly kind: 'persistAnswered' } & PersistAnswer)
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
  | { readonly kind: 'claimed'; readonly previous?: string }
  | { readonly kind: 'covered'; readonly relationship: string; readonly job: string; readonly covering: boolean }

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
  /** `again`: no commit asked for it just now, so it is checked once more that this installation may write here. */
  | { readonly kind: 'persist'; readonly again?: boolean }
  | { readonly kind: 'claim' }
  | {
      readonly kind: 'journalEnd'
      readonly job: string
      readonly relationship: string
      readonly epoch: number
      readonly results: readonly ScopeResult[]
      /** Scopes that both sides now have alike. A base that is set ends the `restored` mark of its scope. */
      readonly bases: readonly { readonly scope: string; readonly fingerprint?: string }[]
      /** Scopes that get the mark `restored`. */
      readonly restored: readonly string[]
      readonly exception?: Pick<Exception, 'kind' | 'approval'>
      readonly persistMessage?: string
      /** The serial of the bases is higher than this. */
      readonly serialAbove?: number
    }
  | {
      readonly kind: 'storeBases'
      readonly relationship: string
      readonly epoch: number
      readonly scopes: readonly AgreeScope[]
    }
  | { readonly kind: 'reply'; readonly to: number; readonly answer: GateReply }

export type GateStep = { readonly state: GateState; readonly effects: readonly GateEffect[] }
