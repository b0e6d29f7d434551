// What of a plan may be committed: the one place where an approval counts. No other input releases anything.

import type { Comparison } from './compare.ts'
import { type Plan, type PlannedScope, runObstacles, withRunObstacles } from './plan.ts'
import type { SafetyLimits } from './policy.ts'
import { RUN_CODES } from './safety.ts'

declare const safe: unique symbol
/** Scopes of a plan that passed the limits or were approved. Nothing else can be committed. */
export type SafeScopes = readonly PlannedScope[] & { readonly [safe]: true }

export type Admission = {
  readonly plan: Plan
  /** Somebody approved exactly this plan. */
  readonly isApproved: boolean
  readonly safe: SafeScopes
  readonly held: readonly PlannedScope[]
}

const OUTDATED = 'what was approved is not the present plan any more, so it is shown again'

function saidOutdated(scope: PlannedScope): PlannedScope {
  const [first, ...others] = scope.obstacles
  // Nobody has seen this write, though somebody looked at a plan and said yes to that.
  if (first === undefined) {
    return { ...scope, obstacles: [{ code: 'plan-changed', message: OUTDATED, approvable: true }] }
  }
  return { ...scope, obstacles: [{ ...first, message: `${OUTDATED}: ${first.message}` }, ...others] }
}

/**
 * Splits a plan into what may be committed and what is held, given the digest that somebody approved. The approval of
 * another plan lets nothing through: what is there now has to be shown first.
 */
export function admit(plan: Plan, approvedDigest: string | undefined): Admission {
  const isApproved = approvedDigest === plan.digest
  const isOutdated = approvedDigest !== undefined && !isApproved
  const passes = ({ obstacles }: PlannedScope) =>
    !isOutdated && obstacles.every((obstacle) => isApproved && obstacle.approvable)
  const held = plan.scopes.filter((scope) => !passes(scope))
  return {
    plan,
    isApproved,
    safe: plan.scopes.filter(passes) as readonly PlannedScope[] as SafeScopes,
    held: isOutdated ? held.map(saidOutdated) : held,
  }
}

/** The plan of one job of a run, and the digest that came with it as an approval. */
export type RunPlan = { readonly job: string; readonly plan: Plan; readonly approved?: string | undefined }

export type AdmittedRun = {
  /** Job → what of its plan passes, after the limits of the run as a whole. */
  readonly jobs: ReadonlyMap<string, Admission>
  /** What the run may write, each scope once. */
  readonly safe: SafeScopes
  /** Those of `safe` that somebody approved. */
  readonly approved: ReadonlySet<string>
}

/** A plan as if it were alone and unlimited as a run; the run's limits are set anew. */
function withoutRunObstacles(plan: Plan): Plan {
  const scopes = plan.scopes.map((scope) => ({
    ...scope,
    obstacles: scope.obstacles.filter(({ code }) => !RUN_CODES.has(code)),
  }))
  return { ...plan, scopes }
}

/**
 * Admits the plans of all jobs of one run. The limits of a run count what its jobs would write together: two jobs
 * cannot share out what one may not write. What somebody approved counts against no other job.
 */
export function admitRun(
  plans: readonly RunPlan[],
  { scopes }: Pick<Comparison, 'scopes'>,
  limits: SafetyLimits,
): AdmittedRun {
  const isApproved = ({ plan, approved }: RunPlan) => plan.digest === approved
  const passed = plans.filter(isApproved).map(({ job, plan, approved }) => ({ job, admission: admit(plan, approved) }))
  const approved = new Set(passed.flatMap(({ admission }) => admission.safe.map(({ scope }) => scope)))

  const isCounted = ({ scope, obstacles }: PlannedScope) => obstacles.length === 0 && !approved.has(scope)
  const limited = (plan: Plan, written: readonly PlannedScope[], isHeld: (scope: PlannedScope) => boolean): Plan => {
    const obstacles = runObstacles(written, scopes, limits)
    return { ...plan, scopes: plan.scopes.map((scope) => (isHeld(scope) ? withRunObstacles(scope, obstacles) : scope)) }
  }
  // First each job alone: one that may write nothing holds up no other. What is approved is written anyway.
  const alone = plans
    .filter((each) => !isApproved(each))
    .map(({ plan, ...rest }) => {
      const bare = withoutRunObstacles(plan)
      return { ...rest, plan: limited(bare, bare.scopes.filter(isCounted), ({ scope }) => !approved.has(scope)) }
    })
  const together = new Map(
    alone.flatMap(({ plan }) => plan.scopes.filter(isCounted)).map((scope) => [scope.scope, scope]),
  )
  const others = alone.map(({ job, plan, approved: digest }) => ({
    job,
    admission: admit(limited(plan, [...together.values()], isCounted), digest),
  }))

  const admissions = [...passed, ...others]
  const written = new Map(admissions.flatMap(({ admission }) => admission.safe).map((scope) => [scope.scope, scope]))
  return {
    jobs: new Map(admissions.map(({ job, admission }) => [job, admission])),
    safe: [...written.values()] as readonly PlannedScope[] as SafeScopes,
    approved,
  }
}
