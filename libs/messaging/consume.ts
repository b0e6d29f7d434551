// Durable consumption: every message is handled until its handler says ack or term.
// It survives NATS being killed, restarted, or having lost the consumer or the whole stream.

import { setTimeout as sleep } from 'node:timers/promises'
import { AckPolicy, type ConsumerConfig, DeliverPolicy, type Msg, nanos } from 'nats'
import { deadletterSubject } from '#contracts/subjects.ts'
import type { Messaging } from './connection.ts'
import { isRefusal, isStreamMissing, messageOf } from './errors.ts'
import { provisionAgain } from './provision.ts'
import { publishEvent } from './publish.ts'
import { pull } from './pull.ts'
import { deliveryOf, type Received } from './received.ts'

export { decode, type Received } from './received.ts'

/** What becomes of a message after its handler looked at it. */
export type Disposition =
  | { readonly kind: 'ack' }
  /** Again, after this many milliseconds. */
  | { readonly kind: 'nak'; readonly delayMs: number }
  /** Never again. The reason goes to the log; whoever wants it kept calls {@link deadLetter} before. */
  | { readonly kind: 'term'; readonly reason: string }

export type ConsumeOptions = {
  /** Name of the stream. */
  readonly stream: string
  /** Name of the consumer; processes with the same name share the messages. */
  readonly durable: string
  /** Only this subject (wildcards allowed). Default: the whole stream. */
  readonly filter?: string
  /** Messages handled at the same time, by all processes together. Default 64. */
  readonly maxAckPending?: number
  /** Messages handled at the same time by this process. Default: the smaller of `maxAckPending` and 16. */
  readonly concurrency?: number
  /** Milliseconds until a message without an answer comes again. Default 30,000. */
  readonly ackWaitMs?: number
  /** Deliveries after which a message is not delivered any more. Default unlimited. */
  readonly maxDeliver?: number
  readonly handle: (message: Received) => Promise<Disposition>
  readonly signal: AbortSignal
}

const DEFAULT_MAX_ACK_PENDING = 64
const DEFAULT_CONCURRENCY = 16
const DEFAULT_ACK_WAIT_MS = 30_000
const PULL_EXPIRES_MS = 10_000
const RETRY_MS = 200
const MAX_BACKOFF_MS = 60_000

/** A handler that throws has a bug or met a failure nobody judged; the message must not spin. */
function backOff(deliveryCount: number): number {
  return Math.min(2 ** Math.min(deliveryCount, 10) * 500, MAX_BACKOFF_MS)
}

function answerOf(disposition: Disposition): string {
  switch (disposition.kind) {
    case 'ack':
      return '+ACK'
    case 'nak':
      return disposition.delayMs > 0 ? `-NAK ${JSON.stringify({ delay: nanos(disposition.delayMs) })}` : '-NAK'
    case 'term':
      // With a reason behind it, nats-server 2.9 does not understand the word and delivers again.
      return '+TERM'
  }
}

/**
 * Handles messages until the signal is aborted; resolves when the last running handler is done.
 * Rejects only where NATS refuses the consumer itself.
 */
export async function consume(messaging: Messaging, options: ConsumeOptions): Promise<void> {
  const signal = AbortSignal.any([options.signal, messaging.closing])
  const maxAckPending = options.maxAckPending ?? DEFAULT_MAX_ACK_PENDING
  const config: ConsumerConfig = {
    durable_name: options.durable,
    name: options.durable,
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    ack_wait: nanos(options.ackWaitMs ?? DEFAULT_ACK_WAIT_MS),
    max_ack_pending: maxAckPending,
    max_deliver: options.maxDeliver ?? -1,
    replay_policy: 'instant' as ConsumerConfig['replay_policy'],
    ...(options.filter === undefined ? {} : { filter_subject: options.filter }),
  }

  /**
   * When the stream was created. In a stream that was lost and made again the same numbers mean other
   * messages, so an answer is only sent into the stream from which its message came.
   */
  let incarnation: Promise<string> | undefined
  const stopStatus = messaging.onStatus((connected) => {
    if (!connected) incarnation = undefined
  })

  async function prepare(): Promise<string> {
    let said = false
    for (;;) {
      await messaging.whenConnected(signal)
      try {
        await messaging.untilLost(messaging.manager.consumers.add(options.stream, config))
        return (await messaging.untilLost(messaging.manager.streams.info(options.stream))).created
      } catch (error) {
        if (!isStreamMissing(error) && isRefusal(error)) throw error
        if (!said) messaging.logger.warn({ stream: options.stream, reason: messageOf(error) }, 'waiting for the stream')
        said = true
        if (messaging.connected && isStreamMissing(error)) await provisionAgain(messaging).catch(() => {})
      }
      await sleep(RETRY_MS)
    }
  }
  const current = (): Promise<string> => {
    if (incarnation !== undefined) return incarnation
    const preparing = prepare()
    incarnation = preparing
    preparing.catch(() => {
      if (incarnation === preparing) incarnation = undefined
    })
    return preparing
  }

  async function answer(message: Msg, received: Received, from: string, disposition: Disposition): Promise<void> {
    const fields = { stream: received.stream, subject: received.subject, sequence: received.sequence }
    if (disposition.kind === 'term') messaging.logger.warn({ ...fields, reason: disposition.reason }, 'message ended')
    // Waits for NATS where it is away; not while stopping: an answer not given is only a redelivery.
    const now = await current().catch(() => undefined)
    if (now === from) message.respond(answerOf(disposition))
    else messaging.logger.warn(fields, 'the stream of a handled message is gone; the answer is dropped')
  }

  async function handleOne(message: Msg, from: string): Promise<void> {
    const delivery = deliveryOf(message)
    if (delivery === undefined) return
    const { received } = delivery
    let disposition: Disposition
    try {
      disposition = await options.handle(received)
    } catch (error) {
      const delayMs = backOff(received.deliveryCount)
      messaging.logger.error(
        { stream: received.stream, subject: received.subject, sequence: received.sequence, delayMs, error },
        'message handler failed',
      )
      disposition = { kind: 'nak', delayMs }
    }
    await answer(message, received, from, disposition)
  }

  async function worker(): Promise<void> {
    while (!signal.aborted) {
      const from = await current()
      let taken: Msg | undefined
      const end = await pull(messaging, {
        stream: options.stream,
        consumer: options.durable,
        batch: 1,
        expiresMs: PULL_EXPIRES_MS,
        signal,
        onMessage: (message) => {
          taken = message
        },
      })
      if (taken !== undefined) await handleOne(taken, from)
      else if (end === 'gone') {
        // The first worker that notices asks again; the others share its answer.
        await sleep(RETRY_MS)
        if (incarnation !== undefined && (await incarnation.catch(() => undefined)) === from) incarnation = undefined
      } else if (end === 'disconnected') await messaging.whenConnected(signal)
    }
  }

  const concurrency = options.concurrency ?? Math.min(maxAckPending, DEFAULT_CONCURRENCY)
  const guarded = async () => {
    try {
      await worker()
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, guarded))
  } finally {
    stopStatus()
  }
}

/** A dead letter carries at most this much of the message. */
const MAX_DEADLETTER_BODY_BYTES = 64 * 1024

/** Keeps a message that cannot be understood, with the reason. The same message is kept once. */
export async function deadLetter(messaging: Messaging, received: Received, reason: string): Promise<void> {
  await publishEvent(messaging, {
    type: 'dev.twinscope.deadletter.v1',
    source: `twinscope/${messaging.name}`,
    id: `deadletter-${received.stream}-${received.sequence}-${received.storedAt}`,
    subject: deadletterSubject(received.stream),
    data: {
      stream: received.stream,
      subject: received.subject,
      sequence: received.sequence,
      reason,
      headers: { ...received.headers },
      body: Buffer.from(received.body).subarray(0, MAX_DEADLETTER_BODY_BYTES).toString('utf8'),
      at: new Date().toISOString(),
    },
    ...(received.traceparent === undefined ? {} : { traceparent: received.traceparent }),
  })
}
