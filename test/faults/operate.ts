// What people do meanwhile: edits at the DHCP servers, and requests. Past every link: they have ways of their own.

import { headers, type NatsConnection } from 'nats'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import type { Request } from './checker/evidence.ts'
import { newScope, RELATIONSHIPS, type Server } from './fleet.ts'
import type { Ask, Edit } from './schedule.ts'
import { monotonicMs, type World } from './world.ts'

const REQUESTER = 'faults'
/** Milliseconds after which nobody waits for an acknowledgement any more. */
const ACKNOWLEDGE_MS = 2_000

export type Operator = {
  /** Says what was done, or why not. A server that is down cannot be edited. */
  edit(edit: Edit): Promise<string>
  ask(ask: Ask): Promise<string>
  /** Confirms the side of a relationship whose authority NATS has lost; resolves when that is accepted. */
  confirm(relationship: string, side: string): Promise<void>
  /** Requests that were acknowledged. */
  readonly requests: readonly Request[]
}

export function createOperator({ world, nats }: { readonly world: World; readonly nats: NatsConnection }): Operator {
  const requests: Request[] = []

  async function scopeAt(server: Server, scope: string): Promise<Scope | undefined> {
    return (await world.admin(server).scopes(server)).find(({ key }) => key === scope)
  }

  function partnerOf({ server, scope }: Edit): Server {
    const relationship = RELATIONSHIPS.find(({ scopes }) => scopes.includes(scope))
    if (relationship === undefined) throw new Error(`${scope} is in no relationship`)
    const { authority, partner } = relationship
    return (authority === server ? partner : authority) as Server
  }

  async function edit(wanted: Edit): Promise<string> {
    const { server, scope, how, name, persist } = wanted
    const admin = world.admin(server)
    const options = { persist, who: `operator ${name}` }
    const present = await scopeAt(server, scope)
    const put = async (content: Scope | undefined, what: string): Promise<string> => {
      if (content === undefined) {
        if (present === undefined) return 'it is not there'
        await admin.deleteScope(server, scope as ScopeKey, options)
      } else await admin.putScope(server, content, options)
      return what
    }
    switch (how) {
      case 'agree':
        return await put(await scopeAt(partnerOf(wanted), scope), 'made as the other side has it')
      case 'delete':
        return await put(undefined, 'deleted')
      case 'create':
      case 'change':
        return present === undefined
          ? await put(newScope(scope, name), 'created')
          : await put(changed(present, name), 'changed')
    }
  }

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

  return { edit, confirm, ask: (ask) => (ask.via === 'api' ? askApi(ask) : askNats(ask)), requests }
}

/** A content that no other edit gives. */
function changed(scope: Scope, name: string): Scope {
  return { ...scope, properties: { ...scope.properties, name } }
}
