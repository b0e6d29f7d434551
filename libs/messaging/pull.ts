// One pull request to a JetStream consumer. The client's own `consume()` hides losses
// that we must act on; here every way in which a pull can end has a name.

import { createInbox, type Msg, nanos } from 'nats'
import type { Messaging } from './connection.ts'

export type PullEnd =
  /** As many messages came as were asked for. */
  | 'complete'
  /** The time is over; ask again. */
  | 'expired'
  /** The consumer or its stream does not exist (any more). */
  | 'gone'
  | 'disconnected'
  | 'aborted'

export type PullOptions = {
  readonly stream: string
  readonly consumer: string
  readonly batch: number
  /** Milliseconds after which the server ends the request. */
  readonly expiresMs: number
  readonly onMessage: (message: Msg) => void
  readonly signal: AbortSignal
}

/** Milliseconds past the expiry after which a silent server counts as having lost the request. */
const GRACE_MS = 2_000

function endOf(status: Msg): PullEnd | undefined {
  const code = status.headers?.code
  const description = status.headers?.description.toLowerCase() ?? ''
  if (code === 100) return undefined
  if (code === 503) return 'gone'
  if (code === 409 && description.includes('consumer deleted')) return 'gone'
  if (code === 404 && description.includes('not found')) return 'gone'
  return 'expired'
}

/**
 * Asks for up to `batch` messages and resolves with how it ended. A message that arrives
 * while the request is being given up is handed back, so that nobody waits for its redelivery.
 */
export function pull(messaging: Messaging, options: PullOptions): Promise<PullEnd> {
  const { connection } = messaging
  return new Promise((resolve) => {
    if (options.signal.aborted) return resolve('aborted')
    if (!messaging.connected) return resolve('disconnected')
    const inbox = createInbox()
    let left = options.batch
    let ended = false
    const subscription = connection.subscribe(inbox, {
      callback: (error, message) => {
        if (error) return finish('gone')
        if (message.subject === inbox) {
          const end = endOf(message)
          if (end !== undefined) finish(end)
          return
        }
        if (ended) return message.respond('-NAK')
        left -= 1
        options.onMessage(message)
        if (left === 0) finish('complete')
      },
    })
    const timer = setTimeout(() => finish('expired'), options.expiresMs + GRACE_MS)
    const onAbort = () => finish('aborted')
    const stopStatus = messaging.onStatus((connected) => {
      if (!connected) finish('disconnected')
    })
    options.signal.addEventListener('abort', onAbort)

    function finish(end: PullEnd): void {
      if (ended) return
      ended = true
      clearTimeout(timer)
      stopStatus()
      options.signal.removeEventListener('abort', onAbort)
      // Drained, not unsubscribed: what the server has sent already is still handed back.
      if (end === 'aborted' && messaging.connected) subscription.drain().catch(() => {})
      else subscription.unsubscribe()
      resolve(end)
    }

    connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${options.stream}.${options.consumer}`,
      JSON.stringify({ batch: options.batch, expires: nanos(options.expiresMs) }),
      { reply: inbox },
    )
  })
}
