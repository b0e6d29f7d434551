// Sample scopes: as many as wanted, always the same for the same description.

import { formatIpv4, parseIpv4 } from '#dhcp/ipv4.ts'
import type { OptionValue, Reservation, Scope, ScopeKey } from '#dhcp/scope.ts'

export type Sample = {
  /** How many scopes, each a /24. */
  readonly scopes: number
  /** Network of the first scope; the others follow. Default `10.0.1.0`. */
  readonly first?: string
  /** Reservations of each scope, at most 50. Default 3. */
  readonly reservations?: number
  /** Address ranges of each scope, 1 to 4. Default 1. */
  readonly ranges?: number
}

/** Scopes with ranges, an exclusion, options and reservations. */
export function sample(description: Sample): readonly Scope[] {
  const first = parseIpv4(description.first ?? '10.0.1.0')
  if (first === undefined) throw new Error(`sample: "first" is no IPv4 address: ${description.first}`)
  return Array.from({ length: description.scopes }, (_, index) =>
    sampleScope(first + index * 256, index + 1, description),
  )
}

function sampleScope(network: number, id: number, { reservations = 3, ranges = 1 }: Sample): Scope {
  const at = (host: number) => formatIpv4(network + host)
  const share = Math.floor(140 / ranges)
  return {
    key: `${at(0)}/24` as ScopeKey,
    id,
    properties: { name: `floor ${id}`, 'valid-lifetime': 3600 + id },
    ranges: Array.from({ length: ranges }, (_, index) => ({
      start: at(60 + index * share),
      end: at(59 + (index + 1) * share),
      properties: {},
      options: [],
    })),
    exclusions: [{ start: at(70), end: at(72) }],
    reservations: Array.from({ length: Math.min(reservations, 50) }, (_, index) =>
      sampleReservation(id, index, at(10 + index)),
    ),
    options: [
      option(3, [at(1)], 'routers'),
      option(6, [at(2), at(3)], 'domain-name-servers'),
      option(15, [`floor${id}.example.net`], 'domain-name'),
    ],
    policies: [],
  }
}

function sampleReservation(id: number, index: number, address: string): Reservation {
  const bytes = [2, 0, (id >> 16) & 255, (id >> 8) & 255, id & 255, index]
  return {
    identifierType: 'hw-address',
    identifier: bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
    address,
    name: `printer-${id}-${index + 1}`,
    properties: {},
    options: [],
  }
}

function option(code: number, values: readonly string[], name: string): OptionValue {
  return { space: 'dhcp4', code, data: values, properties: { name } }
}
