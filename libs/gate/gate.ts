// The write gate of one DHCP server: the only door through which it is written.
// What may be written is decided by the machine in libs/protocol/gate.ts; here it meets
// the driver and the journal.

import { randomBytes } from 'node:crypto'
import type { GateAnswer } from '#contracts/gate.ts'
import type { MatchedRelationship } from '#contracts/relationships.ts'
import type { GateOperation } from '#contracts/subjects.ts'
import type { DiscoveredRelationship } from '#dhcp/relationship.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { type DhcpDriver, DriverError, type Snapshot } from '#drivers/driver.ts'
import { createEffects } from './effects.ts'
import { DEFAULT_RETENTION_MS, type Journal } from './journal.ts'
import { manifestOf } from './manifest.ts'
import { fieldsByScope, fieldsOfRelationship, ignoredBy } from './masks.ts'
import { type Observation, observationOf } from './observation.ts'
import { createRequests } from './requests.ts'
import { runMachine } from './run-machine.ts'
import type { SeenScope } from './seen.ts'
import { createStaged } from './staged.ts'

/** Milliseconds between two removals of old journal entries. */
const PRUNE_EVERY_MS = 24 * 3_600_000

/** After how long a cover that nobody ended ends by itself, by default. Milliseconds. */
const DEFAULT_COVER_MS = 30_000

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
  readonly relationships: (discovered: readonly DiscoveredRelationship[]) => readonly MatchedRelationship[]
  /** Id of this installation, left at the server so that a second installation does not write there. */
  readonly installation: string
  /** The configuration's promise that no other Twinscope writes here. */
  readonly exclusive: boolean
  readonly logger: GateLogger
  /** How long results and pre-images are kept. Milliseconds, default 90 days. */
  readonly retentionMs?: number
  /** After how long a cover that nobody ended ends by itself. Milliseconds, default 30000. */
  readonly coverMs?: number
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
  const { server, driver, journal, logger } = options
  const now = options.now ?? (() => new Date().toISOString())
  const { retentionMs = DEFAULT_RETENTION_MS } = options
  const newTicket = options.newTicket ?? (() => randomBytes(16).toString('hex'))
  let latest: Observation | undefined
  // Continues where an earlier process was, so that a revision never names two different changes.
  let reads = journal.seen.lastRevision()
  const staged = createStaged()

  /** The last read failed: what was read before it is no answer to anybody. */
  let isUnreadable = false
  async function readOrFail(signal: AbortSignal): Promise<Snapshot> {
    try {
      const snapshot = await driver.read(signal)
      isUnreadable = false
      return snapshot
    } catch (error) {
      // Given up by the caller says nothing of the server.
      if (!signal.aborted) isUnreadable = true
      throw error
    }
  }

  async function read(signal: AbortSignal): Promise<Observation> {
    const revision = ++reads
    const snapshot = await readOrFail(signal)
    const fieldsOf = fieldsByScope(options.relationships(snapshot.relationships))
    const observation = observationOf(snapshot, revision, fieldsOf, latest)
    journal.seen.record(observation)
    if (latest === undefined || latest.revision < revision) latest = observation
    options.onSnapshot?.(observation)
    return observation
  }

  let prunedAt = 0
  function prune(): void {
    if (performance.now() - prunedAt < PRUNE_EVERY_MS && prunedAt > 0) return
    prunedAt = performance.now()
    journal.prune(new Date(Date.parse(now()) - retentionMs).toISOString())
  }

  /** What a relationship's name means here, once the server was read. */
  function matched(name: string): MatchedRelationship | undefined {
    const known = options.relationships(latest?.relationships ?? [])
    return known.find((one) => (one.kind === 'discovered' ? one.discovered.name : one.policy.name) === name)
  }

  function discoveredIn(observation: Observation, name: string): DiscoveredRelationship | undefined {
    const match = matched(name)
    if (match === undefined || match.kind === 'missing') return undefined
    return observation.relationships.find((found) => found.name === match.discovered.name)
  }

  const effects = createEffects({
    server,
    driver,
    journal,
    logger,
    now,
    installation: options.installation,
    exclusive: options.exclusive,
    read: () => read(new AbortController().signal),
    isNormal: (relationship, observation) => discoveredIn(observation, relationship)?.state === 'normal',
    stagedText: staged.text,
  })
  const machine = runMachine({
    server,
    authorities: journal.authorities(),
    open: journal.openCommit(),
    restored: journal.marks.allRestored(),
    coverMs: options.coverMs ?? DEFAULT_COVER_MS,
    perform: effects.perform,
    onBug: (error) =>
      logger.error({ server, err: error }, 'the gate failed; it accepts nothing until the watcher is restarted'),
  })
  const requests = createRequests({
    server,
    journal,
    machine,
    driver,
    staged,
    matched,
    logger,
    newTicket,
    latest: () => (isUnreadable ? undefined : latest),
    lastRead: effects.lastRead,
    read: () => read(new AbortController().signal),
    manifest: (relationship, observation) =>
      manifestOf(
        {
          server,
          relationship,
          observation,
          discovered: discoveredIn(observation, relationship),
          authority: machine.authority(relationship),
          fields: fieldsOfRelationship(matched(relationship)),
          ignored: ignoredBy(matched(relationship)),
          retentionMs,
        },
        journal,
      ),
  })

  return {
    async recover(signal) {
      const problem = await machine.recover()
      if (problem === undefined || signal.aborted) return
      const cause = effects.lastFailure()
      const message = `An interrupted write to ${server} is not resolved yet: ${problem}`
      throw new DriverError(cause instanceof DriverError ? cause.code : 'protocol', message, { cause })
    },
    handle: (op, request) => requests.handle(op, request),
    async observe(signal) {
      const observation = await read(signal)
      prune()
      return observation
    },
    latest: () => latest,
    unpublished() {
      const pending = [...journal.seen.entries()].flatMap(([scope, seen]) => pendingChange(scope, seen) ?? [])
      return pending.sort((a, b) => (a.scope < b.scope ? -1 : 1))
    },
    published(change) {
      journal.seen.published(change.scope, change.fingerprint)
    },
    async retryPersist() {
      if (journal.unpersisted() === undefined) return true
      const { reply } = await machine.ask({ op: 'persist' })
      return reply.kind === 'persisted' && reply.persisted
    },
  }
}

function pendingChange(scope: ScopeKey, seen: SeenScope): PendingChange | undefined {
  const { fingerprint, published, revision, since } = seen
  if (fingerprint === published) return undefined
  const change = published === undefined ? 'created' : fingerprint === undefined ? 'deleted' : 'changed'
  return {
    scope,
    change,
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(published === undefined ? {} : { previousFingerprint: published }),
    revision,
    seenAt: since,
  }
}
