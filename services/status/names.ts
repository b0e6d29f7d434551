// What a request means by its names: servers, relationships and scopes, checked against what is
// known now. Whether it may be done is not judged here; that is the job's outcome.

import type { Configuration, RelationshipPolicy } from '#contracts/configuration.ts'
import { shortName } from '#contracts/relationships.ts'
import { scopesNamed } from '#contracts/scope-ids.ts'
import type { RelationshipDetail, ReplicationBody } from '#contracts/status-api.ts'
import { resolveName } from '#service-host/configuration.ts'
import { nearest } from '#service-host/nearest.ts'
import { ProblemError } from './problems.ts'
import type { Registry } from './registry.ts'
import type { Ask } from './requests.ts'

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

/** The server that is meant; a short name will do where only one server has it. */
export function resolveServer(known: Known, text: string): string {
  const servers = knownServers(known)
  const found = resolveName(servers, text)
  if (found !== undefined) return found
  const wanted = text.toLowerCase().replace(/\.$/, '')
  const short = servers.filter((name) => shortName(name).toLowerCase() === wanted)
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

export const NOT_CONFIGURED = 'is not in the configuration and only observed; add it there with an authority and a mode'

/** A relationship that may be decided on: only what is configured is ever written. */
export function resolveConfigured(
  known: Known,
  text: string,
): { readonly name: string; readonly policy: RelationshipPolicy; readonly relationship: RelationshipDetail } {
  const relationship = resolveRelationship(known, text)
  const policy = known.configuration.relationships.find(({ name }) => name === relationship.name)
  if (policy === undefined) throw new ProblemError('not-configured', `${relationship.name} ${NOT_CONFIGURED}`)
  return { name: relationship.name, policy, relationship }
}

/** A server that has to be one of the relationship's two. */
export function resolvePartner(known: Known, policy: RelationshipPolicy, text: string): string {
  const server = resolveServer(known, text)
  if (policy.servers.includes(server)) return server
  throw new ProblemError(
    'not-in-relationship',
    `${server} is not a partner of ${policy.name}, which is between ${policy.servers.join(' and ')}`,
    { near: policy.servers },
  )
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

/** Scope IDs of a URL, separated by commas; `undefined`: none were given. */
export function scopeTexts(text: string | undefined): readonly string[] | undefined {
  return text
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
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

/** What an ordinary request for a replication asks for. */
export function replicateAsk(request: Resolved, body: ReplicationBody): Ask {
  const approved = Object.entries(body.approvedPlans ?? {})
  const [only] = approved
  const [relationship] = request.relationships
  return {
    level: request.level,
    server: request.server,
    ...(body.relationship === undefined || relationship === undefined ? {} : { relationship: relationship.name }),
    ...(body.scopes === undefined ? {} : { scopes: body.scopes }),
    ...(body.actor === undefined ? {} : { actor: body.actor }),
    ...(body.reason === undefined ? {} : { reason: body.reason }),
    ...(approved.length === 1 && only !== undefined ? { approvedPlan: only[1] } : {}),
    ...(approved.length > 1 ? { approvedPlans: Object.fromEntries(approved) } : {}),
    ...(body.takeAuthority === true ? { takeAuthority: true } : {}),
  }
}
