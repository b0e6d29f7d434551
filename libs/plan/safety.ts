// The limits that hold a plan before it can hurt. Every verdict names its numbers.

import { parseIpv4 } from '#dhcp/ipv4.ts'
import type { Scope } from '#dhcp/scope.ts'
import { type Change, countObjects } from './diff.ts'
import type { SafetyLimits } from './policy.ts'

export type SafetyCode =
  | 'too-many-deletes'
  | 'too-many-updates'
  | 'all-reservations-removed'
  | 'all-options-removed'
  | 'routers-removed'
  | 'dns-servers-removed'
  | 'range-shrunk-below-reservations'
  | 'too-many-scopes'
  | 'too-many-scope-deletes'
  | 'empty-source'

/** Why a plan is held; `message` is for the operator and has the numbers in it. */
export type SafetyViolation = { readonly code: SafetyCode; readonly message: string }

const ROUTERS = 3
const DNS_SERVERS = 6

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)} %`
}

function objectChanges(changes: readonly Change[], kind: Change['kind']): number {
  return changes.filter((change) => change.kind === kind && change.object !== 'property').length
}

function removedOption(changes: readonly Change[], code: number): boolean {
  return changes.some(
    (change) =>
      change.kind === 'delete' &&
      change.object === 'option' &&
      change.within === undefined &&
      change.key.startsWith(`dhcp4|${code}|`),
  )
}

function isInRanges(address: number, ranges: Scope['ranges']): boolean {
  return ranges.some((range) => {
    const [start, end] = [parseIpv4(range.start), parseIpv4(range.end)]
    return start !== undefined && end !== undefined && start <= address && address <= end
  })
}

/** Reservations that were inside a range and, though they stay, would be in none. */
function strandedReservations(before: Scope, after: Scope): readonly string[] {
  return after.reservations
    .map((reservation) => reservation.address)
    .filter((address): address is string => address !== undefined)
    .filter((text) => {
      const address = parseIpv4(text)
      return address !== undefined && isInRanges(address, before.ranges) && !isInRanges(address, after.ranges)
    })
}

/** The limits of one scope. Creating a scope, and deleting one by policy, are judged per run. */
export function checkScope(
  before: Scope | undefined,
  after: Scope | undefined,
  changes: readonly Change[],
  limits: SafetyLimits,
): readonly SafetyViolation[] {
  if (before === undefined || after === undefined) return []
  const violations: SafetyViolation[] = []
  const total = countObjects(before)
  const ratioRule = (kind: 'delete' | 'update', code: SafetyCode, limit: number, verb: string) => {
    const count = objectChanges(changes, kind)
    if (total >= limits.minObjects && count > total * limit) {
      violations.push({
        code,
        message: `${count} of ${total} objects of ${before.key} would be ${verb}, limit ${percent(limit)}`,
      })
    }
  }
  ratioRule('delete', 'too-many-deletes', limits.maxDeleteRatio, 'deleted')
  ratioRule('update', 'too-many-updates', limits.maxUpdateRatio, 'updated')
  if (before.reservations.length > 0 && after.reservations.length === 0) {
    violations.push({
      code: 'all-reservations-removed',
      message: `all ${before.reservations.length} reservations of ${before.key} would be deleted`,
    })
  }
  if (before.options.length > 0 && after.options.length === 0) {
    violations.push({
      code: 'all-options-removed',
      message: `all ${before.options.length} option values of ${before.key} would be deleted`,
    })
  }
  if (removedOption(changes, ROUTERS)) {
    violations.push({
      code: 'routers-removed',
      message: `the routers (option ${ROUTERS}) of ${before.key} would be removed`,
    })
  }
  if (removedOption(changes, DNS_SERVERS)) {
    violations.push({
      code: 'dns-servers-removed',
      message: `the DNS servers (option ${DNS_SERVERS}) of ${before.key} would be removed`,
    })
  }
  const stranded = strandedReservations(before, after)
  if (stranded.length > 0) {
    violations.push({
      code: 'range-shrunk-below-reservations',
      message: `${stranded.length} reservations of ${before.key} would no longer be in an address range: ${stranded.slice(0, 5).join(', ')}${stranded.length > 5 ? ', …' : ''}`,
    })
  }
  return violations
}

/** The share limit applies to relationships with at least this many scopes. */
const MIN_SCOPES = 5

/** The limits of a whole run. `changed`: scopes that would change by other than creation. */
export function checkRun(
  counts: {
    readonly sourceScopes: number
    readonly targetScopes: number
    readonly changed: number
    readonly deleted: number
  },
  limits: SafetyLimits,
): readonly SafetyViolation[] {
  const violations: SafetyViolation[] = []
  if (counts.sourceScopes === 0 && counts.targetScopes > 0) {
    violations.push({
      code: 'empty-source',
      message: `the source has no scopes at all, the target has ${counts.targetScopes}; nothing is copied from an empty source`,
    })
  }
  if (counts.targetScopes >= MIN_SCOPES && counts.changed > counts.targetScopes * limits.maxScopesRatio) {
    violations.push({
      code: 'too-many-scopes',
      message: `${counts.changed} of ${counts.targetScopes} scopes would change in one run, limit ${percent(limits.maxScopesRatio)}`,
    })
  }
  if (counts.deleted > limits.maxScopeDeletes) {
    violations.push({
      code: 'too-many-scope-deletes',
      message: `${counts.deleted} scopes would be deleted in one run, limit ${limits.maxScopeDeletes}`,
    })
  }
  return violations
}
