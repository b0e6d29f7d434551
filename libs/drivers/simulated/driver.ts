// The driver of simulated DHCP servers (services/simulator): the second implementation of the
// driver interface, which keeps it honest about not being Kea's.

import { Agent, request } from 'undici'
import { formatJson, isJsonObject, type Json, type JsonObject, parseJson } from '#dhcp/json.ts'
import { leasesOutside } from '#dhcp/leases.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import {
  type ApplyResult,
  type DhcpDriver,
  DriverError,
  type PersistResult,
  type Probe,
  type Snapshot,
} from '../driver.ts'
import { watchHints } from './hints.ts'
import { CLIENT_HEADER, type ClaimAnswer, CONTROL_PATHS, type ConfigurationAnswer } from './wire.ts'

export type SimulatedOptions = {
  /** The server as the configuration calls it; named in errors. */
  readonly name: string
  /** URL of the server's control endpoint. */
  readonly control: string
  /** Who we are in the server's write log. Default `twinscope`. */
  readonly client?: string
  /** How long an answer may take. Milliseconds, default 10000. */
  readonly timeoutMs?: number
}

/** Errors of a connection that never came to be: nothing was sent. */
const NOT_CONNECTED = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'UND_ERR_CONNECT_TIMEOUT',
])

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as NodeJS.ErrnoException
  return code ?? codeOf(error.cause)
}

function describe(error: unknown): string {
  const text = error instanceof Error ? error.message || codeOf(error) : String(error)
  return text ?? 'unknown error'
}

/** Opens a simulated server. Connects with the first call, so a server that is down is no error here. */
export function openSimulated(options: SimulatedOptions): DhcpDriver {
  const { name, control, client = 'twinscope', timeoutMs = 10_000 } = options
  // A connection per command: a command on a kept connection that the server has just closed
  // would be "maybe sent", and a write would needlessly be uncertain.
  const dispatcher = new Agent({ pipelining: 0, connect: { timeout: Math.min(timeoutMs, 5_000) } })

  async function call(method: 'GET' | 'POST', path: string, body?: Json, signal?: AbortSignal): Promise<JsonObject> {
    const where = `${name} (${control})`
    let status: number
    let text: string
    try {
      const response = await request(new URL(path, control), {
        method,
        dispatcher,
        headers: { [CLIENT_HEADER]: client, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        ...(body === undefined ? {} : { body: formatJson(body) }),
        ...(signal === undefined ? {} : { signal }),
      })
      status = response.statusCode
      text = await response.body.text()
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      const reason = describe(error)
      if (NOT_CONNECTED.has(codeOf(error) ?? '')) {
        throw new DriverError('unreachable', `${where} cannot be reached: ${reason}. Is the server running?`, {
          cause: error,
        })
      }
      throw new DriverError('timed-out', `${where} gave no answer to ${path}: ${reason}`, { cause: error })
    }
    return answerOf(where, path, status, text)
  }

  return {
    product: 'simulated',
    async probe(signal) {
      return (await call('GET', CONTROL_PATHS.probe, undefined, signal)) as unknown as Probe
    },
    async read(signal) {
      const native = await call('GET', CONTROL_PATHS.configuration, undefined, signal)
      return snapshotOf(name, native)
    },
    async claim(installation, { replace = false } = {}) {
      return (await call('POST', CONTROL_PATHS.claim, { installation, replace })) as unknown as ClaimAnswer
    },
    async activeLeasesOutside({ key }, ranges) {
      const { addresses } = await call('POST', CONTROL_PATHS.leases, { scope: key })
      if (!Array.isArray(addresses)) throw new DriverError('protocol', `${name} answered without its leases`)
      return leasesOutside(addresses as readonly string[], ranges)
    },
    async apply(from, writes) {
      // The server merges scope by scope, as Windows does, so nothing of `from` has to be sent back. It is named for
      // the server's log, from which one can then tell what was changed between a read and the write that followed.
      const { token } = from.native as unknown as ConfigurationAnswer
      const body = { writes: writes as unknown as Json, ...(token === undefined ? {} : { readToken: token }) }
      return (await call('POST', CONTROL_PATHS.apply, body)) as unknown as ApplyResult
    },
    async persist() {
      return (await call('POST', CONTROL_PATHS.persist)) as unknown as PersistResult
    },
    watch(onHint) {
      return watchHints({ url: new URL(CONTROL_PATHS.hints, control), dispatcher, onHint })
    },
    async close() {
      await dispatcher.destroy()
    },
  }
}

function answerOf(where: string, path: string, status: number, text: string): JsonObject {
  let answer: Json | undefined
  try {
    answer = parseJson(text)
  } catch (error) {
    throw new DriverError('protocol', `${where} answered ${path} with malformed JSON: ${describe(error)}`, {
      cause: error,
    })
  }
  if (!isJsonObject(answer))
    throw new DriverError('protocol', `${where} answered ${path} with something else than an object`)
  if (status === 200) return answer
  const message = typeof answer.error === 'string' ? answer.error : `HTTP status ${status}`
  const code = status === 401 || status === 403 ? 'access-denied' : status < 500 ? 'rejected' : 'protocol'
  throw new DriverError(code, `${where} refused ${path}: ${message}`)
}

function snapshotOf(name: string, native: JsonObject): Snapshot {
  const answer = native as unknown as ConfigurationAnswer
  // An answer without a list of scopes must never pass for a server without scopes.
  if (!Array.isArray(answer.scopes) || !Array.isArray(answer.relationships) || typeof answer.instance !== 'string') {
    throw new DriverError('protocol', `${name} answered without its scopes or relationships`)
  }
  const scopes = new Map<ScopeKey, Scope>(answer.scopes.map((scope) => [scope.key, scope]))
  return {
    instance: answer.instance,
    readAt: answer.readAt,
    version: answer.version,
    scopes,
    unreplicable: new Map(),
    relationships: answer.relationships,
    provides: new Set(answer.provides),
    native,
  }
}
