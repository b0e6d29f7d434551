// Publishes what was seen and not yet published. It runs beside the reads, so that a NATS that is
// down delays the news but not the noticing.

import { setTimeout as sleep } from 'node:timers/promises'
import type { ScopeChanged } from '#contracts/messages.ts'
import { scopeChangedSubject } from '#contracts/subjects.ts'
import type { Gate, PendingChange } from '#gate/gate.ts'
import type { Messaging } from '#messaging/connection.ts'
import { publishEvent } from '#messaging/publish.ts'
import { changesPublished } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import { newTraceparent } from '#telemetry/trace.ts'

/** Publishes on their way at the same time. */
const PARALLEL = 64
/** Milliseconds before another try after an unexpected failure. */
const RETRY_MS = 1_000

export type PublisherOptions = {
  readonly server: string
  /** Changes with the state directory, so that message ids of a lost journal are not used again. */
  readonly installation: string
  readonly gate: Pick<Gate, 'unpublished' | 'published'>
  readonly messaging: Messaging
  readonly logger: Logger
  readonly signal: AbortSignal
}

export type ChangePublisher = {
  /** There may be something to publish. */
  wake(): void
  /** Resolves after `signal` was aborted. */
  readonly done: Promise<void>
}

export function publishChanges(options: PublisherOptions): ChangePublisher {
  const { gate, logger, signal } = options
  let awake = true
  let wake: () => void = () => {
    awake = true
  }
  const sleeping = () =>
    new Promise<void>((resolve) => {
      if (awake || signal.aborted) return resolve()
      wake = () => {
        awake = true
        signal.removeEventListener('abort', wake)
        resolve()
      }
      signal.addEventListener('abort', wake)
    })

  async function run(): Promise<void> {
    while (!signal.aborted) {
      await sleeping()
      awake = false
      try {
        await publishAll()
      } catch (error) {
        if (signal.aborted) return
        logger.error({ err: error }, 'scope changes cannot be published, trying again')
        awake = true
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  async function publishAll(): Promise<void> {
    for (let pending = gate.unpublished(); pending.length > 0 && !signal.aborted; pending = gate.unpublished()) {
      for (let index = 0; index < pending.length; index += PARALLEL) {
        await Promise.all(pending.slice(index, index + PARALLEL).map((change) => publishChange(options, change)))
      }
    }
  }

  return { wake: () => wake(), done: run() }
}

async function publishChange(options: PublisherOptions, change: PendingChange): Promise<void> {
  const { server, installation, gate, messaging, logger, signal } = options
  const data: ScopeChanged = { server, ...change }
  await publishEvent(messaging, {
    type: 'dev.twinscope.scope.changed.v1',
    source: `twinscope/watcher/${server}/${installation}`,
    // The same after a crash between read and ack, so that it is stored once.
    id: `${server}/${change.scope}/${change.revision}`,
    subject: scopeChangedSubject(server, change.scope),
    time: change.seenAt,
    data,
    traceparent: newTraceparent(),
    signal,
  })
  gate.published(change)
  changesPublished.add(1, { server, change: change.change })
  logger.info({ scope: change.scope, change: change.change, revision: change.revision }, 'scope change published')
}
