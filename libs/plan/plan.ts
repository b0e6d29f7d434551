// The plan of one run: per scope what would be written and why, or why not. Data, before it is an act.

import { createHash } from 'node:crypto'
import { type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import { canonicalJson } from '#dhcp/json.ts'
import type { ComparedScope, Comparison } from './compare.ts'
import type { Decision } from './decide.ts'
import { type Change, diffScopes } from './diff.ts'
import type { SafetyLimits } from './policy.ts'
import { checkRun, checkScope, type SafetyViolation } from './safety.ts'

/** What stands in the way of one scope's write; an approval of exactly this plan removes it, except for the last two. */
export type Obstacle = { readonly code: string; readonly message: string; readonly approvable: boolean }

export type PlannedScope = {
  readonly scope: string
  /** What is on the target now; absent: nothing. */
  readonly expected?: string
  /** What it should be; absent: the scope is deleted. */
  readonly wanted?: string
  /** Why it would be written: the decision's code. */
  readonly code: string
  readonly changes: readonly Change[]
  readonly obstacles: readonly Obstacle[]
}

export type Plan = {
  readonly relationship: string
  readonly source: string
  readonly target: string
  /** Names exactly these contents; an approval of another digest is none. */
  readonly digest: string
  readonly scopes: readonly PlannedScope[]
  /** Differing scopes that are only shown, never written. */
  readonly shown: readonly { readonly scope: string; readonly code: string; readonly message: string }[]
}

declare const safe: unique symbol
/** Scopes of a plan that passed the limits or were approved. Nothing else can be committed. */
export type SafeScopes = readonly PlannedScope[] & { readonly [safe]: true }

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
}

const HOLD_MESSAGES: Record<string, string> = {
  regressed:
    'the authoritative server came up with an earlier configuration after a restart. To copy it all the same, answer yes to `twinscope replicate`; or bring the newer one back there',
  conflict:
    'both sides changed since they last agreed. To overwrite the partner, answer yes to `twinscope replicate`; to keep its edit, make it on the authoritative side too',
  'foreign-edit':
    'it was edited on the partner, which is not the authoritative side. To overwrite that edit, answer yes to `twinscope replicate`; to keep it, make it on the authoritative side too',
  'first-contact':
    'the partners differ and have never agreed before. To copy the authoritative side, look at `twinscope diff` and answer yes to `twinscope replicate`',
  deleted:
    'it was deleted on the authoritative side. To delete it on the partner too, answer yes to `twinscope replicate`',
  dirty:
    'an interrupted write left content that is neither the old nor the new; make both sides equal, or set it right on the partner, and it goes on by itself',
  unreplicable: 'it cannot be replicated faithfully',
}

const SHOW_MESSAGES: Record<string, string> = {
  'only-on-partner': 'it exists only on the partner; it is never deleted automatically',
  deleted: 'it was deleted on the authoritative side and still exists on the partner (prune: off)',
}

/** Why a difference is not written, in a sentence for the operator. */
export function explain(decision: Extract<Decision, { readonly kind: 'hold' | 'show' }>): string {
  if (decision.kind === 'show') return SHOW_MESSAGES[decision.code] ?? decision.code
  const message = HOLD_MESSAGES[decision.code] ?? decision.code
  return decision.detail === undefined ? message : `${message}: ${decision.detail}`
}

function requiredScope(content: ScopeContent | undefined) {
  return content === undefined ? undefined : scopeOf(content)
}

function decisionObstacles({ decision }: ComparedScope): readonly Obstacle[] {
  if (decision.kind !== 'hold') return []
  return [
    {
      code: decision.code,
      message: explain(decision),
      approvable: decision.code !== 'unreplicable' && decision.code !== 'dirty',
    },
  ]
}

function digestOf(scopes: readonly PlannedScope[]): string {
  const rows = scopes.map(({ scope, expected, wanted }) => [scope, expected ?? null, wanted ?? null])
  return createHash('sha256').update(canonicalJson(rows)).digest('hex')
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

export function makePlan(input: PlanInput): Plan {
  const isWanted = (scope: string) => input.scopes === undefined || input.scopes.has(scope)
  const differing = input.comparison.scopes.filter(
    ({ scope, decision }) => decision.kind !== 'converged' && isWanted(scope),
  )
  const planned = differing
    .filter(({ decision }) => decision.kind !== 'show')
    .map((compared): PlannedScope => {
      const before = requiredScope(contentFor(input.targetContents, compared.scope, compared.target))
      const after = requiredScope(contentFor(input.sourceContents, compared.scope, compared.source))
      const changes = diffScopes(before, after)
      const limits = checkScope(before, after, changes, input.limits)
      return {
        scope: compared.scope,
        ...(compared.target === undefined ? {} : { expected: compared.target }),
        ...(compared.source === undefined ? {} : { wanted: compared.source }),
        code: compared.decision.kind === 'converged' ? 'converged' : compared.decision.code,
        changes,
        obstacles: [...decisionObstacles(compared), ...limits.map(approvable)],
      }
    })
  const run = checkRun(
    {
      sourceScopes: input.comparison.scopes.filter(({ source }) => source !== undefined).length,
      targetScopes: input.comparison.scopes.filter(({ target }) => target !== undefined).length,
      changed: planned.filter(({ expected, obstacles }) => expected !== undefined && obstacles.length === 0).length,
      deleted: planned.filter(({ wanted, obstacles }) => wanted === undefined && obstacles.length === 0).length,
    },
    input.limits,
  )
  const scopes =
    run.length === 0
      ? planned
      : planned.map((scope) =>
          // Creation does not count towards the run's limits and is not held by them.
          scope.expected === undefined ? scope : { ...scope, obstacles: [...scope.obstacles, ...run.map(approvable)] },
        )
  return {
    relationship: input.relationship,
    source: input.source,
    target: input.target,
    digest: digestOf(scopes),
    scopes,
    shown: differing.flatMap(({ scope, decision }) =>
      decision.kind === 'show' ? [{ scope, code: decision.code, message: explain(decision) }] : [],
    ),
  }
}

function approvable(violation: SafetyViolation): Obstacle {
  return { ...violation, approvable: violation.code !== 'empty-source' }
}

/** Splits a plan into what may be committed and what is held, given the digest that somebody approved. */
export function admit(
  plan: Plan,
  approvedDigest: string | undefined,
): { readonly safe: SafeScopes; readonly held: readonly PlannedScope[] } {
  const isApproved = approvedDigest === plan.digest
  const passes = ({ obstacles }: PlannedScope) => obstacles.every((obstacle) => isApproved && obstacle.approvable)
  return {
    safe: plan.scopes.filter(passes) as readonly PlannedScope[] as SafeScopes,
    held: plan.scopes.filter((scope) => !passes(scope)),
  }
}
