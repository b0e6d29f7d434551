// The `Dhcp4` object of config-get: where its subnets are, and what they inherit from.

import { formatIpv4, parseIpv4, prefixBounds } from '#dhcp/ipv4.ts'
import { isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'
import { parseScopeKey, type ScopeKey } from '#dhcp/scope.ts'
import { DriverError } from '../driver.ts'
import type { Levels } from './inherit.ts'
import { hasLostOption43, objectsOf } from './options.ts'

/** One subnet and where it stands. */
export type PlacedSubnet = {
  readonly key: ScopeKey
  readonly subnet: JsonObject
  /** The shared network it is in. */
  readonly network?: JsonObject
  /** What it inherits from, nearest first. */
  readonly levels: Levels
}

export function networkName(network: JsonObject): string {
  return String(network.name ?? '')
}

/** Every subnet, outside of shared networks first. */
export function subnetsOf(dhcp4: JsonObject): readonly PlacedSubnet[] {
  const place = (subnet: JsonObject, network?: JsonObject): readonly PlacedSubnet[] => {
    const key = parseScopeKey(String(subnet.subnet))
    // Left out here it would be left out of the next config-set too.
    if (key === undefined) {
      throw new DriverError('protocol', `Kea gave a subnet that is no IPv4 prefix: ${String(subnet.subnet)}`)
    }
    return [
      network === undefined ? { key, subnet, levels: [dhcp4] } : { key, subnet, network, levels: [network, dhcp4] },
    ]
  }
  return [
    ...objectsOf(dhcp4.subnet4).flatMap((subnet) => place(subnet)),
    ...objectsOf(dhcp4['shared-networks']).flatMap((network) =>
      objectsOf(network.subnet4).flatMap((subnet) => place(subnet, network)),
    ),
  ]
}

/**
 * Scopes that Kea has twice: it takes `10.0.0.0/24` and `10.0.0.1/24` for two subnets, which have the
 * same addresses.
 */
export function ambiguousKeys(placed: readonly PlacedSubnet[]): ReadonlySet<ScopeKey> {
  const seen = new Set<ScopeKey>()
  const twice = new Set<ScopeKey>()
  for (const { key } of placed) (seen.has(key) ? twice : seen).add(key)
  return twice
}

/** First and last address of a pool, written as `a - b` or as a prefix. */
export function poolBounds(pool: string): { readonly start: string; readonly end: string } | undefined {
  const range = /^\s*([\d.]+)\s*-\s*([\d.]+)\s*$/.exec(pool)
  if (range) {
    const [start, end] = [parseIpv4(range[1] as string), parseIpv4(range[2] as string)]
    return start === undefined || end === undefined ? undefined : { start: formatIpv4(start), end: formatIpv4(end) }
  }
  const prefix = /^\s*([\d.]+)\/(\d+)\s*$/.exec(pool)
  const network = prefix ? parseIpv4(prefix[1] as string) : undefined
  if (!prefix || network === undefined) return undefined
  const { first, last } = prefixBounds(network, Number(prefix[2]))
  return { start: formatIpv4(first), end: formatIpv4(last) }
}

/** Names of what scopes may refer to. */
export function providedBy(dhcp4: JsonObject): ReadonlySet<string> {
  return new Set([
    ...objectsOf(dhcp4['shared-networks']).map((network) => `group:${networkName(network)}`),
    ...objectsOf(dhcp4['client-classes']).map((one) => `class:${String(one.name)}`),
    ...objectsOf(dhcp4['option-def']).map(
      (definition) => `option-definition:${String(definition.space ?? 'dhcp4')}/${String(definition.code)}`,
    ),
  ])
}

/** The first place in a configuration, by its path, where the content of an option 43 was lost on the way. */
export function lostOption43(value: Json, path = 'Dhcp4'): string | undefined {
  if (Array.isArray(value)) {
    for (const [index, item] of (value as readonly Json[]).entries()) {
      const name = isJsonObject(item) ? String(item.subnet ?? item.name ?? item.pool ?? index) : String(index)
      const found = lostOption43(item, `${path}[${name}]`)
      if (found !== undefined) return found
    }
    return undefined
  }
  if (!isJsonObject(value)) return undefined
  if (hasLostOption43(value['option-data'])) return path
  for (const [name, item] of Object.entries(value)) {
    if (name === 'option-data' || item === null || typeof item !== 'object') continue
    const found = lostOption43(item, `${path}.${name}`)
    if (found !== undefined) return found
  }
  return undefined
}
