// Acts are jobs that no decision table makes: somebody picked the other side, undoes, rejects, or moves the authority.
// Each runs alone, before the ordinary jobs of its relationship, under the relationship's lock.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Rejection } from '#contracts/control.ts'
import type { Job } from '#contracts/job.ts'
import type { Outcome, ScopeOutcome } from '#contracts/messages.ts'
import type { Lock } from '#locks/lock.ts'
import { type GateClient, GateError } from '#messaging/gate-client.ts'
import type { Approved } from '#protocol/correction-types.ts'
import type { ScopeVersion } from '#protocol/job-types.ts'
import type { TakeoverResult } from '#protocol/takeover.ts'
import { jobsByStatus, replicationDuration } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import type { Authorities } from './authority.ts'
import type { Claims } from './claims.ts'
import { performCorrection } from './correct.ts'
import { correctionOutcome } from './correction-outcome.ts'
import { verdictOf } from './disposition.ts'
import type { FleetView } from './fleet.ts'
import type { Jobs, StoredJob } from './jobs.ts'
import { moveAuthority } from './move-authority.ts'
import type { Permissions } from './permission.ts'
import { pairOf, pairsShown, type RejectionsView } from './rejections.ts'
import { outcomeOf, type RecordedScope, summary } from './report.ts'

export type ActsOptions = {
  readonly fleet: FleetView
  readonly authorities: Authorities
  readonly jobs: Jobs
  readonly claims: Claims
  readonly gateClient: GateClient
  readonly permissions: Permissions
  readonly rejections: RejectionsView
  readonly logger: Logger
}

type Act = NonNullable<Job['act']>

/** `failures`: unexpected ones; their jobs stay, and count the try. */
export type Performed = { readonly left: readonly StoredJob[]; readonly failures: readonly unknown[] }

function now(): string {
  return new Date().toISOString()
}

function byOf({ cause }: Job): string {
  return cause.actor ?? cause.requester ?? 'unknown'
}

/** What an interrupted run had recorded; `undefined` where its entry had to be cut: then it is planned anew. */
function approvedOf({ commit }: Job): Approved | undefined {
  if (commit === undefined) return undefined
  const approved: Record<string, ScopeVersion[]> = {}
  for (const { scope, server, before, after } of commit.scopes) {
    if (server === undefined || (before === undefined && after === undefined)) return undefined
    const version = {
      scope,
      ...(before === undefined ? {} : { expected: before }),
      ...(after === undefined ? {} : { wanted: after }),
      approved: true,
    }
    approved[server] = [...(approved[server] ?? []), version]
  }
  return approved
}

function movedOutcome(job: Job, policy: RelationshipPolicy, result: TakeoverResult): Outcome {
  const target = policy.servers.find((server) => server !== job.source)
  const base = { ...outcomeOf(job, 'final', now()), ...(target === undefined ? {} : { target }) }
  switch (result.kind) {
    case 'moved': {
      const from = result.from === undefined || result.from === result.side ? '' : ` from ${result.from}`
      const message = `the authority of ${policy.name} moved${from} to ${result.side} (epoch ${result.epoch})`
      return { ...base, status: 'done', code: 'authority-moved', message, epoch: result.epoch }
    }
    case 'already': {
      const message = `${result.side} has the authority of ${policy.name} already (epoch ${result.epoch})`
      return { ...base, status: 'done', code: 'authority-moved', message, epoch: result.epoch }
    }
    case 'refused':
      return { ...base, status: 'refused', code: result.code, message: result.message }
  }
}

export function createActs(options: ActsOptions) {
  const { fleet, authorities, jobs, claims, gateClient, permissions, rejections, logger } = options

  async function finish(job: Job, outcome: Outcome): Promise<void> {
    await jobs.finish(job, outcome)
    const labels = { status: outcome.status ?? 'failed', automatic: false, relationship: job.slot }
    jobsByStatus.add(1, labels)
    replicationDuration.record((Date.now() - Date.parse(job.createdAt)) / 1_000, labels)
  }

  async function correct(
    stored: StoredJob,
    act: Extract<Act, { kind: 'adopt' | 'restore' }>,
    policy: RelationshipPolicy,
    lock: Lock,
  ): Promise<void> {
    let { job } = stored
    let latest = stored
    const recorded = approvedOf(job)
    // The ledger knows under which commit the pre-images are; where it was wiped, it was most likely the job's own.
    const commit = act.kind === 'restore' ? ((await jobs.finalOf(job.slot, act.of))?.commit ?? act.of) : undefined
    const onRecord = async (scopes: readonly RecordedScope[]) => {
      const updated = await jobs.update(latest, { ...job, commit: { id: job.job, scopes: [...scopes] } })
      // Somebody else has the job now; what is not recorded must not be written.
      if (updated === undefined) throw new Error(`job ${job.job} was changed by somebody else`)
      latest = updated
      job = updated.job
    }
    const request = {
      job: job.job,
      kind: act.kind,
      relationship: policy.name,
      servers: policy.servers,
      server: job.source,
      both: act.kind === 'restore' && act.both,
      scopes: job.scopes ?? [],
      ...(recorded === undefined ? {} : { recorded }),
    }
    const report = await performCorrection(
      {
        policy,
        lock,
        fleet,
        gateClient,
        permissions,
        logger,
        request,
        approvedPlan: job.approvedPlan,
        commit,
        onRecord,
      },
      job.commit?.scopes ?? [],
    )
    if (report.wait !== undefined) return await claims.putBack([latest], report.wait)
    await finish(job, correctionOutcome(job, report, now()))
  }

  /** What is there now, of both sides. */
  async function presentPairs(scopes: readonly string[], { name, servers }: RelationshipPolicy, source: string) {
    const partner = servers.find((server) => server !== source) ?? source
    const [ours, theirs] = await Promise.all(
      [source, partner].map(async (server) => {
        const { page } = await gateClient.readManifest(server, name, true)
        return new Map(page.rows.map(({ scope, live }) => [scope, live]))
      }),
    )
    return new Map(scopes.map((scope) => [scope, pairOf(ours?.get(scope), theirs?.get(scope))]))
  }

  /** Rejected is what was shown, never what nobody has looked at; only of a job that the ledger has lost it is what is there. */
  async function reject({ job }: StoredJob, of: string | undefined, policy: RelationshipPolicy): Promise<void> {
    const base = outcomeOf(job, 'final', now())
    const authority = await fleet.authorityOf(policy)
    if (authority.kind === 'known' && authority.side !== job.source) {
      const message = `${job.source} is not the authoritative side of ${policy.name}, ${authority.side} is: nothing is proposed from ${job.source}, so there is nothing to reject`
      return await finish(job, { ...base, status: 'refused', code: 'not-authoritative', message })
    }
    const held = of === undefined ? undefined : await jobs.finalOf(job.slot, of)
    const pairs = held === undefined ? await presentPairs(job.scopes ?? [], policy, job.source) : pairsShown(held)
    const { reason } = job.cause
    const rejection = { job: of ?? job.job, by: byOf(job), at: now(), ...(reason === undefined ? {} : { reason }) }
    const rejected: Record<string, Rejection> = {}
    const rows = (job.scopes ?? [...pairs.keys()]).map((scope): ScopeOutcome => {
      const pair = pairs.get(scope)
      if (pair === undefined) {
        const message = `job ${of} did not show what would be written there, so nothing of it can be rejected`
        return { scope, status: 'refused', code: 'unknown-scope', message }
      }
      rejected[scope] = { ...pair, ...rejection }
      const message = 'it is not proposed again until one side changes; an approval still lets it through'
      return { scope, status: 'done', code: 'rejected', message }
    })
    await rejections.add(policy.name, rejected)
    await finish(job, { ...base, ...summary(rows), scopes: rows })
  }

  async function move(
    { job }: StoredJob,
    act: Extract<Act, { kind: 'move-authority' }>,
    policy: RelationshipPolicy,
    lock: Lock,
  ) {
    const { force, expectedEpoch } = act
    const order = {
      to: job.source,
      force,
      by: byOf(job),
      job: job.job,
      ...(expectedEpoch === undefined ? {} : { expectedEpoch }),
    }
    await finish(job, movedOutcome(job, policy, await moveAuthority({ authorities, gateClient, lock }, policy, order)))
  }

  async function perform(stored: StoredJob, act: Act, policy: RelationshipPolicy, lock: Lock): Promise<void> {
    try {
      switch (act.kind) {
        case 'adopt':
        case 'restore':
          return await correct(stored, act, policy, lock)
        case 'reject':
          return await reject(stored, act.of, policy)
        case 'move-authority':
          return await move(stored, act, policy, lock)
      }
    } catch (error) {
      // Of a correction the machine judges; here it is a look before anything is done.
      const verdict = error instanceof GateError ? verdictOf(error, policy.name) : undefined
      if (verdict?.kind !== 'wait') throw error
      const { wait, message } = verdict
      await claims.putBack([stored], { failure: { server: policy.name, wait, message } })
    }
  }

  /** A request that brings the authority with it; `undefined`: it is refused and ended. */
  async function take(stored: StoredJob, policy: RelationshipPolicy, lock: Lock): Promise<StoredJob | undefined> {
    const { takeAuthority: _, ...job } = stored.job
    const refuse = async (code: string, message: string) => {
      await finish(job, { ...outcomeOf(job, 'final', now()), status: 'refused', code, message })
      return undefined
    }
    const permission = await permissions.permissionOf(policy, Date.now())
    if (permission.kind === 'closed') {
      return await refuse(permission.wait, `neither moved nor copied: ${permission.message}`)
    }
    const order = { to: job.source, force: false, by: byOf(job), job: job.job }
    const result = await moveAuthority({ authorities, gateClient, lock }, policy, order)
    if (result.kind === 'refused') return await refuse(result.code, `nothing was copied: ${result.message}`)
    // Once: should it wait now, somebody may move the authority elsewhere meanwhile.
    return await jobs.update(stored, job)
  }

  /** What has to be done alone is performed; the ordinary jobs are left. One that fails keeps no other from its turn. */
  async function first(claimed: readonly StoredJob[], policy: RelationshipPolicy, lock: Lock): Promise<Performed> {
    const left: StoredJob[] = []
    const failures: unknown[] = []
    for (const stored of claimed) {
      const { act, takeAuthority, job } = stored.job
      try {
        if (act !== undefined) await perform(stored, act, policy, lock)
        else if (takeAuthority === true)
          left.push(...[await take(stored, policy, lock)].filter((one) => one !== undefined))
        else left.push(stored)
      } catch (error) {
        lock.lost.throwIfAborted()
        logger.error({ err: error, relationship: policy.name, job, act: act?.kind }, 'a job failed unexpectedly')
        failures.push(error)
      }
    }
    return { left, failures }
  }

  return { first }
}
