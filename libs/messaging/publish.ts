// Publishing: CloudEvents 1.0 over the NATS binding in binary mode. The attributes
// are headers, the data is the body; the message id makes a repeated publish harmless.

import { setTimeout as sleep } from 'node:timers/promises'
import { headers, type MsgHdrs, type PubAck } from 'nats'
import type { Static } from 'typebox'
import type { MESSAGE_TYPES, MessageType } from '#contracts/messages.ts'
import { MAX_MESSAGE_BYTES } from '#contracts/streams.ts'
import { wakeupSubject } from '#contracts/subjects.ts'
import type { Messaging } from './connection.ts'
import { isPublishRefused, isStreamMissing, isWrongLastSequence, MessagingError, messageOf } from './errors.ts'
import { provisionAgain } from './provision.ts'

export type EventToPublish<K extends MessageType = MessageType> = {
  readonly type: K
  /** Who says it: `twinscope/watcher/dhcp1.example.net`. */
  readonly source: string
  /** Unique within the source; the same id is stored once. */
  readonly id: string
  readonly subject: string
  readonly data: Static<(typeof MESSAGE_TYPES)[K]>
  /** When it happened, RFC 3339 UTC. Default now. */
  readonly time?: string
  readonly traceparent?: string
  /** The publish succeeds only where this is the sequence of the subject's newest message; 0: where there is none. */
  readonly expectLastSubjectSequence?: number
  /** Asked before every try; false ends them. */
  readonly isStillDue?: () => Promise<boolean>
  /** Ends the retries. */
  readonly signal?: AbortSignal
}

export type PublishResult =
  | { readonly kind?: undefined; readonly sequence: number; readonly duplicate: boolean }
  /** `expectLastSubjectSequence` does not hold: somebody else was first. */
  | { readonly kind: 'exists' }
  /** `isStillDue` said no. */
  | { readonly kind: 'not-due' }

const MIN_RETRY_MS = 100
const MAX_RETRY_MS = 5_000

/**
 * Publishes until it is acknowledged. A publish that timed out may have been stored; the message id makes it one.
 * Rejects with `refused` where NATS would refuse it every time.
 */
export async function publishUntilAcknowledged(
  messaging: Messaging,
  message: {
    readonly subject: string
    readonly body: string
    readonly headers: MsgHdrs
    readonly isStillDue?: (() => Promise<boolean>) | undefined
    readonly signal?: AbortSignal | undefined
  },
): Promise<PubAck | 'wrong-last-sequence' | 'not-due'> {
  const size = Buffer.byteLength(message.body)
  if (size > MAX_MESSAGE_BYTES) {
    throw new MessagingError('too-large', `a message on ${message.subject} has ${size} bytes of ${MAX_MESSAGE_BYTES}`)
  }
  const jetstream = messaging.connection.jetstream()
  let retryMs = MIN_RETRY_MS
  for (;;) {
    await messaging.whenConnected(message.signal)
    if (message.signal?.aborted) throw new MessagingError('aborted', `publishing on ${message.subject} was stopped`)
    if (message.isStillDue !== undefined && !(await message.isStillDue())) return 'not-due'
    try {
      return await messaging.untilLost(jetstream.publish(message.subject, message.body, { headers: message.headers }))
    } catch (error) {
      if (isWrongLastSequence(error)) return 'wrong-last-sequence'
      if (isPublishRefused(error)) {
        const text = `NATS refuses a message on ${message.subject}: ${messageOf(error)}`
        throw new MessagingError('refused', text, { cause: error })
      }
      messaging.logger.warn({ subject: message.subject, reason: messageOf(error) }, 'publish will be repeated')
      if (!messaging.connected) continue
      if (isStreamMissing(error)) await provisionAgain(messaging).catch(() => {})
    }
    await sleep(retryMs)
    retryMs = Math.min(retryMs * 2, MAX_RETRY_MS)
  }
}

export async function publishEvent<K extends MessageType>(
  messaging: Messaging,
  event: EventToPublish<K>,
): Promise<PublishResult> {
  const attributes = headers()
  attributes.set('ce-specversion', '1.0')
  attributes.set('ce-type', event.type)
  attributes.set('ce-source', encodeURI(event.source))
  attributes.set('ce-id', encodeURI(event.id))
  attributes.set('ce-time', event.time ?? new Date().toISOString())
  attributes.set('Content-Type', 'application/json')
  attributes.set('Nats-Msg-Id', `${encodeURI(event.source)}/${encodeURI(event.id)}`)
  if (event.traceparent !== undefined) attributes.set('traceparent', event.traceparent)
  if (event.expectLastSubjectSequence !== undefined) {
    attributes.set('Nats-Expected-Last-Subject-Sequence', String(event.expectLastSubjectSequence))
  }
  const acknowledged = await publishUntilAcknowledged(messaging, {
    subject: event.subject,
    body: JSON.stringify(event.data),
    headers: attributes,
    isStillDue: event.isStillDue,
    signal: event.signal,
  })
  if (acknowledged === 'not-due') return { kind: 'not-due' }
  if (acknowledged === 'wrong-last-sequence') return { kind: 'exists' }
  return { sequence: acknowledged.seq, duplicate: acknowledged.duplicate }
}

/**
 * Nudges the relationship (or server) of a slot. Only the newest wake-up of a slot is kept.
 * With a message id, the first of several equal ones counts.
 */
export async function publishWakeup(
  messaging: Messaging,
  slot: string,
  messageId?: string,
  signal?: AbortSignal,
): Promise<void> {
  const attributes = headers()
  if (messageId !== undefined) attributes.set('Nats-Msg-Id', encodeURI(messageId))
  await publishUntilAcknowledged(messaging, { subject: wakeupSubject(slot), body: '', headers: attributes, signal })
}
