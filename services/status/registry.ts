// What is known of servers, authority, waiting jobs, pauses and rejections: the buckets, followed into memory.

import type { TSchema } from 'typebox'
import { Pause, Rejections } from '#contracts/control.ts'
import { Job } from '#contracts/job.ts'
import { Authority } from '#contracts/messages.ts'
import { RegisteredGate } from '#contracts/registry.ts'
import { BUCKETS, type BucketDefinition } from '#contracts/streams.ts'
import { ALL_PAUSES, ALL_REJECTIONS } from '#contracts/subjects.ts'
import { openBucket } from '#messaging/buckets.ts'
import type { Messaging } from '#messaging/connection.ts'
import { decode } from '#messaging/received.ts'
import type { Logger } from '#telemetry/logger.ts'

export type Registry = {
  readonly gates: ReadonlyMap<string, RegisteredGate>
  readonly authorities: ReadonlyMap<string, Authority>
  readonly jobs: ReadonlyMap<string, Job>
  /** By `pauseKey`; one that has ended by itself may still be there. */
  readonly pauses: ReadonlyMap<string, Pause>
  /** By `rejectedKey`. */
  readonly rejections: ReadonlyMap<string, Rejections>
  /** Every bucket was read once. */
  readonly loaded: boolean
}

type Followed = { readonly bucket: BucketDefinition; readonly filter?: string }
const FOLLOWED = {
  gates: { bucket: BUCKETS.gates },
  authority: { bucket: BUCKETS.authority },
  jobs: { bucket: BUCKETS.jobs },
  pauses: { bucket: BUCKETS.control, filter: ALL_PAUSES },
  rejections: { bucket: BUCKETS.control, filter: ALL_REJECTIONS },
} as const satisfies Record<string, Followed>

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
  const pauses = new Map<string, Pause>()
  const rejections = new Map<string, Rejections>()
  const waiting = new Set<Followed>(Object.values(FOLLOWED))

  async function followBucket<T>(
    { messaging, signal }: { readonly messaging: Messaging; readonly signal: AbortSignal },
    followed: Followed,
    schema: TSchema,
    entries: Map<string, T>,
    nameOf: (value: T, key: string) => string,
    saysNothingNew: (before: T, after: T) => boolean = () => false,
  ): Promise<void> {
    const names = new Map<string, string>()
    const definition = followed.bucket
    const bucket = await openBucket(messaging, definition)
    bucket
      .watch(
        followed.filter,
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
          const name = nameOf(value, event.key)
          const before = entries.get(name)
          names.set(event.key, name)
          entries.set(name, value)
          if (before === undefined || !saysNothingNew(before, value)) options.onChange()
        },
        signal,
        () => {
          if (waiting.delete(followed)) options.onChange()
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
    pauses,
    rejections,
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
      await followBucket(at, FOLLOWED.pauses, Pause, pauses, (_, key) => key)
      await followBucket(at, FOLLOWED.rejections, Rejections, rejections, (_, key) => key)
    },
  }
}
