// Takes a relationship's waiting jobs into a run, and puts back those that have to wait on.

import type { Job } from '#contracts/job.ts'
import type { Logger } from '#telemetry/logger.ts'
import { MAX_ATTEMPTS, waitDelayMs } from './disposition.ts'
import type { Jobs, StoredJob } from './jobs.ts'
import { outcomeOf } from './report.ts'
import type { RunWaiting } from './run.ts'

/** Waits that are counted from a moment of their own; how often a job waited for them says nothing. */
const NOT_COUNTED: ReadonlySet<string> = new Set(['quiet-period', 'soak-delay', 'paused', 'outside-window'])

function now(): string {
  return new Date().toISOString()
}

export function createClaims(jobs: Jobs, logger: Logger) {
  async function park(job: Job): Promise<void> {
    const message = `${MAX_ATTEMPTS} runs crashed or failed unexpectedly; see the replicators' logs, then request the replication again`
    await jobs.finish(job, { ...outcomeOf(job, 'final', now()), status: 'failed', code: 'parked', message })
  }

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
      // The reason stays: what it waited for last tells whether the next wait is news.
      const { dueAt: _, ...rest } = job
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

  async function putBack(stored: readonly StoredJob[], { failure, untilMs }: RunWaiting): Promise<void> {
    for (const { job } of stored) {
      const current = await jobs.find(job.slot, job.job)
      if (current === undefined) continue
      const { runningSince: _, ...rest } = current.job
      const dueMs = untilMs ?? Date.now() + waitDelayMs(failure.wait, job.waits)
      const isNews = job.pendingReason !== failure.wait
      await jobs.update(current, {
        ...rest,
        attempts: 0,
        waits: NOT_COUNTED.has(failure.wait) ? job.waits : job.waits + 1,
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

  return { claim, putBack }
}
export type Claims = ReturnType<typeof createClaims>
