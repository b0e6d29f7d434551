// A failover relationship as the servers themselves report it.

import type { ScopeKey } from './scope.ts'

/**
 * Failover state of one server in one relationship. `normal` is what Kea calls
 * `load-balancing` or `hot-standby` (and `passive-backup`); everything else means that
 * the partners are not both serving as configured. `unknown`: could not be read.
 */
export type FailoverState =
  | 'normal'
  | 'communication-interrupted'
  | 'partner-down'
  | 'recovering'
  | 'waiting'
  | 'maintenance'
  | 'terminated'
  | 'unknown'

export type FailoverMode = 'hot-standby' | 'load-balance'

/** One relationship as one of its two servers sees it. */
export type DiscoveredRelationship = {
  /** The name at the server (Windows), or one made of the peers' names (Kea HA relationships have none). */
  readonly name: string
  readonly mode: FailoverMode
  /** How the server calls itself in it (Kea `this-server-name`). */
  readonly ownName: string
  /** How the server calls its partner (Kea peer name; Windows `PartnerServer`, verbatim). */
  readonly partnerName: string
  /** Where the partner is reached, as the server has it (Kea peer `url`). */
  readonly partnerAddress?: string
  readonly state: FailoverState
  /** The state in the server's own word (`load-balancing`, `CommunicationInterrupted`). */
  readonly nativeState: string
  /** `all`: every scope of the server takes part (Kea). */
  readonly scopes: 'all' | readonly ScopeKey[]
}
