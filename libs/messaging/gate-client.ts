// Asking a gate (request/reply). The gate is a watcher somewhere; it may be down, slow, or say no.

import { headers, type Msg, NatsError } from 'nats'
import {
  GATE_SCHEMAS,
  type GateErrorCode,
  type GateRequests,
  type GateResponses,
  type ManifestPage,
} from '#contracts/gate.ts'
import { FETCH_HEADER, formatPart, LOST_HEADER, PART_HEADER, type PartName, parsePart } from '#contracts/gate-parts.ts'
import { gateSubject } from '#contracts/subjects.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { Messaging } from './connection.ts'
import { isNoResponders, isTimeout, messageOf } from './errors.ts'
import { newPartId, splitInParts } from './parts.ts'
import { validate } from './received.ts'

export type GateFailureCode =
  | GateErrorCode
  /** The watcher of that server is down, or NATS is: nothing was sent. */
  | 'no-responders'
  /** No answer in time, or the connection broke: whether it took effect is unknown. */
  | 'timed-out'

export class GateError extends Error {
  readonly code: GateFailureCode
  constructor(code: GateFailureCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'GateError'
    this.code = code
  }
}

export type GateRequestOptions = {
  /** Milliseconds to wait for the answer. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly traceparent?: string
}

/** Milliseconds for a manifest or a read where the caller gives none: a server with ten thousand scopes takes seconds. */
const READ_TIMEOUT_MS = 20_000
/** Times that paging begins again where the server was read in between. */
const MAX_RESTARTS = 5

/** A manifest with the rows of all its pages. */
export type Manifest = { readonly page: ManifestPage }

export interface GateClient {
  /** Throws {@link GateError}. */
  request<K extends keyof GateRequests>(
    server: string,
    operation: K,
    body: GateRequests[K],
    options: GateRequestOptions,
  ): Promise<GateResponses[K]>
  /** The whole manifest: the first page with the rows of all pages. */
  readManifest(
    server: string,
    relationship: string,
    fresh: boolean,
    options?: Partial<GateRequestOptions>,
  ): Promise<Manifest>
  /** The content of each scope asked for; `undefined` where the server has no such scope. */
  readContents(
    server: string,
    relationship: string,
    scopes: readonly ScopeKey[],
    of: 'live' | 'base',
    fresh: boolean,
    options?: Partial<GateRequestOptions>,
  ): Promise<Map<ScopeKey, ScopeContent | undefined>>
}

function parseAnswer(server: string, operation: string, text: string): unknown {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    answer = undefined
  }
  if (typeof answer !== 'object' || answer === null || (!('ok' in answer) && !('error' in answer))) {
    throw new GateError('internal', `the gate of ${server} gave no proper answer to ${operation}`)
  }
  if ('error' in answer) {
    const { code, message } = answer.error as { code: GateErrorCode; message: string }
    throw new GateError(code, message)
  }
  return answer.ok
}

export type GateClientOptions = {
  /** No answer is waited for longer, whatever a caller would. Milliseconds; default: as the caller says. */
  readonly maxWaitMs?: number
}

export function createGateClient(messaging: Messaging, { maxWaitMs }: GateClientOptions = {}): GateClient {
  /**
   * One message and its answer. Ends with the answer, the timeout, the caller's signal or the loss of the
   * connection, whichever is first.
   */
  async function exchange(
    server: string,
    operation: keyof GateRequests,
    bytes: Uint8Array,
    options: GateRequestOptions,
    part?: { readonly header: string; readonly name: PartName },
  ): Promise<Msg> {
    const unreachable = `the watcher of ${server} cannot be asked: NATS at ${messaging.url} is not connected`
    if (!messaging.connected) throw new GateError('no-responders', unreachable)
    if (options.signal?.aborted) throw new GateError('timed-out', `${operation} at ${server} was given up`)
    const attributes = headers()
    if (options.traceparent !== undefined) attributes.set('traceparent', options.traceparent)
    if (part !== undefined) attributes.set(part.header, formatPart(part.name))
    const stop = Promise.withResolvers<never>()
    const onAbort = () => stop.reject(new GateError('timed-out', `${operation} at ${server} was given up`))
    options.signal?.addEventListener('abort', onAbort)
    const stopStatus = messaging.onStatus((connected) => {
      if (!connected) stop.reject(new GateError('timed-out', `NATS was lost during ${operation} at ${server}`))
    })
    const answered = messaging.connection.request(gateSubject(server, operation), bytes, {
      timeout: options.timeoutMs,
      headers: attributes,
    })
    answered.catch(() => {})
    try {
      return await Promise.race([answered, stop.promise])
    } catch (error) {
      if (error instanceof GateError) throw error
      if (isNoResponders(error)) {
        throw new GateError('no-responders', `no watcher serves ${server}; is it running?`, { cause: error })
      }
      if (isTimeout(error)) {
        const message = `the watcher of ${server} did not answer ${operation} within ${options.timeoutMs} ms`
        throw new GateError('timed-out', message, { cause: error })
      }
      if (error instanceof NatsError) throw new GateError('timed-out', messageOf(error), { cause: error })
      throw error
    } finally {
      stopStatus()
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  /** A request and its answer, each in as many messages as it needs, within the time of one. */
  async function converse(
    server: string,
    operation: keyof GateRequests,
    bytes: Buffer,
    options: GateRequestOptions,
  ): Promise<string> {
    const parts = splitInParts(bytes)
    if (parts === undefined) {
      throw new GateError('malformed', `${operation} at ${server} has ${bytes.length} bytes, too many to be sent`)
    }
    const endsAt = performance.now() + options.timeoutMs
    const send = (part: Uint8Array, header: string, name: PartName) => {
      const timeoutMs = Math.max(1, Math.ceil(endsAt - performance.now()))
      return exchange(server, operation, part, { ...options, timeoutMs }, { header, name })
    }
    const id = newPartId()
    const [only = bytes, ...others] = parts
    let answer: Msg
    if (others.length === 0) answer = await exchange(server, operation, only, options)
    else {
      answer = await send(only, PART_HEADER, { id, index: 1, count: parts.length })
      for (const [at, part] of others.entries()) {
        answer = await send(part, PART_HEADER, { id, index: at + 2, count: parts.length })
      }
      if (answer.headers?.get(LOST_HEADER)) {
        const message = `the watcher of ${server} was restarted while ${operation} was sent; nothing of it was begun`
        throw new GateError('no-responders', message)
      }
    }
    return joined(server, operation, answer, send)
  }

  /** The whole answer. Whatever goes wrong now: the request was carried out. */
  async function joined(
    server: string,
    operation: string,
    first: Msg,
    send: (part: Uint8Array, header: string, name: PartName) => Promise<Msg>,
  ): Promise<string> {
    const name = parsePart(first.headers?.get(PART_HEADER) ?? '')
    if (name === undefined) return first.string()
    const parts = [first.data]
    try {
      for (let index = 2; index <= name.count; index++) {
        const part = await send(new Uint8Array(), FETCH_HEADER, { ...name, index })
        if (part.headers?.get(LOST_HEADER)) throw new GateError('timed-out', 'its watcher was restarted')
        parts.push(part.data)
      }
    } catch (error) {
      const message = `the answer of ${server} to ${operation} came only in part: ${messageOf(error)}`
      throw new GateError('timed-out', message, { cause: error })
    }
    return Buffer.concat(parts).toString('utf8')
  }

  const client: GateClient = {
    async request(server, operation, body, options) {
      const bytes = Buffer.from(JSON.stringify(body))
      const timeoutMs = Math.min(options.timeoutMs, maxWaitMs ?? options.timeoutMs)
      const answer = parseAnswer(server, operation, await converse(server, operation, bytes, { ...options, timeoutMs }))
      // A stored result is that of the commit it belongs to.
      const schema = GATE_SCHEMAS[operation === 'result' ? 'commit' : operation].response
      const checked = validate(schema, answer)
      if (checked.error !== undefined) {
        throw new GateError('internal', `the gate of ${server} answered ${operation} with ${checked.error}`)
      }
      return answer as GateResponses[typeof operation]
    },

    async readManifest(server, relationship, fresh, options = {}) {
      const exchangeOptions = { timeoutMs: READ_TIMEOUT_MS, ...options }
      let first = await client.request(server, 'manifest', { relationship, fresh }, exchangeOptions)
      for (let restarts = 0; ; restarts++) {
        const rows = [...first.rows]
        let page = first
        while (page.next !== undefined && page.revision === first.revision) {
          const body = { relationship, fresh: false, cursor: page.next }
          page = await client.request(server, 'manifest', body, exchangeOptions)
          rows.push(...page.rows)
        }
        if (page.revision === first.revision) {
          const { next: _next, ...whole } = first
          return { page: { ...whole, rows } }
        }
        if (restarts === MAX_RESTARTS) {
          throw new GateError('internal', `${server} changes faster than its manifest can be read`)
        }
        first = await client.request(server, 'manifest', { relationship, fresh: false }, exchangeOptions)
      }
    },

    async readContents(server, relationship, scopes, of, fresh, options = {}) {
      const exchangeOptions = { timeoutMs: READ_TIMEOUT_MS, ...options }
      const contents = new Map<ScopeKey, ScopeContent | undefined>()
      if (scopes.length === 0) return contents
      let page = await client.request(server, 'read', { relationship, scopes: [...scopes], of, fresh }, exchangeOptions)
      for (;;) {
        for (const { scope, content } of page.contents) {
          contents.set(scope as ScopeKey, content as ScopeContent | undefined)
        }
        if (page.next === undefined) return contents
        const body = { relationship, scopes: [...scopes], of, fresh: false, cursor: page.next }
        page = await client.request(server, 'read', body, exchangeOptions)
      }
    },
  }
  return client
}
