// A relationship as the API shows it: configuration, gates, authority, waiting jobs and the
// manifests of both sides put together. Pure; reading is in watch-relationships.ts.

import type { Configuration, RelationshipPolicy } from '#contracts/configuration.ts'
import type { ManifestPage } from '#contracts/gate.ts'
import type { Job } from '#contracts/job.ts'
import type { RegisteredGate, RegisteredRelationship } from '#contracts/registry.ts'
import { scopeIdsOf } from '#contracts/scope-ids.ts'
import type { PartnerView, PendingJobView, Relationship, RelationshipDetail, ScopeView } from '#contracts/status-api.ts'
import { rejectedKey } from '#contracts/subjects.ts'
import { worstSync } from '#plan/compare.ts'
import { authorityNote, authorityProblem } from './authority.ts'
import { pausesOf } from './pauses.ts'
import { policyView } from './policy-view.ts'
import { isGone, type Registry } from './registry.ts'
import { decidedScopes, observedScopes } from './scopes.ts'
import { standstillOf, windowView } from './standstill.ts'
import type { StuckScopes } from './stuck.ts'

/** What one side answered; a failure is never an empty manifest. */
export type ManifestRead =
  | { readonly kind: 'read'; readonly page: ManifestPage }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }

/** A relationship that is configured, or that gates report. */
export type KnownRelationship = {
  readonly name: string
  readonly servers: readonly string[]
  /** Absent: found at the servers, only observed. */
  readonly policy?: RelationshipPolicy
}

/** Differences that a row of the list carries. */
const MAX_DIFFERENCES = 50

export function knownRelationships(configuration: Configuration, registry: Registry): readonly KnownRelationship[] {
  const configured = configuration.relationships.map(
    (policy): KnownRelationship => ({ name: policy.name, servers: policy.servers, policy }),
  )
  const found = new Map<string, string[]>()
  for (const gate of registry.gates.values()) {
    for (const relationship of gate.relationships) {
      if (configured.some(({ name }) => name === relationship.name)) continue
      const servers = found.get(relationship.name) ?? []
      const partner = relationship.partner === undefined ? [] : [relationship.partner]
      found.set(relationship.name, [...new Set([...servers, gate.server, ...partner])].sort())
    }
  }
  const observed = [...found].map(([name, servers]): KnownRelationship => ({ name, servers }))
  return [...configured, ...observed].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
}

/** Why nothing can be said of this side; `undefined`: it could be read. */
function sideProblem(
  server: string,
  gate: RegisteredGate | undefined,
  entry: RegisteredRelationship | undefined,
  read: ManifestRead | undefined,
  now: number,
): string | undefined {
  if (gate === undefined) return `no watcher has reported for ${server}; start one beside it`
  if (isGone(gate, now)) {
    const seconds = Math.round((now - Date.parse(gate.renewedAt)) / 1_000)
    return `the watcher of ${server} on ${gate.host} has not reported for ${seconds} s`
  }
  if (!gate.reachable) return gate.problem ?? `${server} cannot be reached by its watcher`
  if (entry?.problem !== undefined) return entry.problem
  if (read === undefined) return `${server} has not been read yet`
  return read.kind === 'failed' ? read.message : undefined
}

function pendingOf(job: Job): PendingJobView {
  return {
    job: job.job,
    kind: job.kind,
    automatic: job.automatic,
    running: job.runningSince !== undefined,
    ...(job.pendingReason === undefined ? {} : { reason: job.pendingReason }),
    ...(job.pendingDetail === undefined ? {} : { detail: job.pendingDetail }),
    ...(job.dueAt === undefined ? {} : { dueAt: job.dueAt }),
    createdAt: job.createdAt,
    ...(job.scopes === undefined ? {} : { scopes: job.scopes }),
  }
}

/** What an automatic copy waits for, in words: the relationship stands still, or its waiting job says it. */
function waitsOf(pending: readonly PendingJobView[], standstill: string | undefined): string | undefined {
  return (
    standstill ??
    pending.find(({ automatic, detail, running }) => automatic && !running && detail !== undefined)?.detail
  )
}

export type Side = { readonly view: PartnerView; readonly page?: ManifestPage; readonly problem?: string }

function authorityOf(
  known: KnownRelationship,
  registry: Registry,
  pages: readonly (ManifestPage | undefined)[],
): RelationshipDetail['authority'] {
  if (known.policy === undefined) return undefined
  const record = registry.authorities.get(known.name)
  if (record !== undefined) return { side: record.side, epoch: record.epoch, from: 'record' }
  const [newest] = pages
    .flatMap((page) => (page?.authority === undefined ? [] : [page.authority]))
    .sort((a, b) => b.epoch - a.epoch)
  if (newest !== undefined) return { ...newest, from: 'gates' }
  return { side: known.policy.authority, from: 'configuration' }
}

/** What the ledger tells of a relationship. */
export type LedgerView = {
  readonly stuck: StuckScopes
  /** The replication behind a commit that a gate names. */
  readonly jobOf: (writtenBy: string) => string
}
const NO_LEDGER: LedgerView = { stuck: new Map(), jobOf: (writtenBy) => writtenBy }

export function describeRelationship(
  known: KnownRelationship,
  registry: Registry,
  reads: ReadonlyMap<string, ManifestRead>,
  now = Date.now(),
  ledger: LedgerView = NO_LEDGER,
): RelationshipDetail {
  const pages = known.servers.map((server) => {
    const read = reads.get(server)
    return read?.kind === 'read' ? read.page : undefined
  })
  const authority = authorityOf(known, registry, pages)
  const pauses = pausesOf(registry, known.name, now)
  const standstill = known.policy === undefined ? undefined : standstillOf(known.policy, pauses, now)
  const pending = [...registry.jobs.values()]
    .filter((job) => job.relationship === known.name || job.slot === known.name)
    .sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
    .map(pendingOf)
  let failoverMode: string | undefined
  const sides = known.servers.map((server, index): Side => {
    const gate = registry.gates.get(server)
    const entry = gate?.relationships.find(({ name }) => name === known.name)
    failoverMode ??= entry?.mode
    const problem = sideProblem(server, gate, entry, reads.get(server), now)
    const page = problem === undefined ? pages[index] : undefined
    const isAlive = gate !== undefined && !isGone(gate, now)
    // A state that nobody can have read lately is not shown as if it were one.
    const failover = isAlive && gate.reachable ? (page?.failover ?? entry) : undefined
    const version = page?.version ?? gate?.version
    return {
      view: {
        server,
        role: authority === undefined ? 'unknown' : authority.side === server ? 'authoritative' : 'partner',
        reachable: isAlive && gate.reachable,
        ...(gate === undefined ? {} : { product: gate.product }),
        ...(version === undefined ? {} : { version }),
        failoverState: failover?.state ?? 'unknown',
        ...(failover === undefined ? {} : { nativeState: failover.nativeState }),
        ...(page?.failoverSince === undefined ? {} : { failoverSince: page.failoverSince }),
        ...(entry === undefined ? {} : { scopeCount: entry.scopeCount }),
        ...(page === undefined ? {} : { readAt: page.readAt }),
        ...(problem === undefined ? {} : { problem }),
      },
      ...(page === undefined ? {} : { page }),
      ...(problem === undefined ? {} : { problem }),
    }
  })
  const [source, target] = sides.toSorted(
    (a, b) => Number(b.view.role === 'authoritative') - Number(a.view.role === 'authoritative'),
  )
  const isRead = sides.length === 2 && source?.page !== undefined && target?.page !== undefined
  const { rows: bare, agreed } = !isRead
    ? { rows: [], agreed: 0 }
    : known.policy === undefined
      ? { rows: observedScopes(sides), agreed: 0 }
      : decidedScopes({
          policy: known.policy,
          source: source.page as ManifestPage,
          target: target.page as ManifestPage,
          rejections: registry.rejections.get(rejectedKey(known.name)),
          waits: waitsOf(pending, standstill?.message),
          ...ledger,
        })
  const ids = scopeIdsOf(bare.map(({ scope }) => scope))
  const scopes = bare.map((scope): ScopeView => ({ ...scope, scopeId: ids.get(scope.scope) ?? scope.scope }))
  const count = (sync: ScopeView['sync']) => scopes.filter((scope) => scope.sync === sync).length
  const reasons = sides.flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
  if (sides.length < 2) reasons.push(`the partner of ${known.servers.join(', ')} is not known here`)
  const problem =
    known.policy === undefined
      ? undefined
      : authorityProblem(
          known.policy,
          registry.authorities.get(known.name),
          known.servers.map((server, index) => ({ server, ...pages[index]?.authority })),
        )
  if (problem !== undefined && problem.code !== 'unseeded') reasons.push(problem.message)
  const note =
    known.policy === undefined ? undefined : authorityNote(known.policy, registry.authorities.get(known.name)?.side)
  if (note !== undefined) reasons.push(note)
  return {
    name: known.name,
    configured: known.policy !== undefined,
    mode: known.policy?.mode ?? 'observe',
    ...(failoverMode === undefined ? {} : { failoverMode }),
    sync: isRead ? worstSync(scopes.map(({ sync }) => sync)) : 'unknown',
    ...(reasons.length === 0 ? {} : { reason: reasons.join('; ') }),
    ...(authority === undefined ? {} : { authority }),
    ...(problem === undefined ? {} : { authorityProblem: problem }),
    partners: sides.map(({ view }) => view),
    counts: {
      inSync: count('in-sync'),
      outOfSync: count('out-of-sync'),
      conflict: count('conflict'),
      total: scopes.length,
      agreed,
    },
    pending,
    pauses: [...pauses],
    window: windowView(known.policy, now),
    ...(known.policy === undefined ? {} : { policy: policyView(known.policy) }),
    differences: scopes.filter(({ sync }) => sync !== 'in-sync').slice(0, MAX_DIFFERENCES),
    checkedAt: new Date(now).toISOString(),
    scopes,
  }
}

export function summaryOf({ scopes: _, ...summary }: RelationshipDetail): Relationship {
  return summary
}
