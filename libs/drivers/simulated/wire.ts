// What a simulated DHCP server and its driver say to each other over HTTP. Bodies are JSON
// written with #dhcp/json.ts, so that no number loses digits on the way.

import type { DiscoveredRelationship } from '#dhcp/relationship.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import type { ApplyResult, Claim, PersistResult, Probe } from '../driver.ts'

/** Request header that says who asks; the server keeps it in its write log. */
export const CLIENT_HEADER = 'x-dhcp-client'

/** Paths of the control endpoint of one server. */
export const CONTROL_PATHS = {
  probe: '/probe',
  configuration: '/configuration',
  apply: '/apply',
  persist: '/persist',
  claim: '/claim',
  /** The addresses of a scope that are leased. */
  leases: '/leases',
  /** A stream with one line for each change of the configuration, while it is open. */
  hints: '/hints',
} as const

export type ProbeAnswer = Probe

export type ConfigurationAnswer = {
  readonly instance: string
  /** Names exactly this configuration. */
  readonly token: string
  readonly readAt: string
  readonly version: string
  readonly scopes: readonly Scope[]
  readonly relationships: readonly DiscoveredRelationship[]
  readonly provides: readonly string[]
}

/** `readToken`: the configuration that was read before; the server only writes it down. */
export type ApplyRequest = {
  readonly readToken?: string
  readonly writes: readonly { readonly scope: ScopeKey; readonly wanted?: Scope }[]
}
export type ApplyAnswer = Exclude<ApplyResult, { kind: 'held' }>
export type PersistAnswer = PersistResult
export type ClaimRequest = { readonly installation: string; readonly replace?: boolean }
export type ClaimAnswer = Exclude<Claim, { kind: 'unsupported' }>
export type LeasesRequest = { readonly scope: ScopeKey }
export type LeasesAnswer = { readonly addresses: readonly string[] }
/** Body of an answer with a status other than 200. */
export type ErrorAnswer = { readonly error: string }
