// Reading a stream: its newest message of a subject, its state, all of it in order.

import type { Messaging } from './connection.ts'
import { isMessageNotFound, isStreamMissing } from './errors.ts'
import { follow } from './follow.ts'
import { provisionAgain } from './provision.ts'
import { type Received, receivedOf } from './received.ts'

/** Runs a request to a stream once more where the stream was lost and could be made again. */
export async function withStream<T>(messaging: Messaging, request: () => Promise<T>): Promise<T> {
  try {
    return await messaging.untilLost(request())
  } catch (error) {
    if (!messaging.connected || !isStreamMissing(error)) throw error
    await provisionAgain(messaging)
    return await messaging.untilLost(request())
  }
}

/** The newest message of exactly this subject, read from the stream's leader. */
export async function lastMessage(
  messaging: Messaging,
  stream: string,
  subject: string,
): Promise<Received | undefined> {
  await messaging.whenConnected()
  try {
    const stored = await withStream(messaging, () =>
      messaging.manager.streams.getMessage(stream, { last_by_subj: subject }),
    )
    return receivedOf({
      subject: stored.subject,
      stream,
      sequence: stored.seq,
      deliveryCount: 1,
      storedAt: stored.time,
      headers: stored.header,
      data: stored.data,
    })
  } catch (error) {
    if (isMessageNotFound(error)) return undefined
    throw error
  }
}

export type StreamState = {
  /** Identifies the stream: a stream that was lost and made again has another. RFC 3339. */
  readonly createdAt: string
  readonly firstSequence: number
  readonly lastSequence: number
  readonly messages: number
}

export async function streamInfo(messaging: Messaging, stream: string): Promise<StreamState> {
  await messaging.whenConnected()
  const info = await withStream(messaging, () => messaging.manager.streams.info(stream))
  return {
    createdAt: info.created,
    firstSequence: info.state.first_seq,
    lastSequence: info.state.last_seq,
    messages: info.state.messages,
  }
}

export type OrderedMessage = Received & {
  /** Of the stream from which it comes; with `sequence` it names the message for all time. */
  readonly streamCreatedAt: string
}

export type OrderedOptions = {
  readonly stream: string
  readonly filter?: string
  /** First sequence to read. Default 1. */
  readonly fromSequence?: number
  /** The stream to which `fromSequence` belongs; another one is a reset at once. */
  readonly streamCreatedAt?: string
  readonly onMessage: (message: OrderedMessage) => void
  /** The stream is another one than before, and is read from its beginning: forget what came so far. */
  readonly onReset: (stream: { readonly createdAt: string }) => void
  /** Everything that was there at the (re)start has been delivered. */
  readonly onCaughtUp?: () => void
  readonly signal: AbortSignal
}

/** Delivers every message once and in order, from the beginning or a known place on, until the signal is aborted. */
export async function orderedMessages(messaging: Messaging, options: OrderedOptions): Promise<void> {
  let next = options.fromSequence ?? 1
  let createdAt = options.streamCreatedAt
  await follow(messaging, {
    stream: options.stream,
    ...(options.filter === undefined ? {} : { filter: options.filter }),
    from: (stream) => {
      // A server that lost its newest messages goes on below what was read already.
      const known = createdAt === undefined || (createdAt === stream.createdAt && next <= stream.lastSequence + 1)
      if (!known) {
        next = 1
        options.onReset({ createdAt: stream.createdAt })
      }
      createdAt = stream.createdAt
      return { kind: 'sequence', sequence: next }
    },
    onStart: (start) => {
      if (start.pending === 0) options.onCaughtUp?.()
    },
    onMessage: (received, place) => {
      next = received.sequence + 1
      options.onMessage({ ...received, streamCreatedAt: createdAt ?? '' })
      if (place.pending === 0) options.onCaughtUp?.()
    },
    signal: options.signal,
  })
}
