// Deciding about a replication: approve what it held, reject it, or put back what was there before it.

import { Type } from 'typebox'
import { ApproveBody, RejectBody, RestoreBody, RestorePlan } from '#contracts/decisions-api.ts'
import { Problem } from '#contracts/problems.ts'
import { acceptJob, JOB_RESPONSES, JobHeaders } from '#status/accept.ts'
import type { App, AppParts } from '#status/app.ts'
import { approveAsk, rejectAsk } from '#status/decisions.ts'
import { resolveConfigured, resolveServer } from '#status/names.ts'
import { ProblemError } from '#status/problems.ts'
import type { LedgerEntry } from '#status/projection.ts'
import { readOrRefuse } from '#status/read-sides.ts'
import { planRestore, restorable } from '#status/restore.ts'

const ByJob = Type.Object({ job: Type.String({ maxLength: 64 }) })

export function decisionRoutes(app: App, parts: AppParts): void {
  /** What the ledger has of a replication: itself and its children. */
  function ledgerOf(job: string): readonly [LedgerEntry, readonly LedgerEntry[]] {
    const entry = parts.projection.get(job)
    if (entry !== undefined) return [entry, parts.projection.childrenOf(job)]
    parts.requireMessaging(`replication ${job} may only not be known here yet`)
    throw new ProblemError('unknown-replication', `the ledger has no replication ${job}`)
  }

  function restorableOf(job: string, { scopes, server }: RestoreBody) {
    const at = server === undefined ? undefined : resolveServer(parts.known(), server)
    return restorable(...ledgerOf(job), { scopes, at })
  }

  async function restorePlan(job: string, body: RestoreBody): Promise<RestorePlan> {
    const { both = false } = body
    const of = restorableOf(job, body)
    const { policy } = resolveConfigured(parts.known(), of.relationship)
    parts.requireMessaging('no DHCP server can be read')
    return await readOrRefuse(() => planRestore(parts.gates, policy, of, both))
  }

  app.post(
    '/v1/replications/:job/approve',
    {
      schema: {
        summary: 'Releases what a replication held: exactly the plan that it showed',
        description:
          'Becomes a replication of its own. Where one side has changed since, nothing is written and it shows the present plan. With `side` of the partner its content is written onto the authoritative side, once; the authority stays.',
        params: ByJob,
        headers: JobHeaders,
        body: ApproveBody,
        response: { ...JOB_RESPONSES, 428: Problem },
      },
    },
    async (request, reply) => {
      const { job } = request.params
      const { body } = request
      return await acceptJob(parts, request, reply, { approve: job, body }, () => {
        const side = body.side === undefined ? undefined : resolveServer(parts.known(), body.side)
        return approveAsk(...ledgerOf(job), body, side)
      })
    },
  )

  app.post(
    '/v1/replications/:job/reject',
    {
      schema: {
        summary: 'What a replication held is not proposed again until one side changes',
        params: ByJob,
        headers: JobHeaders,
        body: RejectBody,
        response: JOB_RESPONSES,
      },
    },
    async (request, reply) => {
      const { job } = request.params
      return await acceptJob(parts, request, reply, { reject: job, body: request.body }, () =>
        rejectAsk(...ledgerOf(job), request.body),
      )
    },
  )

  app.post(
    '/v1/replications/:job/restore/plan',
    {
      schema: {
        summary: 'What putting back the content from before a replication would write; nothing is written',
        params: ByJob,
        body: RestoreBody,
        response: { 200: RestorePlan, 400: Problem, 404: Problem, 409: Problem, 502: Problem, 503: Problem },
      },
    },
    async (request) => await restorePlan(request.params.job, request.body),
  )

  app.post(
    '/v1/replications/:job/restore',
    {
      schema: {
        summary: 'Puts back the content from before a replication, as the approved plan showed it',
        description:
          'Becomes a replication of its own. The restored scopes are held, whatever the policy, until somebody approves.',
        params: ByJob,
        headers: JobHeaders,
        body: RestoreBody,
        response: { ...JOB_RESPONSES, 428: Problem },
      },
    },
    async (request, reply) => {
      const { job } = request.params
      const { body } = request
      return await acceptJob(parts, request, reply, { restore: job, body }, () => {
        const of = restorableOf(job, body)
        resolveConfigured(parts.known(), of.relationship)
        if (body.approvedPlan === undefined) {
          throw new ProblemError(
            'approval-required',
            `look at what would be written (POST /v1/replications/${job}/restore/plan) and send its digest as approvedPlan`,
          )
        }
        return {
          level: 'scope' as const,
          server: of.server,
          relationship: of.relationship,
          scopes: [...of.scopes],
          act: { kind: 'restore' as const, of: of.job, both: body.both ?? false },
          approvedPlan: body.approvedPlan,
          ...(body.actor === undefined ? {} : { actor: body.actor }),
          ...(body.reason === undefined ? {} : { reason: body.reason }),
        }
      })
    },
  )
}
