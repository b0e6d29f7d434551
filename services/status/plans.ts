// What-if: the plan of a request, made from fresh reads of both sides. It prepares and
// changes nothing; the replicator plans again before it writes.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { ManifestPage } from '#contracts/gate.ts'
import { scopeIdsOf, scopesNamed } from '#contracts/scope-ids.ts'
import type { PlanAnswer, PlannedScopeView, RelationshipDetail, RelationshipPlan } from '#contracts/status-api.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import { type ComparedScope, compareScopes, worstSync } from '#plan/compare.ts'
import { makePlan, type Plan, PlanInputChanged, type PlannedScope } from '#plan/plan.ts'
import { countChanges, renderScope } from '#plan/render.ts'
import type { Known, Resolved } from './names.ts'
import { gateErrorText } from './watch-relationships.ts'

export type PlanGates = Pick<GateClient, 'readManifest' | 'readContents'>

/** Somebody may edit between comparing and reading; then both are done again. */
const MAX_TRIES = 3
const READ_TIMEOUT_MS = 10_000

type Sides = { readonly policy: RelationshipPolicy; readonly source: string; readonly target: string }

function plannedView(planned: PlannedScope, ids: ReadonlyMap<string, string>): PlannedScopeView {
  return {
    scope: planned.scope,
    scopeId: ids.get(planned.scope) ?? planned.scope,
    code: planned.code,
    action: planned.expected === undefined ? 'create' : planned.wanted === undefined ? 'delete' : 'update',
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
  { policy, source, target }: Sides,
  scopeTexts: readonly string[] | undefined,
): Promise<RelationshipPlan> {
  const read = async (server: string) => {
    try {
      return (await gates.readManifest(server, policy.name, true, { timeoutMs: READ_TIMEOUT_MS })).page
    } catch (error) {
      throw new SideUnreadable(server, error)
    }
  }
  const [sourcePage, targetPage] = await Promise.all([read(source), read(target)])
  const comparison = compareScopes(sourcePage.rows, targetPage.rows, policy)
  const keysOfBoth = comparison.scopes.map(({ scope }) => scope)
  const scopes =
    scopeTexts === undefined ? undefined : new Set(scopeTexts.flatMap((text) => scopesNamed(text, keysOfBoth)))
  const isAsked = ({ scope }: ComparedScope) => scopes === undefined || scopes.has(scope)
  const differing = comparison.scopes.filter((scope) => scope.decision.kind !== 'converged' && isAsked(scope))
  const keys = differing.filter(({ decision }) => decision.kind !== 'show').map(({ scope }) => scope as ScopeKey)
  const contents = async (server: string) => {
    try {
      const options = { timeoutMs: READ_TIMEOUT_MS }
      return await gates.readContents(server, policy.name, keys, 'live', false, options)
    } catch (error) {
      throw new SideUnreadable(server, error)
    }
  }
  const [sourceContents, targetContents] = await Promise.all([contents(source), contents(target)])
  const plan: Plan = makePlan({
    relationship: policy.name,
    source,
    target,
    comparison,
    sourceContents,
    targetContents,
    limits: policy.limits,
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
    notes: notesOf(sourcePage, targetPage),
  }
}

class SideUnreadable extends Error {
  readonly code: string
  constructor(server: string, cause: unknown) {
    const { code, message } = gateErrorText(server, cause)
    super(message, { cause })
    this.code = code
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
  for (let tries = 1; ; tries++) {
    try {
      return await readAndPlan(gates, sides, scopeTexts)
    } catch (error) {
      if (error instanceof SideUnreadable) return without(error.code, error.message)
      if (!(error instanceof PlanInputChanged)) throw error
      if (tries === MAX_TRIES) return without('input-changed', `${error.message}, ${MAX_TRIES} times; try again`)
    }
  }
}

function policyOf(known: Known, relationship: RelationshipDetail): RelationshipPolicy | undefined {
  return known.configuration.relationships.find(({ name }) => name === relationship.name)
}

function partnerOf(policy: RelationshipPolicy, server: string): string {
  return policy.servers[0] === server ? policy.servers[1] : policy.servers[0]
}

const NOT_CONFIGURED = 'is not in the configuration and only observed; add it there with an authority and a mode'

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
  const source = relationship.authority.side
  return await planSides(gates, { policy, source, target: partnerOf(policy, source) }, scopeTexts)
}

/** The plan of a request, one part per relationship that it would replicate. */
export async function planRequest(gates: PlanGates, known: Known, request: Resolved): Promise<PlanAnswer> {
  const refused: { relationship: string; code: string; message: string }[] = []
  const planned: Promise<RelationshipPlan>[] = []
  for (const relationship of request.relationships) {
    const policy = policyOf(known, relationship)
    const side = relationship.authority?.side
    const refuse = (code: string, message: string) => refused.push({ relationship: relationship.name, code, message })
    if (policy === undefined) refuse('observed-only', `${relationship.name} ${NOT_CONFIGURED}`)
    else if (policy.mode === 'observe') {
      refuse(
        'observed-only',
        `${policy.name} is only observed; set its mode to manual or automatic in the configuration to replicate it`,
      )
    } else if (side !== request.server) {
      refuse(
        'not-authoritative',
        `${request.server} is not the authoritative side of ${policy.name}, ${side} is; replicate from there`,
      )
    } else {
      const sides = { policy, source: request.server, target: partnerOf(policy, request.server) }
      planned.push(planSides(gates, sides, request.scopes))
    }
  }
  return { level: request.level, server: request.server, plans: await Promise.all(planned), refused }
}
