// What the simulator is told to be: servers, their relationships and their scopes.

import { readFile } from 'node:fs/promises'
import { parse as parseYaml } from 'yaml'
import { formatJson, isJsonObject, type Json, type JsonObject, parseJson } from '#dhcp/json.ts'
import type { DiscoveredRelationship, FailoverMode, FailoverState } from '#dhcp/relationship.ts'
import { parseScopeKey, type Scope, type ScopeKey } from '#dhcp/scope.ts'
import { type Sample, sample } from './sample.ts'

export type RelationshipDescription = {
  readonly name: string
  /** The other server's name. */
  readonly partner: string
  /** Default `hot-standby`. */
  readonly mode?: FailoverMode
  /** Default `normal`. */
  readonly state?: FailoverState
  readonly nativeState?: string
  /** Scopes that take part. Default `all`. */
  readonly scopes?: 'all' | readonly string[]
}

export type ServerDescription = {
  readonly name: string
  /** Port of the control endpoint. Default 0: a free one. */
  readonly port?: number
  readonly relationships?: readonly RelationshipDescription[]
  /** What scopes may refer to: `group:NAME`, `class:NAME`. Default: nothing. */
  readonly provides?: readonly string[]
  /** Scopes made by {@link sample}; `scopes` are added to them. */
  readonly sample?: Sample
  readonly scopes?: readonly Scope[]
  /** Whether it tells its watchers of changes by itself. Default true; without, only the probe finds them. */
  readonly hints?: boolean
}

export type SimulatorDescription = { readonly servers: readonly ServerDescription[] }

/** Two servers with one relationship over all their scopes; the second starts as a copy of the first. */
export function samplePair(
  scopes: Sample,
  names: readonly [string, string] = ['sim1.example.net', 'sim2.example.net'],
): SimulatorDescription {
  const name = names.map((server) => server.split('.')[0]).join('-')
  return {
    servers: names.map((server, index) => ({
      name: server,
      sample: scopes,
      relationships: [{ name, partner: names[1 - index] as string }],
    })),
  }
}

/** Three servers with two relationships: the first shares the even scopes with the second, the odd ones with the third. */
export function sampleTriple(
  scopes: Sample,
  names: readonly [string, string, string] = ['sim1.example.net', 'sim2.example.net', 'sim3.example.net'],
): SimulatorDescription {
  const [hub, ...others] = names
  const all = sample(scopes)
  const short = (server: string) => server.split('.')[0]
  const shares = others.map((server, index) => ({
    server,
    name: `${short(hub)}-${short(server)}`,
    scopes: all.filter((_, at) => at % 2 === index),
  }))
  const relationship = (share: (typeof shares)[number], partner: string): RelationshipDescription => ({
    name: share.name,
    partner,
    scopes: share.scopes.map((scope) => scope.key),
  })
  return {
    servers: [
      { name: hub, scopes: all, relationships: shares.map((share) => relationship(share, share.server)) },
      ...shares.map((share) => ({
        name: share.server,
        scopes: share.scopes,
        relationships: [relationship(share, hub)],
      })),
    ],
  }
}

/** The JSON text of a description, for a file that {@link readDescription} reads. */
export function formatDescription(description: SimulatorDescription): string {
  return formatJson(description as unknown as Json, 2)
}

/** Reads a description from a `.json` or `.yaml` file. Throws where it does not name servers. */
export async function readDescription(file: string): Promise<SimulatorDescription> {
  const text = await readFile(file, 'utf8')
  const description = file.endsWith('.json') ? parseJson(text) : (parseYaml(text) as Json)
  if (!isJsonObject(description) || !Array.isArray(description.servers) || description.servers.length === 0) {
    throw new Error(`${file}: expected "servers", a list with at least one simulated server`)
  }
  for (const server of description.servers as readonly Json[]) {
    if (!isJsonObject(server) || typeof server.name !== 'string')
      throw new Error(`${file}: every server needs a "name"`)
  }
  return description as unknown as SimulatorDescription
}

export function scopesOf(server: ServerDescription): readonly Scope[] {
  const described = (server.scopes ?? []).map((scope) => completeScope(scope as unknown as JsonObject))
  return [...(server.sample === undefined ? [] : sample(server.sample)), ...described]
}

/** A scope of which only the key has to be written down. Throws where the key is none. */
export function completeScope(given: JsonObject): Scope {
  const key = typeof given.key === 'string' ? parseScopeKey(given.key) : undefined
  if (key === undefined)
    throw new Error(`a scope needs a "key" such as 10.0.10.0/24, not ${formatJson(given.key ?? null)}`)
  const empty = { properties: {}, ranges: [], exclusions: [], reservations: [], options: [], policies: [] }
  return { ...empty, ...(given as object), key }
}

export function discoveredOf(server: ServerDescription): readonly DiscoveredRelationship[] {
  return (server.relationships ?? []).map((relationship) => {
    const { name, partner, mode = 'hot-standby', state = 'normal', nativeState = state, scopes = 'all' } = relationship
    const keys = scopes === 'all' ? scopes : scopes.map((text) => keyOf(server.name, text))
    return { name, mode, ownName: server.name, partnerName: partner, state, nativeState, scopes: keys }
  })
}

function keyOf(server: string, text: string): ScopeKey {
  const key = parseScopeKey(text)
  if (key === undefined)
    throw new Error(`${server}: a relationship names the scope "${text}"; expected an address and a prefix length`)
  return key
}
