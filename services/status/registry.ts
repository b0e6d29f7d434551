// What is known of servers, authority and waiting jobs: the buckets, followed into memory.

import type { TSchema } from 'typebox'
import { Authority, Job } from '#contracts/messages.ts'
import { RegisteredGate } from '#contracts/registry.ts'
import { BUCKETS, type BucketDefinition } from '#contracts/streams.ts'
import { openBucket } from '#messaging/buckets.ts'
import type { Messaging } from '#messaging/connection.ts'
import { decode } from '#messaging/received.ts'
import type { Logger } from '#telemetry/logger.ts'

export type Registry = {
  readonly gates: ReadonlyMap<string, RegisteredGate>
  readonly authorities: ReadonlyMap<string, Authority>
  readonly jobs: ReadonlyMap<string, Job>
  /** Every bucket was read once. */
  readonly loaded: boolean
}

const FOLLOWED = { gates: BUCKETS.gates, authority: BUCKETS.authority, jobs: BUCKETS.jobs } as const

/** Milliseconds after which a gate that was not renewed is taken for gone. */
export const GATE_GONE_MS = 20_000

export function isGone(gate: RegisteredGate, now = Date.now()): boolean {
  return now - Date.parse(gate.renewedAt) > GATE_GONE_MS
}

export type FollowedRegistry = Registry & {
  /** Follows the buckets until the signal is aborted. */
  follow(messaging: Messaging, signal: AbortSignal): Promise<void>
}

/** Empty until it follows. Renewals of a gate that say nothing new are not told. */
export function createRegistry(options: { readonly logger: Logger; readonly onChange: () => void }): FollowedRegistry {
  const { logger } = options
  const gates = new Map<string, RegisteredGate>()
  const authorities = new Map<string, Authority>()
  const jobs = new Map<string, Job>()
  const waiting = new Set<string>(Object.values(FOLLOWED).map(({ name }) => name))

  async function followBucket<T>(
    { messaging, signal }: { readonly messaging: Messaging; readonly signal: AbortSignal },
    definition: BucketDefinition,
    schema: TSchema,
    entries: Map<string, T>,
    nameOf: (value: T) => string,
    saysNothingNew: (before: T, after: T) => boolean = () => false,
  ): Promise<void> {
    const names = new Map<string, string>()
    const bucket = await openBucket(messaging, definition)
    bucket
      .watch(
        undefined,
        (event) => {
          if (event.deleted === true) {
            const name = names.get(event.key)
            if (name === undefined) return
            names.delete(event.key)
            entries.delete(name)
            return options.onChange()
          }
          const decoded = decode(schema, { body: event.value })
          if (decoded.ok === undefined) {
            logger.warn(
              { bucket: definition.name, key: event.key, reason: decoded.error },
              'an entry is not understood',
            )
            return
          }
          const value = decoded.ok as T
          const before = entries.get(nameOf(value))
          names.set(event.key, nameOf(value))
          entries.set(nameOf(value), value)
          if (before === undefined || !saysNothingNew(before, value)) options.onChange()
        },
        signal,
        () => {
          if (waiting.delete(definition.name)) options.onChange()
        },
      )
      .catch((error) => {
        if (!signal.aborted) logger.error({ bucket: definition.name, error }, 'a bucket can no longer be followed')
      })
  }

  const withoutRenewal = (gate: RegisteredGate) => JSON.stringify({ ...gate, renewedAt: '' })
  return {
    gates,
    authorities,
    jobs,
    get loaded() {
      return waiting.size === 0
    },
    async follow(messaging, signal) {
      const at = { messaging, signal }
      const isRenewal = (before: RegisteredGate, after: RegisteredGate) =>
        withoutRenewal(before) === withoutRenewal(after) && !isGone(before)
      await followBucket(at, FOLLOWED.gates, RegisteredGate, gates, ({ server }) => server, isRenewal)
      await followBucket(at, FOLLOWED.authority, Authority, authorities, ({ relationship }) => relationship)
      await followBucket(at, FOLLOWED.jobs, Job, jobs, ({ job }) => job)
    },
  }
}
