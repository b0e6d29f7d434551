// The plan of one run: per scope what would be written and why, or why not. Data, before it is an act.

import { createHash } from 'node:crypto'
import { type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import { canonicalJson } from '#dhcp/json.ts'
import type { ComparedScope, Comparison } from './compare.ts'
import { isApprovable } from './decide.ts'
import { type Change, diffScopes } from './diff.ts'
import type { SafetyLimits } from './policy.ts'
import { checkRun, checkScope, type SafetyViolation } from './safety.ts'
import { shrunkRanges } from './spans.ts'
import { explain, type Place } from './why.ts'

/** What stands in the way of one scope's write; an approval of exactly this plan removes it where it is `approvable`. */
export type Obstacle = { readonly code: string; readonly message: string; readonly approvable: boolean }

export type PlannedScope = {
  readonly scope: string
  /** What is on the target now; absent: nothing. */
  readonly expected?: string
  /** What it should be; absent: the scope is deleted. */
  readonly wanted?: string
  /** Why it would be written: the code of the decision, or of the correction. */
  readonly code: string
  readonly changes: readonly Change[]
  readonly obstacles: readonly Obstacle[]
}

export type Plan = {
  readonly relationship: string
  readonly source: string
  readonly target: string
  /** Names exactly these contents ({@link digestOf}); an approval of another digest is none. */
  readonly digest: string
  readonly scopes: readonly PlannedScope[]
  /** Differing scopes that are only shown, never written. */
  readonly shown: readonly { readonly scope: string; readonly code: string; readonly message: string }[]
  /** What could not be checked and is no reason to hold, for people. */
  readonly notes: readonly string[]
}

export type PlanInput = {
  readonly relationship: string
  readonly source: string
  readonly target: string
  readonly comparison: Comparison
  /** Contents of both sides for the scopes that differ. */
  readonly sourceContents: ReadonlyMap<string, ScopeContent | undefined>
  readonly targetContents: ReadonlyMap<string, ScopeContent | undefined>
  readonly limits: SafetyLimits
  /** Absent: every scope of the relationship. */
  readonly scopes?: ReadonlySet<string>
  /** Scope → active leases in what its ranges would lose ({@link shrunkRanges}); `undefined`: nobody could say. */
  readonly leasesOutside?: ReadonlyMap<string, number | undefined>
  /** The job that the plan is made for, so that its messages can name it. */
  readonly job?: string
}

function requiredScope(content: ScopeContent | undefined) {
  return content === undefined ? undefined : scopeOf(content)
}

function decisionObstacles({ decision }: ComparedScope, place: Place): readonly Obstacle[] {
  if (decision.kind !== 'hold') return []
  return [{ code: decision.code, message: explain(decision, place), approvable: isApprovable(decision.code) }]
}

/** What a digest names of one scope. */
export type DigestedScope = Pick<PlannedScope, 'scope' | 'expected' | 'wanted' | 'code'>

/**
 * The name of what is approved: who is copied to whom, and per scope what is there, what would be there, and why.
 * Any part of a plan has a digest of its own; what stands in the way (limits, their numbers) is no part of it.
 */
export function digestOf(plan: {
  readonly source: string
  readonly target: string
  readonly scopes: readonly DigestedScope[]
}): string {
  const scopes = plan.scopes
    .map(({ scope, expected, wanted, code }) => ({
      scope,
      ...(expected === undefined ? {} : { expected }),
      ...(wanted === undefined ? {} : { wanted }),
      code,
    }))
    .sort((a, b) => (a.scope < b.scope ? -1 : a.scope > b.scope ? 1 : 0))
  const named = canonicalJson({ source: plan.source, target: plan.target, scopes })
  return createHash('sha256').update(named).digest('hex')
}

/** One digest for several plans that are shown and approved together, in their order; of one plan: its own. */
export function digestOfAll(plans: readonly Pick<Plan, 'digest'>[]): string {
  const [first, ...others] = plans.map(({ digest }) => digest)
  if (first !== undefined && others.length === 0) return first
  return createHash('sha256')
    .update([first, ...others].join(' '))
    .digest('hex')
}

/** Throws where a needed content is missing: a read that failed is never an empty scope. */
function contentFor(
  side: ReadonlyMap<string, ScopeContent | undefined>,
  scope: string,
  fingerprint: string | undefined,
) {
  if (fingerprint === undefined) return undefined
  const content = side.get(scope)
  if (content === undefined || content.fingerprint !== fingerprint) {
    throw new PlanInputChanged(scope)
  }
  return content
}

/** The contents are not those that were compared: somebody edited in between. Compare again. */
export class PlanInputChanged extends Error {
  readonly code = 'input-changed'
  constructor(scope: string) {
    super(`${scope} changed between comparing and planning`)
    this.name = 'PlanInputChanged'
  }
}

export function approvable(violation: SafetyViolation): Obstacle {
  return { ...violation, approvable: violation.code !== 'empty-source' }
}

export type PlanChange = {
  readonly scope: string
  readonly code: string
  readonly before: ScopeContent | undefined
  readonly after: ScopeContent | undefined
  /** What stands in the way besides the limits. */
  readonly obstacles: readonly Obstacle[]
}

export type ScopeChecks = Pick<PlanInput, 'target' | 'limits' | 'leasesOutside'>

/** One scope of a plan: its changes, and what of its limits they break. */
export function planScope(
  change: PlanChange,
  { target, limits, leasesOutside }: ScopeChecks,
): PlannedScope & { readonly note?: string } {
  const before = requiredScope(change.before)
  const after = requiredScope(change.after)
  const changes = diffScopes(before, after)
  const leases = leasesOutside?.get(change.scope)
  const violations = checkScope(before, after, changes, limits, leases)
  const isUnchecked = leases === undefined && shrunkRanges(before, after) !== undefined
  return {
    scope: change.scope,
    ...(change.before === undefined ? {} : { expected: change.before.fingerprint }),
    ...(change.after === undefined ? {} : { wanted: change.after.fingerprint }),
    code: change.code,
    changes,
    obstacles: [...change.obstacles, ...violations.map(approvable)],
    ...(isUnchecked
      ? {
          note: `an address range of ${change.scope} shrinks, and ${target} cannot say whether active leases would be outside of it`,
        }
      : {}),
  }
}

/** What the limits of a whole run say to these writes; a creation does not count towards them. */
export function runObstacles(
  written: readonly PlannedScope[],
  scopes: Comparison['scopes'],
  limits: SafetyLimits,
): readonly Obstacle[] {
  const counts = {
    sourceScopes: scopes.filter(({ source }) => source !== undefined).length,
    targetScopes: scopes.filter(({ target }) => target !== undefined).length,
    changed: written.filter(({ expected }) => expected !== undefined).length,
    deleted: written.filter(({ wanted }) => wanted === undefined).length,
  }
  return checkRun(counts, limits).map(approvable)
}

/** A creation is not held by the limits of a run. */
export function withRunObstacles(scope: PlannedScope, obstacles: readonly Obstacle[]): PlannedScope {
  if (scope.expected === undefined || obstacles.length === 0) return scope
  return { ...scope, obstacles: [...scope.obstacles, ...obstacles] }
}

export function makePlan(input: PlanInput): Plan {
  const { relationship, source, target, job, comparison } = input
  const place: Place = { relationship, source, target, ...(job === undefined ? {} : { job }) }
  const isWanted = (scope: string) => input.scopes === undefined || input.scopes.has(scope)
  const differing = comparison.scopes.filter(({ scope, decision }) => decision.kind !== 'converged' && isWanted(scope))
  const notes: string[] = []
  const planned = differing
    .filter(({ decision }) => decision.kind !== 'show')
    .map((compared): PlannedScope => {
      const change = {
        scope: compared.scope,
        code: compared.decision.code,
        before: contentFor(input.targetContents, compared.scope, compared.target),
        after: contentFor(input.sourceContents, compared.scope, compared.source),
        obstacles: decisionObstacles(compared, { ...place, scope: compared.scope }),
      }
      const { note, ...scope } = planScope(change, input)
      if (note !== undefined) notes.push(note)
      return scope
    })
  const written = planned.filter(({ obstacles }) => obstacles.length === 0)
  const run = runObstacles(written, comparison.scopes, input.limits)
  return {
    relationship,
    source,
    target,
    digest: digestOf({ source, target, scopes: planned }),
    scopes: planned.map((scope) => withRunObstacles(scope, run)),
    shown: differing.flatMap(({ scope, decision }) =>
      decision.kind === 'show' ? [{ scope, code: decision.code, message: explain(decision, place) }] : [],
    ),
    notes,
  }
}
