// The unit of replication, in DHCP words. A scope is not a Kea subnet and not a
// Windows scope: each driver converts at its border.

import { formatIpv4, parseIpv4, prefixBounds } from './ipv4.ts'
import type { Json, JsonObject } from './json.ts'

declare const scopeKey: unique symbol
/** Network address and prefix length, `10.0.10.0/24`: what both partners call the same scope. */
export type ScopeKey = string & { readonly [scopeKey]: true }

/**
 * One scope with everything that is replicated, in canonical values.
 *
 * What has a meaning of its own here (ranges, reservations, options) is compared
 * object by object; whatever else the server knows is carried unchanged in
 * `properties`, under the server's own parameter names.
 */
export type Scope = {
  readonly key: ScopeKey
  /** The server's own number of the scope where it has one that leases refer to (Kea `id`). Replicated exactly. */
  readonly id?: number
  /** The group of scopes on one link it belongs to: Kea shared network, Windows superscope. */
  readonly group?: string
  /** Scope parameters by the server's own name, effective values (inherited ones included). */
  readonly properties: JsonObject
  readonly ranges: readonly AddressRange[]
  readonly exclusions: readonly ExclusionRange[]
  readonly reservations: readonly Reservation[]
  readonly options: readonly OptionValue[]
  readonly policies: readonly Policy[]
}

/** Addresses that are leased, first to last, both included. */
export type AddressRange = {
  readonly start: string
  readonly end: string
  readonly properties: JsonObject
  readonly options: readonly OptionValue[]
}

/** Addresses inside a range that are never leased. */
export type ExclusionRange = { readonly start: string; readonly end: string }

/** An address kept for one client. */
export type Reservation = {
  /** What identifies the client: `hw-address`, `client-id`, `duid`, `circuit-id`, `flex-id`. */
  readonly identifierType: string
  /** Lower-case hexadecimal with colons, however the server writes it. */
  readonly identifier: string
  /** Absent where the reservation only carries options or a host name. */
  readonly address?: string
  readonly name?: string
  readonly properties: JsonObject
  readonly options: readonly OptionValue[]
}

/** One option value; its natural key is (space, code, vendor class, user class, policy). */
export type OptionValue = {
  /** `dhcp4`, or the name of the vendor's or encapsulated space. */
  readonly space: string
  readonly code: number
  readonly vendorClass?: string
  readonly userClass?: string
  readonly policy?: string
  /** The value as the server gives it. */
  readonly data: Json
  /** Everything else about it (`always-send`, `csv-format`, `name` …). */
  readonly properties: JsonObject
}

export type Policy = {
  readonly name: string
  readonly properties: JsonObject
  readonly ranges: readonly AddressRange[]
}

/** Makes a scope key of `network/length`; host bits are cut off. `undefined` if the text is no IPv4 prefix. */
export function parseScopeKey(text: string): ScopeKey | undefined {
  const match = /^([\d.]+)\/(\d{1,2})$/.exec(text)
  if (!match) return undefined
  const address = parseIpv4(match[1] as string)
  const prefixLength = Number(match[2])
  if (address === undefined || prefixLength > 32) return undefined
  return `${formatIpv4(prefixBounds(address, prefixLength).first)}/${prefixLength}` as ScopeKey
}

/** The scope ID as Windows and operators write it: the network address alone. */
export function scopeAddress(key: ScopeKey): string {
  return key.slice(0, key.indexOf('/'))
}

export function optionKey(option: OptionValue): string {
  return [option.space, option.code, option.vendorClass ?? '', option.userClass ?? '', option.policy ?? ''].join('|')
}

export function reservationKey(reservation: Reservation): string {
  return `${reservation.identifierType}=${reservation.identifier}`
}

export function rangeKey(range: { readonly start: string; readonly end: string }): string {
  return `${range.start}-${range.end}`
}
