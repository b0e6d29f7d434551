// One connection to NATS for a whole service. NATS may be down at start or later:
// the service waits, says so, and goes on when it is back.

import { setTimeout as sleep } from 'node:timers/promises'
import { type ConnectionOptions, connect, Events, type JetStreamManager, type NatsConnection } from 'nats'
import { messagingReconnects } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import { MessagingError, messageOf } from './errors.ts'

export type MessagingOptions = {
  /** `nats://host:4222`, `tls://…`; several separated by commas; user and password may be part of it. */
  readonly url: string
  /** Shown in the server's list of connections. */
  readonly name: string
  readonly logger: Logger
  /** Ends the wait for a server that is down. */
  readonly signal?: AbortSignal
}

export interface Messaging {
  readonly url: string
  readonly name: string
  readonly logger: Logger
  readonly connected: boolean
  /** Aborted by `close`: whatever still waits gives up. */
  readonly closing: AbortSignal
  /** The client's own connection, for this folder only. */
  readonly connection: NatsConnection
  readonly manager: JetStreamManager
  /** Calls back at every loss and return of the connection. Returns how to stop. */
  onStatus(callback: (connected: boolean) => void): () => void
  /** Resolves at once while connected. Rejects with `aborted`. */
  whenConnected(signal?: AbortSignal): Promise<void>
  /** The answer, or `disconnected` as soon as the connection is lost: an answer cannot come any more. */
  untilLost<T>(answer: Promise<T>): Promise<T>
  /** Lets running handlers answer, then disconnects. */
  close(): Promise<void>
}

/** Milliseconds between two tries to connect. */
const RETRY_MS = 250
/** Services that lost NATS together do not come back in step. Milliseconds. */
const RETRY_JITTER_MS = 50
/** Milliseconds between two reminders in the log that NATS is still down. */
const REMIND_MS = 30_000
/** Milliseconds for an answer of the JetStream API or a publish acknowledgement. */
const API_TIMEOUT_MS = 5_000
/** Milliseconds that `close` waits for what is on its way. */
const DRAIN_MS = 2_000

/**
 * How long the client waits before it dials again. It compares the answer with the wall clock; after that was set back
 * by an hour it would not dial for an hour. So the time is measured here, and "now" is said as a wait that is over
 * whatever the clock says.
 */
function createRetryDelay(): () => number {
  let dialledAt = Number.NEGATIVE_INFINITY
  let waitMs = RETRY_MS
  return () => {
    const leftMs = dialledAt + waitMs - performance.now()
    if (leftMs > 0) return leftMs
    dialledAt = performance.now()
    waitMs = RETRY_MS + Math.random() * RETRY_JITTER_MS
    return Number.NEGATIVE_INFINITY
  }
}

/** The client knows no user or password in the URL, so they are taken out of it. */
function optionsOf(options: MessagingOptions): ConnectionOptions {
  const urls = options.url.split(',').map((text) => new URL(text.includes('://') ? text : `nats://${text}`))
  const [first] = urls
  return {
    servers: urls.map((url) => `${url.hostname}:${url.port === '' ? '4222' : url.port}`),
    name: options.name,
    maxReconnectAttempts: -1,
    reconnectDelayHandler: createRetryDelay(),
    ignoreAuthErrorAbort: true,
    // A stalled server is noticed after two unanswered pings.
    pingInterval: 5_000,
    maxPingOut: 2,
    timeout: 3_000,
    ...(first?.protocol === 'tls:' ? { tls: {} } : {}),
    ...(first !== undefined && first.username !== ''
      ? { user: decodeURIComponent(first.username), pass: decodeURIComponent(first.password) }
      : {}),
  }
}

/** The URL as it may be logged. */
function withoutPassword(url: string): string {
  return url.replace(/\/\/[^@/]*@/g, '//')
}

async function firstConnection(options: MessagingOptions): Promise<NatsConnection> {
  const url = withoutPassword(options.url)
  let remindedAt: number | undefined
  for (;;) {
    if (options.signal?.aborted) throw new MessagingError('aborted', `stopped waiting for NATS at ${url}`)
    try {
      return await connect(optionsOf(options))
    } catch (error) {
      if (remindedAt === undefined || performance.now() - remindedAt > REMIND_MS) {
        remindedAt = performance.now()
        options.logger.warn({ url, reason: messageOf(error) }, 'waiting for NATS')
      }
    }
    await sleep(RETRY_MS, undefined, options.signal === undefined ? {} : { signal: options.signal }).catch(() => {})
  }
}

/** Connects, however long it takes, and stays connected until `close`. */
export async function connectMessaging(options: MessagingOptions): Promise<Messaging> {
  const url = withoutPassword(options.url)
  const { logger } = options
  const connection = await firstConnection(options)
  logger.info({ url, server: connection.info?.version }, 'connected to NATS')
  const manager = await connection.jetstreamManager({ checkAPI: false, timeout: API_TIMEOUT_MS })
  const listeners = new Set<(connected: boolean) => void>()
  const closing = new AbortController()
  let connected = true

  const setConnected = (now: boolean) => {
    if (connected === now) return
    connected = now
    for (const listener of [...listeners]) listener(now)
  }
  const follow = async () => {
    for await (const status of connection.status()) {
      if (status.type === Events.Disconnect) {
        if (!closing.signal.aborted) logger.warn({ url }, 'waiting for NATS')
        setConnected(false)
      } else if (status.type === Events.Reconnect) {
        logger.info({ url }, 'connected to NATS again')
        messagingReconnects.add(1)
        setConnected(true)
      } else if (status.type === Events.Error) {
        logger.warn({ url, reason: String(status.data) }, 'NATS reports an error')
      }
    }
  }
  follow().catch((error) => logger.error({ error: messageOf(error) }, 'NATS connection status cannot be followed'))
  connection.closed().then((error) => {
    setConnected(false)
    if (!closing.signal.aborted) logger.fatal({ url, reason: messageOf(error) }, 'NATS connection closed for good')
  })

  return {
    url,
    name: options.name,
    logger,
    connection,
    manager,
    closing: closing.signal,
    get connected() {
      return connected
    },
    onStatus(callback) {
      listeners.add(callback)
      return () => listeners.delete(callback)
    },
    whenConnected(signal) {
      const ends = signal === undefined ? closing.signal : AbortSignal.any([closing.signal, signal])
      return new Promise((resolve, reject) => {
        const settle = () => {
          listeners.delete(onStatus)
          ends.removeEventListener('abort', settle)
          if (ends.aborted) reject(new MessagingError('aborted', 'stopped waiting for NATS'))
          else resolve()
        }
        const onStatus = (now: boolean) => {
          if (now) settle()
        }
        if (connected || ends.aborted) return settle()
        listeners.add(onStatus)
        ends.addEventListener('abort', settle)
      })
    },
    untilLost(answer) {
      const lost = Promise.withResolvers<never>()
      const lose = () => lost.reject(new MessagingError('disconnected', `NATS at ${url} was lost before it answered`))
      const onStatus = (now: boolean) => {
        if (!now) lose()
      }
      listeners.add(onStatus)
      if (!connected) lose()
      lost.promise.catch(() => {})
      answer.catch(() => {})
      return Promise.race([answer, lost.promise]).finally(() => listeners.delete(onStatus))
    },
    async close() {
      if (closing.signal.aborted) return
      closing.abort()
      if (connected)
        await Promise.race([connection.drain().catch(() => {}), sleep(DRAIN_MS, undefined, { ref: false })])
      await connection.close()
    },
  }
}
