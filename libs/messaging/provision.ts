// Streams and buckets come into being here, and again whenever NATS has lost them.

import { setTimeout as sleep } from 'node:timers/promises'
import { DiscardPolicy, nanos, RetentionPolicy, StorageType, type StreamConfig } from 'nats'
import { BUCKETS, type BucketDefinition, STREAMS, type StreamDefinition } from '#contracts/streams.ts'
import type { Messaging } from './connection.ts'
import { isRefusal, isStreamMissing, isStreamNameInUse, MessagingError, messageOf } from './errors.ts'

export type ProvisionOptions = {
  /** Copies of every stream in a NATS cluster. 1–5, default 1. */
  readonly replicas?: number
  readonly signal?: AbortSignal
}

const DAY_MS = 24 * 60 * 60 * 1_000
/**
 * Milliseconds in which the same message id is stored once. A publisher that was cut off retries with
 * the same id, so this is how long NATS may be away without a message coming twice. NATS default: 2 minutes.
 */
const DUPLICATE_WINDOW_MS = 60 * 60 * 1_000
const RETRY_MS = 500

/** The stream under a bucket, as every NATS tool names it. */
export function bucketStream(bucket: BucketDefinition): string {
  return `KV_${bucket.name}`
}

function streamConfig(stream: StreamDefinition, replicas: number): Partial<StreamConfig> & { readonly name: string } {
  return {
    name: stream.name,
    description: stream.description,
    subjects: [...stream.subjects],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.Old,
    num_replicas: replicas,
    max_age: stream.maxAgeDays === undefined ? 0 : nanos(stream.maxAgeDays * DAY_MS),
    max_msgs_per_subject: stream.lastPerSubject === true ? 1 : -1,
    duplicate_window: nanos(DUPLICATE_WINDOW_MS),
  }
}

/** A key-value bucket with history 1, such as `nats kv add` makes, but from which markers of deleted keys can be removed. */
function bucketConfig(bucket: BucketDefinition, replicas: number): Partial<StreamConfig> & { readonly name: string } {
  const maxAgeMs = (bucket.ttlDays ?? 0) * DAY_MS
  return {
    name: bucketStream(bucket),
    description: bucket.description,
    subjects: [`$KV.${bucket.name}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: replicas,
    max_age: nanos(maxAgeMs),
    max_msgs_per_subject: 1,
    allow_rollup_hdrs: true,
    duplicate_window: nanos(2 * 60 * 1_000),
  }
}

function differs(have: Partial<StreamConfig>, want: Partial<StreamConfig>): boolean {
  return Object.entries(want).some(
    ([key, value]) => JSON.stringify(have[key as keyof StreamConfig]) !== JSON.stringify(value),
  )
}

async function provisionOne(
  messaging: Messaging,
  wanted: Partial<StreamConfig> & { readonly name: string },
): Promise<void> {
  const { streams } = messaging.manager
  const existing = await streams.info(wanted.name).catch((error: unknown) => {
    if (isStreamMissing(error)) return undefined
    throw error
  })
  if (existing === undefined) {
    try {
      await streams.add(wanted)
      messaging.logger.info({ stream: wanted.name }, 'created stream')
    } catch (error) {
      // Another service was faster; what it made is compared at its next start.
      if (!isStreamNameInUse(error)) throw error
    }
  } else if (differs(existing.config, wanted)) {
    await streams.update(wanted.name, { ...existing.config, ...wanted })
    messaging.logger.info({ stream: wanted.name }, 'updated stream')
  }
}

type Provisioning = { options: ProvisionOptions; running: Promise<void> | undefined }
const provisionings = new WeakMap<Messaging, Provisioning>()

async function provisionAll(messaging: Messaging, options: ProvisionOptions): Promise<void> {
  const replicas = options.replicas ?? 1
  const wanted = [
    ...Object.values(STREAMS).map((stream) => streamConfig(stream, replicas)),
    ...Object.values(BUCKETS).map((bucket) => bucketConfig(bucket, replicas)),
  ]
  let said = false
  for (;;) {
    await messaging.whenConnected(options.signal)
    try {
      for (const stream of wanted) await messaging.untilLost(provisionOne(messaging, stream))
      return
    } catch (error) {
      if (isRefusal(error)) {
        throw new MessagingError('provision-failed', `NATS refuses a stream of Twinscope: ${messageOf(error)}`, {
          cause: error,
        })
      }
      // JetStream recovers its files after the port is already open.
      if (!said) messaging.logger.warn({ reason: messageOf(error) }, 'waiting for JetStream')
      said = true
    }
    await sleep(RETRY_MS)
  }
}

/** One run at a time: many parts notice a wiped NATS in the same moment. */
export function provisionAgain(messaging: Messaging): Promise<void> {
  const state = provisionings.get(messaging) ?? { options: {}, running: undefined }
  provisionings.set(messaging, state)
  state.running ??= provisionAll(messaging, state.options).finally(() => {
    state.running = undefined
  })
  return state.running
}

/**
 * Creates or updates every stream and bucket; every service calls it at its start. From then on it runs
 * by itself after each reconnect, since the server that came back may have lost its data.
 */
export async function provision(messaging: Messaging, options: ProvisionOptions = {}): Promise<void> {
  const known = provisionings.get(messaging)
  if (known === undefined) {
    messaging.onStatus((connected) => {
      if (!connected) return
      provisionAgain(messaging).catch((error) => {
        if (!messaging.closing.aborted)
          messaging.logger.error({ reason: messageOf(error) }, 'streams cannot be created')
      })
    })
  }
  provisionings.set(messaging, { options, running: known?.running })
  await provisionAgain(messaging)
}
