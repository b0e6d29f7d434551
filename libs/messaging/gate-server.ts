// A gate's end of request/reply: checks what comes, answers always.

import type { Msg } from 'nats'
import { GATE_SCHEMAS, type GateAnswer, type GateRequests } from '#contracts/gate.ts'
import { MAX_MESSAGE_BYTES } from '#contracts/streams.ts'
import { gateSubscription, parseGateOperation } from '#contracts/subjects.ts'
import type { Messaging } from './connection.ts'
import { messageOf } from './errors.ts'
import { decode } from './received.ts'

/** One request that passed its schema. */
export type GateHandler = <K extends keyof GateRequests>(
  operation: K,
  request: GateRequests[K],
  traceparent?: string,
) => Promise<GateAnswer<unknown>>

function failure(code: 'malformed' | 'internal', message: string): GateAnswer<unknown> {
  return { error: { code, message } }
}

/**
 * Serves the gate of one server until `stop` is called. Requests are handled at the same time; what must not
 * be is the gate's own mutex's business. Resolves when NATS knows of the subscription.
 */
export async function serveGate(
  messaging: Messaging,
  server: string,
  handler: GateHandler,
): Promise<{ readonly stop: () => Promise<void> }> {
  const running = new Set<Promise<void>>()

  async function answerTo(message: Msg): Promise<GateAnswer<unknown>> {
    const operation = parseGateOperation(message.subject)
    if (operation === undefined) return failure('malformed', `${message.subject} is no operation of a gate`)
    const request = decode(GATE_SCHEMAS[operation].request, { body: message.string() })
    if (request.error !== undefined) return failure('malformed', `${operation} ${request.error}`)
    try {
      return await handler(operation, request.ok as GateRequests[typeof operation], message.headers?.get('traceparent'))
    } catch (error) {
      messaging.logger.error({ server, operation, error }, 'gate operation failed')
      return failure('internal', messageOf(error))
    }
  }

  async function serve(message: Msg): Promise<void> {
    const text = JSON.stringify(await answerTo(message))
    const size = Buffer.byteLength(text)
    if (size <= MAX_MESSAGE_BYTES) message.respond(text)
    else message.respond(JSON.stringify(failure('internal', `the answer has ${size} bytes of ${MAX_MESSAGE_BYTES}`)))
  }

  const subscription = messaging.connection.subscribe(gateSubscription(server), {
    callback: (error, message) => {
      if (error) {
        messaging.logger.error({ server, error }, 'gate cannot be served')
        return
      }
      const task = serve(message)
        .catch((failed) => messaging.logger.error({ server, error: failed }, 'gate answer could not be sent'))
        .finally(() => running.delete(task))
      running.add(task)
    },
  })
  await messaging.connection.flush()
  return {
    async stop() {
      if (messaging.connected) await subscription.drain().catch(() => {})
      else subscription.unsubscribe()
      await Promise.all(running)
    },
  }
}
