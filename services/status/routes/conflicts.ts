// What waits for a person in a relationship, in DHCP words, and picking a side.

import { Type } from 'typebox'
import { ConflictList, PickBody } from '#contracts/decisions-api.ts'
import { Problem } from '#contracts/problems.ts'
import { rejectedKey } from '#contracts/subjects.ts'
import { acceptJob, JOB_RESPONSES, JobHeaders } from '#status/accept.ts'
import type { App, AppParts } from '#status/app.ts'
import { readConflicts } from '#status/conflicts.ts'
import { adoptAsk, keepAsk } from '#status/decisions.ts'
import { relationshipsWith, resolveConfigured, resolvePartner, scopeTexts } from '#status/names.ts'
import { ProblemError } from '#status/problems.ts'
import { authorOf } from '#status/projection.ts'
import { readOrRefuse } from '#status/read-sides.ts'
import { stuckScopes } from '#status/stuck.ts'

const ByName = Type.Object({ name: Type.String({ maxLength: 253 }) })

export function conflictRoutes(app: App, parts: AppParts): void {
  /** The relationship, and which of its sides is the authoritative one. */
  function decided(text: string) {
    const known = parts.known()
    const { name, policy, relationship } = resolveConfigured(known, text)
    const source = relationship.authority?.side
    if (source === undefined)
      throw new ProblemError('no-authority', `the authoritative side of ${name} is not known yet`)
    return { known, name, policy, relationship, source }
  }

  app.get(
    '/v1/relationships/:name/conflicts',
    {
      schema: {
        summary: 'Scopes that wait for a person: what each side did since both last agreed, since when and by whom',
        description:
          'Held scopes, those that limits or the partner refused, and those that are only shown. With each the plan of picking either side; `sides` picks one for everything that is listed.',
        params: ByName,
        querystring: Type.Object(
          { scope: Type.Optional(Type.String({ maxLength: 4096, description: 'Scope IDs, separated by commas' })) },
          { additionalProperties: false },
        ),
        response: { 200: ConflictList, 400: Problem, 404: Problem, 409: Problem, 502: Problem, 503: Problem },
      },
    },
    async (request) => {
      const { known, name, policy, relationship, source } = decided(request.params.name)
      const scopes = scopeTexts(request.query.scope)
      if (scopes !== undefined) relationshipsWith(scopes, [relationship])
      parts.requireMessaging('no DHCP server can be read')
      return await readOrRefuse(() =>
        readConflicts({
          gates: parts.gates,
          policy,
          source,
          rejections: known.registry.rejections.get(rejectedKey(name)),
          stuck: stuckScopes(parts.projection, name),
          authorOf: (writtenBy) => authorOf(parts.projection, writtenBy),
          scopes,
        }),
      )
    },
  )

  app.post(
    '/v1/relationships/:name/conflicts/pick',
    {
      schema: {
        summary: 'Picks a side for exactly these scopes, as the list showed it',
        description:
          'Becomes a replication of its own. The authoritative side: its content is copied to the partner. The partner: its content is written onto the authoritative side, once; the authority stays.',
        params: ByName,
        headers: JobHeaders,
        body: PickBody,
        response: JOB_RESPONSES,
      },
    },
    async (request, reply) => {
      const { body } = request
      return await acceptJob(parts, request, reply, { pick: request.params.name, body }, () => {
        const { known, name, policy, relationship, source } = decided(request.params.name)
        const side = resolvePartner(known, policy, body.side)
        relationshipsWith(body.scopes, [relationship])
        const picked = { side, relationship: name, scopes: body.scopes, digest: body.planDigest }
        return side === source ? keepAsk(picked, body) : adoptAsk(picked, body)
      })
    },
  )
}
