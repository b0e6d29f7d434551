// One full read of a server, as the watcher and the gate use it: contents with fingerprints.

import { contentOf, type ScopeContent } from '#dhcp/fingerprint.ts'
import { maskScope } from '#dhcp/mask.ts'
import type { DiscoveredRelationship, FailoverState } from '#dhcp/relationship.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { Snapshot } from '#drivers/driver.ts'
import type { FieldsOf } from './masks.ts'

export type Observation = {
  /** Counts the full reads; rises over restarts of the watcher too, though reads that saw nothing new may share a number then. */
  readonly revision: number
  readonly readAt: string
  readonly instance: string
  readonly version: string
  /** Without the ignored fields; the whole is in `snapshot`. */
  readonly contents: ReadonlyMap<ScopeKey, ScopeContent>
  readonly fieldsOf: FieldsOf
  readonly unreplicable: ReadonlyMap<ScopeKey, string>
  readonly provides: ReadonlySet<string>
  readonly relationships: readonly DiscoveredRelationship[]
  readonly snapshot: Snapshot
}

export function observationOf(
  snapshot: Snapshot,
  revision: number,
  fieldsOf: FieldsOf,
  known?: Observation,
): Observation {
  const contents = new Map<ScopeKey, ScopeContent>()
  for (const [scope, value] of snapshot.scopes) {
    // A driver may hand out the same object while nothing changed; hashing it again is the larger part of a read.
    const fields = fieldsOf(scope)
    const isKnown = known?.snapshot.scopes.get(scope) === value && known.fieldsOf(scope) === fields
    const before = isKnown ? known.contents.get(scope) : undefined
    contents.set(scope, before ?? contentOf(maskScope(value, fields)))
  }
  const { readAt, instance, version, unreplicable, provides, relationships } = snapshot
  return { revision, readAt, instance, version, contents, fieldsOf, unreplicable, provides, relationships, snapshot }
}

export function isAlone(state: FailoverState): boolean {
  return state === 'partner-down'
}

/** The relationships of a scope; a scope that is gone counts to every relationship. */
export function relationshipsOf(observation: Observation, scope: ScopeKey): readonly DiscoveredRelationship[] {
  const member = observation.relationships.filter((found) => found.scopes === 'all' || found.scopes.includes(scope))
  return member.length > 0 ? member : observation.relationships
}

/** Whether this server serves a scope without its partner. */
export function servesAlone(observation: Observation, scope: ScopeKey): boolean {
  return relationshipsOf(observation, scope).some(({ state }) => isAlone(state))
}
