// What people ask of Twinscope meanwhile. Past every link: they have ways of their own.

import { headers, type NatsConnection } from 'nats'
import type { Request } from './checker/evidence.ts'
import type { Ask } from './schedule.ts'
import { monotonicMs, type World } from './world.ts'

const REQUESTER = 'faults'
/** Milliseconds after which nobody waits for an acknowledgement any more. */
const ACKNOWLEDGE_MS = 2_000

export type Operator = {
  /** Says what became of it. */
  ask(ask: Ask): Promise<string>
  /** Confirms the side of a relationship whose authority NATS has lost; resolves when that is accepted. */
  confirm(relationship: string, side: string): Promise<void>
  /** Requests that were acknowledged. */
  readonly requests: readonly Request[]
}

export function createOperator({ world, nats }: { readonly world: World; readonly nats: NatsConnection }): Operator {
  const requests: Request[] = []

  async function askApi(ask: Ask): Promise<string> {
    const { server, relationship, scopes } = ask
    const response = await fetch(new URL('/v1/replications', world.statusUrl), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        server,
        ...(relationship === undefined ? {} : { relationship }),
        ...(scopes === undefined ? {} : { scopes }),
      }),
      signal: AbortSignal.timeout(ACKNOWLEDGE_MS),
    })
    const location = response.headers.get('location')
    await response.text()
    if (response.status !== 202 || location === null) return `status ${response.status}`
    const job = location.slice(location.lastIndexOf('/') + 1)
    requests.push({ job, acknowledgedAtMs: monotonicMs() })
    return `accepted as ${job}`
  }

  async function confirm(relationship: string, side: string): Promise<void> {
    const url = new URL(`/v1/relationships/${relationship}/authority`, world.statusUrl)
    const signal = () => AbortSignal.timeout(ACKNOWLEDGE_MS)
    const seen = await fetch(url, { signal: signal() })
    const { epoch } = (await seen.json()) as { readonly epoch?: number }
    const etag = seen.headers.get('etag')
    if (!seen.ok || etag === null) throw new Error(`the authority of ${relationship} cannot be read: ${seen.status}`)
    const response = await fetch(url, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', 'if-match': etag },
      body: JSON.stringify({ side }),
      signal: signal(),
    })
    const text = await response.text()
    const location = response.headers.get('location')
    if (response.status !== 202 || location === null)
      throw new Error(`${relationship} (epoch ${epoch ?? 'lost'}) cannot be confirmed: ${response.status} ${text}`)
    requests.push({ job: location.slice(location.lastIndexOf('/') + 1), acknowledgedAtMs: monotonicMs() })
  }

  async function askNats(ask: Ask): Promise<string> {
    const { job, level, server, relationship, scopes } = ask
    const attributes = headers()
    attributes.set('Nats-Msg-Id', job)
    const body = {
      level,
      server,
      requester: REQUESTER,
      job,
      ...(relationship === undefined ? {} : { relationship }),
      ...(scopes === undefined ? {} : { scopes }),
    }
    const subject = `twinscope.replication.requested.${level}.${REQUESTER}`
    await nats.jetstream({ timeout: ACKNOWLEDGE_MS }).publish(subject, JSON.stringify(body), { headers: attributes })
    requests.push({ job, acknowledgedAtMs: monotonicMs() })
    return 'stored'
  }

  return { confirm, ask: (ask) => (ask.via === 'api' ? askApi(ask) : askNats(ask)), requests }
}
