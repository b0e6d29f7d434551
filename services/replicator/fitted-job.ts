// A job as it is stored: its entry in the bucket has to fit one message.

import type { Job } from '#contracts/job.ts'
import { MAX_PART_BYTES } from '#contracts/streams.ts'

/**
 * Cuts what is recorded beside a commit of very many scopes: plan lines first, then contents' names, then
 * scopes. It only words the report of an interrupted run; what was written is asked of the gate.
 */
export function fittedJob(job: Job): Job {
  const { commit } = job
  if (commit === undefined) return job
  const withScopes = (scopes: typeof commit.scopes): Job => ({ ...job, commit: { ...commit, scopes } })
  const fits = (candidate: Job) => Buffer.byteLength(JSON.stringify(candidate)) <= MAX_PART_BYTES
  if (fits(job)) return job
  let kept = commit.scopes.map((scope) => ({ ...scope, plan: [] as string[] }))
  if (fits(withScopes(kept))) return withScopes(kept)
  kept = kept.map(({ before: _, after: __, ...scope }) => scope)
  while (kept.length > 0 && !fits(withScopes(kept))) kept = kept.slice(0, Math.floor(kept.length / 2))
  return withScopes(kept)
}
