// The addresses that a scope leases, as arithmetic: what a change of its ranges would take away.

import { formatIpv4, parseIpv4 } from '#dhcp/ipv4.ts'
import type { Scope } from '#dhcp/scope.ts'

/** Addresses from first to last, both included. */
export type AddressSpan = { readonly start: string; readonly end: string }

/** The same as numbers. */
type Span = { readonly first: number; readonly last: number }

const EVERYTHING: readonly Span[] = [{ first: 0, last: 2 ** 32 - 1 }]

function spansOf(ranges: readonly AddressSpan[]): readonly Span[] {
  return ranges.flatMap(({ start, end }) => {
    const [first, last] = [parseIpv4(start), parseIpv4(end)]
    return first === undefined || last === undefined || last < first ? [] : [{ first, last }]
  })
}

/** What of `spans` is in none of `others`. */
function without(spans: readonly Span[], others: readonly Span[]): readonly Span[] {
  return others.reduce<readonly Span[]>(
    (rest, other) =>
      rest.flatMap(({ first, last }) =>
        other.last < first || other.first > last
          ? [{ first, last }]
          : [
              ...(first < other.first ? [{ first, last: other.first - 1 }] : []),
              ...(last > other.last ? [{ first: other.last + 1, last }] : []),
            ],
      ),
    spans,
  )
}

function textOf({ first, last }: Span): AddressSpan {
  return { start: formatIpv4(first), end: formatIpv4(last) }
}

/** What is leased: the ranges without what is excluded from them. */
function leasedSpans({ ranges, exclusions }: Pick<Scope, 'ranges' | 'exclusions'>): readonly Span[] {
  return without(spansOf(ranges), spansOf(exclusions))
}

export type ShrunkRanges = {
  /** Addresses that are leased now and would not be afterwards. */
  readonly lost: readonly AddressSpan[]
  /**
   * Everything but those: what a gate is asked with, because it counts active leases *outside* of the spans that it
   * is given. Leases that are outside of every range already (of reservations) are thereby not counted.
   */
  readonly outside: readonly AddressSpan[]
}

/** What the ranges of a scope would lose; `undefined` where nothing, and no lease has to be asked for. */
export function shrunkRanges(before: Scope | undefined, after: Scope | undefined): ShrunkRanges | undefined {
  // A scope that comes or goes as a whole is judged as that.
  if (before === undefined || after === undefined) return undefined
  const lost = without(leasedSpans(before), leasedSpans(after))
  if (lost.length === 0) return undefined
  return { lost: lost.map(textOf), outside: without(EVERYTHING, lost).map(textOf) }
}

/** Whether an address is leased from one of the scope's ranges. */
export function isInRanges(address: string, ranges: readonly AddressSpan[]): boolean {
  const value = parseIpv4(address)
  return value !== undefined && spansOf(ranges).some(({ first, last }) => first <= value && value <= last)
}
