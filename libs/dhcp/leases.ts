// Which leases would be left without a range.

import { formatIpv4, parseIpv4 } from './ipv4.ts'
import type { ExclusionRange } from './scope.ts'

export type ActiveLeases = {
  readonly count: number
  /** The first few addresses, in their order. */
  readonly examples: readonly string[]
}

/** Addresses that are named as examples. */
const EXAMPLES = 5

/** Of addresses that are leased now, those in none of the ranges. An address counts once. */
export function leasesOutside(addresses: readonly string[], ranges: readonly ExclusionRange[]): ActiveLeases {
  const spans = ranges.map(({ start, end }) => [number(start), number(end)] as const)
  const outside = new Set(
    addresses.map(number).filter((address) => !spans.some(([start, end]) => address >= start && address <= end)),
  )
  const examples = [...outside]
    .sort((a, b) => a - b)
    .slice(0, EXAMPLES)
    .map(formatIpv4)
  return { count: outside.size, examples }
}

/** Throws where it is no address, rather than counting it as inside or outside. */
function number(address: string): number {
  const parsed = parseIpv4(address)
  if (parsed === undefined) throw new Error(`"${address}" is no IPv4 address`)
  return parsed
}
