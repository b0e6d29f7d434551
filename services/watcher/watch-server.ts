// Everything the watcher does for one DHCP server, put together: driver, journal, gate, observation,
// publishing, registration.

import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Configuration, ServerConfig } from '#contracts/configuration.ts'
import type { RegisteredGate } from '#contracts/registry.ts'
import { matchRelationships } from '#contracts/relationships.ts'
import type { DiscoveredRelationship } from '#dhcp/relationship.ts'
import { openDriver } from '#drivers/open.ts'
import { createGate } from '#gate/gate.ts'
import { openJournal } from '#gate/journal.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { Messaging } from '#messaging/connection.ts'
import type { Logger } from '#telemetry/logger.ts'
import { type Observer, observeServer } from './observe.ts'
import { type ChangePublisher, publishChanges } from './publish-changes.ts'
import { keepRegistered, registeredRelationships } from './registry.ts'
import { serveGate } from './serve-gate.ts'
import { awaitRegistration, type Holder, REGISTRATION_EXPIRES_MS, type ServerLock } from './single-instance.ts'

/** Milliseconds between two tries to make what runs survive a restart of the server. */
const RETRY_PERSIST_MS = 60_000

export type WatchOptions = {
  readonly config: ServerConfig
  readonly configuration: Configuration
  /** Where its journal and lock are. */
  readonly directory: string
  /** Held by the caller; given back at the end. */
  readonly lock: ServerLock
  readonly own: Holder
  readonly installation: string
  readonly messaging: Messaging
  readonly gates: Bucket
  readonly logger: Logger
  readonly probeEveryMs: number
  readonly fullReadEveryMs: number
  /** How long results and pre-images are kept. Milliseconds, default 90 days. */
  readonly retentionMs?: number
  /** After how long a cover that nobody ended ends by itself. Milliseconds, default 30000. */
  readonly coverMs?: number
  /** Milliseconds after which a registration that is not renewed has run out. Default 20000. */
  readonly registrationMs?: number
  /** Another watcher took the server over: this one must end. */
  readonly onTaken: (other: RegisteredGate) => void
  readonly signal: AbortSignal
}

export type WatchedServer = {
  /** Resolves when the gate is registered and served and a first read was tried; never where it cannot begin. */
  readonly ready: Promise<void>
  /** Resolves after `signal` was aborted and everything is closed; rejects where it cannot begin. */
  readonly done: Promise<void>
}

export function watchServer(options: WatchOptions): WatchedServer {
  const ready = Promise.withResolvers<void>()
  const done = run(options, ready.resolve)
  return { ready: ready.promise, done }
}

async function run(options: WatchOptions, onReady: () => void): Promise<void> {
  const { config, configuration, messaging, logger, installation, own, signal } = options
  const server = config.name
  const expiresMs = options.registrationMs ?? REGISTRATION_EXPIRES_MS
  const replaces = await awaitRegistration({
    bucket: options.gates,
    server,
    own,
    expiresMs,
    onWait: ({ host, pid }) =>
      logger.info({ host, pid }, 'waiting until the registration of an earlier watcher has run out'),
    signal,
  })
  const driver = await openDriver(config)
  const journal = openJournal(join(options.directory, 'journal.sqlite'))
  const matchedIn = (discovered: readonly DiscoveredRelationship[]) =>
    matchRelationships(server, configuration.relationships, discovered)
  const matched = () => matchedIn(gate.latest()?.relationships ?? [])
  const sayMissing = sayOnce((message) =>
    logger.error({ problem: message }, 'configured relationship not found at the server'),
  )

  const gate = createGate({
    server,
    driver,
    journal,
    relationships: matchedIn,
    installation,
    exclusive: config.exclusive ?? false,
    ...(options.retentionMs === undefined ? {} : { retentionMs: options.retentionMs }),
    ...(options.coverMs === undefined ? {} : { coverMs: options.coverMs }),
    logger,
    onSnapshot() {
      sayMissing(matched().flatMap((relationship) => (relationship.kind === 'missing' ? [relationship.message] : [])))
      publisher?.wake()
      registry.changed()
    },
  })
  let observer: Observer | undefined
  let publisher: ChangePublisher | undefined
  const registration = new AbortController()
  const registry = keepRegistered({
    bucket: options.gates,
    server,
    own,
    replaces,
    expiresMs,
    describe() {
      const observation = gate.latest()
      const problem = observer === undefined ? 'not read yet' : observer.problem()
      return {
        server,
        product: driver.product,
        ...(observation && { version: observation.version }),
        ...own,
        reachable: problem === undefined,
        ...(problem === undefined ? {} : { problem }),
        relationships: [...registeredRelationships(matched(), observation, configuration.servers)],
      }
    },
    isConnected: () => messaging.connected,
    onTaken: options.onTaken,
    logger,
    signal: registration.signal,
  })
  const forgetStatus = messaging.onStatus((connected) => connected && registry.changed())
  try {
    // Before it is ours nothing is served, and nothing that an earlier watcher had begun is recovered.
    await Promise.race([registry.registered, aborted(signal)])
    if (!signal.aborted) await serve()
  } finally {
    forgetStatus()
    // Given back last: another watcher may begin from then on.
    registration.abort()
    await registry.done
    await driver.close()
    journal.close()
    options.lock.release()
  }

  async function serve(): Promise<void> {
    publisher = publishChanges({ server, installation, gate, messaging, logger, signal })
    observer = observeServer({
      server,
      reader: driver,
      gate,
      logger,
      probeEveryMs: options.probeEveryMs,
      fullReadEveryMs: options.fullReadEveryMs,
      onReachable: () => registry.changed(),
      signal,
    })
    const { problem, firstLook, done } = observer
    const served = await serveGate({ server, gate, messaging, logger, isOurs: registry.isOurs, problem })
    const persisting = keepPersisting()
    await Promise.race([firstLook, aborted(signal)])
    if (!signal.aborted) onReady()
    await aborted(signal)
    // A commit that runs is finished and answered; a new one finds nobody.
    await served.stop()
    await Promise.all([done, publisher.done, persisting])
  }

  async function keepPersisting(): Promise<void> {
    while (!signal.aborted) {
      await sleep(RETRY_PERSIST_MS, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      await gate.retryPersist(signal).catch((error) => logger.warn({ reason: String(error) }, 'still not persisted'))
    }
  }
}

/** Who this watcher process is. */
export function newHolder(): Holder {
  return { holder: crypto.randomUUID(), host: hostname(), pid: process.pid, startedAt: new Date().toISOString() }
}

/** Resolves when `signal` is aborted, at once where it is. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

/** Says each message once for as long as it goes on. */
function sayOnce(say: (message: string) => void): (messages: readonly string[]) => void {
  let said = new Set<string>()
  return (messages) => {
    for (const message of messages) if (!said.has(message)) say(message)
    said = new Set(messages)
  }
}
