// What a request means: which relationships, which scopes, and what is refused at once. Pure.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { ReplicationRequested } from '#contracts/messages.ts'
import { parseIpv4 } from '#dhcp/ipv4.ts'
import { parseScopeKey, type ScopeKey, scopeAddress } from '#dhcp/scope.ts'
import { resolveName } from '#service-host/configuration.ts'
import { nearest } from '#service-host/nearest.ts'

export type Refusal = { readonly code: string; readonly message: string }
export type RefusedRelationship = Refusal & { readonly relationship: string }

export type Child = { readonly relationship: string; readonly scopes?: readonly ScopeKey[] }

export type FanOut =
  | { readonly kind: 'refused'; readonly server: string; readonly refusal: Refusal }
  /** A scope may exist at a server that does not answer now. */
  | { readonly kind: 'unresolved'; readonly server: string; readonly message: string }
  | {
      readonly kind: 'jobs'
      readonly server: string
      readonly children: readonly Child[]
      readonly refused: readonly RefusedRelationship[]
    }

/** What is known of the fleet at this moment. */
export type Fleet = {
  readonly servers: readonly string[]
  readonly policies: readonly RelationshipPolicy[]
  /** Relationships that servers have and the configuration does not: name → server. */
  readonly discovered: readonly { readonly server: string; readonly name: string }[]
  /** The authoritative side per relationship, where it is known. */
  readonly authoritativeSide: ReadonlyMap<string, string>
  /** Scopes of each relationship, both sides together. */
  readonly scopesOf: ReadonlyMap<string, ReadonlySet<string>>
  /** Relationships of which a side could not be asked for its scopes. */
  readonly incomplete: ReadonlySet<string>
}

export function near(kind: string, name: string, known: readonly string[]): string {
  const close = nearest(name, known)
  if (close.length > 0) return `did you mean ${close.join(' or ')}?`
  return known.length === 0
    ? `no ${kind} is known`
    : `known: ${known.slice(0, 10).join(', ')}${known.length > 10 ? ', …' : ''}`
}

function mayReplicate(
  policy: RelationshipPolicy,
  server: string,
  fleet: Fleet,
  doesTake: boolean,
): Refusal | undefined {
  if (policy.mode === 'observe') {
    return {
      code: 'observed-only',
      message: `relationship ${policy.name} is only observed; set its mode to manual or automatic in the configuration to replicate it`,
    }
  }
  const side = fleet.authoritativeSide.get(policy.name)
  if (side !== undefined && side !== server && !doesTake) {
    return {
      code: 'not-authoritative',
      message: `${server} is not the authoritative side of ${policy.name}; ${side} is. Replicate from ${side}, or move the authority first (\`--take-authority\`)`,
    }
  }
  return undefined
}

export function relationshipsOf(
  request: ReplicationRequested,
  server: string,
  fleet: Pick<Fleet, 'policies' | 'discovered'>,
): readonly RelationshipPolicy[] | Refusal {
  const own = fleet.policies.filter((policy) => policy.servers.includes(server))
  if (request.relationship === undefined) return own
  const wanted = request.relationship.toLowerCase()
  const found = fleet.policies.find((policy) => policy.name.toLowerCase() === wanted)
  if (found?.servers.includes(server)) return [found]
  if (found !== undefined) {
    return {
      code: 'unknown-relationship',
      message: `${server} is not in relationship ${found.name}, which is between ${found.servers.join(' and ')}`,
    }
  }
  if (fleet.discovered.some(({ name }) => name.toLowerCase() === wanted)) {
    return {
      code: 'observed-only',
      message: `relationship ${request.relationship} is not in the configuration and only observed; add it there to replicate it`,
    }
  }
  return {
    code: 'unknown-relationship',
    message: `there is no relationship ${request.relationship}; ${near(
      'relationship',
      request.relationship,
      fleet.policies.map(({ name }) => name),
    )}`,
  }
}

function matchesScope(text: string, scope: string): boolean {
  const key = parseScopeKey(text)
  return key === undefined ? scopeAddress(scope as ScopeKey) === text : key === scope
}

type Targeted = { readonly policy: RelationshipPolicy; readonly scopes: readonly ScopeKey[] | undefined }

function childrenOfScopes(
  texts: readonly string[],
  policies: readonly RelationshipPolicy[],
  fleet: Fleet,
): readonly Targeted[] | Refusal | 'unresolved' {
  const found = new Map<RelationshipPolicy, ScopeKey[]>()
  for (const text of texts) {
    if (parseScopeKey(text) === undefined && parseIpv4(text) === undefined) {
      return {
        code: 'unknown-scope',
        message: `"${text}" is no scope ID; write the network address, 10.0.10.0 or 10.0.10.0/24`,
      }
    }
    const hits = policies.flatMap((policy) =>
      [...(fleet.scopesOf.get(policy.name) ?? [])]
        .filter((scope) => matchesScope(text, scope))
        .map((scope) => ({ policy, scope: scope as ScopeKey })),
    )
    const hit = hits[0]
    if (hit === undefined) {
      if (policies.some(({ name }) => fleet.incomplete.has(name))) return 'unresolved'
      const known = policies.flatMap((policy) =>
        [...(fleet.scopesOf.get(policy.name) ?? [])].map((scope) => scopeAddress(scope as ScopeKey)),
      )
      return {
        code: 'unknown-scope',
        message: `there is no failover-enabled scope ${text}; ${near('scope', text, known)}`,
      }
    }
    if (hits.length > 1) {
      return {
        code: 'ambiguous-scope',
        message: `${text} names several scopes: ${hits.map(({ scope }) => scope).join(', ')}; add the prefix length`,
      }
    }
    const scopes = found.get(hit.policy) ?? []
    if (!scopes.includes(hit.scope)) scopes.push(hit.scope)
    found.set(hit.policy, scopes)
  }
  return [...found].map(([policy, scopes]) => ({ policy, scopes }))
}

function isRefusal<T extends object>(value: readonly T[] | Refusal): value is Refusal {
  return !Array.isArray(value)
}

/** Whether {@link fanOut} needs to know the scopes of the server's relationships. */
export function needsScopes(request: ReplicationRequested): boolean {
  return request.level === 'scope'
}

export function fanOut(request: ReplicationRequested, fleet: Fleet): FanOut {
  const server = resolveName(fleet.servers, request.server)
  const refuse = (refusal: Refusal): FanOut => ({ kind: 'refused', server: server ?? request.server, refusal })
  if (server === undefined) {
    return refuse({
      code: 'unknown-server',
      message: `there is no server ${request.server}; ${near('server', request.server, fleet.servers)}`,
    })
  }
  if (request.level === 'relationship' && request.relationship === undefined) {
    return refuse({ code: 'malformed', message: 'a request of level relationship must name its relationship' })
  }
  if (request.level === 'scope' && request.scopes === undefined) {
    return refuse({ code: 'malformed', message: 'a request of level scope must name its scopes' })
  }
  const policies = relationshipsOf(request, server, fleet)
  if (isRefusal(policies)) return refuse(policies)
  if (policies.length === 0) {
    const found = fleet.discovered.filter((relationship) => relationship.server === server).map(({ name }) => name)
    return refuse(
      found.length === 0
        ? { code: 'no-relationship', message: `${server} is in no failover relationship of the configuration` }
        : {
            code: 'observed-only',
            message: `the relationships of ${server} (${found.join(', ')}) are not in the configuration and only observed`,
          },
    )
  }
  const targets =
    request.level === 'scope'
      ? childrenOfScopes(request.scopes ?? [], policies, fleet)
      : policies.map((policy) => ({ policy, scopes: undefined as readonly ScopeKey[] | undefined }))
  if (targets === 'unresolved') {
    const message = `a server of ${policies.map(({ name }) => name).join(', ')} does not answer, and the named scopes may exist there`
    return { kind: 'unresolved', server, message }
  }
  if (isRefusal(targets)) return refuse(targets)

  const children: Child[] = []
  const refused: RefusedRelationship[] = []
  for (const { policy, scopes } of targets) {
    const refusal = mayReplicate(policy, server, fleet, request.takeAuthority === true)
    if (refusal !== undefined) refused.push({ relationship: policy.name, ...refusal })
    else children.push({ relationship: policy.name, ...(scopes === undefined ? {} : { scopes }) })
  }
  const only = refused[0]
  if (children.length === 0 && only !== undefined) {
    return refuse(
      refused.length === 1 ? only : { code: only.code, message: refused.map(({ message }) => message).join('; ') },
    )
  }
  return { kind: 'jobs', server, children, refused }
}
