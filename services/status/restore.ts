// What a restore would write: the content from before a replication, as the journal of the server's gate has it,
// against what is there now. Read through the gates; nothing is prepared or changed.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { RestorePlan } from '#contracts/decisions-api.ts'
import { type Outcome, serversWritten } from '#contracts/messages.ts'
import { partnerOf } from '#contracts/relationships.ts'
import { scopeIdsOf, scopesNamed } from '#contracts/scope-ids.ts'
import type { RelationshipPlan } from '#contracts/status-api.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import { GateError } from '#messaging/gate-client.ts'
import { makeCorrection } from '#plan/correction.ts'
import { digestOfAll, type Plan } from '#plan/plan.ts'
import { leasesOutside } from './leases.ts'
import { plannedView } from './plans.ts'
import { ProblemError } from './problems.ts'
import type { LedgerEntry } from './projection.ts'
import { atSide, type PlanGates, READ_TIMEOUT_MS, readContents, readManifest } from './read-sides.ts'

/** A replication that wrote something, and where. */
export type Restorable = {
  readonly job: string
  /** Under which the journal has the pre-images. */
  readonly commit: string
  readonly relationship: string
  readonly server: string
  readonly scopes: readonly string[]
}

/** Reads that run at the same time. */
const PARALLEL = 8

/** What of a replication can be undone; with `scopes` only those, with `at` on that server. Throws where there is nothing. */
export function restorable(
  entry: LedgerEntry,
  children: readonly LedgerEntry[],
  { scopes, at }: { readonly scopes?: readonly string[] | undefined; readonly at?: string | undefined },
): Restorable {
  const finals = (children.length === 0 ? [entry] : children).flatMap(({ final }) => final ?? [])
  if (entry.final === undefined) {
    throw new ProblemError('not-finished', `replication ${entry.job} is not finished; restore it when it is`)
  }
  const wrote = finals.filter((final) => writtenOn(final, final.target ?? '').size > 0)
  const [only, ...others] = wrote
  if (only === undefined) {
    throw new ProblemError(
      'nothing-to-restore',
      `replication ${entry.job} wrote nothing (${entry.final.status ?? 'failed'}), so there is nothing to put back`,
    )
  }
  if (others.length > 0) {
    const jobs = wrote.map(({ job, relationship }) => `${job} (${relationship})`)
    throw new ProblemError(
      'several-relationships',
      `replication ${entry.job} wrote in several relationships; restore each of: ${jobs.join(', ')}`,
      { near: wrote.map(({ job }) => job) },
    )
  }
  const { relationship, target, job } = only
  if (relationship === undefined || target === undefined) {
    throw new ProblemError('nothing-to-restore', `the ledger does not say where replication ${job} wrote`)
  }
  const places = writtenOn(only, target)
  const servers = [...places.keys()]
  // Where it was to be written, or its partner where only that was.
  const server = at ?? (places.has(target) ? target : (servers[0] ?? target))
  const written = places.get(server)
  if (written === undefined) {
    const message = `replication ${job} wrote nothing on ${server}; it wrote on ${servers.join(' and ')}`
    throw new ProblemError('nothing-to-restore', message, { near: servers })
  }
  const named = scopes === undefined ? written : scopes.flatMap((text) => namedOf(text, written, job))
  return { job, commit: only.commit ?? job, relationship, server, scopes: [...new Set(named)] }
}

/** Server → the scopes that were written there. */
function writtenOn(final: Outcome, target: string): ReadonlyMap<string, readonly string[]> {
  const written = (final.scopes ?? []).flatMap((row) =>
    serversWritten(row, target).map((server) => ({ server, scope: row.scope })),
  )
  const byServer = Map.groupBy(written, ({ server }) => server)
  return new Map([...byServer].map(([server, rows]) => [server, rows.map(({ scope }) => scope)]))
}

function namedOf(text: string, written: readonly string[], job: string): readonly string[] {
  const found = scopesNamed(text, written)
  if (found.length > 0) return found
  const shown = written.slice(0, 10)
  throw new ProblemError(
    'nothing-to-restore',
    `replication ${job} did not write ${text}; it wrote ${shown.join(', ')}`,
    {
      near: shown,
    },
  )
}

type PreImages = {
  readonly contents: ReadonlyMap<string, ScopeContent | undefined>
  readonly missing: ReadonlyMap<string, string>
}

async function readPreImages(gates: PlanGates, of: Restorable): Promise<PreImages> {
  const contents = new Map<string, ScopeContent | undefined>()
  const missing = new Map<string, string>()
  const read = async (scope: string) => {
    const body = { relationship: of.relationship, job: of.commit, scope }
    try {
      const { content } = await gates.request(of.server, 'preimage', body, { timeoutMs: READ_TIMEOUT_MS })
      contents.set(scope, content as ScopeContent | undefined)
    } catch (error) {
      if (!(error instanceof GateError) || error.code !== 'unknown-job') throw error
      missing.set(scope, `${of.server} no longer keeps what was there before: ${error.message}`)
    }
  }
  for (let index = 0; index < of.scopes.length; index += PARALLEL) {
    await atSide(of.server, () => Promise.all(of.scopes.slice(index, index + PARALLEL).map(read)))
  }
  return { contents, missing }
}

async function correctionAt(
  gates: PlanGates,
  policy: RelationshipPolicy,
  { server, source }: { readonly server: string; readonly source?: string },
  wanted: PreImages['contents'],
): Promise<Plan> {
  const page = await readManifest(gates, server, policy.name, true)
  const scopes = [...wanted.keys()]
  const contents = await readContents(gates, server, policy.name, scopes)
  const live = new Map(scopes.map((scope) => [scope, contents.get(scope)]))
  return makeCorrection({
    relationship: policy.name,
    ...(source === undefined ? {} : { source }),
    target: server,
    wanted,
    live,
    limits: policy.limits,
    code: 'restored-preimage',
    leasesOutside: await leasesOutside(gates, policy.name, server, live, wanted),
    unreplicable: new Map(
      page.rows.flatMap(({ scope, unreplicable }) =>
        unreplicable === undefined ? [] : [[scope, unreplicable] as const],
      ),
    ),
  })
}

function viewOf(plan: Plan, restored: readonly string[], ids: ReadonlyMap<string, string>): RelationshipPlan {
  return {
    relationship: plan.relationship,
    source: plan.source,
    target: plan.target,
    sync: plan.scopes.length === 0 ? 'in-sync' : 'out-of-sync',
    ...(plan.scopes.length === 0 ? {} : { digest: plan.digest }),
    scopes: plan.scopes.map((planned) => plannedView(planned, ids)),
    shown: [],
    inSyncCount: restored.length - plan.scopes.length,
    notes: [...plan.notes],
  }
}

/** One plan per server that would be written: where the replication wrote, and with `both` its partner. Throws `SideUnreadable`. */
export async function planRestore(
  gates: PlanGates,
  policy: RelationshipPolicy,
  of: Restorable,
  both: boolean,
): Promise<RestorePlan> {
  const { contents, missing } = await readPreImages(gates, of)
  const sides = [{ server: of.server }, ...(both ? [{ server: partnerOf(policy, of.server), source: of.server }] : [])]
  const plans = await Promise.all(sides.map((side) => correctionAt(gates, policy, side, contents)))
  const changing = plans.filter(({ scopes }) => scopes.length > 0)
  const ids = scopeIdsOf(of.scopes)
  return {
    job: of.job,
    server: of.server,
    relationship: of.relationship,
    both,
    ...(changing.length === 0 ? {} : { digest: digestOfAll(changing) }),
    plans: plans.map((plan) => viewOf(plan, [...contents.keys()], ids)),
    missing: [...missing].map(([scope, message]) => ({ scope, scopeId: ids.get(scope) ?? scope, message })),
  }
}
