// Reads a stream in order and keeps following it, gap free, across reconnects. The basis
// of watching a bucket and of projecting the ledger.

import { setTimeout as sleep } from 'node:timers/promises'
import { AckPolicy, DeliverPolicy, type Msg, nanos } from 'nats'
import type { Messaging } from './connection.ts'
import { isStreamMissing, messageOf } from './errors.ts'
import { provisionAgain } from './provision.ts'
import { pull } from './pull.ts'
import { type DeliveryPlace, deliveryOf, type Received } from './received.ts'

export type FollowStart = {
  /** When the stream was created; another time means another stream of the same name. */
  readonly createdAt: string
  /** Sequence of the stream's newest message; 0 for an empty stream. */
  readonly lastSequence: number
  /** Messages that this reading will deliver before it has caught up. */
  readonly pending: number
}

export type FollowOptions = {
  readonly stream: string
  readonly filter?: string
  /**
   * Called before each (re)start with what the stream is now; says where to begin. Called again after
   * every disconnect, so the follower can notice that the stream is another one.
   */
  readonly from: (stream: {
    readonly createdAt: string
    readonly firstSequence: number
    readonly lastSequence: number
  }) => { readonly kind: 'last-per-subject' } | { readonly kind: 'sequence'; readonly sequence: number }
  readonly onStart?: (start: FollowStart) => void
  readonly onMessage: (received: Received, place: DeliveryPlace) => void
  readonly signal: AbortSignal
}

const BATCH = 512
const EXPIRES_MS = 10_000
/** Milliseconds after which the server forgets a reader that does not ask any more. */
const INACTIVE_MS = 60_000
const RETRY_MS = 200

async function followOnce(messaging: Messaging, options: FollowOptions, signal: AbortSignal): Promise<void> {
  const info = await messaging.untilLost(messaging.manager.streams.info(options.stream))
  const from = options.from({
    createdAt: info.created,
    firstSequence: info.state.first_seq,
    lastSequence: info.state.last_seq,
  })
  const adding = messaging.manager.consumers.add(options.stream, {
    ack_policy: AckPolicy.None,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanos(INACTIVE_MS),
    // nats-server 2.9 takes last-per-subject only together with a filter.
    filter_subject: options.filter ?? (from.kind === 'last-per-subject' ? '>' : undefined),
    ...(from.kind === 'sequence'
      ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from.sequence) }
      : { deliver_policy: DeliverPolicy.LastPerSubject }),
  } as Parameters<typeof messaging.manager.consumers.add>[1])
  const consumer = await messaging.untilLost(adding)
  options.onStart?.({ createdAt: info.created, lastSequence: info.state.last_seq, pending: consumer.num_pending })

  let delivered = 0
  const broken = new AbortController()
  const ends = AbortSignal.any([signal, broken.signal])
  const onMessage = (message: Msg) => {
    const delivery = deliveryOf(message)
    if (delivery === undefined || ends.aborted) return
    if (delivery.place.consumerSequence !== delivered + 1) return broken.abort()
    delivered += 1
    options.onMessage(delivery.received, delivery.place)
  }
  try {
    while (!ends.aborted) {
      const end = await pull(messaging, {
        stream: options.stream,
        consumer: consumer.name,
        batch: BATCH,
        expiresMs: EXPIRES_MS,
        onMessage,
        signal: ends,
      })
      if (end === 'gone' || end === 'disconnected') return
    }
  } finally {
    if (messaging.connected && !messaging.connection.isClosed() && !messaging.connection.isDraining()) {
      messaging.manager.consumers.delete(options.stream, consumer.name).catch(() => {})
    }
  }
}

/** Resolves when the signal is aborted. What `onMessage` throws is logged and the message counts as read. */
export async function follow(messaging: Messaging, options: FollowOptions): Promise<void> {
  const signal = AbortSignal.any([options.signal, messaging.closing])
  const guarded: FollowOptions = {
    ...options,
    onMessage: (received, place) => {
      try {
        options.onMessage(received, place)
      } catch (error) {
        messaging.logger.error({ stream: options.stream, sequence: received.sequence, error }, 'message handler failed')
      }
    },
  }
  while (!signal.aborted) {
    try {
      await messaging.whenConnected(signal)
      await followOnce(messaging, guarded, signal)
    } catch (error) {
      if (signal.aborted) return
      messaging.logger.debug({ stream: options.stream, reason: messageOf(error) }, 'stream cannot be followed yet')
      if (messaging.connected && isStreamMissing(error)) await provisionAgain(messaging).catch(() => {})
      await sleep(RETRY_MS)
    }
  }
}
