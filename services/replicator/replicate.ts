// A wake-up of a relationship: lock, gather its waiting jobs, run, report, and only then forget the jobs.
// README.md walks one change through all of this.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Job } from '#contracts/job.ts'
import { newJobId } from '#contracts/job-id.ts'
import type { Outcome } from '#contracts/messages.ts'
import type { Lock, Locks } from '#locks/lock.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import type { Postponed } from '#protocol/job-types.ts'
import { jobsByStatus, replicationDuration, silentRuns, stageDuration } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import { createActs } from './acts.ts'
import type { Authorities } from './authority.ts'
import { createClaims } from './claims.ts'
import { waitDelayMs } from './disposition.ts'
import { finalOutcome } from './final-outcome.ts'
import type { FleetView } from './fleet.ts'
import type { Jobs, StoredJob } from './jobs.ts'
import { createPermissions } from './permission.ts'
import { createRejections } from './rejections.ts'
import { covers, outcomeOf, type RecordedScope, superseded } from './report.ts'
import { performRun, type RunReport } from './run.ts'
import { createSettled } from './settled.ts'

export type ReplicateOptions = {
  readonly fleet: FleetView
  readonly jobs: Jobs
  readonly locks: Locks
  readonly authorities: Authorities
  readonly control: Bucket
  readonly gateClient: GateClient
  readonly logger: Logger
}

function now(): string {
  return new Date().toISOString()
}

function automaticJob(policy: RelationshipPolicy, cause: Job['cause'], source: string): Job {
  return {
    job: newJobId(),
    kind: 'ReplicateRelationship',
    automatic: true,
    slot: policy.name,
    relationship: policy.name,
    source,
    cause,
    createdAt: now(),
    attempts: 0,
    waits: 0,
  }
}

/** Stages that disturb nobody and come again at every look. */
const LOOKING: ReadonlySet<string> = new Set(['read-authority', 'recall', 'compare', 'wait', 'finish'])

export function createReplicate({ fleet, authorities, jobs, locks, control, gateClient, logger }: ReplicateOptions) {
  const settled = createSettled(control)
  const permissions = createPermissions(control)
  const rejections = createRejections(control)
  const claims = createClaims(jobs, logger)
  const acts = createActs({ fleet, authorities, jobs, claims, gateClient, permissions, rejections, logger })

  async function report(
    stored: readonly StoredJob[],
    policy: RelationshipPolicy,
    done: RunReport,
    isStored: boolean,
  ): Promise<void> {
    const reported: Outcome[] = []
    const { compared } = done.state
    const isConverged = compared.length > 0 && compared.every(({ decision }) => decision.kind === 'converged')
    for (const { name, durationMs } of done.stages) stageDuration.record(durationMs / 1_000, { stage: name })
    // Requests first: somebody waits for their rows.
    for (const { job } of stored.toSorted((a, b) => Number(a.job.automatic) - Number(b.job.automatic))) {
      const made = finalOutcome(job, policy, done, now())
      const told = made !== undefined && job.automatic ? await settled.newsOf(policy.name, made) : undefined
      const outcome = job.automatic ? told?.outcome : made
      // Two automatic jobs of one run are one: a tick may find a change before its event arrives.
      const isJoined = outcome !== undefined && reported.some((other) => other.automatic && covers(other, outcome))
      if (outcome === undefined || (job.automatic && isJoined)) {
        silentRuns.add(1, { relationship: policy.name })
        if (isStored) await jobs.remove(job)
        if (made === undefined && isConverged) await settled.forget(policy.name)
        else await told?.remember()
        continue
      }
      const final = superseded(outcome, reported)
      if (outcome.status !== 'refused') reported.push(outcome)
      await jobs.finish(job, final)
      await told?.remember()
      const labels = { status: final.status ?? 'failed', automatic: job.automatic, relationship: policy.name }
      jobsByStatus.add(1, labels)
      replicationDuration.record((Date.now() - Date.parse(job.noticedAt ?? job.createdAt)) / 1_000, labels)
    }
  }

  /** What may not be copied yet is a job of its own; it remembers when its first change was noticed. */
  async function postpone(
    policy: RelationshipPolicy,
    { wait, message, untilMs }: Postponed,
    earlier: readonly StoredJob[],
  ): Promise<void> {
    const noticed = earlier.flatMap(({ job }) => (job.automatic ? (job.noticedAt ?? job.createdAt) : [])).sort()[0]
    await jobs.create({
      ...automaticJob(policy, { kind: 'change' }, policy.authority),
      ...(noticed === undefined ? {} : { noticedAt: noticed }),
      pendingReason: wait,
      pendingDetail: message,
      dueAt: new Date(untilMs ?? Date.now() + waitDelayMs(wait, 0)).toISOString(),
    })
  }

  async function underLock(policy: RelationshipPolicy, lock: Lock): Promise<void> {
    const { left, failures } = await acts.first(await claims.claim(policy.name), policy, lock)
    await ordinary(left, policy, lock)
    // Now that the others had their turn, the wake-up comes again for those that failed.
    if (failures.length > 0) throw failures[0]
  }

  async function ordinary(claimed: readonly StoredJob[], policy: RelationshipPolicy, lock: Lock): Promise<void> {
    // Nobody asked: a tick. It compares; only a difference that may be written makes it a job.
    let stored =
      claimed.length > 0 ? claimed : [{ job: automaticJob(policy, { kind: 'tick' }, policy.authority), revision: 0 }]
    const isTick = claimed.length === 0
    let isStored = !isTick
    const store = async () => {
      if (isStored) return
      isStored = true
      const job = { ...(stored[0] as StoredJob).job, runningSince: now(), attempts: 1 }
      await jobs.create(job)
      stored = [(await jobs.find(job.slot, job.job)) ?? { job, revision: 0 }]
    }
    const done = await performRun(stored, {
      policy,
      lock,
      fleet,
      gateClient,
      permissions,
      rejections,
      logger,
      onPrepare: store,
      onRecord: async (id: string, server: string, scopes: readonly RecordedScope[]) => {
        stored = await Promise.all(
          stored.map(async (one) => {
            const named = new Set(scopes.map(({ scope }) => scope))
            const earlier = one.job.commit?.scopes.filter(({ scope }) => !named.has(scope)) ?? []
            const recorded = await jobs.update(one, {
              ...one.job,
              commit: { id, server, scopes: [...earlier, ...scopes] },
            })
            // Somebody else has the job now; what is not recorded must not be written.
            if (recorded === undefined) throw new Error(`job ${one.job.job} was changed by somebody else`)
            return recorded
          }),
        )
      },
      onStage: (stage, finished, total) => {
        for (const { job } of stored) {
          // Comparing is repeated at every look; only work is progress.
          if (!job.automatic && !LOOKING.has(stage))
            jobs.progress({
              ...outcomeOf(job, 'progress', now()),
              status: 'running',
              progress: { stage, done: finished, total },
            })
        }
      },
    })
    if (done.wait === undefined) {
      await report(stored, policy, done, isStored)
      if (done.postponed !== undefined) await postpone(policy, done.postponed, stored)
      return
    }
    if (isTick && !isStored) {
      logger.debug(
        { relationship: policy.name, reason: done.wait.failure.wait, detail: done.wait.failure.message },
        'tick could not compare',
      )
      // The difference must not be forgotten while it waits.
      const isDifference = done.state.compared.some(({ decision }) => decision.kind === 'replicate')
      if (!isDifference || policy.mode !== 'automatic') return
      await store()
    }
    await claims.putBack(stored, done.wait)
  }

  /** Handles one wake-up. `busy`: another replicator works on the relationship; the wake-up must come again. */
  async function replicate(relationship: string): Promise<'done' | 'busy' | 'unknown'> {
    const policy = fleet.findPolicy(relationship)
    if (policy === undefined) return 'unknown'
    const result = await locks.withLock(relationship, (lock) => underLock(policy, lock))
    return result.kind === 'held-elsewhere' ? 'busy' : 'done'
  }

  /** Ends the jobs of a relationship that was taken out of the configuration. */
  async function refuseAll(relationship: string): Promise<void> {
    const message = `relationship ${relationship} is not in the configuration of this replicator any more`
    for (const { job } of await jobs.waiting(relationship)) {
      await jobs.finish(job, {
        ...outcomeOf(job, 'final', now()),
        status: 'refused',
        code: 'unknown-relationship',
        message,
      })
    }
    logger.warn({ relationship }, 'wake-up for a relationship that is not in the configuration')
  }

  return { replicate, refuseAll }
}
