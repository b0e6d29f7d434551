// Keeps the entry of a server in the bucket `gates`: from it replicators and the status service know
// which servers and relationships there are, and whether somebody watches them.

import type { Configuration } from '#contracts/configuration.ts'
import type { RegisteredGate, RegisteredRelationship } from '#contracts/registry.ts'
import { type MatchedRelationship, shortName } from '#contracts/relationships.ts'
import { gateKey } from '#contracts/subjects.ts'
import type { Observation } from '#gate/observation.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { Logger } from '#telemetry/logger.ts'
import { parseRegistered } from './single-instance.ts'

/** Milliseconds between two renewals. */
const RENEW_EVERY_MS = 5_000

export type RegistryOptions = {
  readonly bucket: Pick<Bucket, 'get' | 'create' | 'update' | 'delete'>
  readonly server: string
  /** Its own holder; never changes. */
  readonly holder: string
  readonly describe: () => Omit<RegisteredGate, 'renewedAt'>
  /** While false nothing is written; what waited would be old news. */
  readonly isConnected: () => boolean
  /** Another watcher has taken the entry over while this one lived. */
  readonly onTaken: (other: RegisteredGate) => void
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Milliseconds. Default 5000. */
  readonly renewEveryMs?: number
}

export type Registry = {
  /** Something in `describe` is new. */
  changed(): void
  /** Resolves when the entry was written for the first time. */
  readonly registered: Promise<void>
  /** Resolves after `signal` was aborted and the entry was taken back. */
  readonly done: Promise<void>
}

export function keepRegistered(options: RegistryOptions): Registry {
  const { bucket, server, holder, signal, logger, renewEveryMs = RENEW_EVERY_MS } = options
  const key = gateKey(server)
  const registered = Promise.withResolvers<void>()
  let revision: number | undefined
  let isNew = false
  let isTaken = false
  let wake: (() => void) | undefined

  async function write(): Promise<void> {
    const value = JSON.stringify({
      ...options.describe(),
      renewedAt: new Date().toISOString(),
    } satisfies RegisteredGate)
    // Compared, so that two watchers that both believe to be the one cannot both go on.
    const next: number | undefined = revision === undefined ? undefined : await bucket.update(key, value, revision)
    revision = next ?? (await replace(value))
    if (revision !== undefined) registered.resolve()
  }

  /** The entry is not as we left it: not there yet, lost with NATS, ours from an unclear write, or somebody else's. */
  async function replace(value: string): Promise<number | undefined> {
    const found = await bucket.get(key)
    if (found === undefined) return bucket.create(key, value)
    const other = parseRegistered(found.value)
    if (revision !== undefined && other !== undefined && other.holder !== holder) {
      isTaken = true
      options.onTaken(other)
      return undefined
    }
    return bucket.update(key, value, found.revision)
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
      await pause()
    }
    // A clean end says so at once instead of letting the entry run out.
    if (revision !== undefined && options.isConnected()) await bucket.delete(key, revision).catch(() => undefined)
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
