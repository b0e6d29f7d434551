// Which fields of a scope its server keeps for itself, by the relationships of the configuration that it belongs to.
// Contents are masked where they are read, so that everything behind it compares, copies and remembers the rest alone.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { MatchedRelationship } from '#contracts/relationships.ts'
import { contentOf, type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import { IGNORED_FIELD_EXPECTED, type IgnoredField, maskScope, parseIgnoredField } from '#dhcp/mask.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { Journal } from './journal.ts'

export type Fields = readonly IgnoredField[]
export type FieldsOf = (scope: ScopeKey) => Fields

const NONE: Fields = []

const parsed = new WeakMap<RelationshipPolicy['ignore'], Fields>()
/** The same list every time for the same policy, so that lists can be compared by identity. */
function parse(ignore: RelationshipPolicy['ignore']): Fields {
  if (ignore.length === 0) return NONE
  const known = parsed.get(ignore)
  if (known !== undefined) return known
  const fields = ignore.map((text) => {
    const field = parseIgnoredField(text)
    // Left out, it would be overwritten at the next copy.
    if (field === undefined) throw new Error(`"${text}" cannot be ignored: ${IGNORED_FIELD_EXPECTED}`)
    return field
  })
  parsed.set(ignore, fields)
  return fields
}

/** What the policy of a relationship ignores. */
export function fieldsOfRelationship(matched: MatchedRelationship | undefined): Fields {
  return matched === undefined || matched.kind === 'discovered' ? NONE : parse(matched.policy.ignore)
}

/** The same as it is written in the configuration. */
export function ignoredBy(matched: MatchedRelationship | undefined): readonly string[] {
  return matched === undefined || matched.kind === 'discovered' ? [] : matched.policy.ignore
}

/** What is ignored of each scope. A scope in two relationships is without the fields of both. */
export function fieldsByScope(matched: readonly MatchedRelationship[]): FieldsOf {
  const masking = matched.flatMap((one) => {
    const fields = fieldsOfRelationship(one)
    if (one.kind !== 'configured' || fields.length === 0) return []
    const { scopes } = one.discovered
    return [{ fields, members: scopes === 'all' ? undefined : new Set<ScopeKey>(scopes) }]
  })
  if (masking.length === 0) return () => NONE
  return (scope) => {
    const own = masking.filter(({ members }) => members === undefined || members.has(scope))
    return own.length === 1 ? (own[0]?.fields ?? NONE) : own.flatMap(({ fields }) => fields)
  }
}

/** How many contents of bases are kept as they look masked. */
const KEPT = 50_000
const masked = new WeakMap<Fields, Map<string, ScopeContent>>()

/** A content that may have been remembered before its fields were ignored. */
export function maskContent(content: ScopeContent, fields: Fields): ScopeContent {
  if (fields.length === 0) return content
  const known = masked.get(fields) ?? new Map<string, ScopeContent>()
  masked.set(fields, known)
  const before = known.get(content.fingerprint)
  if (before !== undefined) return before
  const after = contentOf(maskScope(scopeOf(content), fields))
  if (known.size >= KEPT) known.clear()
  known.set(content.fingerprint, after)
  return after
}

/** The same of a content in the journal; one that is not kept any more stays what it is. */
export function maskedFingerprint(journal: Pick<Journal, 'content'>, fingerprint: string, fields: Fields): string {
  const text = fields.length === 0 ? undefined : journal.content(fingerprint)
  if (text === undefined) return fingerprint
  return maskContent({ fingerprint: fingerprint as ScopeContent['fingerprint'], text }, fields).fingerprint
}
