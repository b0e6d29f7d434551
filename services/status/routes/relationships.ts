// Relationships, servers, and the difference of a relationship.

import { Type } from 'typebox'
import { Problem } from '#contracts/problems.ts'
import { shortName } from '#contracts/relationships.ts'
import {
  RelationshipDetail,
  RelationshipList,
  RelationshipPlan,
  type Server,
  ServerList,
} from '#contracts/status-api.ts'
import type { App, AppParts } from '#status/app.ts'
import { type Known, knownServers, relationshipsWith, resolveRelationship } from '#status/names.ts'
import { planRelationship } from '#status/plans.ts'
import { ProblemError } from '#status/problems.ts'
import type { Registry } from '#status/registry.ts'
import { isGone } from '#status/registry.ts'
import { summaryOf } from '#status/relationships.ts'

const ByName = Type.Object({ name: Type.String({ maxLength: 253 }) })

function serverOf(name: string, known: Known, registry: Registry): Server {
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

export function relationshipRoutes(app: App, parts: AppParts): void {
  app.get(
    '/v1/relationships',
    { schema: { summary: 'Every failover relationship with its state', response: { 200: RelationshipList } } },
    () => ({ items: [...parts.known().relationships.values()].map(summaryOf) }),
  )

  app.get(
    '/v1/relationships/:name',
    {
      schema: {
        summary: 'One relationship with all its scopes',
        params: ByName,
        response: { 200: RelationshipDetail, 404: Problem },
      },
    },
    (request) => resolveRelationship(parts.known(), request.params.name),
  )

  app.get(
    '/v1/relationships/:name/diff',
    {
      schema: {
        summary: 'What a replication from the authoritative side would change, read freshly from both servers',
        params: ByName,
        querystring: Type.Object(
          { scope: Type.Optional(Type.String({ maxLength: 4096, description: 'Scope IDs, separated by commas' })) },
          { additionalProperties: false },
        ),
        response: { 200: RelationshipPlan, 400: Problem, 404: Problem, 409: Problem, 502: Problem },
      },
    },
    async (request) => {
      const known = parts.known()
      const relationship = resolveRelationship(known, request.params.name)
      const scopes = request.query.scope
        ?.split(',')
        .map((text) => text.trim())
        .filter((text) => text !== '')
      if (scopes !== undefined) relationshipsWith(scopes, [relationship])
      const plan = await planRelationship(parts.gates, known, relationship, scopes)
      if ('unconfigured' in plan) throw new ProblemError('no-authority', plan.unconfigured)
      if (plan.failure !== undefined) throw new ProblemError('server-unreachable', plan.failure.message)
      return plan
    },
  )

  app.get(
    '/v1/servers',
    { schema: { summary: 'Every DHCP server that is known', response: { 200: ServerList } } },
    () => {
      const known = parts.known()
      return { items: knownServers(known).map((name) => serverOf(name, known, known.registry)) }
    },
  )
}
