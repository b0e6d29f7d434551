// Relationships, and the difference of a relationship.

import { Type } from 'typebox'
import { Problem } from '#contracts/problems.ts'
import { RelationshipDetail, RelationshipList, RelationshipPlan } from '#contracts/status-api.ts'
import type { App, AppParts } from '#status/app.ts'
import { relationshipsWith, resolveRelationship, scopeTexts } from '#status/names.ts'
import { planRelationship } from '#status/plans.ts'
import { ProblemError } from '#status/problems.ts'
import { summaryOf } from '#status/relationships.ts'

const ByName = Type.Object({ name: Type.String({ maxLength: 253 }) })

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
        response: { 200: RelationshipPlan, 400: Problem, 404: Problem, 409: Problem, 502: Problem, 503: Problem },
      },
    },
    async (request) => {
      const known = parts.known()
      const relationship = resolveRelationship(known, request.params.name)
      const scopes = scopeTexts(request.query.scope)
      if (scopes !== undefined) relationshipsWith(scopes, [relationship])
      parts.requireMessaging('no DHCP server can be read')
      const plan = await planRelationship(parts.gates, known, relationship, scopes)
      if ('unconfigured' in plan) throw new ProblemError('no-authority', plan.unconfigured)
      if (plan.failure !== undefined) throw new ProblemError('server-unreachable', plan.failure.message)
      return plan
    },
  )
}
