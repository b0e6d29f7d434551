// What-if: what a request would do, without doing it.

import { Problem } from '#contracts/problems.ts'
import { PlanAnswer, ReplicationBody } from '#contracts/status-api.ts'
import type { App, AppParts } from '#status/app.ts'
import { resolveRequest } from '#status/names.ts'
import { planRequest } from '#status/plans.ts'

export function planRoutes(app: App, parts: AppParts): void {
  app.post(
    '/v1/plans',
    {
      schema: {
        summary: 'What a replication would change (what-if); nothing is written',
        body: ReplicationBody,
        response: { 200: PlanAnswer, 400: Problem, 404: Problem, 409: Problem, 503: Problem },
      },
    },
    async (request) => {
      const known = parts.known()
      const resolved = resolveRequest(known, request.body)
      parts.requireMessaging('no DHCP server can be read')
      return await planRequest(parts.gates, known, resolved, request.body.takeAuthority === true)
    },
  )
}
