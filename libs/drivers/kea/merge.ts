// The configuration to send: what the target has, with the scopes of one batch put in. Everything
// else stays effectively as it is, in the form that carries nothing inherited.

import { contentOf } from '#dhcp/fingerprint.ts'
import type { Json, JsonObject } from '#dhcp/json.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import type { ScopeRejection, ScopeWrite } from '../driver.ts'
import { ambiguousKeys, networkName, type PlacedSubnet, subnetsOf } from './configuration.ts'
import { type Levels, sameJson, withoutInherited } from './inherit.ts'
import { foreignOption, objectsOf } from './options.ts'
import { referable, referencesOf } from './references.ts'
import { scopeOfSubnet, subnetOfScope, unreplicableReason } from './scopes.ts'

export type Merge =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'refused'; readonly scopes: readonly ScopeRejection[] }
  | { readonly kind: 'changed'; readonly dhcp4: JsonObject }

/** The same configuration, with nothing in subnets and shared networks that they would inherit. */
export function writtenForm(dhcp4: JsonObject): JsonObject {
  return rebuild(dhcp4, [])
}

export function mergeScopes(dhcp4: JsonObject, writes: readonly ScopeWrite[]): Merge {
  const placed = subnetsOf(dhcp4)
  const ambiguous = ambiguousKeys(placed)
  const present = new Map(placed.map((one) => [one.key, one]))
  const differing = writes.filter((write) => differs(present.get(write.scope), write.wanted))
  if (differing.length === 0) return { kind: 'unchanged' }
  const known = referable(dhcp4)
  const refused = [
    ...differing.flatMap(({ scope }): readonly ScopeRejection[] =>
      ambiguous.has(scope)
        ? [{ scope, code: 'unreplicable', message: `${scope} is on this server twice, with different host bits` }]
        : [],
    ),
    ...differing.flatMap(({ scope, wanted }) => (wanted === undefined ? [] : refusalOf(scope, wanted, known))),
    ...idClashes(present, writes),
  ]
  if (refused.length > 0) return { kind: 'refused', scopes: refused }
  const merged = rebuild(dhcp4, differing)
  const unreachable = unattainable(merged, differing)
  return unreachable.length > 0 ? { kind: 'refused', scopes: unreachable } : { kind: 'changed', dhcp4: merged }
}

function differs(placed: PlacedSubnet | undefined, wanted: Scope | undefined): boolean {
  if (placed === undefined || wanted === undefined) return placed !== undefined || wanted !== undefined
  return contentOf(scopeOfSubnet(placed)).fingerprint !== contentOf(wanted).fingerprint
}

function refusalOf(scope: ScopeKey, wanted: Scope, known: ReadonlySet<string>): readonly ScopeRejection[] {
  const options = [wanted, ...wanted.ranges, ...wanted.reservations].flatMap((level) => level.options)
  const foreign = foreignOption(options)
  const unknown =
    wanted.exclusions.length > 0
      ? 'exclusion ranges'
      : wanted.policies.length > 0
        ? 'policies'
        : foreign === undefined
          ? undefined
          : `option values by class or policy (${foreign})`
  if (unknown !== undefined) {
    return [{ scope, code: 'unreplicable', message: `${scope} has ${unknown}, which Kea does not know` }]
  }
  const missing = [...referencesOf(wanted)].filter((name) => !known.has(name))
  if (missing.length === 0) return []
  return [
    {
      scope,
      code: 'missing-reference',
      message: `${scope} refers to ${missing.join(', ')}, which this server does not have; define it there first`,
    },
  ]
}

/** Leases refer to the id, so that two subnets of one server cannot share it, and it is never made up. */
function idClashes(
  present: ReadonlyMap<ScopeKey, PlacedSubnet>,
  writes: readonly ScopeWrite[],
): readonly ScopeRejection[] {
  const ids = new Map<ScopeKey, number | undefined>()
  for (const [key, { subnet }] of present) ids.set(key, Number(subnet.id))
  for (const { scope, wanted } of writes) {
    if (wanted === undefined) ids.delete(scope)
    else ids.set(scope, wanted.id)
  }
  const holders = new Map<number, ScopeKey[]>()
  for (const [key, id] of ids) {
    if (id !== undefined) holders.set(id, [...(holders.get(id) ?? []), key])
  }
  return writes.flatMap(({ scope, wanted }): readonly ScopeRejection[] => {
    if (wanted === undefined) return []
    if (wanted.id === undefined) {
      return [{ scope, code: 'unreplicable', message: `${scope} has no subnet id, which Kea's leases refer to` }]
    }
    const other = holders.get(wanted.id)?.find((key) => key !== scope)
    if (other === undefined) return []
    return [
      {
        scope,
        code: 'id-clash',
        message: `${scope} has the subnet id ${wanted.id}, which ${other} has on this server; give one of them another id on the authoritative side, or correct ${other} here`,
      },
    ]
  })
}

function rebuild(dhcp4: JsonObject, writes: readonly ScopeWrite[]): JsonObject {
  const writesByKey = new Map(writes.map((write) => [write.scope, write]))
  const placed = subnetsOf(dhcp4)
  const existing = new Map(placed.map((one) => [one.key, one.subnet]))
  const wantedIn = (group: string | undefined) =>
    writes.flatMap(({ wanted }) => (wanted !== undefined && wanted.group === group ? [wanted] : []))

  const listOf = (subnets: readonly PlacedSubnet[], group: string | undefined, levels: Levels): readonly Json[] => [
    ...subnets.filter((one) => !writesByKey.has(one.key)).map((one) => withoutInherited(one.subnet, levels)),
    ...wantedIn(group).map((wanted) => subnetOfScope(wanted, existing.get(wanted.key), levels)),
  ]

  return {
    ...dhcp4,
    subnet4: listOf(
      placed.filter((one) => one.network === undefined),
      undefined,
      [dhcp4],
    ),
    'shared-networks': objectsOf(dhcp4['shared-networks']).map((network) => {
      const written = withoutInherited(network, [dhcp4])
      const within = placed.filter((one) => one.network === network)
      return { ...written, subnet4: listOf(within, networkName(network), [written, dhcp4]) }
    }),
  }
}

/**
 * Scopes that would read back as something else than wanted: where the target's shared network or
 * server has a value that a subnet can only override, not take back.
 */
function unattainable(merged: JsonObject, writes: readonly ScopeWrite[]): readonly ScopeRejection[] {
  const result = new Map(subnetsOf(merged).map((placed) => [placed.key, placed]))
  return writes.flatMap(({ scope, wanted }): readonly ScopeRejection[] => {
    const placed = result.get(scope)
    if (wanted === undefined || placed === undefined) return []
    const lost = unreplicableReason(placed)
    if (lost !== undefined) return [{ scope, code: 'unreplicable', message: lost }]
    const got = scopeOfSubnet(placed)
    if (contentOf(got).fingerprint === contentOf(wanted).fingerprint) return []
    const names = [...new Set([...Object.keys(got.properties), ...Object.keys(wanted.properties)])].filter(
      (name) => !sameJson(got.properties[name], wanted.properties[name]),
    )
    const what = names.length > 0 ? names.join(', ') : 'its pools, reservations or options'
    return [
      {
        scope,
        code: 'unreplicable',
        message: `${scope} cannot have the wanted ${what} here: this server or its shared network sets a value that a subnet cannot take back; make them equal on both servers`,
      },
    ]
  })
}
