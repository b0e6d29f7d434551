// What a simulated server refuses, and the words it refuses with.

import { parseIpv4, prefixBounds } from '#dhcp/ipv4.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import type { ScopeRejection } from '#drivers/driver.ts'

function boundsOf(key: ScopeKey): { readonly first: number; readonly last: number } {
  const [address, length] = key.split('/')
  return prefixBounds(parseIpv4(address as string) ?? 0, Number(length))
}

/** The scopes of `written` that cannot be in `next`, the whole configuration as it would be. */
export function rejectionsOf(
  next: ReadonlyMap<ScopeKey, Scope>,
  written: readonly ScopeKey[],
  provides: ReadonlySet<string>,
): readonly ScopeRejection[] {
  // Once for all: thousands of scopes may be written at once.
  const placed = [...next].map(([key, { id }]) => ({ key, ...(id === undefined ? {} : { id }), ...boundsOf(key) }))
  return written.flatMap((key) => {
    const scope = next.get(key)
    const rejection = scope && rejectionOf(scope, placed, provides)
    return rejection ? [{ scope: key, ...rejection }] : []
  })
}

type Placed = { readonly key: ScopeKey; readonly id?: number; readonly first: number; readonly last: number }

function rejectionOf(
  scope: Scope,
  placed: readonly Placed[],
  provides: ReadonlySet<string>,
): Omit<ScopeRejection, 'scope'> | undefined {
  const own = boundsOf(scope.key)
  const outside = scope.ranges.find((range) => {
    const [start, end] = [parseIpv4(range.start), parseIpv4(range.end)]
    return start === undefined || end === undefined || start > end || start < own.first || end > own.last
  })
  if (outside)
    return { code: 'rejected', message: `range ${outside.start}-${outside.end} does not lie in ${scope.key}` }
  const clientClass = scope.properties['client-class']
  const references = [
    ...(scope.group === undefined ? [] : [`group:${scope.group}`]),
    ...(typeof clientClass === 'string' ? [`class:${clientClass}`] : []),
  ]
  const missing = references.find((reference) => !provides.has(reference))
  if (missing !== undefined)
    return { code: 'missing-reference', message: `${scope.key} refers to ${missing}, which this server does not have` }
  for (const theirs of placed) {
    const { key } = theirs
    if (key === scope.key) continue
    if (scope.id !== undefined && theirs.id === scope.id) {
      return { code: 'id-clash', message: `id ${scope.id} of ${scope.key} is already used by ${key}` }
    }
    if (own.first <= theirs.last && theirs.first <= own.last)
      return { code: 'overlap', message: `${scope.key} overlaps ${key}` }
  }
  return undefined
}
