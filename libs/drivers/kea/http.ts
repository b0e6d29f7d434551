// Kea over HTTP: kea-ctrl-agent (2.x) and the HTTP control socket of kea-dhcp4 itself (3.x).

import http from 'node:http'
import https from 'node:https'
import { DriverError } from '../driver.ts'

export type ExchangeOptions = {
  readonly command: string
  readonly signal?: AbortSignal
  /** Milliseconds. */
  readonly timeoutMs: number
  readonly write?: boolean
}

/** Sends one command and returns the bytes of its answer. */
export type Exchange = {
  send(body: Buffer, options: ExchangeOptions): Promise<Buffer>
  close(): void
}

/** HTTP basic authentication. */
export type HttpCredentials = { readonly user: string; readonly password: string }

/** How long a connection, with TLS, may take to come to be. Milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000

export function httpExchange(url: URL, where: string, credentials: HttpCredentials | undefined): Exchange {
  const client = url.protocol === 'https:' ? https : http
  const kept = new client.Agent({ keepAlive: true, maxSockets: 4 })
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    ...(credentials === undefined
      ? {}
      : { authorization: `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64')}` }),
  }

  function once(body: Buffer, options: ExchangeOptions, agent: http.Agent | false): Promise<Attempt> {
    const { command, signal, timeoutMs } = options
    return new Promise((resolve, reject) => {
      let isConnected = false
      const request = client.request(url, {
        method: 'POST',
        agent,
        headers: { ...headers, 'content-length': body.length },
      })
      const deadline = setTimeout(() => request.destroy(new Error(`nothing for ${timeoutMs} ms`)), timeoutMs)
      const connecting = setTimeout(() => {
        if (!isConnected) request.destroy(new Error(`no connection for ${CONNECT_TIMEOUT_MS} ms`))
      }, CONNECT_TIMEOUT_MS)
      const onAbort = () => request.destroy(new Error('given up'))
      signal?.addEventListener('abort', onAbort, { once: true })
      const settle = () => {
        clearTimeout(deadline)
        clearTimeout(connecting)
        signal?.removeEventListener('abort', onAbort)
      }
      const fail = (error: Error) => {
        settle()
        if (signal?.aborted) reject(signal.reason)
        else resolve({ kind: 'failed', error, isConnected, wasReused: request.reusedSocket })
      }
      request.once('socket', (socket) => {
        if (!socket.connecting) isConnected = true
        else socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => (isConnected = true))
      })
      request.once('error', fail)
      request.once('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.once('error', fail)
        response.once('aborted', () => fail(new Error(`the answer to ${command} broke off`)))
        response.once('end', () => {
          settle()
          resolve({ kind: 'answered', status: response.statusCode ?? 0, bytes: Buffer.concat(chunks) })
        })
      })
      request.end(body)
    })
  }

  return {
    async send(body, options) {
      // A write goes over a connection of its own: one that was kept may just have been closed by the
      // server, and then it would be unknown whether the write took effect.
      let attempt = await once(body, options, options.write ? false : kept)
      const isStale = attempt.kind === 'failed' && attempt.wasReused && !options.write
      if (isStale) attempt = await once(body, options, false)
      if (attempt.kind === 'failed') throw failureOf(where, options.command, attempt)
      return bodyOf(where, options.command, attempt)
    },
    close: () => kept.destroy(),
  }
}

type Failed = {
  readonly kind: 'failed'
  readonly error: Error
  readonly isConnected: boolean
  readonly wasReused: boolean
}
type Answered = { readonly kind: 'answered'; readonly status: number; readonly bytes: Buffer }
type Attempt = Failed | Answered

function failureOf(where: string, command: string, { error, isConnected }: Failed): DriverError {
  const reason = error.message || (error as NodeJS.ErrnoException).code || 'no reason given'
  return isConnected
    ? new DriverError('timed-out', `${where} gave no answer to ${command}: ${reason}`, { cause: error })
    : new DriverError(
        'unreachable',
        `${where} cannot be reached: ${reason}. Is the control agent (Kea 2.x) or the HTTP control socket (3.x) running there?`,
        { cause: error },
      )
}

function bodyOf(where: string, command: string, { status, bytes }: Answered): Buffer {
  if (status === 401 || status === 403) {
    throw new DriverError(
      'access-denied',
      `${where} refused ${command} with HTTP status ${status}; give the user and password of Kea's control channel in user-file`,
    )
  }
  if (status !== 200) {
    throw new DriverError(
      'protocol',
      `${where} answered ${command} with HTTP status ${status}; is this the address of Kea's control channel?`,
    )
  }
  return bytes
}
