// The other tools' hand: edits, restarts, failover states and faults of every simulated server,
// on an endpoint of its own, so that it still answers while a server is "unreachable".

import type { FastifyInstance } from 'fastify'
import { parseIpv4 } from '#dhcp/ipv4.ts'
import { isJsonObject, type Json } from '#dhcp/json.ts'
import type { FailoverState } from '#dhcp/relationship.ts'
import { parseScopeKey, type Scope, type ScopeKey } from '#dhcp/scope.ts'
import { CLIENT_HEADER } from '#drivers/simulated/wire.ts'
import { answer, createLosslessApp, type Endpoint } from './control.ts'
import { completeScope } from './description.ts'
import { parseFaults } from './faults.ts'
import type { SimulatedServer } from './server.ts'

export type RunningServer = { readonly server: SimulatedServer; readonly endpoint: Endpoint }

type Named = { server: string }
type ScopeRoute = { Params: Named & { address: string; length: string }; Querystring: { persist?: string }; Body: Json }

const STATES: readonly FailoverState[] = [
  'normal',
  'communication-interrupted',
  'partner-down',
  'recovering',
  'waiting',
  'maintenance',
  'terminated',
  'unknown',
]

class AdminError extends Error {
  readonly statusCode: number
  constructor(statusCode: number, message: string) {
    super(message)
    this.statusCode = statusCode
  }
}

export function createAdminApp(servers: ReadonlyMap<string, RunningServer>): FastifyInstance {
  const app = createLosslessApp()

  function named(name: string): RunningServer {
    const running = servers.get(name)
    if (!running)
      throw new AdminError(404, `no simulated server "${name}"; there are: ${[...servers.keys()].join(', ')}`)
    return running
  }

  function keyOf({ address, length }: { address: string; length: string }): ScopeKey {
    const key = parseScopeKey(`${address}/${length}`)
    if (!key) throw new AdminError(400, `${address}/${length} is no scope`)
    return key
  }

  /** Edits persist unless `?persist=false` says otherwise, as with most tools. */
  function edit(
    server: SimulatedServer,
    who: unknown,
    scope: ScopeKey,
    wanted: Scope | undefined,
    persist: string | undefined,
  ) {
    const result = server.write(String(who ?? 'admin'), [{ scope, ...(wanted && { wanted }) }])
    if (result.kind === 'rejected') throw new AdminError(422, result.message)
    return { ...result, persisted: persist !== 'false' && server.persist().kind === 'persisted' }
  }

  app.get<{ Params: Named }>('/servers/:server/scopes', async ({ params }, reply) =>
    answer(reply, named(params.server).server.configuration().scopes),
  )
  app.get<ScopeRoute>('/servers/:server/scopes/:address/:length', async ({ params }, reply) => {
    const key = keyOf(params)
    const scope = named(params.server)
      .server.configuration()
      .scopes.find((known) => known.key === key)
    if (!scope) throw new AdminError(404, `${params.server} has no scope ${key}`)
    return answer(reply, scope)
  })
  app.put<ScopeRoute>('/servers/:server/scopes/:address/:length', async ({ params, query, body, headers }, reply) => {
    const { server } = named(params.server)
    const key = keyOf(params)
    const wanted = completeScope({ ...(isJsonObject(body) ? body : {}), key })
    return answer(reply, edit(server, headers[CLIENT_HEADER], key, wanted, query.persist))
  })
  app.delete<ScopeRoute>('/servers/:server/scopes/:address/:length', async ({ params, query, headers }, reply) => {
    const { server } = named(params.server)
    return answer(reply, edit(server, headers[CLIENT_HEADER], keyOf(params), undefined, query.persist))
  })

  app.get<{ Params: Named }>('/servers/:server/log', async ({ params }, reply) =>
    answer(reply, named(params.server).server.log.entries),
  )

  app.get<{ Params: Named }>('/servers/:server/faults', async ({ params }, reply) =>
    answer(reply, named(params.server).server.faults),
  )
  /** Replaces all faults; `{}` ends them. */
  app.put<{ Params: Named; Body: Json }>('/servers/:server/faults', async ({ params, body }, reply) => {
    const { server, endpoint } = named(params.server)
    try {
      server.faults = parseFaults(body)
    } catch (error) {
      throw new AdminError(400, (error as Error).message)
    }
    await endpoint.update()
    return answer(reply, server.faults)
  })

  app.post<{ Params: Named; Body: { file?: string } }>('/servers/:server/restart', async ({ params, body }, reply) => {
    const { server } = named(params.server)
    const file = body?.file ?? 'latest'
    if (file !== 'latest' && file !== 'previous' && file !== 'initial') {
      throw new AdminError(400, '"file" is one of latest, previous, initial')
    }
    server.restart(file)
    return answer(reply, server.probe())
  })

  /** Replaces the addresses that clients hold. */
  app.put<{ Params: Named; Body: { addresses?: Json } }>('/servers/:server/leases', async ({ params, body }, reply) => {
    const addresses = body?.addresses
    const isAddress = (value: Json) => typeof value === 'string' && parseIpv4(value) !== undefined
    if (!Array.isArray(addresses) || !(addresses as readonly Json[]).every(isAddress))
      throw new AdminError(400, '"addresses" is a list of IPv4 addresses')
    const { server } = named(params.server)
    server.leases = addresses as readonly string[]
    return answer(reply, server.leases)
  })

  app.put<{ Params: Named & { relationship: string }; Body: { state?: string; nativeState?: string } }>(
    '/servers/:server/relationships/:relationship/state',
    async ({ params, body }, reply) => {
      const state = STATES.find((known) => known === body?.state)
      if (!state) throw new AdminError(400, `"state" is one of ${STATES.join(', ')}`)
      const { server } = named(params.server)
      try {
        server.setFailoverState(params.relationship, state, body.nativeState)
      } catch (error) {
        throw new AdminError(404, (error as Error).message)
      }
      return answer(reply, server.probe())
    },
  )
  return app
}
