// What waits for a person in a relationship: per scope what each side did since both last agreed, in DHCP words, and
// what picking a side would write. Made from fresh reads; nothing is prepared or changed.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Rejections } from '#contracts/control.ts'
import type { ConflictList, ConflictView } from '#contracts/decisions-api.ts'
import type { ManifestPage, ManifestRow } from '#contracts/gate.ts'
import { scopeIdsOf, scopesNamed } from '#contracts/scope-ids.ts'
import { type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import { type ComparedScope, compareScopes } from '#plan/compare.ts'
import { makeCorrection } from '#plan/correction.ts'
import { diffScopes } from '#plan/diff.ts'
import { digestOf, makePlan, type Plan, PlanInputChanged, type PlannedScope } from '#plan/plan.ts'
import { countChanges, renderScope } from '#plan/render.ts'
import { whyOf } from '#plan/why.ts'
import { leasesOutside } from './leases.ts'
import { actionOf } from './plans.ts'
import { type Contents, type PlanGates, readContents, readManifest } from './read-sides.ts'
import { rejectedOf, type StuckScopes, stuckAt } from './stuck.ts'

export type ConflictInput = {
  readonly gates: PlanGates
  readonly policy: RelationshipPolicy
  /** The authoritative server. */
  readonly source: string
  readonly rejections: Rejections | undefined
  readonly stuck: StuckScopes
  /** Who is behind a commit of ours, where the ledger knows it. */
  readonly authorOf: (writtenBy: string) => string
  /** Scope IDs; absent: everything that waits. */
  readonly scopes: readonly string[] | undefined
}

type Side = { readonly server: string; readonly page: ManifestPage; readonly rows: ReadonlyMap<string, ManifestRow> }
type Picked = { readonly planned: PlannedScope; readonly source: string; readonly target: string }

/** Only these wait for a person: what is held, what is only shown, and what limits or the partner itself refused. */
function waits({ scope, decision, source, target }: ComparedScope, stuck: StuckScopes): boolean {
  if (decision.kind === 'hold' || decision.kind === 'show') return true
  return decision.kind === 'replicate' && stuckAt(stuck, scope, source, target) !== undefined
}

function digestOfPick({ planned, source, target }: Picked): string {
  return digestOf({ source, target, scopes: [planned] })
}

/** Against the base where there is one, else against the other side. */
function changesOf(before: ScopeContent | undefined, after: ScopeContent | undefined, scope: string) {
  const changes = diffScopes(
    before === undefined ? undefined : scopeOf(before),
    after === undefined ? undefined : scopeOf(after),
  )
  const lines = renderScope({ scope, code: '', changes, obstacles: [] })
  return { changes: [...lines], counts: countChanges(changes) }
}

/** Throws where a content is not that of the manifest: somebody edited in between. */
function contentOf(contents: Contents, scope: string, fingerprint: string | undefined): ScopeContent | undefined {
  if (fingerprint === undefined) return undefined
  const content = contents.get(scope)
  if (content?.fingerprint !== fingerprint) throw new PlanInputChanged(scope)
  return content
}

/** The base contents, each from a gate that has the one that counts. */
async function readBases(
  { gates, policy }: ConflictInput,
  sides: readonly [Side, Side],
  items: readonly ComparedScope[],
): Promise<Contents> {
  const found = new Map<string, ScopeContent | undefined>()
  await Promise.all(
    sides.map(async (side, index) => {
      const isHere = (at: number, { scope, base }: ComparedScope) =>
        base.content !== undefined && sides[at]?.rows.get(scope)?.base === base.content
      const own = items.filter((item) => isHere(index, item) && (index === 0 || !isHere(0, item)))
      const scopes = own.map(({ scope }) => scope)
      const contents = await readContents(gates, side.server, policy.name, scopes, 'base')
      for (const { scope, base } of own) {
        const content = contents.get(scope)
        // A base that was replaced meanwhile is none that the sides can be compared with.
        if (content?.fingerprint === base.content) found.set(scope, content)
      }
    }),
  )
  return found
}

/** Reads both sides and says what waits. Throws `SideUnreadable` and `PlanInputChanged`. */
export async function readConflicts(input: ConflictInput): Promise<ConflictList> {
  const { gates, policy, source, stuck } = input
  const target = policy.servers[0] === source ? policy.servers[1] : policy.servers[0]
  const side = async (server: string): Promise<Side> => {
    const page = await readManifest(gates, server, policy.name, true)
    return { server, page, rows: new Map(page.rows.map((row) => [row.scope, row])) }
  }
  const [ours, theirs] = await Promise.all([side(source), side(target)])
  const comparison = compareScopes(ours.page.rows, theirs.page.rows, policy, { rejections: input.rejections })
  const keys = comparison.scopes.map(({ scope }) => scope)
  const asked = input.scopes && new Set(input.scopes.flatMap((text) => scopesNamed(text, keys)))
  const items = comparison.scopes.filter((item) => waits(item, stuck) && (asked === undefined || asked.has(item.scope)))
  const scopes = items.map(({ scope }) => scope)
  const [sourceContents, targetContents, bases] = await Promise.all([
    readContents(gates, source, policy.name, scopes),
    readContents(gates, target, policy.name, scopes),
    readBases(input, [ours, theirs], items),
  ])
  const [here, there] = [
    new Map(items.map((item) => [item.scope, contentOf(sourceContents, item.scope, item.source)])),
    new Map(items.map((item) => [item.scope, contentOf(targetContents, item.scope, item.target)])),
  ]
  const [lostThere, lostHere] = await Promise.all([
    leasesOutside(gates, policy.name, target, there, here),
    leasesOutside(gates, policy.name, source, here, there),
  ])
  const common = { relationship: policy.name, limits: policy.limits }
  const keep: Plan = makePlan({
    ...common,
    source,
    target,
    comparison,
    sourceContents,
    targetContents,
    scopes: new Set(scopes),
    leasesOutside: lostThere,
  })
  const adopt: Plan = makeCorrection({
    ...common,
    source: target,
    target: source,
    wanted: there,
    live: here,
    code: 'adopted',
    leasesOutside: lostHere,
    unreplicable: new Map(
      [...ours.rows.values(), ...theirs.rows.values()].flatMap(({ scope, unreplicable }) =>
        unreplicable === undefined ? [] : [[scope, unreplicable] as const],
      ),
    ),
  })
  const picksOf = (plan: Plan) =>
    new Map(plan.scopes.map((planned): [string, Picked] => [planned.scope, { ...plan, planned }]))
  const picks = { keep: picksOf(keep), adopt: picksOf(adopt) }
  const ids = scopeIdsOf(keys)

  const itemOf = (item: ComparedScope): ConflictView => {
    const { scope, decision, base } = item
    const row = stuckAt(stuck, scope, item.source, item.target)
    const before = base.content === undefined ? undefined : bases.get(scope)
    const isBaseKnown = base.known && (base.content === undefined || before !== undefined)
    const sideOf = (
      at: Side,
      pick: Picked | undefined,
      own: ScopeContent | undefined,
      other: ScopeContent | undefined,
    ) => {
      const manifest = at.rows.get(scope)
      const by = manifest?.writtenBy
      const obstacles = [
        ...(pick?.planned.obstacles ?? []),
        // A correction does not know why the scope is held, and no approval releases this.
        ...(decision.kind === 'hold' && decision.code === 'dirty' && at.server === target
          ? [{ code: decision.code, message: whyOf(decision, placeOf(input, target)), approvable: false }]
          : []),
      ]
      const isPickable = pick !== undefined && obstacles.every(({ approvable }) => approvable)
      return {
        server: at.server,
        role: at.server === source ? ('authoritative' as const) : ('partner' as const),
        ...changesOf(isBaseKnown ? before : other, own, scope),
        ...(manifest?.since === undefined ? {} : { since: manifest.since }),
        ...(by === undefined ? {} : { by: input.authorOf(by) }),
        ...(isPickable ? { digest: digestOfPick(pick) } : {}),
        ...(pick === undefined
          ? { plan: [] }
          : {
              plan: [...renderScope(pick.planned)],
              planned: { action: actionOf(pick.planned), counts: countChanges(pick.planned.changes) },
            }),
        obstacles: obstacles.map((obstacle) => ({ ...obstacle })),
      }
    }
    return {
      scope,
      scopeId: ids.get(scope) ?? scope,
      code:
        row !== undefined && decision.kind === 'replicate'
          ? row.code
          : decision.kind === 'converged'
            ? 'in-sync'
            : decision.code,
      why:
        row !== undefined && decision.kind === 'replicate'
          ? `${row.status}: ${row.message}`
          : whyOf(decision, { ...placeOf(input, target), ...(row === undefined ? {} : { job: row.job }) }),
      sides: [
        sideOf(ours, picks.keep.get(scope), here.get(scope), there.get(scope)),
        sideOf(theirs, picks.adopt.get(scope), there.get(scope), here.get(scope)),
      ],
      base: !isBaseKnown ? 'unknown' : before === undefined ? 'absent' : 'known',
      ...rejectedOf(input.rejections, item),
      ...(row === undefined ? {} : { job: row.job }),
    }
  }

  const views = items.map(itemOf)
  const whole = (plan: Plan, index: 0 | 1): ConflictList['sides'][number] => {
    const pickable = views.flatMap((view) => (view.sides[index]?.digest === undefined ? [] : [view.scope]))
    const planned = plan.scopes.filter(({ scope }) => pickable.includes(scope))
    return {
      server: plan.source,
      role: index === 0 ? 'authoritative' : 'partner',
      scopes: pickable,
      ...(planned.length === 0
        ? {}
        : { digest: digestOf({ source: plan.source, target: plan.target, scopes: planned }) }),
    }
  }
  return { relationship: policy.name, items: views, sides: [whole(keep, 0), whole(adopt, 1)] }
}

function placeOf({ policy, source }: ConflictInput, target: string) {
  return { relationship: policy.name, source, target, mode: policy.mode }
}
