// What replicators and gates say to each other (NATS request/reply, JSON).
// Scope content travels as canonical text, so that no JSON codec on the way touches its numbers.
// What is larger than a message travels in parts: gate-parts.ts.

import { type Static, Type } from 'typebox'

/** Every answer is either `{ok: …}` or `{error: GateError}`. */
export const GATE_ERROR_CODES = [
  /** The epoch is older than the gate's. */
  'stale-epoch',
  /** The ticket is not the current one: a newer prepare voided it, or the gate was restarted. */
  'stale-ticket',
  /** Nothing is copied onto the authoritative side. */
  'authoritative-side',
  /** A write went unanswered; nothing is accepted until the server was read again. */
  'uncertain',
  /** A content names a fingerprint that it does not have, or was not staged. */
  'bad-content',
  'unknown-relationship',
  'unknown-job',
  'malformed',
  /** Another installation writes to this server. */
  'foreign-installation',
  /** This server serves alone for a moment, because its partner is being written; its own write has to wait. */
  'covering',
  /** The DHCP server cannot be reached. */
  'unreachable',
  'access-denied',
  /** The DHCP server answered with an error. */
  'server-error',
  /** Not yet: the failover state of the relationship does not allow a write. */
  'not-normal',
  'internal',
] as const
export type GateErrorCode = (typeof GATE_ERROR_CODES)[number]
export type GateErrorBody = { readonly code: GateErrorCode; readonly message: string }
export type GateAnswer<T> = { readonly ok: T } | { readonly error: GateErrorBody }

/** One row of a manifest, short names because there may be ten thousand. */
export const ManifestRow = Type.Object({
  scope: Type.String(),
  /** Live fingerprint; absent: the scope is not there (it has a base, though). */
  live: Type.Optional(Type.String()),
  /** Since when the live content is as it is, as far as the watcher saw. */
  since: Type.Optional(Type.String()),
  /** The content both sides last agreed on, as this gate's journal has it, with its (epoch, serial). */
  base: Type.Optional(Type.String()),
  baseEpoch: Type.Optional(Type.Integer()),
  baseSerial: Type.Optional(Type.Integer()),
  /** True: the live content is an earlier base and was first seen after a restart of the server. */
  regressed: Type.Optional(Type.Boolean()),
  /**
   * True: the server had this content before, then another one, and after a restart this one again. Where the partner
   * has agreed on something newer, it is an old file, whether or not this gate has heard of that.
   */
  returned: Type.Optional(Type.Boolean()),
  /** True: it changed while this server served alone (partner-down). */
  changedAlone: Type.Optional(Type.Boolean()),
  /** True: a recovery left this scope in a state that is neither pre-image nor wanted. */
  dirty: Type.Optional(Type.Boolean()),
  /** Set where a restore put this content here: nothing overwrites it until somebody approves. The job and its time. */
  restored: Type.Optional(Type.Object({ job: Type.String(), at: Type.String() })),
  /** The job whose commit wrote the live content; absent where somebody else did. */
  writtenBy: Type.Optional(Type.String()),
  /** Set where the content cannot be replicated faithfully; says why. */
  unreplicable: Type.Optional(Type.String()),
})
export type ManifestRow = Static<typeof ManifestRow>

export const ManifestPage = Type.Object({
  server: Type.String(),
  /** Counts the full reads; pages of one manifest share it. */
  revision: Type.Integer(),
  readAt: Type.String(),
  version: Type.String(),
  failover: Type.Object({ state: Type.String(), nativeState: Type.String() }),
  /** Since when the failover state is what it is. */
  failoverSince: Type.Optional(Type.String()),
  authority: Type.Optional(Type.Object({ side: Type.String(), epoch: Type.Integer() })),
  rows: Type.Array(ManifestRow),
  provides: Type.Optional(Type.Array(Type.String())),
  /** Fields that this gate leaves out of contents and fingerprints, sorted; absent: none. */
  ignored: Type.Optional(Type.Array(Type.String())),
  next: Type.Optional(Type.String()),
})
export type ManifestPage = Static<typeof ManifestPage>

/** Whether a gate leaves out exactly these fields: only then can its fingerprints be compared. */
export function ignoresExactly({ ignored = [] }: Pick<ManifestPage, 'ignored'>, fields: readonly string[]): boolean {
  return [...ignored].sort().join() === [...fields].sort().join()
}

/** What a commit is for; it decides what becomes of base and marks. */
export const COMMIT_PURPOSES = ['replicate', 'adopt', 'restore'] as const
export type CommitPurpose = (typeof COMMIT_PURPOSES)[number]
const Purpose = Type.Unsafe<CommitPurpose>(Type.String({ enum: [...COMMIT_PURPOSES] }))

/** An approved write that the ordinary rules would refuse: it names who allowed it and which scopes. */
export const WriteException = Type.Object({
  kind: Type.Unsafe<'adopt' | 'restore'>(Type.String({ enum: ['adopt', 'restore'] })),
  /** The job that carries the approval. */
  approval: Type.String(),
  scopes: Type.Array(Type.String(), { minItems: 1 }),
})
export type WriteException = Static<typeof WriteException>

export const GATE_SCHEMAS = {
  /** A page of the manifest of one relationship. `fresh: true` reads the server first; otherwise the watcher's last read. */
  manifest: {
    request: Type.Object({ relationship: Type.String(), fresh: Type.Boolean(), cursor: Type.Optional(Type.String()) }),
    response: ManifestPage,
  },
  /** Opens a write: makes the epoch durable, voids earlier tickets, reads the server. */
  prepare: {
    request: Type.Object({
      relationship: Type.String(),
      side: Type.String({ description: 'The authoritative server' }),
      epoch: Type.Integer({ minimum: 1 }),
      job: Type.String(),
      /** Lets this ticket's commit write to the authoritative side too, in these scopes only. */
      exception: Type.Optional(WriteException),
    }),
    response: Type.Object({ ticket: Type.String(), manifest: ManifestPage }),
  },
  /** Contents of scopes, as read freshly (`source: live`) or from the journal (`base`). */
  read: {
    request: Type.Object({
      relationship: Type.String(),
      scopes: Type.Array(Type.String()),
      of: Type.Unsafe<'live' | 'base'>(Type.String({ enum: ['live', 'base'] })),
      fresh: Type.Boolean(),
      cursor: Type.Optional(Type.String()),
    }),
    response: Type.Object({
      revision: Type.Integer(),
      contents: Type.Array(
        Type.Object({
          scope: Type.String(),
          content: Type.Optional(Type.Object({ fingerprint: Type.String(), text: Type.String() })),
        }),
      ),
      next: Type.Optional(Type.String()),
    }),
  },
  stage: {
    request: Type.Object({
      relationship: Type.String(),
      ticket: Type.String(),
      contents: Type.Array(Type.Object({ scope: Type.String(), fingerprint: Type.String(), text: Type.String() })),
    }),
    response: Type.Object({ staged: Type.Integer() }),
  },
  /** Checks and writes in one go. `expected`/`wanted` absent: the scope is absent / is deleted. */
  commit: {
    request: Type.Object({
      relationship: Type.String(),
      side: Type.String(),
      epoch: Type.Integer(),
      ticket: Type.String(),
      job: Type.String(),
      scopes: Type.Array(
        Type.Object({
          scope: Type.String(),
          expected: Type.Optional(Type.String()),
          wanted: Type.Optional(Type.String()),
          /** Somebody approved exactly this write: a `restored` mark does not hold it. */
          approved: Type.Optional(Type.Boolean()),
        }),
      ),
      /**
       * Default `replicate`. `adopt` and `restore` need a ticket prepared with an exception for these scopes.
       * `restore` leaves the base as it was and marks the scopes as restored.
       */
      purpose: Type.Optional(Purpose),
      /** The highest `baseSerial` in the other side's manifest: the bases that this sets are newer than those too. */
      serialAbove: Type.Optional(Type.Integer()),
    }),
    response: Type.Object({
      job: Type.String(),
      results: Type.Array(
        Type.Object({
          scope: Type.String(),
          result: Type.Unsafe<'written' | 'unchanged' | 'target-changed' | 'rejected' | 'held'>(
            Type.String({ enum: ['written', 'unchanged', 'target-changed', 'rejected', 'held'] }),
          ),
          code: Type.Optional(Type.String()),
          message: Type.Optional(Type.String()),
          persisted: Type.Optional(Type.Boolean()),
          /** (epoch, serial) of the base that the write set; `agree` repeats it at the source. */
          baseEpoch: Type.Optional(Type.Integer()),
          baseSerial: Type.Optional(Type.Integer()),
        }),
      ),
      persistMessage: Type.Optional(Type.String()),
      stages: Type.Array(Type.Object({ name: Type.String(), durationMs: Type.Number() })),
    }),
  },
  /** The journalled result of a job whose commit answer was lost. `unknown-job` if it was never begun. */
  result: { request: Type.Object({ relationship: Type.String(), job: Type.String() }), response: Type.Unknown() },
  /**
   * Sets the base where the live content is exactly this fingerprint: at the source after a commit,
   * and on both sides where they are found equal. Scopes whose live content differs are left out.
   */
  agree: {
    request: Type.Object({
      relationship: Type.String(),
      /** The authoritative server; a gate that does not know the epoch yet learns both. */
      side: Type.String(),
      epoch: Type.Integer({ minimum: 1 }),
      scopes: Type.Array(
        Type.Object({
          scope: Type.String(),
          fingerprint: Type.Optional(Type.String()),
          serial: Type.Optional(Type.Integer()),
        }),
      ),
    }),
    response: Type.Object({ agreed: Type.Array(Type.String()), serial: Type.Integer() }),
  },
  /** Makes a higher epoch durable and waits for a running commit. */
  fence: {
    request: Type.Object({ relationship: Type.String(), side: Type.String(), epoch: Type.Integer({ minimum: 1 }) }),
    response: Type.Object({ epoch: Type.Integer(), side: Type.String() }),
  },
  /**
   * Asked of the partner of a server that is about to be written: while it covers, its gate begins no write of its
   * own, so that never both partners are disturbed at once. Ends with `on: false`, or by itself after 30 s.
   * Refused with `not-normal` while this server is being written or does not serve.
   */
  cover: {
    request: Type.Object({ relationship: Type.String(), job: Type.String(), on: Type.Boolean() }),
    response: Type.Object({ covering: Type.Boolean() }),
  },
  /** Active leases of a scope outside of these ranges; `supported: false` where the server cannot say. */
  leases: {
    request: Type.Object({
      relationship: Type.String(),
      scope: Type.String(),
      outside: Type.Array(Type.Object({ start: Type.String(), end: Type.String() })),
    }),
    response: Type.Object({
      supported: Type.Boolean(),
      count: Type.Integer({ minimum: 0 }),
      /** The first few addresses. */
      examples: Type.Array(Type.String()),
    }),
  },
  /** Replaces the mark of another installation at this server by ours. `previous`: whose it was. */
  claim: {
    request: Type.Object({ actor: Type.Optional(Type.String()) }),
    response: Type.Object({ previous: Type.Optional(Type.String()) }),
  },
  /** What was on this server before a job's commit wrote a scope; absent content: the scope was not there. */
  preimage: {
    request: Type.Object({ relationship: Type.String(), job: Type.String(), scope: Type.String() }),
    response: Type.Object({
      content: Type.Optional(Type.Object({ fingerprint: Type.String(), text: Type.String() })),
      wanted: Type.Optional(Type.String()),
      at: Type.String(),
    }),
  },
} as const

export type GateRequests = { [K in keyof typeof GATE_SCHEMAS]: Static<(typeof GATE_SCHEMAS)[K]['request']> }
export type GateResponses = {
  [K in Exclude<keyof typeof GATE_SCHEMAS, 'result'>]: Static<(typeof GATE_SCHEMAS)[K]['response']>
} & { result: Static<(typeof GATE_SCHEMAS)['commit']['response']> }
export type CommitResult = GateResponses['commit']
export type CommitScopeResult = CommitResult['results'][number]
