// Scope IDs for people: the network address alone, as Windows has it, where it stands for one scope only.

import { parseScopeKey, type ScopeKey, scopeAddress } from '#dhcp/scope.ts'

/** Key → what is shown. `among`: the scopes with which it must not be confused; default the keys themselves. */
export function scopeIdsOf(keys: Iterable<string>, among?: Iterable<string>): ReadonlyMap<string, string> {
  const own = [...keys]
  const all = new Set([...own, ...(among ?? [])])
  const uses = new Map<string, number>()
  for (const key of all) {
    const address = scopeAddress(key as ScopeKey)
    uses.set(address, (uses.get(address) ?? 0) + 1)
  }
  return new Map(
    own.map((key) => {
      const address = scopeAddress(key as ScopeKey)
      return [key, uses.get(address) === 1 ? address : key]
    }),
  )
}

/** The scopes that a text of an operator can mean: none, one, or, for an address alone, several. */
export function scopesNamed(text: string, known: Iterable<string>): readonly string[] {
  const exact = parseScopeKey(text)
  return [...known].filter((key) => (exact === undefined ? scopeAddress(key as ScopeKey) === text : key === exact))
}
