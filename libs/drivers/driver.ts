// What Twinscope needs of a DHCP server. One conformance suite (test/conformance)
// holds every driver to it. Only the watcher opens writers.

import type { Json } from '#dhcp/json.ts'
import type { ActiveLeases } from '#dhcp/leases.ts'
import type { DiscoveredRelationship } from '#dhcp/relationship.ts'
import type { ExclusionRange, Scope, ScopeKey } from '#dhcp/scope.ts'

/**
 * The answer of the cheap look. While `instance` and `token` stay as they were,
 * the configuration has, as far as the cheap look can tell, not changed.
 */
export type Probe = {
  /** Changes when the server process was restarted. */
  readonly instance: string
  /** Changes when the server loaded or was given a configuration. */
  readonly token: string
  readonly relationships: readonly {
    /** The relationship's name at the server. */
    readonly name: string
    readonly ownName: string
    readonly nativeState: string
    readonly state: DiscoveredRelationship['state']
  }[]
}

/** One full, consistent read of a server. */
export type Snapshot = {
  readonly instance: string
  readonly readAt: string
  /** Product and version as the server says it, `Kea 2.2.0`. */
  readonly version: string
  readonly scopes: ReadonlyMap<ScopeKey, Scope>
  /** Scopes that were read but cannot be replicated faithfully, with the reason for the operator. */
  readonly unreplicable: ReadonlyMap<ScopeKey, string>
  readonly relationships: readonly DiscoveredRelationship[]
  /** Names of what scopes may refer to: `group:NAME`, `class:NAME`, `option-definition:SPACE/CODE`. */
  readonly provides: ReadonlySet<string>
  /** The driver's own form of the whole configuration; what `apply` starts from and goes back to. Opaque. */
  readonly native: Json
}

/** What should become of one scope. `wanted` absent: the scope is deleted. */
export type ScopeWrite = {
  readonly scope: ScopeKey
  readonly wanted?: Scope
}

/** Why one scope of a batch was not written. */
export type ScopeRejection = {
  readonly scope: ScopeKey
  readonly code: 'missing-reference' | 'id-clash' | 'overlap' | 'unreplicable' | 'rejected'
  /** For the operator; for `rejected` the server's own words. */
  readonly message: string
}

/** An edit that somebody made in the very moment of our write, and that is gone; found afterwards. */
export type OverwrittenEdit = { readonly scope: ScopeKey; readonly by?: string; readonly at?: string }

export type ApplyResult =
  /** The server now runs the wanted content. `changed` is false where nothing had to be sent. */
  | { readonly kind: 'applied'; readonly changed: boolean; readonly overwrote?: readonly OverwrittenEdit[] }
  /** Somebody changed the server after the snapshot was read. Nothing was sent. */
  | { readonly kind: 'changed'; readonly message: string }
  /** The server runs what it ran before, and serves. `scopes` names the culprits where they are known. */
  | { readonly kind: 'rejected'; readonly message: string; readonly scopes: readonly ScopeRejection[] }
  /** The server refuses every write for now; nothing was sent (a first write over a commented file, say). */
  | { readonly kind: 'held'; readonly code: string; readonly message: string }

export type PersistResult =
  /** `note`: it will survive, but not quite in the form it should have; for the operator. */
  /** `overwrote`: the stored configuration had been edited since the snapshot; says where that content is kept. */
  | { readonly kind: 'persisted'; readonly note?: string; readonly overwrote?: string }
  | { readonly kind: 'not-persisted'; readonly code: 'read-only' | 'disk-full' | 'rejected'; readonly message: string }

/** Whose mark a server bears. */
export type Claim =
  /** `previous`: whose mark was replaced by ours. */
  | { readonly kind: 'ours'; readonly previous?: string }
  | { readonly kind: 'foreign'; readonly owner: string }
  /** No mark can be left at this server. */
  | { readonly kind: 'unsupported' }

export type DriverErrorCode =
  /** No connection. Nothing was sent. */
  | 'unreachable'
  /** No answer in time, or the connection broke after a command was sent: whether it took effect is unknown. */
  | 'timed-out'
  | 'access-denied'
  /** The server answered, but not what it should. */
  | 'protocol'
  /** The server refused a read or the driver cannot serve this version. */
  | 'rejected'
  /** The server may be alive without serving, and putting back the saved configuration failed too. */
  | 'not-serving'

/** A failure of the world at a DHCP server. `message` says what, where and what to do. */
export class DriverError extends Error {
  readonly code: DriverErrorCode
  constructor(code: DriverErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'DriverError'
    this.code = code
  }
}

/** Reads a server. A failed read throws {@link DriverError}; it is never an empty configuration. */
export interface ScopeReader {
  probe(signal: AbortSignal): Promise<Probe>
  read(signal: AbortSignal): Promise<Snapshot>
  /**
   * Calls back when the driver learns by itself that something may have changed
   * (a watch on the configuration's directory, an event log). Returns how to stop.
   */
  watch?(onHint: (hint: string) => void): () => void
  close(): Promise<void>
}

/** Everything of a server; only the watcher's gate holds one. */
export interface DhcpDriver extends ScopeReader {
  readonly product: 'kea' | 'simulated' | 'windows'
  /**
   * Whether this installation may write here: checks the installation id left at the server and leaves
   * ours where there is none. Returns who owns it otherwise. `replace`: puts ours in the place of any other.
   */
  claim(installation: string, options?: { readonly replace?: boolean }): Promise<Claim>
  /**
   * Writes a batch of scopes on top of `from`, a snapshot read just before under the gate's mutex.
   * All or nothing; everything that is not in the batch stays effectively as it is.
   * Throws {@link DriverError} `timed-out` where it is unknown what the server has now.
   */
  apply(from: Snapshot, writes: readonly ScopeWrite[]): Promise<ApplyResult>
  /** Makes what runs now survive a restart of the server. */
  persist(): Promise<PersistResult>
  /**
   * For a write that was begun and whose end nobody knows, because this process died in between: makes
   * sure that the server serves what it runs. Absent where a server that answers also serves.
   */
  revive?(): Promise<void>
  /**
   * Leases of the scope that a client holds now, outside of these ranges. `undefined`, or absent, where the
   * server cannot say: a Kea without the lease commands, for instance.
   */
  activeLeasesOutside?(scope: Scope, ranges: readonly ExclusionRange[]): Promise<ActiveLeases | undefined>
}
