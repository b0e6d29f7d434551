// The write gate of one DHCP server: the only door through which it is written.
// What may be written is decided by the machine in libs/protocol/gate.ts; here it meets
// the driver and the journal.

import type { GateAnswer } from '#contracts/gate.ts'
import type { MatchedRelationship } from '#contracts/relationships.ts'
import type { GateOperation } from '#contracts/subjects.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { DhcpDriver } from '#drivers/driver.ts'
import type { Journal } from './journal.ts'
import type { Observation } from './observation.ts'

/** What the gate needs of a logger; pino's has it. */
export type GateLogger = {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type GateOptions = {
  /** The server's name in the configuration. */
  readonly server: string
  readonly driver: DhcpDriver
  readonly journal: Journal
  /** Read at every request, so that a relationship set up later is known without a restart. */
  readonly relationships: () => readonly MatchedRelationship[]
  /** Id of this installation, left at the server so that a second installation does not write there. */
  readonly installation: string
  /** The configuration's promise that no other Twinscope writes here. */
  readonly exclusive: boolean
  readonly logger: GateLogger
  /** Called after every full read, also those of prepare and commit. */
  readonly onSnapshot?: (observation: Observation) => void
  /** RFC 3339 time; default: the system clock. */
  readonly now?: () => string
  /** A new ticket value; default: random. */
  readonly newTicket?: () => string
}

/** A change of one scope that was seen and not yet published. */
export type PendingChange = {
  readonly scope: ScopeKey
  readonly change: 'created' | 'changed' | 'deleted'
  /** Absent where the scope is gone. */
  readonly fingerprint?: string
  /** Absent where the scope was not there, as far as was published. */
  readonly previousFingerprint?: string
  readonly revision: number
  readonly seenAt: string
}

export interface Gate {
  /**
   * Finishes or takes back what an earlier process had begun. Resolves when that is done, or at once where
   * there is nothing; rejects with the `DriverError` where the server cannot be read now: call it again.
   * Until then every request that could write is answered `uncertain`.
   */
  recover(signal: AbortSignal): Promise<void>
  /** Answers one request; `request` has passed its schema in GATE_SCHEMAS. Never rejects. */
  handle(op: GateOperation, request: unknown): Promise<GateAnswer<unknown>>
  /** One full read, outside the mutex, recorded in the journal. Rejects with the driver's error. */
  observe(signal: AbortSignal): Promise<Observation>
  /** The last full read of this process, whoever made it. */
  latest(): Observation | undefined
  /** What was seen and not yet published, in the order of the scopes. */
  unpublished(): readonly PendingChange[]
  /** Call after the publish ack. */
  published(change: PendingChange): void
  /** Tries again to make what runs survive a restart; true when nothing is left to persist. */
  retryPersist(signal: AbortSignal): Promise<boolean>
}

export function createGate(options: GateOptions): Gate {
  throw new Error(`the gate of ${options.server} is not built yet`)
}
