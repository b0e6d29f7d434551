// Kea's leases, by the commands of its lease_cmds hook. A server in a failover relationship has it loaded,
// because the HA hook needs it; others may not.

import { isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'
import { type ActiveLeases, leasesOutside } from '#dhcp/leases.ts'
import type { ExclusionRange, Scope } from '#dhcp/scope.ts'
import { DriverError } from '../driver.ts'
import type { KeaControl } from './control.ts'

/** Result codes of Kea's commands. */
const [SUCCESS, UNSUPPORTED, EMPTY] = [0, 2, 3]

/** State of a lease that a client holds; declined and reclaimed ones are others. */
const ASSIGNED = 0

/** A lifetime that never ends. Seconds. */
const INFINITE = 0xffff_ffff

/** A scope with sixty thousand leases takes seconds. Milliseconds. */
const TIMEOUT_MS = 60_000

export async function keaLeasesOutside(
  control: KeaControl,
  scope: Scope,
  ranges: readonly ExclusionRange[],
  nowSeconds = Date.now() / 1_000,
): Promise<ActiveLeases | undefined> {
  // Leases refer to a subnet by its number, and Kea has none without.
  if (scope.id === undefined) return undefined
  const answer = await control.send('lease4-get-all', { subnets: [scope.id] }, { timeoutMs: TIMEOUT_MS })
  if (answer.result === UNSUPPORTED) return undefined
  if (answer.result === EMPTY) return { count: 0, examples: [] }
  if (answer.result !== SUCCESS)
    throw new DriverError('rejected', `${control.where} refused lease4-get-all for ${scope.key}: ${answer.text}`)
  const { leases } = answer.arguments
  // An answer without its list must never pass for a scope without leases.
  if (!Array.isArray(leases))
    throw new DriverError('protocol', `${control.where} answered lease4-get-all without leases`)
  const addresses = (leases as readonly Json[]).map((lease) => {
    if (!isJsonObject(lease) || typeof lease['ip-address'] !== 'string')
      throw new DriverError('protocol', `${control.where} answered lease4-get-all with a lease without an address`)
    return isActive(lease, nowSeconds) ? [lease['ip-address']] : []
  })
  return leasesOutside(addresses.flat(), ranges)
}

/** Expired leases stay in the list until Kea reclaims them. */
function isActive(lease: JsonObject, nowSeconds: number): boolean {
  if (Number(lease.state ?? ASSIGNED) !== ASSIGNED) return false
  const lifetime = Number(lease['valid-lft'])
  return lifetime === INFINITE || Number(lease.cltt) + lifetime > nowSeconds
}
