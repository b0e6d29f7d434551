// What-if: the plan of a request, made from fresh reads of both sides. It prepares and
// changes nothing; the replicator plans again before it writes.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Rejections } from '#contracts/control.ts'
import type { ManifestPage } from '#contracts/gate.ts'
import { partnerOf } from '#contracts/relationships.ts'
import { scopeIdsOf, scopesNamed } from '#contracts/scope-ids.ts'
import type { PlanAnswer, PlannedScopeView, RelationshipDetail, RelationshipPlan } from '#contracts/status-api.ts'
import { rejectedKey } from '#contracts/subjects.ts'
import { type ComparedScope, compareScopes, worstSync } from '#plan/compare.ts'
import { makePlan, type Plan, PlanInputChanged, type PlannedScope } from '#plan/plan.ts'
import { countChanges, renderScope } from '#plan/render.ts'
import { leasesOutside } from './leases.ts'
import { type Known, NOT_CONFIGURED, type Resolved } from './names.ts'
import { pausesOf } from './pauses.ts'
import { type PlanGates, readContents, readManifest, SideUnreadable, withoutEdits } from './read-sides.ts'
import { standstillOf } from './standstill.ts'

type Sides = {
  readonly policy: RelationshipPolicy
  readonly source: string
  readonly target: string
  readonly rejections: Rejections | undefined
}

export function actionOf({ expected, wanted }: PlannedScope): PlannedScopeView['action'] {
  return expected === undefined ? 'create' : wanted === undefined ? 'delete' : 'update'
}

export function plannedView(planned: PlannedScope, ids: ReadonlyMap<string, string>): PlannedScopeView {
  return {
    scope: planned.scope,
    scopeId: ids.get(planned.scope) ?? planned.scope,
    code: planned.code,
    action: actionOf(planned),
    counts: countChanges(planned.changes),
    changes: [...renderScope(planned)],
    obstacles: planned.obstacles.map((obstacle) => ({ ...obstacle })),
  }
}

/** What a replication would wait for now; it is no part of the plan. */
function notesOf(source: ManifestPage, target: ManifestPage): string[] {
  return [source, target].flatMap(({ server, failover }) =>
    failover.state === 'normal'
      ? []
      : [
          `the failover state of ${server} is ${failover.state} (${failover.nativeState}); writing waits until it is normal`,
        ],
  )
}

async function readAndPlan(
  gates: PlanGates,
  { policy, source, target, rejections }: Sides,
  scopeTexts: readonly string[] | undefined,
): Promise<RelationshipPlan> {
  const [sourcePage, targetPage] = await Promise.all([
    readManifest(gates, source, policy.name, true),
    readManifest(gates, target, policy.name, true),
  ])
  const comparison = compareScopes(sourcePage.rows, targetPage.rows, policy, { rejections })
  const keysOfBoth = comparison.scopes.map(({ scope }) => scope)
  const scopes =
    scopeTexts === undefined ? undefined : new Set(scopeTexts.flatMap((text) => scopesNamed(text, keysOfBoth)))
  const isAsked = ({ scope }: ComparedScope) => scopes === undefined || scopes.has(scope)
  const differing = comparison.scopes.filter((scope) => scope.decision.kind !== 'converged' && isAsked(scope))
  const keys = differing.filter(({ decision }) => decision.kind !== 'show').map(({ scope }) => scope)
  const [sourceContents, targetContents] = await Promise.all([
    readContents(gates, source, policy.name, keys),
    readContents(gates, target, policy.name, keys),
  ])
  const plan: Plan = makePlan({
    relationship: policy.name,
    source,
    target,
    comparison,
    sourceContents,
    targetContents,
    limits: policy.limits,
    leasesOutside: await leasesOutside(gates, policy.name, target, targetContents, sourceContents),
    ...(scopes === undefined ? {} : { scopes }),
  })
  const asked = comparison.scopes.filter(isAsked)
  const ids = scopeIdsOf(keysOfBoth)
  return {
    relationship: policy.name,
    source,
    target,
    sync: worstSync(asked.map(({ sync }) => sync)),
    ...(plan.scopes.length === 0 ? {} : { digest: plan.digest }),
    scopes: plan.scopes.map((planned) => plannedView(planned, ids)),
    shown: plan.shown.map((shown) => ({ ...shown, scopeId: ids.get(shown.scope) ?? shown.scope })),
    inSyncCount: asked.filter(({ sync, source: live }) => sync === 'in-sync' && live !== undefined).length,
    notes: [...notesOf(sourcePage, targetPage), ...plan.notes],
  }
}

/** Never throws for a server that cannot be read: the plan then says why there is none. */
async function planSides(
  gates: PlanGates,
  sides: Sides,
  scopeTexts: readonly string[] | undefined,
): Promise<RelationshipPlan> {
  const without = (code: string, message: string): RelationshipPlan => ({
    relationship: sides.policy.name,
    source: sides.source,
    target: sides.target,
    sync: 'unknown',
    scopes: [],
    shown: [],
    inSyncCount: 0,
    notes: [],
    failure: { code, message },
  })
  try {
    return await withoutEdits(() => readAndPlan(gates, sides, scopeTexts))
  } catch (error) {
    if (error instanceof SideUnreadable) return without(error.code, error.message)
    if (error instanceof PlanInputChanged) return without(error.code, `${error.message}, again and again; try again`)
    throw error
  }
}

function policyOf(known: Known, relationship: RelationshipDetail): RelationshipPolicy | undefined {
  return known.configuration.relationships.find(({ name }) => name === relationship.name)
}

function onlyObserved({ name }: RelationshipPolicy): string {
  return `${name} is only observed; set its mode to manual or automatic in the configuration to replicate it`
}

/** Why a request for a replication would be refused now, though there is a plan. */
function refusalOf(known: Known, policy: RelationshipPolicy, relationship: RelationshipDetail) {
  if (policy.mode === 'observe') return { code: 'observed-only', message: onlyObserved(policy) }
  const problem = relationship.authorityProblem
  if (problem !== undefined && problem.code !== 'unseeded')
    return { code: 'authority-unknown', message: problem.message }
  return standstillOf(policy, pausesOf(known.registry, policy.name, Date.now()), Date.now())
}

async function planFrom(
  gates: PlanGates,
  known: Known,
  relationship: RelationshipDetail,
  { policy, source }: Pick<Sides, 'policy' | 'source'>,
  scopeTexts: readonly string[] | undefined,
): Promise<RelationshipPlan> {
  const rejections = known.registry.rejections.get(rejectedKey(policy.name))
  const plan = await planSides(gates, { policy, source, target: partnerOf(policy, source), rejections }, scopeTexts)
  const refusal = refusalOf(known, policy, relationship)
  return { ...plan, ...(refusal === undefined ? {} : { refusal }) }
}

/** The difference of one relationship as a replication from its authoritative side would remove it. */
export async function planRelationship(
  gates: PlanGates,
  known: Known,
  relationship: RelationshipDetail,
  scopeTexts: readonly string[] | undefined,
): Promise<RelationshipPlan | { readonly unconfigured: string }> {
  const policy = policyOf(known, relationship)
  if (policy === undefined || relationship.authority === undefined) {
    return { unconfigured: `${relationship.name} ${NOT_CONFIGURED}` }
  }
  return await planFrom(gates, known, relationship, { policy, source: relationship.authority.side }, scopeTexts)
}

/**
 * The plan of a request, one part per relationship that it would replicate. `takeAuthority`: as it would be once the
 * server is the authoritative side.
 */
export async function planRequest(
  gates: PlanGates,
  known: Known,
  request: Resolved,
  takeAuthority: boolean,
): Promise<PlanAnswer> {
  const refused: { relationship: string; code: string; message: string }[] = []
  const planned: Promise<RelationshipPlan>[] = []
  for (const relationship of request.relationships) {
    const policy = policyOf(known, relationship)
    const side = relationship.authority?.side
    const refuse = (code: string, message: string) => refused.push({ relationship: relationship.name, code, message })
    if (policy === undefined) refuse('observed-only', `${relationship.name} ${NOT_CONFIGURED}`)
    else if (policy.mode === 'observe') refuse('observed-only', onlyObserved(policy))
    else if (side !== request.server && !takeAuthority) {
      refuse(
        'not-authoritative',
        `${request.server} is not the authoritative side of ${policy.name}, ${side} is; replicate from there`,
      )
    } else planned.push(planFrom(gates, known, relationship, { policy, source: request.server }, request.scopes))
  }
  return { level: request.level, server: request.server, plans: await Promise.all(planned), refused }
}
