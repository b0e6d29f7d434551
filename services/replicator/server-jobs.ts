// A job with children (a server's relationships, or scopes of several relationships) ends with its last child.

import type { Job } from '#contracts/job.ts'
import type { Outcome, ScopeOutcome } from '#contracts/messages.ts'
import type { Jobs, StoredJob } from './jobs.ts'
import { outcomeOf, worstStatus } from './report.ts'
import type { RequestJobs } from './request-jobs.ts'

function aggregated(job: Job, finals: readonly Outcome[]): Outcome {
  const refused = job.refusedRelationships ?? []
  const statuses = [...finals.map(({ status }) => status), ...refused.map(() => 'refused' as const)]
  const status = worstStatus(statuses.filter((one) => one !== undefined && one !== 'pending' && one !== 'running'))
  const scopes: ScopeOutcome[] = finals.flatMap((final) => final.scopes ?? [])
  const worst = finals.find((final) => final.status === status)
  const messages = [
    ...finals.map((final) => `${final.relationship}: ${final.status}`),
    ...refused.map(({ relationship, message }) => `${relationship}: refused (${message})`),
  ]
  return {
    ...outcomeOf(job, 'final', new Date().toISOString()),
    status,
    code: worst?.code ?? refused[0]?.code ?? 'equal',
    message: messages.join('; '),
    scopes,
    scopeCount: finals.reduce((sum, final) => sum + (final.scopeCount ?? final.scopes?.length ?? 0), 0),
    ...(refused.length === 0 ? {} : { refusedRelationships: [...refused] }),
  }
}

/** A child that was promised and never stored, after this long, was lost with the replicator that made it. */
const CHILD_LOST_AFTER_MS = 5 * 60_000

export function createServerJobs(jobs: Jobs, requestJobs: RequestJobs) {
  /** What was last told of a parent's progress. */
  const told = new Map<string, number>()

  async function endLostChildren(job: Job): Promise<void> {
    if (Date.now() - Date.parse(job.createdAt) < CHILD_LOST_AFTER_MS) return
    for (const child of job.children ?? []) {
      if ((await jobs.find(child.slot, child.job)) !== undefined) continue
      const { children: _, refusedRelationships: __, ...rest } = job
      const lost: Job = { ...rest, ...child, relationship: child.slot, parent: { slot: job.slot, job: job.job } }
      const message = 'it was lost with the replicator that made it; request the replication again'
      await jobs.finish(lost, {
        ...outcomeOf(lost, 'final', new Date().toISOString()),
        status: 'failed',
        code: 'parked',
        message,
      })
    }
  }

  async function settleOne(stored: StoredJob): Promise<void> {
    const { job } = stored
    if (job.unresolved !== undefined) {
      await requestJobs.resolveAgain(stored, job.unresolved)
      return
    }
    const finals = await Promise.all((job.children ?? []).map((child) => jobs.finalOf(child.slot, child.job)))
    const ended = finals.filter((final) => final !== undefined)
    if (ended.length === finals.length) {
      told.delete(job.job)
      await jobs.finish(job, aggregated(job, ended))
      return
    }
    if (told.get(job.job) !== ended.length) {
      told.set(job.job, ended.length)
      jobs.progress({
        ...outcomeOf(job, 'progress', new Date().toISOString()),
        status: 'running',
        progress: { stage: 'relationships', done: ended.length, total: finals.length },
      })
    }
    await endLostChildren(job)
  }

  /** Ends every job of the slot whose children have all ended, and looks again at what could not be resolved. */
  async function settle(slot: string): Promise<void> {
    for (const stored of await jobs.waiting(slot)) await settleOne(stored)
  }

  return { settle }
}
