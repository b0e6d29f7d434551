// The connection to Redis: waits while it is down, and says so.

import { Redis } from 'ioredis'
import type { Logger } from '#telemetry/logger.ts'

export type { Redis } from 'ioredis'

export type RedisOptions = {
  /** `redis://[user:password@]host:6379[/database]`, `rediss://…`. */
  readonly url: string
  readonly logger: Logger
}

/** Milliseconds until a command without an answer fails; a stalled Redis must not stall us. */
const COMMAND_TIMEOUT_MS = 3_000
const MIN_RETRY_MS = 100
const MAX_RETRY_MS = 2_000

/**
 * Returns at once, connected or not: what needs Redis meanwhile fails with `redis-unavailable` and is
 * tried again by its caller, while everything else goes on.
 */
export async function connectRedis(options: RedisOptions): Promise<Redis> {
  const { logger } = options
  const url = options.url.replace(/\/\/[^@/]*@/g, '//')
  const redis = new Redis(options.url, {
    retryStrategy: (times) => Math.min(MIN_RETRY_MS * times, MAX_RETRY_MS),
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    // A command that was on its way when the connection broke is not sent again behind the caller's back.
    autoResendUnfulfilledCommands: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS,
  })
  let waiting = false
  redis.on('ready', () => {
    waiting = false
    logger.info({ url }, 'connected to Redis')
  })
  redis.on('error', (error: Error) => {
    if (!waiting) logger.warn({ url, reason: error.message }, 'waiting for Redis')
    waiting = true
  })
  redis.on('close', () => {
    if (!waiting && redis.status !== 'end') logger.warn({ url }, 'waiting for Redis')
    waiting = true
  })
  await new Promise<void>((resolve) => {
    redis.once('ready', resolve)
    redis.once('error', () => resolve())
  })
  return redis
}
