// Scopes, comparisons and plans for the unit tests of this folder.

import { contentOf } from '#dhcp/fingerprint.ts'
import type { Reservation, Scope, ScopeKey } from '#dhcp/scope.ts'
import { type CompareOptions, type Comparison, compareScopes, type SideRow } from './compare.ts'
import { makePlan, type Plan, type PlanInput } from './plan.ts'
import { DEFAULT_LIMITS, type DecisionPolicy } from './policy.ts'

export function aReservation(host: number): Reservation {
  return {
    identifierType: 'hw-address',
    identifier: `02:00:00:00:00:${host.toString(16).padStart(2, '0')}`,
    address: `10.0.0.${host}`,
    name: `h${host}`,
    properties: {},
    options: [],
  }
}

export function aRange(start: string, end: string): Scope['ranges'][number] {
  return { start, end, properties: {}, options: [] }
}

/** 13 objects: a range, ten reservations within it, routers and DNS servers. */
export function aScope(change: Partial<Scope> = {}): Scope {
  return {
    key: '10.0.0.0/24' as ScopeKey,
    id: 1,
    properties: { 'valid-lifetime': 4000 },
    ranges: [aRange('10.0.0.10', '10.0.0.200')],
    exclusions: [],
    reservations: Array.from({ length: 10 }, (_, index) => aReservation(index + 20)),
    options: [
      { space: 'dhcp4', code: 3, data: '10.0.0.1', properties: {} },
      { space: 'dhcp4', code: 6, data: '10.0.0.2', properties: {} },
    ],
    policies: [],
    ...change,
  }
}

/** As many scopes as lifetimes, each with its own network and lifetime; `undefined` leaves one out. */
export function scopesOf(lifetimes: readonly (number | undefined)[]): readonly Scope[] {
  return lifetimes.flatMap((lifetime, index) =>
    lifetime === undefined
      ? []
      : [aScope({ key: keyOf(index), id: index + 1, properties: { 'valid-lifetime': lifetime } })],
  )
}

export function keyOf(index: number): ScopeKey {
  return `10.0.${index}.0/24` as ScopeKey
}

type Contents = PlanInput['sourceContents']

export function contentsOf(scopes: readonly Scope[]): Contents {
  return new Map(scopes.map((scope) => [scope.key as string, contentOf(scope)]))
}

const CAREFUL: DecisionPolicy = { onForeignEdit: 'hold', onConflict: 'hold', prune: 'off' }

export type Sides = {
  readonly source: readonly Scope[]
  readonly target: readonly Scope[]
  /** What both last agreed on. */
  readonly base: readonly Scope[]
}

export function comparisonOf(
  { source, target, base }: Sides,
  policy: Partial<DecisionPolicy> = {},
  options: CompareOptions = {},
): Comparison {
  const bases = contentsOf(base)
  const rows = (scopes: readonly Scope[]): SideRow[] =>
    [...contentsOf(scopes)].map(([scope, content]) => {
      const agreed = bases.get(scope)
      return {
        scope,
        live: content?.fingerprint,
        ...(agreed === undefined ? {} : { base: agreed.fingerprint, baseEpoch: 1, baseSerial: 1 }),
      }
    })
  const gone = (scopes: readonly Scope[]): SideRow[] =>
    [...bases]
      .filter(([scope]) => !scopes.some(({ key }) => key === scope))
      .map(([scope, content]) => ({ scope, base: content?.fingerprint, baseEpoch: 1, baseSerial: 1 }))
  return compareScopes(
    [...rows(source), ...gone(source)],
    [...rows(target), ...gone(target)],
    { ...CAREFUL, ...policy },
    options,
  )
}

export function planOf(sides: Sides, change: Partial<PlanInput> = {}, policy: Partial<DecisionPolicy> = {}): Plan {
  return makePlan({
    relationship: 'a-b',
    source: 'a',
    target: 'b',
    comparison: comparisonOf(sides, policy),
    sourceContents: contentsOf(sides.source),
    targetContents: contentsOf(sides.target),
    limits: DEFAULT_LIMITS,
    ...change,
  })
}
