// What a request means by its names: servers, relationships and scopes, checked against what is
// known now. Whether it may be done is not judged here; that is the job's outcome.

import type { Configuration } from '#contracts/configuration.ts'
import { shortName } from '#contracts/relationships.ts'
import { scopesNamed } from '#contracts/scope-ids.ts'
import type { RelationshipDetail, ReplicationBody } from '#contracts/status-api.ts'
import { nearest } from '#service-host/nearest.ts'
import { ProblemError } from './problems.ts'
import type { Registry } from './registry.ts'

export type Known = {
  readonly configuration: Configuration
  readonly registry: Registry
  readonly relationships: ReadonlyMap<string, RelationshipDetail>
}

export type RequestLevel = 'server' | 'relationship' | 'scope'

/** A request with its names resolved. */
export type Resolved = {
  readonly level: RequestLevel
  readonly server: string
  readonly relationships: readonly RelationshipDetail[]
  /** Scope IDs as they were given; absent: every scope of the relationships. */
  readonly scopes: readonly string[] | undefined
}

export function levelOf(body: Pick<ReplicationBody, 'relationship' | 'scopes'>): RequestLevel {
  return body.scopes !== undefined ? 'scope' : body.relationship !== undefined ? 'relationship' : 'server'
}

export function knownServers({ configuration, registry }: Known): readonly string[] {
  return [...new Set([...configuration.servers.map(({ name }) => name), ...registry.gates.keys()])].sort()
}

/** `did you mean dhcp1?`, or what there is. */
function suggestion(near: readonly string[], known: readonly string[]): string {
  if (near.length > 0) return `did you mean ${near.join(' or ')}?`
  if (known.length === 0) return 'none is known yet'
  const shown = known.slice(0, 10).join(', ')
  return `known: ${shown}${known.length > 10 ? `, and ${known.length - 10} more` : ''}`
}

function unknown(
  code: 'unknown-server' | 'unknown-relationship' | 'unknown-scope',
  text: string,
  known: readonly string[],
) {
  const near = nearest(text, [...known])
  const what = { 'unknown-server': 'server', 'unknown-relationship': 'failover relationship', 'unknown-scope': 'scope' }
  return new ProblemError(code, `there is no ${what[code]} "${text}"; ${suggestion(near, known)}`, {
    near: near.length > 0 ? near : known.slice(0, 10),
  })
}

/** Names are compared without case, as DNS does; a short name will do where only one server has it. */
export function resolveServer(known: Known, text: string): string {
  const servers = knownServers(known)
  const wanted = text.toLowerCase().replace(/\.$/, '')
  const exact = servers.find((name) => name.toLowerCase() === wanted)
  if (exact !== undefined) return exact
  const short = servers.filter((name) => shortName(name).toLowerCase() === wanted)
  if (short.length === 1) return short[0] as string
  if (short.length > 1) {
    throw new ProblemError('unknown-server', `"${text}" could be ${short.join(' or ')}; use the full name`, {
      near: short,
    })
  }
  // A short text is closest to a short name.
  const candidates = text.includes('.') ? servers : servers.map(shortName)
  const near = nearest(text, [...candidates]).map((name) => servers[candidates.indexOf(name)] ?? name)
  throw new ProblemError('unknown-server', `there is no server "${text}"; ${suggestion(near, servers)}`, {
    near: near.length > 0 ? near : servers.slice(0, 10),
  })
}

export function resolveRelationship(known: Known, text: string): RelationshipDetail {
  const wanted = text.toLowerCase()
  const found = [...known.relationships.values()].find(({ name }) => name.toLowerCase() === wanted)
  if (found === undefined) throw unknown('unknown-relationship', text, [...known.relationships.keys()])
  return found
}

function partnerNames(relationship: RelationshipDetail): readonly string[] {
  return relationship.partners.map(({ server }) => server)
}

/** The relationships that have the scopes; one that could not be read may have any. */
export function relationshipsWith(
  texts: readonly string[],
  relationships: readonly RelationshipDetail[],
): readonly RelationshipDetail[] {
  const concerned = new Set<string>()
  for (const text of texts) {
    const hits = relationships.flatMap((relationship) =>
      scopesNamed(
        text,
        relationship.scopes.map(({ scope }) => scope),
      ).map((scope) => ({ relationship: relationship.name, scope })),
    )
    const keys = [...new Set(hits.map(({ scope }) => scope))]
    if (keys.length > 1) {
      throw new ProblemError('ambiguous-scope', `"${text}" stands for ${keys.join(' and ')}; add the prefix length`, {
        near: keys,
      })
    }
    if (hits.length === 0 && relationships.every(({ sync }) => sync !== 'unknown')) {
      throw unknown(
        'unknown-scope',
        text,
        relationships.flatMap((relationship) => relationship.scopes.map(({ scopeId }) => scopeId)),
      )
    }
    for (const { relationship } of hits) concerned.add(relationship)
  }
  return relationships.filter(({ name, sync }) => concerned.has(name) || (concerned.size === 0 && sync === 'unknown'))
}

/** Throws a {@link ProblemError} where a name is obviously unknown. */
export function resolveRequest(known: Known, body: ReplicationBody): Resolved {
  const server = resolveServer(known, body.server)
  const level = levelOf(body)
  const own = [...known.relationships.values()].filter((relationship) => partnerNames(relationship).includes(server))
  let relationships = own
  if (body.relationship !== undefined) {
    const relationship = resolveRelationship(known, body.relationship)
    if (!own.includes(relationship)) {
      throw new ProblemError(
        'not-in-relationship',
        `${server} is not a partner of ${relationship.name}, which is between ${partnerNames(relationship).join(' and ')}`,
      )
    }
    relationships = [relationship]
  }
  if (relationships.length === 0) {
    throw new ProblemError(
      'no-relationship',
      `${server} takes part in no failover relationship, neither in the configuration nor at the server`,
    )
  }
  if (body.scopes === undefined) return { level, server, relationships, scopes: undefined }
  return { level, server, relationships: relationshipsWith(body.scopes, relationships), scopes: body.scopes }
}
