// Inheritance. config-get gives most parameters of a subnet as they are in effect, whether the subnet
// has them itself or from its shared network or the server. We compare what is in effect, and write
// only what differs from what would be inherited: otherwise the first write would cut every subnet
// of the server off from its shared network and server settings for ever.

import { canonicalJson, isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'

/** Parameters that a subnet takes from its shared network, and that from the server, where it has none itself. */
const INHERITED: readonly string[] = [
  'adaptive-lease-time-threshold',
  'allocator',
  'authoritative',
  'boot-file-name',
  'cache-max-age',
  'cache-threshold',
  'calculate-tee-times',
  'ddns-conflict-resolution-mode',
  'ddns-generated-prefix',
  'ddns-override-client-update',
  'ddns-override-no-update',
  'ddns-qualifying-suffix',
  'ddns-replace-client-name',
  'ddns-send-updates',
  'ddns-update-on-renew',
  'ddns-use-conflict-resolution',
  'hostname-char-replacement',
  'hostname-char-set',
  'match-client-id',
  'next-server',
  'offer-lifetime',
  'rebind-timer',
  'renew-timer',
  'reservations-global',
  'reservations-in-subnet',
  'reservations-out-of-pool',
  'server-hostname',
  'store-extended-info',
  't1-percent',
  't2-percent',
  'valid-lifetime',
]

/** Inherited too, but where nobody has them they are the `valid-lifetime` in effect. */
const DERIVED_FROM_LIFETIME: readonly string[] = ['min-valid-lifetime', 'max-valid-lifetime']

/** Kea takes an empty text here as "not set": it cannot be told from an inherited one and is not given back. */
const EMPTY_IS_UNSET: ReadonlySet<string> = new Set(['boot-file-name', 'server-hostname'])

/** What a subnet inherits: the first level that has a parameter counts. */
export type Levels = readonly JsonObject[]

function own(object: JsonObject, name: string): Json | undefined {
  const value = object[name]
  return value === '' && EMPTY_IS_UNSET.has(name) ? undefined : value
}

export function inherited(name: string, levels: Levels): Json | undefined {
  for (const level of levels) {
    const value = own(level, name)
    if (value !== undefined) return value
  }
  // An empty text counts where it is all there is: it is the server's default.
  return levels.findLast((level) => level[name] !== undefined)?.[name]
}

export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a === b || canonicalJson(a) === canonicalJson(b)
}

/** The parameters in effect for a subnet, from its own, its shared network's (if any) and the server's. */
export function effective(subnet: JsonObject, levels: Levels): JsonObject {
  const values: Record<string, Json> = { ...subnet }
  const set = (name: string, value: Json | undefined) => {
    if (value === undefined) delete values[name]
    else values[name] = value
  }
  for (const name of INHERITED) set(name, inherited(name, [subnet, ...levels]))
  for (const name of DERIVED_FROM_LIFETIME) {
    set(name, inherited(name, [subnet, ...levels]) ?? values['valid-lifetime'])
  }
  // Only shared networks hand their relays down.
  if (levels.length > 1 && !hasRelay(subnet)) set('relay', levels[0]?.relay)
  return values
}

export function hasRelay(object: JsonObject): boolean {
  const relay = isJsonObject(object.relay) ? object.relay : {}
  const addresses = relay['ip-addresses']
  return Array.isArray(addresses) && addresses.length > 0
}

/**
 * The same subnet or shared network without what it would inherit anyway. `levels` must be in this
 * written form themselves: a shared network as config-get gives it has parameters nobody set.
 */
export function withoutInherited(object: JsonObject, levels: Levels): JsonObject {
  const values: Record<string, Json> = { ...object }
  const lifetime = inherited('valid-lifetime', [object, ...levels])
  for (const name of INHERITED) {
    if (values[name] !== undefined && sameJson(values[name], inherited(name, levels))) delete values[name]
  }
  for (const name of DERIVED_FROM_LIFETIME) {
    const otherwise = inherited(name, levels) ?? lifetime
    if (values[name] !== undefined && sameJson(values[name], otherwise)) delete values[name]
  }
  if (levels.length > 1 && hasRelay(object) && sameJson(object.relay, levels[0]?.relay)) delete values.relay
  return values
}
