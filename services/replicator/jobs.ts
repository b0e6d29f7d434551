// The waiting jobs, in the bucket `jobs`, and their one final outcome in the ledger.

import type { Job } from '#contracts/job.ts'
import type { Outcome } from '#contracts/messages.ts'
import { STREAMS } from '#contracts/streams.ts'
import { jobKey, jobKeysOf, outcomeSubject } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { Messaging } from '#messaging/connection.ts'
import { lastMessage } from '#messaging/last.ts'
import { type PublishResult, publishEvent, publishWakeup } from '#messaging/publish.ts'
import type { Logger } from '#telemetry/logger.ts'
import { fittedJob } from './fitted-job.ts'
import type { Places } from './places.ts'
import { fitted } from './report.ts'

export type StoredJob = { readonly job: Job; readonly revision: number }

export type JobsOptions = {
  readonly messaging: Messaging
  readonly bucket: Bucket
  readonly places: Places
  readonly logger: Logger
  /** Name of this process, for the ledger. */
  readonly replicator: string
}

export function createJobs({ messaging, bucket, places, logger, replicator }: JobsOptions) {
  async function waiting(slot: string): Promise<StoredJob[]> {
    const entries = await bucket.list(jobKeysOf(slot))
    return entries
      .map((entry) => ({ job: JSON.parse(entry.value) as Job, revision: entry.revision }))
      .sort((a, b) => (a.job.createdAt < b.job.createdAt ? -1 : a.job.createdAt > b.job.createdAt ? 1 : 0))
  }

  async function find(slot: string, job: string): Promise<StoredJob | undefined> {
    const entry = await bucket.get(jobKey(slot, job))
    return entry === undefined ? undefined : { job: JSON.parse(entry.value) as Job, revision: entry.revision }
  }

  /** Stores a new job; false if it is there already. */
  async function create(job: Job): Promise<boolean> {
    return (await bucket.create(jobKey(job.slot, job.job), JSON.stringify(job))) !== undefined
  }

  /** Replaces a job that nobody changed since it was read; `undefined` if somebody did. */
  async function update(stored: StoredJob, job: Job): Promise<StoredJob | undefined> {
    const revision = await bucket.update(jobKey(job.slot, job.job), JSON.stringify(fittedJob(job)), stored.revision)
    return revision === undefined ? undefined : { job, revision }
  }

  async function remove(job: Job): Promise<void> {
    await bucket.delete(jobKey(job.slot, job.job))
  }

  async function finalOf(slot: string, job: string): Promise<Outcome | undefined> {
    const message = await lastMessage(messaging, STREAMS.outcomes.name, outcomeSubject(slot, job, 'final'))
    return message === undefined ? undefined : (JSON.parse(message.body) as Outcome)
  }

  async function publish(outcome: Outcome, id: string, isStillDue?: () => Promise<boolean>): Promise<PublishResult> {
    return await publishEvent(messaging, {
      type: 'dev.twinscope.outcome.v1',
      source: `replicator/${replicator}`,
      id,
      subject: outcomeSubject(outcome.slot, outcome.job, outcome.kind),
      data: fitted({ ...outcome, replicator }),
      ...(outcome.cause.traceparent === undefined ? {} : { traceparent: outcome.cause.traceparent }),
      ...(outcome.kind === 'final' ? { expectLastSubjectSequence: 0 } : {}),
      ...(isStillDue === undefined ? {} : { isStillDue }),
    })
  }

  /** Only what was asked for can be resolved differently; children and automatic jobs name their slot in their id. */
  const isBound = ({ automatic, parent }: Job) => !automatic && parent === undefined

  /**
   * Publishes the one final outcome of a job and only then forgets the job. Whoever comes second
   * finds the first one's outcome in the ledger, and that one stands.
   */
  async function finish(job: Job, outcome: Outcome): Promise<void> {
    // Asked before every try: while NATS was away it may have been wiped, and the job placed anew.
    const isStillDue = async () => (await places.bind(job.job, job.slot)) === job.slot
    const published = await publish(outcome, `${job.slot}/${job.job}/final`, isBound(job) ? isStillDue : undefined)
    await remove(job)
    if (published.kind === 'not-due') {
      logger.warn({ job: job.job, slot: job.slot, outcome }, 'job ends in another place; this outcome is not published')
      return
    }
    logger.info(
      {
        job: job.job,
        relationship: job.relationship,
        status: outcome.status,
        code: outcome.code,
        scopes: outcome.scopes?.length,
      },
      'job finished',
    )
    if (job.parent !== undefined) await publishWakeup(messaging, job.parent.slot)
  }

  /** Progress is a courtesy to whoever waits; losing one is no failure. */
  function progress(outcome: Outcome): void {
    publish(
      outcome,
      `${outcome.slot}/${outcome.job}/progress/${outcome.at}/${outcome.progress?.stage ?? outcome.code ?? ''}`,
    ).catch((error: unknown) => {
      logger.warn({ err: error, job: outcome.job }, 'progress could not be published')
    })
  }

  return { waiting, find, create, update, remove, finalOf, publish, finish, progress }
}
export type Jobs = ReturnType<typeof createJobs>
