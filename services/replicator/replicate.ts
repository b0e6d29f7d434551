// A wake-up of a relationship: lock, gather its waiting jobs, run, report, and only then forget the jobs.
// README.md walks one change through all of this.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { newJobId } from '#contracts/job-id.ts'
import type { Job, Outcome, ScopeOutcome } from '#contracts/messages.ts'
import type { Lock, Locks } from '#locks/lock.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import { effectiveJobs, isAskedFor } from '#protocol/job.ts'
import { jobsByStatus, replicationDuration, silentRuns, stageDuration } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import { MAX_ATTEMPTS, waitDelayMs } from './disposition.ts'
import type { FleetView } from './fleet.ts'
import type { Jobs, StoredJob } from './jobs.ts'
import {
  committedRow,
  comparedRow,
  covers,
  equalRow,
  heldRow,
  outcomeOf,
  type RecordedScope,
  shownRow,
  summary,
  superseded,
} from './report.ts'
import { performRun, type RunReport } from './run.ts'
import { createSettled } from './settled.ts'

export type ReplicateOptions = {
  readonly fleet: FleetView
  readonly jobs: Jobs
  readonly locks: Locks
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

export function createReplicate({ fleet, jobs, locks, control, gateClient, logger }: ReplicateOptions) {
  const settled = createSettled(control)

  /** Marks every waiting job as running; those that somebody else changed meanwhile are read again. */
  async function claim(relationship: string): Promise<StoredJob[]> {
    const claimed: StoredJob[] = []
    for (const stored of await jobs.waiting(relationship)) {
      const { job } = stored
      if (job.attempts > 0 || job.commit !== undefined) {
        // A run was interrupted; perhaps after its final outcome.
        if ((await jobs.finalOf(job.slot, job.job)) !== undefined) {
          await jobs.remove(job)
          continue
        }
      }
      if (job.attempts >= MAX_ATTEMPTS) {
        await park(job)
        continue
      }
      const { pendingReason: _, pendingDetail: __, dueAt: ___, ...rest } = job
      const running = await jobs.update(stored, { ...rest, runningSince: now(), attempts: job.attempts + 1 })
      if (running !== undefined) claimed.push(running)
      else {
        const newer = await jobs.find(job.slot, job.job)
        const retried =
          newer && (await jobs.update(newer, { ...newer.job, runningSince: now(), attempts: newer.job.attempts + 1 }))
        if (retried !== undefined) claimed.push(retried)
      }
    }
    return claimed
  }

  async function park(job: Job): Promise<void> {
    const message = `${MAX_ATTEMPTS} runs crashed or failed unexpectedly; see the replicators' logs, then request the replication again`
    await jobs.finish(job, { ...outcomeOf(job, 'final', now()), status: 'failed', code: 'parked', message })
  }

  function rowsOf(job: Job, report: RunReport): readonly ScopeOutcome[] {
    const { state } = report
    const plan = report.plans.get(job.job)
    const runJob = state.jobs.find((known) => known.job === job.job)
    const asked = (scope: string) => runJob !== undefined && isAskedFor([runJob], scope)
    const rows = new Map<string, ScopeOutcome>()
    if (!job.automatic)
      for (const compared of state.compared)
        if (asked(compared.scope) && compared.decision.kind === 'converged')
          rows.set(compared.scope, equalRow(compared))
    for (const shown of plan?.shown ?? []) rows.set(shown.scope, shownRow(shown))
    for (const scope of plan?.scopes ?? []) if (scope.obstacles.length > 0) rows.set(scope.scope, heldRow(scope))
    // Differences that were only compared, because nothing of the run may be written.
    for (const compared of state.compared)
      if (asked(compared.scope) && !rows.has(compared.scope)) {
        const row = comparedRow(compared)
        if (row !== undefined) rows.set(compared.scope, row)
      }
    for (const result of state.results)
      if (asked(result.scope)) rows.set(result.scope, committedRow(result, report.recorded.get(result.scope)))
    return [...rows.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1))
  }

  function refusalOf(job: Job, { state }: RunReport): { readonly code: string; readonly message: string } | undefined {
    if (state.refusal !== undefined) return state.refusal
    if (effectiveJobs(state).some((known) => known.job === job.job)) return undefined
    if (state.policy.mode === 'observe')
      return { code: 'observed-only', message: `relationship ${state.policy.relationship} is only observed` }
    if (job.automatic)
      return {
        code: 'manual',
        message: `relationship ${state.policy.relationship} is in mode manual: changes are shown, not copied`,
      }
    return {
      code: 'not-authoritative',
      message: `${job.source} is not the authoritative side of ${state.policy.relationship}; ${state.side} is. Nothing was copied`,
    }
  }

  function finalOutcome(job: Job, policy: RelationshipPolicy, report: RunReport): Outcome | undefined {
    const target =
      report.state.side === undefined ? undefined : policy.servers.find((server) => server !== report.state.side)
    const base: Outcome = {
      ...outcomeOf(job, 'final', now()),
      ...(target === undefined ? {} : { target }),
      ...(report.state.epoch === undefined ? {} : { epoch: report.state.epoch }),
      stages: [...report.stages],
    }
    const refusal = refusalOf(job, report)
    const results = rowsOf(job, report)
    if (refusal !== undefined) {
      // A gate that refuses (no access, a foreign installation) is not a decision about this request.
      const status = report.state.refusal === undefined || refusal.code === 'authority-unknown' ? 'refused' : 'failed'
      return job.automatic && refusal.code === 'manual'
        ? undefined
        : { ...base, status, ...refusal, ...(results.length === 0 ? {} : { scopes: [...results] }) }
    }
    if (job.automatic && results.length === 0) return undefined
    const plan = report.plans.get(job.job)
    return {
      ...base,
      ...summary(results),
      scopes: [...results],
      ...(plan === undefined ? {} : { planDigest: plan.digest }),
    }
  }

  async function report(stored: readonly StoredJob[], policy: RelationshipPolicy, done: RunReport): Promise<void> {
    const reported: Outcome[] = []
    for (const { name, durationMs } of done.stages) stageDuration.record(durationMs / 1_000, { stage: name })
    // Requests first: somebody waits for their rows.
    for (const { job } of stored.toSorted((a, b) => Number(a.job.automatic) - Number(b.job.automatic))) {
      const outcome = finalOutcome(job, policy, done)
      const isJoined = (made: Outcome) => reported.some((other) => other.automatic && covers(other, made))
      // Two automatic jobs of one run are one: a tick may find a change before its event arrives.
      const isSilent = (made: Outcome) => isJoined(made) || settled.isRepeated(policy.name, made)
      if (outcome === undefined || (job.automatic && (await isSilent(outcome)))) {
        silentRuns.add(1, { relationship: policy.name })
        await jobs.remove(job)
        if (outcome === undefined && done.state.compared.every(({ decision }) => decision.kind === 'converged'))
          await settled.forget(policy.name)
        continue
      }
      const final = superseded(outcome, reported)
      reported.push(outcome)
      await jobs.finish(job, final)
      await settled.remember(policy.name, outcome)
      const labels = { status: final.status ?? 'failed', automatic: job.automatic, relationship: policy.name }
      jobsByStatus.add(1, labels)
      replicationDuration.record((Date.now() - Date.parse(job.noticedAt ?? job.createdAt)) / 1_000, labels)
    }
  }

  async function putBack(stored: readonly StoredJob[], wait: NonNullable<RunReport['wait']>): Promise<void> {
    const { failure, untilMs } = wait
    for (const { job } of stored) {
      const current = await jobs.find(job.slot, job.job)
      if (current === undefined) continue
      const { runningSince: _, ...rest } = current.job
      const dueMs = untilMs ?? Date.now() + waitDelayMs(failure.wait, job.waits)
      const isNews = job.pendingReason !== failure.wait || job.waits === 0
      await jobs.update(current, {
        ...rest,
        attempts: 0,
        waits: failure.wait === 'quiet-period' ? job.waits : job.waits + 1,
        pendingReason: failure.wait,
        pendingDetail: failure.message,
        dueAt: new Date(dueMs).toISOString(),
      })
      if (!job.automatic && isNews) {
        jobs.progress({
          ...outcomeOf(job, 'progress', now()),
          status: 'pending',
          code: failure.wait,
          message: failure.message,
        })
      }
    }
    logger.info(
      { relationship: stored[0]?.job.relationship, reason: failure.wait, detail: failure.message, jobs: stored.length },
      'jobs wait',
    )
  }

  async function underLock(policy: RelationshipPolicy, lock: Lock): Promise<void> {
    const claimed = await claim(policy.name)
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
      logger,
      onPrepare: store,
      onRecord: async (id: string, scopes: readonly RecordedScope[]) => {
        stored = await Promise.all(
          stored.map(
            async (one) => (await jobs.update(one, { ...one.job, commit: { id, scopes: [...scopes] } })) ?? one,
          ),
        )
      },
      onStage: (stage, finished, total) => {
        for (const { job } of stored) {
          if (!job.automatic)
            jobs.progress({
              ...outcomeOf(job, 'progress', now()),
              status: 'running',
              progress: { stage, done: finished, total },
            })
        }
      },
    })
    if (done.wait === undefined) return await report(stored, policy, done)
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
    await putBack(stored, done.wait)
  }

  /** Handles one wake-up. `busy`: another replicator works on the relationship; the wake-up must come again. */
  async function replicate(relationship: string): Promise<'done' | 'busy'> {
    const policy = fleet.findPolicy(relationship)
    if (policy === undefined) {
      logger.warn({ relationship }, 'wake-up for a relationship that is not in the configuration')
      return 'done'
    }
    const result = await locks.withLock(relationship, (lock) => underLock(policy, lock))
    return result.kind === 'held-elsewhere' ? 'busy' : 'done'
  }

  return { replicate }
}
