// Kea subnets ⇄ scopes. What has a meaning of its own becomes ranges, reservations and option
// values; everything else is carried unchanged under Kea's own name.

import type { Json, JsonObject } from '#dhcp/json.ts'
import { type AddressRange, type Reservation, rangeKey, reservationKey, type Scope } from '#dhcp/scope.ts'
import { networkName, type PlacedSubnet, poolBounds } from './configuration.ts'
import { effective, hasRelay, type Levels, sameJson, withoutInherited } from './inherit.ts'
import { asWritten } from './kea-json.ts'
import { hasLostOption43, objectsOf, optionDataOf, optionsOf } from './options.ts'

/** Parameters of a subnet that are the server's own: not part of the scope, and kept when it is written. */
export const LOCAL_PARAMETERS: readonly string[] = ['interface', '4o6-interface']

const IDENTIFIER_TYPES = ['hw-address', 'client-id', 'duid', 'circuit-id', 'flex-id'] as const

/** What config-get gives for parameters nobody set, and what Kea takes as not set. */
const UNSET_IN_SUBNET: JsonObject = { '4o6-interface-id': '', '4o6-subnet': '' }
const UNSET_IN_RESERVATION: JsonObject = {
  'boot-file-name': '',
  'server-hostname': '',
  'next-server': '0.0.0.0',
  'client-classes': [],
}

function without(object: JsonObject, unset: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(([name, value]) => unset[name] === undefined || !sameJson(unset[name], value)),
  )
}

export function scopeOfSubnet({ key, subnet, network, levels }: PlacedSubnet): Scope {
  const { id, subnet: _prefix, pools, reservations, 'option-data': options, ...rest } = effective(subnet, levels)
  const properties = { ...without(rest, UNSET_IN_SUBNET) } as Record<string, Json>
  for (const name of LOCAL_PARAMETERS) delete properties[name]
  if (!hasRelay(properties)) delete properties.relay
  return {
    key,
    ...(typeof id === 'number' ? { id } : {}),
    ...(network === undefined ? {} : { group: networkName(network) }),
    properties,
    ranges: objectsOf(pools).flatMap((pool) => rangeOfPool(pool) ?? []),
    exclusions: [],
    reservations: objectsOf(reservations).flatMap((reservation) => reservationOf(reservation) ?? []),
    options: optionsOf(options),
    policies: [],
  }
}

function rangeOfPool(raw: JsonObject): AddressRange | undefined {
  const { pool, 'option-data': options, ...properties } = raw
  const bounds = poolBounds(String(pool))
  return bounds && { ...bounds, properties, options: optionsOf(options) }
}

/** Lower-case hexadecimal with colons of `01:aB`, `01ab` or `'text'`, which Kea all takes. */
export function normaliseIdentifier(written: string): string {
  const quoted = /^'(.*)'$/s.exec(written)
  const digits = quoted
    ? Buffer.from(quoted[1] as string).toString('hex')
    : written.includes(':')
      ? written
          .split(':')
          .map((octet) => octet.padStart(2, '0'))
          .join('')
      : written.replace(/^0x/i, '')
  const even = digits.length % 2 === 0 ? digits : `0${digits}`
  return (even.toLowerCase().match(/../g) ?? []).join(':')
}

function reservationOf(raw: JsonObject): Reservation | undefined {
  const identifierType = IDENTIFIER_TYPES.find((type) => typeof raw[type] === 'string')
  if (identifierType === undefined) return undefined
  const {
    [identifierType]: identifier,
    'ip-address': address,
    hostname: name,
    'option-data': options,
    ...properties
  } = raw
  return {
    identifierType,
    identifier: normaliseIdentifier(String(identifier)),
    ...(typeof address === 'string' && address !== '' && address !== '0.0.0.0' ? { address } : {}),
    ...(typeof name === 'string' && name !== '' ? { name } : {}),
    properties: without(properties, UNSET_IN_RESERVATION),
    options: optionsOf(options),
  }
}

/** Why a subnet cannot be replicated faithfully. */
export function unreplicableReason({ key, subnet }: PlacedSubnet): string | undefined {
  const places: readonly [string, JsonObject][] = [
    ['', subnet],
    ...objectsOf(subnet.pools).map((pool): [string, JsonObject] => [` pool ${String(pool.pool)}`, pool]),
    ...objectsOf(subnet.reservations).map((one): [string, JsonObject] => [
      ` reservation ${String(one['ip-address'] ?? one.hostname ?? '')}`,
      one,
    ]),
  ]
  const lost = places.find(([, place]) => hasLostOption43(place['option-data']))
  if (lost !== undefined) {
    return `${key}${lost[0]}: Kea does not give the content of option 43 (vendor-encapsulated-options) where it is set as raw data, so it cannot be replicated. Define it by sub-options in the space vendor-encapsulated-options-space`
  }
  const unreadable = objectsOf(subnet.pools).find((pool) => poolBounds(String(pool.pool)) === undefined)
  if (unreadable !== undefined) return `${key}: pool ${String(unreadable.pool)} is not understood`
  const anonymous = objectsOf(subnet.reservations).find((one) => reservationOf(one) === undefined)
  if (anonymous !== undefined) {
    return `${key}: a reservation (${String(anonymous['ip-address'] ?? anonymous.hostname)}) has no identifier that is understood`
  }
  return undefined
}

/** The subnet to write for a scope; `existing` is what the target has, with the server's own parameters. */
export function subnetOfScope(scope: Scope, existing: JsonObject | undefined, levels: Levels): JsonObject {
  const properties = Object.fromEntries(
    Object.entries(scope.properties).map(([name, value]) => [name, asWritten(name, value)]),
  )
  const local = Object.fromEntries(
    LOCAL_PARAMETERS.flatMap((name) => (existing?.[name] === undefined ? [] : [[name, existing[name] as Json]])),
  )
  const pools = new Map(
    objectsOf(existing?.pools).map((pool) => {
      const bounds = poolBounds(String(pool.pool))
      return [bounds === undefined ? '' : rangeKey(bounds), pool]
    }),
  )
  const reservations = new Map(
    objectsOf(existing?.reservations).map((raw) => {
      const reservation = reservationOf(raw)
      return [reservation === undefined ? '' : reservationKey(reservation), raw]
    }),
  )
  const written: JsonObject = {
    ...properties,
    ...local,
    ...(scope.id === undefined ? {} : { id: scope.id }),
    // Host bits that somebody wrote on the target stay as they are; they mean nothing.
    subnet: existing?.subnet ?? scope.key,
    pools: scope.ranges.map((range) => ({
      ...range.properties,
      pool: `${range.start} - ${range.end}`,
      'option-data': optionDataOf(range.options, pools.get(rangeKey(range))?.['option-data']),
    })),
    reservations: scope.reservations.map((reservation) => ({
      ...reservation.properties,
      [reservation.identifierType]: reservation.identifier,
      ...(reservation.address === undefined ? {} : { 'ip-address': reservation.address }),
      ...(reservation.name === undefined ? {} : { hostname: reservation.name }),
      'option-data': optionDataOf(reservation.options, reservations.get(reservationKey(reservation))?.['option-data']),
    })),
    'option-data': optionDataOf(scope.options, existing?.['option-data']),
  }
  return withoutInherited(written, levels)
}
