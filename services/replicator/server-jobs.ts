// A job with children (a server's relationships, or scopes of several relationships) ends with its last child.

import type { Job, Outcome, ScopeOutcome } from '#contracts/messages.ts'
import type { Jobs } from './jobs.ts'
import { outcomeOf, worstStatus } from './report.ts'

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
    ...(refused.length === 0 ? {} : { refusedRelationships: [...refused] }),
  }
}

export function createServerJobs(jobs: Jobs) {
  /** Ends every job of the slot whose children have all ended. */
  async function settle(slot: string): Promise<void> {
    for (const { job } of await jobs.waiting(slot)) {
      const finals = await Promise.all((job.children ?? []).map((child) => jobs.finalOf(child.slot, child.job)))
      const ended = finals.filter((final) => final !== undefined)
      if (ended.length < finals.length) {
        jobs.progress({
          ...outcomeOf(job, 'progress', new Date().toISOString()),
          status: 'running',
          progress: { stage: 'relationships', done: ended.length, total: finals.length },
        })
        continue
      }
      await jobs.finish(job, aggregated(job, ended))
    }
  }

  return { settle }
}
