// The one final outcome of each job of a run, made of what the run found and did. Pure.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Job } from '#contracts/job.ts'
import type { Outcome, ScopeOutcome } from '#contracts/messages.ts'
import type { Place } from '#plan/why.ts'
import { effectiveJobs, isAskedFor, recalledFor } from '#protocol/job-concerns.ts'
import { committedRow, comparedRow, equalRow, heldDigest, heldRow, outcomeOf, summary } from './report.ts'
import type { RunReport } from './run.ts'

/** A row per scope that the job is about; an automatic job has none for what is equal. Later rows replace earlier ones. */
function rowsOf(job: Job, report: RunReport): readonly ScopeOutcome[] {
  const { state } = report
  const admission = report.plans.get(job.job)
  const target = state.policy.servers.find((server) => server !== state.side)
  const place: Place = {
    relationship: state.policy.relationship,
    job: job.job,
    ...(state.side === undefined ? {} : { source: state.side }),
    ...(target === undefined ? {} : { target }),
  }
  // A job that may not be acted on reports nothing of what was done for others.
  const runJob = effectiveJobs(state).find((known) => known.job === job.job)
  if (runJob === undefined) return []
  const rows = new Map<string, ScopeOutcome>()
  for (const compared of state.compared) {
    if (!isAskedFor([runJob], compared.scope)) continue
    const exists = compared.source !== undefined || compared.target !== undefined
    const row =
      compared.decision.kind === 'converged'
        ? job.automatic || !exists
          ? undefined
          : equalRow(compared.scope, compared.decision)
        : comparedRow(compared, place)
    if (row !== undefined) rows.set(compared.scope, row)
  }
  if (state.closed !== undefined) {
    const { wait, message } = state.closed
    for (const { scope, decision } of state.compared) {
      if (decision.kind !== 'replicate' || !isAskedFor([runJob], scope) || job.automatic) continue
      rows.set(scope, { scope, status: 'refused', code: wait, message: `it differs, and was not copied: ${message}` })
    }
  }
  for (const scope of admission?.held ?? []) rows.set(scope.scope, heldRow(scope, place))
  for (const result of state.results) {
    if (isAskedFor([runJob], result.scope))
      rows.set(result.scope, committedRow(result, report.recorded.get(result.scope)))
  }
  for (const scope of runJob.scopes ?? []) {
    if (!rows.has(scope)) {
      rows.set(scope, {
        scope,
        status: 'refused',
        code: 'unknown-scope',
        message: 'it exists on neither side any more',
      })
    }
  }
  return [...rows.values()].sort((a, b) => (a.scope < b.scope ? -1 : 1))
}

type Refusal = { readonly code: string; readonly message: string }

function refusalOf(job: Job, { state }: RunReport): Refusal | undefined {
  if (state.refusal !== undefined) return state.refusal
  if (state.closed !== undefined && !job.automatic) {
    const { wait, message } = state.closed
    return { code: wait, message: `nothing was copied: ${message}` }
  }
  if (effectiveJobs(state).some((known) => known.job === job.job)) return undefined
  const { relationship, mode } = state.policy
  if (mode === 'observe') return { code: 'observed-only', message: `relationship ${relationship} is only observed` }
  if (job.automatic) {
    return { code: 'manual', message: `relationship ${relationship} is in mode manual: changes are shown, not copied` }
  }
  return {
    code: 'not-authoritative',
    message: `${job.source} is not the authoritative side of ${relationship}; ${state.side} is. Nothing was copied`,
  }
}

/** What an interrupted run had written before the authority moved, told as it was: in that direction, in that epoch. */
function recalledOutcome(job: Job, report: RunReport, at: string): Outcome | undefined {
  const { state } = report
  const own = state.jobs.find((known) => known.job === job.job)
  const results = own === undefined ? [] : recalledFor(state, own)
  const target = state.recalled?.target
  if (target === undefined || results.length === 0) return undefined
  const source = state.policy.servers.find((server) => server !== target)
  const rows = results.map((result) => committedRow(result, report.recorded.get(result.scope)))
  const epoch = results.find(({ baseEpoch }) => baseEpoch !== undefined)?.baseEpoch
  const { status, code, message } = summary(rows)
  return {
    ...outcomeOf(job, 'final', at),
    ...(source === undefined ? {} : { source }),
    target,
    ...(epoch === undefined ? {} : { epoch }),
    ...(job.commit === undefined ? {} : { commit: job.commit.id }),
    stages: [...report.stages],
    status,
    code,
    message: `${message}. That was before the authority moved to ${target}; nothing was copied since`,
    scopes: rows,
  }
}

/** `undefined`: nobody asked, and there is nothing to say. */
export function finalOutcome(job: Job, policy: RelationshipPolicy, report: RunReport, at: string): Outcome | undefined {
  const recalled = recalledOutcome(job, report, at)
  if (recalled !== undefined) return recalled
  const { side, epoch } = report.state
  const target = side === undefined ? undefined : policy.servers.find((server) => server !== side)
  const base: Outcome = {
    ...outcomeOf(job, 'final', at),
    // An automatic job copies from whoever has the authority when it runs.
    ...(job.automatic && side !== undefined ? { source: side } : {}),
    ...(target === undefined ? {} : { target }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(report.commit === undefined ? {} : { commit: report.commit }),
    stages: [...report.stages],
  }
  const refusal = refusalOf(job, report)
  const rows = [...rowsOf(job, report)]
  if (refusal !== undefined) {
    if (job.automatic && (refusal.code === 'manual' || refusal.code === 'observed-only')) return undefined
    // A gate that refuses (no access, a foreign installation) is not a decision about this request.
    const isDecision = report.state.refusal === undefined || refusal.code === 'authority-unknown'
    return {
      ...base,
      status: isDecision ? 'refused' : 'failed',
      ...refusal,
      ...(rows.length === 0 ? {} : { scopes: rows }),
    }
  }
  if (job.automatic && rows.length === 0) return undefined
  const digest = side === undefined || target === undefined ? undefined : heldDigest(side, target, rows)
  return { ...base, ...summary(rows), scopes: rows, ...(digest === undefined ? {} : { planDigest: digest }) }
}
