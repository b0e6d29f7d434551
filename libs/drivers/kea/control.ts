// How commands reach Kea: its unix socket, the control agent of 2.x, or the HTTP control socket of 3.x.
// What matters most is what a failure means: whether a command may have been sent or certainly was not.

import { isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'
import { DriverError } from '../driver.ts'
import { type Exchange, type HttpCredentials, httpExchange } from './http.ts'
import { formatKeaJson, parseKeaJson } from './kea-json.ts'
import { unixExchange } from './unix.ts'

export type KeaAnswer = {
  /** 0 success · 1 error · 2 unsupported command · 3 nothing found · 4 conflict · 5 fatal (3.x). */
  readonly result: number
  readonly text: string
  readonly arguments: JsonObject
  /** Length of the answer. Bytes. */
  readonly size: number
}

export type SendOptions = {
  readonly signal?: AbortSignal
  /** How long the answer may take. Milliseconds. */
  readonly timeoutMs: number
  /** Changes something at the server: never sent twice, and over a connection of its own. */
  readonly write?: boolean
}

export type KeaControl = {
  /** The server and how it is reached, for messages. */
  readonly where: string
  send(command: string, args: JsonObject | undefined, options: SendOptions): Promise<KeaAnswer>
  close(): void
}

export type ControlOptions = {
  readonly name: string
  /** `unix:/path`, `http://…` or `https://…`. */
  readonly control: string
  readonly credentials?: HttpCredentials
}

export function openControl({ name, control, credentials }: ControlOptions): KeaControl {
  const where = `${name} (${control})`
  const isUnix = control.startsWith('unix:')
  const exchange: Exchange = isUnix
    ? unixExchange(control.slice('unix:'.length), where)
    : httpExchange(new URL(control), where, credentials)
  return {
    where,
    async send(command, args, options) {
      options.signal?.throwIfAborted()
      const request: JsonObject = {
        command,
        ...(isUnix ? {} : { service: ['dhcp4'] }),
        ...(args === undefined ? {} : { arguments: args }),
      }
      const bytes = await exchange.send(formatKeaJson(request), { ...options, command })
      return answerOf(where, command, bytes)
    },
    close: () => exchange.close(),
  }
}

function answerOf(where: string, command: string, bytes: Buffer): KeaAnswer {
  let value: Json | undefined
  try {
    value = parseKeaJson(bytes)
  } catch (error) {
    throw new DriverError('protocol', `${where} answered ${command} with malformed JSON: ${String(error)}`, {
      cause: error,
    })
  }
  // Over HTTP a list with one answer for each service, over a unix socket the answer itself.
  const answer = Array.isArray(value) ? (value as readonly Json[])[0] : value
  if (!isJsonObject(answer) || typeof answer.result !== 'number') {
    throw new DriverError('protocol', `${where} answered ${command} with something else than a result`)
  }
  const text = typeof answer.text === 'string' ? answer.text : ''
  throwIfNotForwarded(where, command, answer.result, text)
  const args = answer.arguments
  return { result: answer.result, text, arguments: isJsonObject(args) ? args : {}, size: bytes.length }
}

/**
 * The control agent answers for a DHCP server that it cannot reach, with the same result code as the
 * server's own errors; only the words tell. Seen with 2.2.0 and 3.0.4.
 */
function throwIfNotForwarded(where: string, command: string, result: number, text: string): void {
  if (result === 0) return
  if (/^(unable to forward command|forwarding socket is not configured|forward socket is not configured)/.test(text)) {
    const isOffline = /likely to be offline|not configured/.test(text)
    throw new DriverError(
      isOffline ? 'unreachable' : 'timed-out',
      `${where}: the control agent runs, but the DHCP server behind it ${isOffline ? 'cannot be reached' : `gave no answer to ${command}`}: ${text}`,
    )
  }
}
