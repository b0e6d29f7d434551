// The lock of a relationship, so that two replicators do not work on the same one. It saves
// work and disturbance; it is not what keeps writes safe. That is the gate's ticket and epoch,
// which hold also where a paused holder wakes up or Redis has forgotten everything.

import { randomUUID } from 'node:crypto'
import { lockWaits } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import type { Redis } from './redis.ts'

export type LockErrorCode = 'redis-unavailable'

/** Redis could not be asked. Nothing is known about the lock. */
export class LockError extends Error {
  readonly code: LockErrorCode
  constructor(code: LockErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'LockError'
    this.code = code
  }
}

export type Lock = {
  readonly name: string
  /** Aborted when the lock is lost, or can no longer be proved to be held. */
  readonly lost: AbortSignal
  /**
   * Whether a write may still be started: the last renewal is less than two thirds of the TTL ago.
   * Monotonic clock, so neither a clock that is set nor a paused process makes it true again.
   */
  mayWrite(): boolean
}

export type LockResult<T> = { readonly kind: 'held-elsewhere' } | { readonly kind: 'done'; readonly value: T }

export interface Locks {
  /** Runs `fn` while the lock is held. Rejects with {@link LockError} where Redis cannot be asked. */
  withLock<T>(name: string, fn: (lock: Lock) => Promise<T>): Promise<LockResult<T>>
}

export type LocksOptions = {
  readonly redis: Redis
  readonly logger: Logger
  /** Milliseconds after which the lock of a holder that died is free. Default 30,000. */
  readonly ttlMs?: number
  /** Milliseconds between renewals. Default a third of `ttlMs`. */
  readonly renewEveryMs?: number
  /**
   * False: locks are not renewed and run out, because this process cannot do its work now and another may.
   * Default: always true.
   */
  readonly mayKeep?: () => boolean
}

const DEFAULT_TTL_MS = 30_000

/** Extends the lock only where we still hold it. */
const RENEW = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0`
/** Removes the lock only where we still hold it; another holder's is never released. */
const RELEASE = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`

export function lockKey(name: string): string {
  return `twinscope:lock:${name}`
}

export function createLocks(options: LocksOptions): Locks {
  const { redis, logger } = options
  const ttlMs = options.ttlMs ?? DEFAULT_TTL_MS
  const renewEveryMs = options.renewEveryMs ?? ttlMs / 3
  const mayWriteMs = (ttlMs * 2) / 3

  async function acquire(name: string, holder: string): Promise<boolean> {
    try {
      return (await redis.set(lockKey(name), holder, 'PX', ttlMs, 'NX')) === 'OK'
    } catch (error) {
      // The answer may be lost while the lock was set: give it back, or everybody waits for its end.
      redis.eval(RELEASE, 1, lockKey(name), holder).catch(() => {})
      throw new LockError('redis-unavailable', `the lock of ${name} cannot be taken: Redis does not answer`, {
        cause: error,
      })
    }
  }

  return {
    async withLock(name, fn) {
      const holder = randomUUID()
      // Counted from before the request: what Redis starts to count is later, never earlier.
      let renewedAt = performance.now()
      if (!(await acquire(name, holder))) {
        lockWaits.add(1, { relationship: name })
        return { kind: 'held-elsewhere' }
      }

      const lost = new AbortController()
      const lose = (reason: string) => {
        if (lost.signal.aborted) return
        logger.warn({ lock: name, reason }, 'lock lost')
        lost.abort(new Error(`the lock of ${name} was lost: ${reason}`))
      }
      const mayWrite = () => !lost.signal.aborted && performance.now() - renewedAt < mayWriteMs

      const renew = async () => {
        if (options.mayKeep?.() === false) return
        const askedAt = performance.now()
        try {
          const renewed = await redis.eval(RENEW, 1, lockKey(name), holder, ttlMs)
          if (renewed === 1) renewedAt = askedAt
          else lose('somebody else holds it, or it expired')
        } catch (error) {
          // Tried again; the lock counts as held until it may not be written under it any more.
          logger.warn({ lock: name, reason: (error as Error).message }, 'lock could not be renewed')
        }
      }
      const renewing = setInterval(renew, renewEveryMs)
      const watching = setInterval(() => {
        if (performance.now() - renewedAt >= mayWriteMs) lose('it could not be renewed in time')
      }, ttlMs / 60)
      try {
        return { kind: 'done', value: await fn({ name, lost: lost.signal, mayWrite }) }
      } finally {
        clearInterval(renewing)
        clearInterval(watching)
        await redis.eval(RELEASE, 1, lockKey(name), holder).catch(() => {
          logger.warn({ lock: name }, 'lock could not be released; it ends by itself')
        })
      }
    },
  }
}
