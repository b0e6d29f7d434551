// What a request for an act means: which relationship and scopes, and what is refused at once. Pure.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import {
  type Outcome,
  type ReplicationRequested,
  type RequestedAct,
  type ScopeOutcome,
  serversWritten,
} from '#contracts/messages.ts'
import { scopesNamed } from '#contracts/scope-ids.ts'
import { parseIpv4 } from '#dhcp/ipv4.ts'
import { parseScopeKey, type ScopeKey } from '#dhcp/scope.ts'
import { resolveName } from '#service-host/configuration.ts'
import { type Fleet, near, type Refusal, relationshipsOf } from './fan-out.ts'

export type ActFan =
  | { readonly kind: 'refused'; readonly server: string; readonly refusal: Refusal }
  /** A scope may exist at a server that does not answer now. */
  | { readonly kind: 'unresolved'; readonly server: string; readonly message: string }
  | {
      readonly kind: 'act'
      readonly server: string
      readonly relationship: string
      readonly scopes?: readonly ScopeKey[]
      readonly act: RequestedAct
    }

/** The relationship that an act is about, where the request says enough; the refusal otherwise. */
export function actPlace(
  request: ReplicationRequested,
  fleet: Pick<Fleet, 'servers' | 'policies' | 'discovered'>,
):
  | { readonly server: string; readonly policy: RelationshipPolicy }
  | { readonly refusal: Refusal; readonly server: string } {
  const server = resolveName(fleet.servers, request.server)
  if (server === undefined) {
    const message = `there is no server ${request.server}; ${near('server', request.server, fleet.servers)}`
    return { server: request.server, refusal: { code: 'unknown-server', message } }
  }
  const found = relationshipsOf(request, server, fleet)
  if (!Array.isArray(found)) return { server, refusal: found as Refusal }
  const [policy, ...others] = found as readonly RelationshipPolicy[]
  if (policy === undefined) {
    return {
      server,
      refusal: { code: 'no-relationship', message: `${server} is in no relationship of the configuration` },
    }
  }
  if (others.length > 0) {
    const names = [policy, ...others].map(({ name }) => name).join(', ')
    return {
      server,
      refusal: { code: 'malformed', message: `${server} is in several relationships (${names}); name one` },
    }
  }
  return { server, policy }
}

function scopesOf(
  texts: readonly string[],
  known: ReadonlySet<string>,
  isComplete: boolean,
): readonly ScopeKey[] | Refusal | 'unresolved' {
  const keys: ScopeKey[] = []
  for (const text of texts) {
    const exact = parseScopeKey(text)
    if (exact === undefined && parseIpv4(text) === undefined) {
      return {
        code: 'unknown-scope',
        message: `"${text}" is no scope ID; write the network address, 10.0.10.0 or 10.0.10.0/24`,
      }
    }
    const found = exact === undefined ? scopesNamed(text, known) : [exact]
    const [key] = found
    if (found.length > 1) {
      return {
        code: 'ambiguous-scope',
        message: `${text} names several scopes: ${found.join(', ')}; add the prefix length`,
      }
    }
    if (key === undefined) {
      if (!isComplete) return 'unresolved'
      return { code: 'unknown-scope', message: `there is no scope ${text} in it; ${near('scope', text, [...known])}` }
    }
    keys.push(key as ScopeKey)
  }
  return [...new Set(keys)]
}

/** What of an outcome the act can be about. */
function rowsFor(act: RequestedAct, outcome: Outcome | undefined, server: string): readonly string[] {
  const isAbout = (row: ScopeOutcome) =>
    act.kind === 'restore' ? serversWritten(row, server).includes(server) : row.status === 'held'
  return (outcome?.scopes ?? []).filter(isAbout).map(({ scope }) => scope)
}

/** `outcome`: that of the job which the act is about, where the ledger has it. */
export function fanOutAct(
  request: ReplicationRequested,
  act: RequestedAct,
  fleet: Fleet,
  outcome: Outcome | undefined,
): ActFan {
  const place = actPlace(request, fleet)
  if ('refusal' in place) return { kind: 'refused', ...place }
  const { server, policy } = place
  const refuse = (code: string, message: string): ActFan => ({ kind: 'refused', server, refusal: { code, message } })
  const relationship = policy.name
  if (act.kind === 'move-authority') return { kind: 'act', server, relationship, act }
  if (policy.mode === 'observe' && act.kind !== 'reject') {
    const message = `relationship ${relationship} is only observed; set its mode to manual or automatic in the configuration to write there`
    return refuse('observed-only', message)
  }
  if (act.kind === 'adopt' && fleet.authoritativeSide.get(relationship) === server) {
    const message = `${server} is the authoritative side of ${relationship}; to keep what it has, approve without picking the other side`
    return refuse('authoritative-side', message)
  }
  const of = outcome?.job ?? act.of
  const rows = rowsFor(act, outcome, server)
  const isNothing = outcome !== undefined && rows.length === 0
  if (act.kind === 'restore' && isNothing) {
    return refuse(
      'nothing-written',
      `job ${act.of} wrote nothing in ${relationship} (${outcome.status}): there is nothing to put back`,
    )
  }
  const texts = request.scopes ?? rows
  if (texts.length === 0) {
    const message =
      of === undefined
        ? 'the request must name the scopes that it is about'
        : `the ledger knows no job ${of} in ${relationship}. If it was lost with NATS, name its scopes: the gates still keep what they wrote`
    return refuse(of === undefined ? 'malformed' : 'unknown-job', message)
  }
  const known = new Set([...rows, ...(fleet.scopesOf.get(relationship) ?? [])])
  const scopes = scopesOf(texts, known, !fleet.incomplete.has(relationship))
  if (scopes === 'unresolved') {
    return {
      kind: 'unresolved',
      server,
      message: `a server of ${relationship} does not answer, and the named scopes may exist there`,
    }
  }
  if (!Array.isArray(scopes)) return { kind: 'refused', server, refusal: scopes as Refusal }
  const missing = (scopes as readonly ScopeKey[]).filter((scope) => !rows.includes(scope))
  if (act.kind === 'restore' && outcome !== undefined && missing.length > 0) {
    return refuse(
      'nothing-written',
      `job ${of} did not write ${missing.join(', ')}; it wrote ${rows.slice(0, 10).join(', ')}`,
    )
  }
  const named = of === undefined ? act : ({ ...act, of } as RequestedAct)
  return { kind: 'act', server, relationship, scopes: scopes as readonly ScopeKey[], act: named }
}
