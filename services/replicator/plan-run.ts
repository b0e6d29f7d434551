// The plans of all jobs of one run, and what of them may be committed.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import { type AdmittedRun, admitRun, type RunPlan } from '#plan/admit.ts'
import { makePlan } from '#plan/plan.ts'
import { effectiveJobs, targetOf } from '#protocol/job-concerns.ts'
import type { RunState, ScopeVersion } from '#protocol/job-types.ts'
import type { StoredJob } from './jobs.ts'
import { leasesOutside } from './leases.ts'

export type PlannedRun = {
  readonly admitted: AdmittedRun
  readonly versions: readonly ScopeVersion[]
  readonly sourceContents: ReadonlyMap<string, ScopeContent | undefined>
}

/** `scopes`: what is due. The contents are those of the last fresh read of either side. */
export async function planRun(
  gateClient: GateClient,
  policy: RelationshipPolicy,
  jobs: readonly StoredJob[],
  state: RunState,
  scopes: readonly ScopeKey[],
): Promise<PlannedRun> {
  const source = state.side as string
  const target = targetOf(state)
  const read = (server: string) => gateClient.readContents(server, policy.name, scopes, 'live', false)
  const [sourceContents, targetContents] = await Promise.all([read(source), read(target)])
  const place = { relationship: policy.name, target }
  const leases = await leasesOutside(gateClient, place, targetContents, sourceContents)
  const due = new Set<string>(scopes)
  const comparison = { sync: 'out-of-sync' as const, scopes: state.compared }
  const plans = effectiveJobs(state).map((job): RunPlan => {
    const plan = makePlan({
      ...place,
      source,
      job: job.job,
      comparison,
      sourceContents,
      targetContents,
      limits: policy.limits,
      leasesOutside: leases,
      // Of an automatic job only what is due; a request's plan is the one that was shown, whatever else is due.
      ...(job.automatic ? { scopes: due } : job.scopes === undefined ? {} : { scopes: new Set(job.scopes) }),
    })
    return { job: job.job, plan, approved: jobs.find((stored) => stored.job.job === job.job)?.job.approvedPlan }
  })
  const admitted = admitRun(plans, comparison, policy.limits)
  return {
    admitted,
    sourceContents,
    versions: admitted.safe.map(({ scope, expected, wanted }) => ({
      scope,
      ...(expected === undefined ? {} : { expected }),
      ...(wanted === undefined ? {} : { wanted }),
      ...(admitted.approved.has(scope) ? { approved: true } : {}),
    })),
  }
}
