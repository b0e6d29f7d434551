// Which relationship of the configuration is which relationship at a server.

import type { DiscoveredRelationship } from '#dhcp/relationship.ts'
import type { RelationshipPolicy } from './configuration.ts'

export type MatchedRelationship =
  | {
      readonly kind: 'configured'
      readonly policy: RelationshipPolicy
      readonly partner: string
      readonly discovered: DiscoveredRelationship
    }
  /** Found at the server, not in the configuration: only observed. */
  | { readonly kind: 'discovered'; readonly discovered: DiscoveredRelationship }
  /** In the configuration, not at the server. */
  | {
      readonly kind: 'missing'
      readonly policy: RelationshipPolicy
      readonly partner: string
      readonly message: string
    }

/** `dhcp1` for `dhcp1.example.net`. */
export function shortName(server: string): string {
  return server.split('.')[0] as string
}

export function partnerOf(policy: RelationshipPolicy, server: string): string {
  return policy.servers[0] === server ? policy.servers[1] : policy.servers[0]
}

/**
 * Matches by the relationship's name, then by the partner's name, then, where one configured and
 * one discovered relationship are left, those two: Kea's peer names need not be host names.
 */
export function matchRelationships(
  server: string,
  policies: readonly RelationshipPolicy[],
  discovered: readonly DiscoveredRelationship[],
): readonly MatchedRelationship[] {
  const open = policies.filter((policy) => policy.servers.includes(server))
  const left = [...discovered]
  const matched: MatchedRelationship[] = []
  const take = (test: (policy: RelationshipPolicy, found: DiscoveredRelationship) => boolean) => {
    for (const policy of [...open]) {
      const candidates = left.filter((found) => test(policy, found))
      const found = candidates[0]
      if (found === undefined || candidates.length > 1) continue
      open.splice(open.indexOf(policy), 1)
      left.splice(left.indexOf(found), 1)
      matched.push({ kind: 'configured', policy, partner: partnerOf(policy, server), discovered: found })
    }
  }
  take((policy, found) => found.name.toLowerCase() === policy.name.toLowerCase())
  take(
    (policy, found) =>
      shortName(found.partnerName).toLowerCase() === shortName(partnerOf(policy, server)).toLowerCase(),
  )
  if (open.length === 1 && left.length === 1) take(() => true)
  const known = discovered.map((found) => `"${found.name}" with ${found.partnerName}`).join(', ') || 'none'
  for (const policy of open) {
    const partner = partnerOf(policy, server)
    matched.push({
      kind: 'missing',
      policy,
      partner,
      message: `${server} has no failover relationship with ${partner} ("${policy.name}" in the configuration); it has: ${known}. Set up failover on the servers, or correct the configuration.`,
    })
  }
  for (const found of left) matched.push({ kind: 'discovered', discovered: found })
  return matched
}
