// The scopes of a relationship as the API shows them: what the decision table says of each, and why, always answered.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Rejections } from '#contracts/control.ts'
import type { ManifestPage } from '#contracts/gate.ts'
import type { ScopeView } from '#contracts/status-api.ts'
import { type ComparedScope, compareScopes } from '#plan/compare.ts'
import type { Decision } from '#plan/decide.ts'
import { whyOf } from '#plan/why.ts'
import type { LedgerView, Side } from './relationships.ts'
import { rejectedOf, stuckAt } from './stuck.ts'

export type BareScope = Omit<ScopeView, 'scopeId'>

/** Without an authority nothing is decided; whether the sides are equal can be said all the same. */
export function observedScopes(sides: readonly Side[]): readonly BareScope[] {
  const [first, second] = sides.map(({ page }) => new Map((page?.rows ?? []).map((row) => [row.scope, row.live])))
  if (first === undefined || second === undefined) return []
  return [...new Set([...first.keys(), ...second.keys()])].sort().flatMap((scope) => {
    const [ours, theirs] = [first.get(scope), second.get(scope)]
    if (ours === undefined && theirs === undefined) return []
    const onlyAt = ours === undefined ? sides[1]?.view.server : sides[0]?.view.server
    const equal = ours === theirs
    const why =
      ours === undefined || theirs === undefined
        ? `exists only on ${onlyAt}`
        : equal
          ? 'both sides are equal'
          : 'the partners differ'
    return [
      {
        scope,
        sync: equal ? ('in-sync' as const) : ('out-of-sync' as const),
        action: equal ? ('none' as const) : ('show' as const),
        code: equal ? 'equal' : 'differs',
        why,
        ...(ours === undefined ? {} : { source: ours }),
        ...(theirs === undefined ? {} : { target: theirs }),
      },
    ]
  })
}

export type DecidedInput = LedgerView & {
  readonly policy: RelationshipPolicy
  readonly source: ManifestPage
  readonly target: ManifestPage
  readonly rejections: Rejections | undefined
  /** What an automatic copy waits for, in words. */
  readonly waits: string | undefined
}

function actionOf({ decision }: ComparedScope, isStuck: boolean): ScopeView['action'] {
  if (isStuck) return 'hold'
  return decision.kind === 'converged' ? 'none' : decision.kind
}

/** The commit of ours that wrote what both have, as the replication that people know. */
function named(decision: Decision, jobOf: LedgerView['jobOf']): Decision {
  return decision.kind === 'converged' && decision.code === 'echo'
    ? { ...decision, job: jobOf(decision.job) }
    : decision
}

export function decidedScopes(input: DecidedInput): {
  readonly rows: readonly BareScope[]
  readonly agreed: number
} {
  const { policy, source, target, rejections, waits, stuck, jobOf } = input
  const compared = compareScopes(source.rows, target.rows, policy, { rejections }).scopes.filter(
    (scope) => scope.source !== undefined || scope.target !== undefined,
  )
  const place = {
    mode: policy.mode,
    relationship: policy.name,
    source: source.server,
    target: target.server,
    ...(waits === undefined ? {} : { waits }),
  }
  const rows = compared.map((scope): BareScope => {
    const decision = named(scope.decision, jobOf)
    const told = decision.kind === 'converged' ? undefined : stuckAt(stuck, scope.scope, scope.source, scope.target)
    // The table says "replicate"; limits, or the partner itself, may have said no to exactly this content.
    const row = decision.kind === 'replicate' ? told : undefined
    const { restored, writtenBy } = scope
    return {
      scope: scope.scope,
      sync: scope.sync,
      action: actionOf(scope, row !== undefined),
      code: row?.code ?? decision.code,
      why:
        row === undefined
          ? whyOf(decision, { ...place, ...(told === undefined ? {} : { job: told.job }) })
          : `${row.status}: ${row.message}`,
      ...(scope.since === undefined || scope.sync === 'in-sync' ? {} : { since: scope.since }),
      ...(restored === undefined ? {} : { restored: { job: jobOf(restored.job), at: restored.at } }),
      ...rejectedOf(rejections, scope),
      ...(writtenBy === undefined ? {} : { writtenBy: jobOf(writtenBy) }),
      ...(scope.source === undefined ? {} : { source: scope.source }),
      ...(scope.target === undefined ? {} : { target: scope.target }),
    }
  })
  return { rows, agreed: compared.filter(({ base, mayAgree }) => base.known && !mayAgree).length }
}
