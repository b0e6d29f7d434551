// What the checker judges by: the DHCP servers' own write logs, the ledger as it was stored, and what the harness
// did. Nothing here comes from Twinscope's code, and nothing is believed that Twinscope says of itself but the ledger.
//
// All times are milliseconds of the host's monotonic clock, which no process can set.

/** A line of a DHCP server's write log. */
export type LogLine =
  | {
      readonly kind: 'write' | 'restart'
      readonly monotonicMs: number
      readonly who: string
      readonly scope: string
      /** Absent: the scope was not there. */
      readonly before?: string
      readonly after?: string
      readonly token: string
      /** The configuration that the writer had read before. */
      readonly readToken?: string
    }
  | {
      readonly kind: 'start'
      readonly monotonicMs: number
      readonly token: string
      readonly scopes: Readonly<Record<string, string>>
    }
  | {
      readonly kind: 'unchanged'
      readonly monotonicMs: number
      readonly who: string
      readonly token: string
      readonly readToken?: string
      /**
       * The whole configuration was sent, as Kea has no smaller write: after a write whose end is unknown that is also
       * how a server is made to serve again.
       */
      readonly isWhole?: true
    }
  /** A write was answered with an error, or its answer was lost: its author does not know what became of it. */
  | { readonly kind: 'unanswered'; readonly monotonicMs: number; readonly who: string; readonly token: string }
  /** The failover state that the server is in from now on, in its own word. A `start` ends it. */
  | { readonly kind: 'state'; readonly monotonicMs: number; readonly token: string; readonly state: string }

export type Relationship = {
  readonly name: string
  /** The authoritative side: the only one that is copied from. */
  readonly authority: string
  readonly partner: string
  readonly scopes: readonly string[]
  readonly onForeignEdit: 'hold' | 'revert'
  readonly onConflict: 'hold' | 'authority-wins'
  readonly prune: 'off' | 'ask' | 'on'
  readonly onAuthorityLoss: 'hold' | 'agree'
}

/** What the ledger says of one scope. */
export type Row = {
  readonly scope: string
  readonly status: string
  readonly code: string
  readonly after?: string
  /** What the same job had written there before. */
  readonly earlier?: readonly { readonly after?: string }[]
}

/** A message of the ledger. */
export type Entry = {
  /** Counts the wipes of NATS before it. */
  readonly incarnation: number
  readonly sequence: number
  readonly storedAtMs: number
  readonly kind: string
  readonly job: string
  readonly slot: string
  readonly automatic: boolean
  readonly status?: string
  readonly code?: string
  readonly rows: readonly Row[]
}

/** A request that was acknowledged: by NATS when it was stored, or by the API with 202. */
export type Request = { readonly job: string; readonly acknowledgedAtMs: number }

export type Evidence = {
  readonly relationships: readonly Relationship[]
  /** Server → its write log, in order. */
  readonly logs: Readonly<Record<string, readonly LogLine[]>>
  readonly ledger: readonly Entry[]
  readonly requests: readonly Request[]
  /** When NATS' store was removed. */
  readonly wipes: readonly { readonly beganAtMs: number; readonly endedAtMs: number }[]
  /** When an operator confirmed an authority that NATS had lost. */
  readonly confirmations: readonly { readonly relationship: string; readonly atMs: number }[]
  /** When an operator moved an authority: `side` has it from the end on. In order. */
  readonly moves?: readonly {
    readonly relationship: string
    readonly side: string
    readonly beganAtMs: number
    readonly endedAtMs: number
  }[]
  /** When something could have interrupted a write at a server. */
  readonly interruptions: readonly { readonly server: string; readonly atMs: number }[]
  /** When the last fault ended and every process was ready again. */
  readonly healedAtMs: number
  /** When nothing differed that should not, as the harness saw; absent: it never came so far. */
  readonly settledAtMs?: number
  readonly endedAtMs: number
}

export const INVARIANTS = [
  'lost',
  'wrong-side',
  'interleaved',
  'stale',
  'foreign-overwritten',
  'echo',
  'outcomes',
  'unreported',
  'not-converged',
  'wrong-reason',
  'not-silent',
] as const
export type Invariant = (typeof INVARIANTS)[number]

export type Violation = { readonly invariant: Invariant; readonly message: string }

/** Who Twinscope is in the servers' logs. */
export const TWINSCOPE = 'twinscope'
