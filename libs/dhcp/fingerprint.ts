// The fingerprint of a scope: equal content, equal fingerprint, on both partners and
// over a write and read-back; insensitive to the order of what has no order.

import { createHash } from 'node:crypto'
import { canonicalJson, type Json, parseJson } from './json.ts'
import {
  type AddressRange,
  type OptionValue,
  optionKey,
  type Reservation,
  rangeKey,
  reservationKey,
  type Scope,
} from './scope.ts'

declare const fingerprint: unique symbol
/** `v1:` and the SHA-256 of the canonical content, in hexadecimal. */
export type Fingerprint = string & { readonly [fingerprint]: true }

/** Raised when the canonical form changes; bases are then computed again from their content. */
const FINGERPRINT_VERSION = 'v1'

/**
 * A scope as it travels and is stored: canonical JSON text and its fingerprint.
 * The text is opaque to JSON codecs on the way, so no number can lose digits.
 */
export type ScopeContent = { readonly fingerprint: Fingerprint; readonly text: string }

function sortedBy<T>(items: readonly T[], key: (item: T) => string): readonly T[] {
  return [...items].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
}

function canonicalOptions(options: readonly OptionValue[]): readonly OptionValue[] {
  return sortedBy(options, (option) => `${optionKey(option)}|${canonicalJson(option.data)}`)
}

function canonicalRanges(ranges: readonly AddressRange[]): readonly AddressRange[] {
  return sortedBy(ranges, rangeKey).map((range) => ({ ...range, options: canonicalOptions(range.options) }))
}

function canonicalReservations(reservations: readonly Reservation[]): readonly Reservation[] {
  return sortedBy(reservations, reservationKey).map((reservation) => ({
    ...reservation,
    options: canonicalOptions(reservation.options),
  }))
}

/** The same scope with everything unordered in its canonical order. */
export function canonicalScope(scope: Scope): Scope {
  return {
    ...scope,
    ranges: canonicalRanges(scope.ranges),
    exclusions: sortedBy(scope.exclusions, rangeKey),
    reservations: canonicalReservations(scope.reservations),
    options: canonicalOptions(scope.options),
    policies: sortedBy(scope.policies, (policy) => policy.name).map((policy) => ({
      ...policy,
      ranges: canonicalRanges(policy.ranges),
    })),
  }
}

export function fingerprintOfText(text: string): Fingerprint {
  return `${FINGERPRINT_VERSION}:${createHash('sha256').update(text).digest('hex')}` as Fingerprint
}

export function contentOf(scope: Scope): ScopeContent {
  const text = canonicalJson(canonicalScope(scope) as unknown as Json)
  return { fingerprint: fingerprintOfText(text), text }
}

/** The scope of a content. Throws where the text is not what the fingerprint names. */
export function scopeOf(content: ScopeContent): Scope {
  if (fingerprintOfText(content.text) !== content.fingerprint) {
    throw new Error(`scope content does not match its fingerprint ${content.fingerprint}`)
  }
  return parseJson(content.text) as unknown as Scope
}
