// Active leases that a plan would leave outside of every range: asked of the server that would be written.

import { type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import { shrunkRanges } from '#plan/spans.ts'
import { READ_TIMEOUT_MS } from './disposition.ts'

type Contents = ReadonlyMap<string, ScopeContent | undefined>

function scopeIn(contents: Contents, scope: string) {
  const content = contents.get(scope)
  return content === undefined ? undefined : scopeOf(content)
}

/** Only scopes whose ranges shrink are asked for; `undefined`: the server cannot say. */
export async function leasesOutside(
  gateClient: GateClient,
  place: { readonly relationship: string; readonly target: string },
  before: Contents,
  after: Contents,
): Promise<ReadonlyMap<string, number | undefined>> {
  const counts = new Map<string, number | undefined>()
  for (const scope of after.keys()) {
    const shrunk = shrunkRanges(scopeIn(before, scope), scopeIn(after, scope))
    if (shrunk === undefined) continue
    const body = { relationship: place.relationship, scope, outside: [...shrunk.outside] }
    const answer = await gateClient.request(place.target, 'leases', body, { timeoutMs: READ_TIMEOUT_MS })
    counts.set(scope, answer.supported ? answer.count : undefined)
  }
  return counts
}
