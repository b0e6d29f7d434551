// The limits that hold a plan before it can hurt. Every verdict names its numbers.

import type { Scope } from '#dhcp/scope.ts'
import { type Change, type CountedObject, countByKind } from './diff.ts'
import type { SafetyLimits } from './policy.ts'
import { isInRanges, shrunkRanges } from './spans.ts'

export type SafetyCode =
  | 'too-many-deletes'
  | 'too-many-updates'
  | 'all-reservations-removed'
  | 'all-options-removed'
  | 'routers-removed'
  | 'dns-servers-removed'
  | 'range-shrunk-below-reservations'
  | 'range-shrunk-below-leases'
  | 'too-many-scopes'
  | 'too-many-scope-deletes'
  | 'empty-source'

/** Verdicts of {@link checkRun}: about all scopes of a run together. */
export const RUN_CODES: ReadonlySet<string> = new Set<SafetyCode>([
  'too-many-scopes',
  'too-many-scope-deletes',
  'empty-source',
])

/** Why a plan is held; `message` is for the operator and has the numbers in it. */
export type SafetyViolation = { readonly code: SafetyCode; readonly message: string }

const ROUTERS = 3
const DNS_SERVERS = 6

function percent(ratio: number): string {
  return `${Number((ratio * 100).toFixed(1))} %`
}

/** More than the share. Exactly the share passes, also where it has no exact binary form. */
function isOverShare(count: number, total: number, ratio: number): boolean {
  return count > total * ratio + 1e-9
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** What the limits count, in the words of their messages. */
const KIND_WORDS: Readonly<Record<CountedObject, string>> = {
  range: 'address ranges',
  exclusion: 'exclusion ranges',
  reservation: 'reservations',
  option: 'option values',
  policy: 'policies',
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

/** Reservations that were inside a range and, though they stay, would be in none. */
function strandedReservations(before: Scope, after: Scope): readonly string[] {
  return after.reservations
    .map((reservation) => reservation.address)
    .filter((address): address is string => address !== undefined)
    .filter((address) => isInRanges(address, before.ranges) && !isInRanges(address, after.ranges))
}

/**
 * The ratios, counted by kind of object (4 of 10 reservations) and over all of them: a large kind must not hide what
 * happens to a small one, and many small kinds together count too.
 */
function ratioViolations(
  before: Scope,
  changes: readonly Change[],
  { kind, code, limit, verb }: { kind: 'delete' | 'update'; code: SafetyCode; limit: number; verb: string },
  minObjects: number,
): readonly SafetyViolation[] {
  const totals = countByKind(before)
  const kinds = (Object.keys(KIND_WORDS) as CountedObject[]).map((object) => ({
    words: KIND_WORDS[object],
    count: changes.filter((change) => change.kind === kind && change.object === object).length,
    total: totals[object],
  }))
  const isOver = (count: number, total: number) => total >= minObjects && isOverShare(count, total, limit)
  const over = kinds.filter(({ count, total }) => isOver(count, total))
  if (over.length > 0) {
    return over.map(({ words, count, total }) => ({
      code,
      message: `${count} of ${total} ${words} would be ${verb}, limit ${percent(limit)}`,
    }))
  }
  const sum = (of: 'count' | 'total') => kinds.reduce((total, each) => total + each[of], 0)
  if (!isOver(sum('count'), sum('total'))) return []
  const named = kinds.filter(({ count }) => count > 0).map(({ words, count, total }) => `${count} of ${total} ${words}`)
  const message = `${sum('count')} of ${sum('total')} objects would be ${verb} (${named.join(', ')}), limit ${percent(limit)}`
  return [{ code, message }]
}

/** Active leases that a smaller range would leave behind. */
function leaseViolations(before: Scope, after: Scope, leasesOutside: number | undefined): readonly SafetyViolation[] {
  if (leasesOutside === undefined || leasesOutside === 0 || shrunkRanges(before, after) === undefined) return []
  return [
    {
      code: 'range-shrunk-below-leases',
      message: `${counted(leasesOutside, 'active lease')} of ${before.key} would be outside every range, limit 0`,
    },
  ]
}

/** The limits of one scope. Creating a scope, and deleting one by policy, are judged per run. */
export function checkScope(
  before: Scope | undefined,
  after: Scope | undefined,
  changes: readonly Change[],
  limits: SafetyLimits,
  /** Active leases in what the ranges would lose; absent where they shrink not, or nobody could say. */
  leasesOutside?: number,
): readonly SafetyViolation[] {
  if (before === undefined || after === undefined) return []
  const ratio = (kind: 'delete' | 'update', code: SafetyCode, limit: number, verb: string) =>
    ratioViolations(before, changes, { kind, code, limit, verb }, limits.minObjects)
  const violations: SafetyViolation[] = [
    ...ratio('delete', 'too-many-deletes', limits.maxDeleteRatio, 'deleted'),
    ...ratio('update', 'too-many-updates', limits.maxUpdateRatio, 'updated'),
  ]
  if (before.reservations.length > 0 && after.reservations.length === 0) {
    violations.push({
      code: 'all-reservations-removed',
      message: `all ${counted(before.reservations.length, 'reservation')} of ${before.key} would be deleted`,
    })
  }
  if (before.options.length > 0 && after.options.length === 0) {
    violations.push({
      code: 'all-options-removed',
      message: `all ${counted(before.options.length, 'option value')} of ${before.key} would be deleted`,
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
      message: `${counted(stranded.length, 'reservation')} of ${before.key} would no longer be in an address range: ${stranded.slice(0, 5).join(', ')}${stranded.length > 5 ? ', …' : ''}`,
    })
  }
  return [...violations, ...leaseViolations(before, after, leasesOutside)]
}

/** The share limit applies to relationships with at least this many scopes. */
const MIN_SCOPES = 5

/** What a whole run would do to a relationship. */
export type RunCounts = {
  readonly sourceScopes: number
  readonly targetScopes: number
  /** Scopes that would change by other than creation. */
  readonly changed: number
  readonly deleted: number
}

/** The limits of a whole run. */
export function checkRun(counts: RunCounts, limits: SafetyLimits): readonly SafetyViolation[] {
  const violations: SafetyViolation[] = []
  if (counts.sourceScopes === 0 && counts.targetScopes > 0) {
    violations.push({
      code: 'empty-source',
      message: `the source has no scopes at all, the target has ${counts.targetScopes}; nothing is copied from an empty source`,
    })
  }
  if (counts.targetScopes >= MIN_SCOPES && isOverShare(counts.changed, counts.targetScopes, limits.maxScopesRatio)) {
    violations.push({
      code: 'too-many-scopes',
      message: `${counts.changed} of ${counts.targetScopes} scopes would change in one run, limit ${percent(limits.maxScopesRatio)}`,
    })
  }
  if (counts.deleted > limits.maxScopeDeletes) {
    violations.push({
      code: 'too-many-scope-deletes',
      message: `${counted(counts.deleted, 'scope')} would be deleted in one run, limit ${limits.maxScopeDeletes}`,
    })
  }
  return violations
}
