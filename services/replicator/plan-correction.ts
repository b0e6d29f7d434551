// The plans of an adoption or a restore, one per server that is written, and what of them somebody approved.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import { admit, type SafeScopes } from '#plan/admit.ts'
import type { SideRow } from '#plan/compare.ts'
import { makeCorrection } from '#plan/correction.ts'
import { digestOfAll, type Plan, type PlannedScope } from '#plan/plan.ts'
import { leasesOutside } from './leases.ts'
import { sideOf } from './manifests.ts'

export type CorrectionOrder = {
  readonly kind: 'adopt' | 'restore'
  /** Where the contents come from. */
  readonly server: string
  readonly targets: readonly string[]
  readonly wanted: ReadonlyMap<string, ScopeContent | undefined>
  /** Names the plans of all targets together. */
  readonly approvedPlan: string | undefined
  /** Rows of the first target, as its gate read them when it was prepared. */
  readonly prepared: readonly SideRow[]
}

export type PlannedCorrection = {
  readonly held: ReadonlyMap<string, readonly PlannedScope[]>
  readonly safe: ReadonlyMap<string, SafeScopes>
}

export async function planCorrection(
  gateClient: GateClient,
  policy: RelationshipPolicy,
  order: CorrectionOrder,
): Promise<PlannedCorrection> {
  const { kind, server, targets, wanted, approvedPlan } = order
  const scopes = [...wanted.keys()] as ScopeKey[]
  const rowsOf = async (side: string) => sideOf(await gateClient.readManifest(side, policy.name, true), policy).rows
  const picked = kind === 'adopt' ? await rowsOf(server) : []

  async function planAt(target: string, isFirst: boolean): Promise<Plan> {
    const rows = isFirst ? order.prepared : await rowsOf(target)
    const found = await gateClient.readContents(target, policy.name, scopes, 'live', false)
    const live = new Map<string, ScopeContent | undefined>(scopes.map((scope) => [scope, found.get(scope)]))
    const place = { relationship: policy.name, target }
    return makeCorrection({
      ...place,
      // A pre-image that goes back to its own server comes from nowhere else.
      ...(target === server ? {} : { source: server }),
      wanted,
      live,
      limits: policy.limits,
      code: kind === 'adopt' ? 'adopted' : 'restored-preimage',
      leasesOutside: await leasesOutside(gateClient, place, live, wanted),
      unreplicable: new Map(
        [...rows, ...picked].flatMap(({ scope, unreplicable }): [string, string][] =>
          unreplicable === undefined ? [] : [[scope, unreplicable]],
        ),
      ),
    })
  }

  const plans: Plan[] = []
  for (const [index, target] of targets.entries()) plans.push(await planAt(target, index === 0))
  const changing = plans.filter((plan) => plan.scopes.length > 0)
  const isApproved = changing.length > 0 && approvedPlan === digestOfAll(changing)
  const admissions = plans.map((plan) => admit(plan, isApproved ? plan.digest : approvedPlan))
  return {
    held: new Map(admissions.map(({ plan, held }) => [plan.target, held])),
    safe: new Map(admissions.map(({ plan, safe }) => [plan.target, safe])),
  }
}
