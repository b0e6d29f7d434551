// Keeps the entry of a server in the bucket `gates`: from it replicators and the status service know
// which servers and relationships there are, and whether somebody watches them.

import type { Configuration } from '#contracts/configuration.ts'
import type { RegisteredGate, RegisteredRelationship } from '#contracts/registry.ts'
import { type MatchedRelationship, shortName } from '#contracts/relationships.ts'
import { gateKey } from '#contracts/subjects.ts'
import type { Observation } from '#gate/observation.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { Logger } from '#telemetry/logger.ts'
import {
  AlreadyGuardedError,
  type Holder,
  isGone,
  parseRegistered,
  REGISTRATION_EXPIRES_MS,
} from './single-instance.ts'

export type RegistryOptions = {
  readonly bucket: Pick<Bucket, 'get' | 'create' | 'update' | 'delete'>
  readonly server: string
  /** Who this watcher is; never changes. */
  readonly own: Holder
  /** Revision of the entry of an earlier watcher that the first write replaces; absent: there was none. */
  readonly replaces: number | undefined
  readonly describe: () => Omit<RegisteredGate, 'renewedAt'>
  /** While false nothing is written; what waited would be old news. */
  readonly isConnected: () => boolean
  /** Another watcher has taken the entry over while this one lived. */
  readonly onTaken: (other: RegisteredGate) => void
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Milliseconds without a renewal after which another watcher may take it for expired. Default 20000. */
  readonly expiresMs?: number
  /** Milliseconds between two renewals. Default a quarter of `expiresMs`. */
  readonly renewEveryMs?: number
  /** Milliseconds without a renewal after which it is not trusted any more. Default three quarters of `expiresMs`. */
  readonly trustedForMs?: number
}

export type Registry = {
  /** Something in `describe` is new. */
  changed(): void
  /** Whether the entry is ours, as far as can be known: written by us, a short time ago, and not taken over since. */
  isOurs(): boolean
  /**
   * Resolves when the entry is ours for the first time, never where `signal` is aborted before. Rejects with
   * {@link AlreadyGuardedError} where another watcher was faster.
   */
  readonly registered: Promise<void>
  /** Resolves after `signal` was aborted and the entry was taken back, or when it is another watcher's. */
  readonly done: Promise<void>
}

export function keepRegistered(options: RegistryOptions): Registry {
  const { bucket, server, own, signal, logger } = options
  const { expiresMs = REGISTRATION_EXPIRES_MS } = options
  const { renewEveryMs = expiresMs / 4, trustedForMs = (expiresMs * 3) / 4 } = options
  const key = gateKey(server)
  const registered = Promise.withResolvers<void>()
  // A watcher that ends before it looks has nothing to be told.
  registered.promise.catch(() => undefined)
  /** Revision of the entry that the next write replaces: our own, or what an earlier watcher left. */
  let expected = options.replaces
  let renewedAt: number | undefined
  let isNew = false
  /** It is another watcher's, or given back. */
  let isTaken = false
  let wake: (() => void) | undefined

  /** Writes the entry; compared, so that of two watchers that both believe to be the one only one goes on. */
  async function write(): Promise<void> {
    const startedAt = performance.now()
    const value = JSON.stringify({
      ...options.describe(),
      renewedAt: new Date().toISOString(),
    } satisfies RegisteredGate)
    const next = await (expected === undefined ? bucket.create(key, value) : bucket.update(key, value, expected))
    if (next === undefined) return await lookAgain()
    expected = next
    renewedAt = startedAt
    registered.resolve()
  }

  /** The entry is not as expected: lost with NATS, ours from a write whose answer was lost, or somebody else's. */
  async function lookAgain(): Promise<void> {
    const found = await bucket.get(key)
    const other = found && parseRegistered(found.value)
    // What was written since we looked is a living watcher's; only while NATS is away does time pass in between.
    if (
      other !== undefined &&
      other.holder !== own.holder &&
      (renewedAt !== undefined || !isGone(other, own, expiresMs))
    ) {
      isTaken = true
      if (renewedAt !== undefined) options.onTaken(other)
      else registered.reject(new AlreadyGuardedError(server, other, `its registration (${key})`))
      return
    }
    expected = found?.revision
    isNew = true
  }

  async function run(): Promise<void> {
    while (!signal.aborted && !isTaken) {
      isNew = false
      if (options.isConnected()) {
        try {
          await write()
        } catch (error) {
          if (!signal.aborted) logger.error({ err: error }, 'registration cannot be written')
        }
      }
      if (!isTaken) await pause()
    }
    // A clean end says so at once instead of letting the entry run out.
    const isRegistered = renewedAt !== undefined && !isTaken && expected !== undefined
    isTaken = true
    if (isRegistered && options.isConnected()) await bucket.delete(key, expected).catch(() => undefined)
  }

  function pause(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        wake = undefined
        resolve()
      }
      const timer = setTimeout(done, renewEveryMs)
      wake = done
      signal.addEventListener('abort', done)
      if (isNew || signal.aborted) done()
    })
  }

  return {
    changed() {
      isNew = true
      wake?.()
    },
    isOurs: () => !isTaken && renewedAt !== undefined && performance.now() - renewedAt < trustedForMs,
    registered: registered.promise,
    done: run(),
  }
}

/** The relationships of a server as they are registered. Without an observation none is known. */
export function registeredRelationships(
  matched: readonly MatchedRelationship[],
  observation: Observation | undefined,
  servers: Configuration['servers'],
): readonly RegisteredRelationship[] {
  if (observation === undefined) return []
  return matched.map((relationship): RegisteredRelationship => {
    if (relationship.kind === 'missing') {
      const { policy, partner, message } = relationship
      const unknown = { state: 'unknown', nativeState: '', scopeCount: 0 }
      return { name: policy.name, configured: true, partner, ...unknown, problem: message }
    }
    const { discovered } = relationship
    const { mode, state, nativeState, scopes } = discovered
    const scopeCount =
      scopes === 'all' ? observation.contents.size : scopes.filter((scope) => observation.contents.has(scope)).length
    const seen = { mode, state, nativeState, scopeCount }
    if (relationship.kind === 'configured') {
      const { policy, partner } = relationship
      return { name: policy.name, configured: true, partner, ...seen }
    }
    const partner = servers.find(
      (known) => shortName(known.name).toLowerCase() === shortName(discovered.partnerName).toLowerCase(),
    )
    return {
      name: discovered.name,
      configured: false,
      ...(partner && { partner: partner.name }),
      ...seen,
    }
  })
}
