// DHCP servers: what is known of each, and taking one over from another installation.

import { Type } from 'typebox'
import { ClaimBody, Claimed } from '#contracts/decisions-api.ts'
import { Problem } from '#contracts/problems.ts'
import { shortName } from '#contracts/relationships.ts'
import { type Server, ServerList } from '#contracts/servers-api.ts'
import { GateError } from '#messaging/gate-client.ts'
import type { App, AppParts } from '#status/app.ts'
import { checkToken } from '#status/authorize.ts'
import { type Known, knownServers, resolveServer } from '#status/names.ts'
import { ProblemError } from '#status/problems.ts'
import { gateErrorText } from '#status/read-sides.ts'
import { isGone } from '#status/registry.ts'

/** Milliseconds for leaving a mark at a server, which waits for a running write there. */
const CLAIM_TIMEOUT_MS = 30_000

function serverOf(name: string, known: Known): Server {
  const { registry } = known
  const config = known.configuration.servers.find((server) => server.name === name)
  const gate = registry.gates.get(name)
  const servers = knownServers(known)
  const short = shortName(name)
  const isUnique = servers.filter((other) => shortName(other) === short).length === 1
  const gone = gate === undefined || isGone(gate)
  const problem = gate === undefined ? 'no watcher has reported for it' : gone ? 'its watcher is gone' : gate.problem
  return {
    name,
    ...(short !== name && isUnique ? { shortName: short } : {}),
    ...(config === undefined ? {} : { kind: config.kind }),
    ...(gate === undefined ? {} : { product: gate.product }),
    ...(gate?.version === undefined ? {} : { version: gate.version }),
    reachable: !gone && gate.reachable,
    ...(problem === undefined ? {} : { problem }),
    ...(gate === undefined
      ? {}
      : { watcher: { host: gate.host, startedAt: gate.startedAt, renewedAt: gate.renewedAt } }),
    relationships: [...known.relationships.values()]
      .filter(({ partners }) => partners.some(({ server }) => server === name))
      .map((relationship) => relationship.name),
  }
}

export function serverRoutes(app: App, parts: AppParts): void {
  app.get(
    '/v1/servers',
    { schema: { summary: 'Every DHCP server that is known', response: { 200: ServerList } } },
    () => {
      const known = parts.known()
      return { items: knownServers(known).map((name) => serverOf(name, known)) }
    },
  )

  app.post(
    '/v1/servers/:server/claim',
    {
      schema: {
        summary: 'Replaces the mark of another installation at a server by ours, so that it may be written',
        description: 'Stop the other installation first: where both write, each undoes what the other does.',
        params: Type.Object({ server: Type.String({ maxLength: 253 }) }),
        body: ClaimBody,
        response: {
          200: Claimed,
          400: Problem,
          401: Problem,
          404: Problem,
          409: Problem,
          502: Problem,
          503: Problem,
        },
      },
    },
    async (request) => {
      checkToken(request.headers.authorization, parts.token)
      const server = resolveServer(parts.known(), request.params.server)
      parts.requireMessaging('its watcher cannot be asked')
      const { actor, reason } = request.body
      const body = actor === undefined ? {} : { actor }
      try {
        const { previous } = await parts.gates.request(server, 'claim', body, { timeoutMs: CLAIM_TIMEOUT_MS })
        parts.logger.info({ server, previous, by: actor, reason }, 'server claimed')
        return { server, ...(previous === undefined ? {} : { previous }) }
      } catch (error) {
        if (!(error instanceof GateError)) throw error
        const { code, message } = gateErrorText(server, error)
        throw new ProblemError(code === 'unreachable' ? 'server-unreachable' : 'gate-refused', message)
      }
    },
  )
}
