// A gate's end of request/reply: checks what comes, answers always.

import { headers, type Msg } from 'nats'
import { GATE_SCHEMAS, type GateAnswer, type GateRequests } from '#contracts/gate.ts'
import { FETCH_HEADER, formatPart, LOST_HEADER, PART_HEADER, parsePart } from '#contracts/gate-parts.ts'
import { gateSubscription, parseGateOperation } from '#contracts/subjects.ts'
import type { Messaging } from './connection.ts'
import { messageOf } from './errors.ts'
import { createPartStore, newPartId, splitInParts } from './parts.ts'
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
  const requests = createPartStore()
  const answers = createPartStore()

  async function answerTo(message: Msg, body: string): Promise<GateAnswer<unknown>> {
    const operation = parseGateOperation(message.subject)
    if (operation === undefined) return failure('malformed', `${message.subject} is no operation of a gate`)
    const request = decode(GATE_SCHEMAS[operation].request, { body })
    if (request.error !== undefined) return failure('malformed', `${operation} ${request.error}`)
    try {
      return await handler(operation, request.ok as GateRequests[typeof operation], message.headers?.get('traceparent'))
    } catch (error) {
      messaging.logger.error({ server, operation, error }, 'gate operation failed')
      return failure('internal', messageOf(error))
    }
  }

  function respond(message: Msg, bytes: Uint8Array, header: string, value: string): void {
    const attributes = headers()
    attributes.set(header, value)
    message.respond(bytes, { headers: attributes })
  }

  /** Says the first part; the others wait to be fetched. */
  function respondWith(message: Msg, answer: GateAnswer<unknown>): void {
    const bytes = Buffer.from(JSON.stringify(answer))
    const parts = splitInParts(bytes)
    const [first] = parts ?? []
    if (parts === undefined || first === undefined) {
      message.respond(JSON.stringify(failure('internal', `the answer has ${bytes.length} bytes, too many to be sent`)))
    } else if (parts.length === 1) {
      message.respond(first)
    } else {
      const id = newPartId()
      answers.keep(id, parts)
      respond(message, first, PART_HEADER, formatPart({ id, index: 1, count: parts.length }))
    }
  }

  async function serve(message: Msg): Promise<void> {
    const [fetched, sent] = [message.headers?.get(FETCH_HEADER), message.headers?.get(PART_HEADER)]
    const text = fetched || sent
    if (!text) return respondWith(message, await answerTo(message, message.string()))
    const name = parsePart(text)
    if (name === undefined) return respondWith(message, failure('malformed', `"${text}" is no name of a part`))
    if (fetched) {
      const part = answers.take(name)
      if (part === undefined) respond(message, new Uint8Array(), LOST_HEADER, name.id)
      else respond(message, part, PART_HEADER, fetched)
      return
    }
    if (name.index < name.count) {
      requests.add(name, message.data)
      respond(message, new Uint8Array(), PART_HEADER, text)
      return
    }
    const whole = requests.complete(name, message.data)
    if (whole === undefined) respond(message, new Uint8Array(), LOST_HEADER, name.id)
    else respondWith(message, await answerTo(message, whole.toString('utf8')))
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
