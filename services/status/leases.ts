// Active leases that a plan would take the addresses from: asked of the gate of the server that would be written.

import { type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import { shrunkRanges } from '#plan/spans.ts'
import { atSide, type PlanGates, READ_TIMEOUT_MS } from './read-sides.ts'

type Contents = ReadonlyMap<string, ScopeContent | undefined>

/** Scope → active leases outside of what its ranges would be, for those that lose addresses; `undefined`: nobody can say. */
export async function leasesOutside(
  gates: PlanGates,
  relationship: string,
  server: string,
  before: Contents,
  after: Contents,
): Promise<ReadonlyMap<string, number | undefined>> {
  const scope = (content: ScopeContent | undefined) => (content === undefined ? undefined : scopeOf(content))
  const found = new Map<string, number | undefined>()
  for (const [key, content] of before) {
    const shrunk = shrunkRanges(scope(content), scope(after.get(key)))
    if (shrunk === undefined) continue
    const body = { relationship, scope: key, outside: [...shrunk.outside] }
    const { supported, count } = await atSide(server, () =>
      gates.request(server, 'leases', body, { timeoutMs: READ_TIMEOUT_MS }),
    )
    found.set(key, supported ? count : undefined)
  }
  return found
}
