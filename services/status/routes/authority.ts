// The authority of a relationship: who has it, what is wrong with it, and moving or confirming it.

import { Type } from 'typebox'
import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { AuthorityBody, AuthorityView } from '#contracts/decisions-api.ts'
import { Problem } from '#contracts/problems.ts'
import { acceptJob, JOB_RESPONSES, JobHeaders } from '#status/accept.ts'
import type { App, AppParts } from '#status/app.ts'
import { authorityView, epochOf, etagOf, type GateAuthority } from '#status/authority.ts'
import { checkToken } from '#status/authorize.ts'
import { resolveConfigured, resolvePartner } from '#status/names.ts'
import { ProblemError } from '#status/problems.ts'
import { gateErrorText, READ_TIMEOUT_MS } from '#status/read-sides.ts'

const ByName = Type.Object({ name: Type.String({ maxLength: 253 }) })

export function authorityRoutes(app: App, parts: AppParts): void {
  /** What a gate has made durable; one that cannot be asked says so instead. */
  async function atGate(server: string, { name }: RelationshipPolicy): Promise<GateAuthority> {
    try {
      const body = { relationship: name, fresh: false }
      const { authority } = await parts.gates.request(server, 'manifest', body, { timeoutMs: READ_TIMEOUT_MS })
      return { server, ...authority }
    } catch (error) {
      return { server, problem: gateErrorText(server, error).message }
    }
  }

  app.get(
    '/v1/relationships/:name/authority',
    {
      schema: {
        summary: 'Which side is copied from, since when and by whom, and what each gate knows of it',
        description:
          'The `ETag` is the epoch in quotes, `"0"` where there is no record; a move needs it as `If-Match`.',
        params: ByName,
        response: { 200: AuthorityView, 404: Problem, 409: Problem, 503: Problem },
      },
    },
    async (request, reply) => {
      const { name, policy } = resolveConfigured(parts.known(), request.params.name)
      parts.requireMessaging('the authority cannot be read')
      const gates = await Promise.all(policy.servers.map((server) => atGate(server, policy)))
      const record = parts.known().registry.authorities.get(name)
      reply.header('etag', etagOf(record?.epoch))
      return authorityView(policy, record, gates)
    },
  )

  app.put(
    '/v1/relationships/:name/authority',
    {
      schema: {
        summary: 'Moves the authority to a side, or confirms it there',
        description:
          'Becomes a replication of its own, whose outcome says what came of it. `If-Match` is the epoch that was looked at; also how a lost record is confirmed and an interrupted move is settled.',
        params: ByName,
        headers: Type.Object({
          ...JobHeaders.properties,
          'if-match': Type.Optional(Type.String({ maxLength: 100, description: 'The `ETag` that was looked at' })),
        }),
        body: AuthorityBody,
        response: { ...JOB_RESPONSES, 412: Problem, 428: Problem },
      },
    },
    async (request, reply) => {
      checkToken(request.headers.authorization, parts.token)
      const known = parts.known()
      const { name, policy } = resolveConfigured(known, request.params.name)
      const { 'if-match': ifMatch } = request.headers
      const { side, force = false, actor, reason } = request.body
      const look = `look at GET /v1/relationships/${name}/authority first and send its ETag as If-Match`
      if (ifMatch === undefined) throw new ProblemError('precondition-required', look)
      const expectedEpoch = epochOf(ifMatch)
      if (expectedEpoch === undefined) {
        throw new ProblemError('invalid-request', `If-Match: ${ifMatch} is no ETag of an authority; ${look}`)
      }
      const server = resolvePartner(known, policy, side)
      const sent = { authority: name, ifMatch, body: request.body }
      return await acceptJob(parts, request, reply, sent, () => {
        const record = known.registry.authorities.get(name)
        if (expectedEpoch !== (record?.epoch ?? 0)) {
          const now =
            record === undefined ? 'there is no record of it' : `${record.side} has it in epoch ${record.epoch}`
          throw new ProblemError(
            'authority-changed',
            `the authority of ${name} is not what was looked at (epoch ${expectedEpoch}): ${now}. Look again, then decide`,
          )
        }
        return {
          level: 'relationship' as const,
          server,
          relationship: name,
          act: { kind: 'move-authority' as const, force, expectedEpoch },
          ...(actor === undefined ? {} : { actor }),
          ...(reason === undefined ? {} : { reason }),
        }
      })
    },
  )
}
