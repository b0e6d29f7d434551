// The one final outcome of an adoption or a restore, made of what it found and did. Pure.

import type { Job } from '#contracts/job.ts'
import type { Outcome, ScopeOutcome } from '#contracts/messages.ts'
import { targetsOf } from '#protocol/correction-scopes.ts'
import type { CommittedScope } from '#protocol/job-types.ts'
import type { CorrectionReport } from './correct.ts'
import { committedRow, heldDigest, heldRow, outcomeOf, type RecordedScope, summary, worstStatus } from './report.ts'

function writtenRow(server: string, result: CommittedScope, recorded: RecordedScope | undefined): ScopeOutcome {
  const row = committedRow(result, recorded)
  switch (result.result) {
    case 'target-changed':
      return { ...row, message: `it changed on ${server} since this was approved; nothing was written there` }
    case 'unchanged':
      return { ...row, message: `${server} already has exactly this content` }
    default:
      return row
  }
}

/** The rows of one server that was to be written. */
function rowsAt({ state, held, recorded }: CorrectionReport, server: string): ReadonlyMap<string, ScopeOutcome> {
  const details = new Map(recorded.filter((row) => row.server === server).map((row) => [row.scope, row]))
  const rows = new Map<string, ScopeOutcome>()
  for (const { scope, fingerprint } of state.wanted) {
    const same = {
      status: 'already-in-sync',
      code: 'equal',
      message: `${server} already has exactly this content`,
    } as const
    rows.set(scope, { scope, ...same, ...(fingerprint === undefined ? {} : { after: fingerprint as string }) })
  }
  for (const scope of held.get(server) ?? []) rows.set(scope.scope, heldRow(scope))
  const isLeft = state.refusal !== undefined
  for (const { scope, expected, wanted } of state.approved?.[server] ?? []) {
    const message = isLeft ? 'nothing was written here' : `nothing was written on ${server} any more`
    const before = expected === undefined ? {} : { before: expected }
    rows.set(scope, {
      scope,
      status: 'failed',
      code: 'not-written',
      message,
      ...before,
      ...(wanted === undefined ? {} : { after: wanted }),
    })
  }
  for (const result of state.results[server] ?? []) {
    rows.set(result.scope, writtenRow(server, result, details.get(result.scope)))
  }
  return rows
}

/** One row for a scope that was to be written on two servers. */
function joined(rows: readonly (readonly [string, ScopeOutcome])[]): ScopeOutcome {
  const [[, first]] = rows as readonly [readonly [string, ScopeOutcome], ...(readonly [string, ScopeOutcome])[]]
  if (rows.length === 1) return first
  const status = worstStatus(rows.map(([, row]) => row.status))
  const worst = rows.find(([, row]) => row.status === status)?.[1] ?? first
  const { decision: _, ...rest } = first
  return {
    ...rest,
    status,
    code: worst.code,
    message: rows.map(([server, row]) => `${server}: ${row.message}`).join('; '),
    plan: rows.flatMap(([server, row]) => (row.plan === undefined ? [] : [`on ${server}:`, ...row.plan])),
  }
}

/** A pre-image of the scope is in the journal of each of these. */
function writtenAt({ results }: CorrectionReport['state'], scope: string): Pick<ScopeOutcome, 'writtenAt'> {
  const servers = Object.entries(results).flatMap(([server, of]) =>
    of.some((result) => result.scope === scope && result.result === 'written') ? [server] : [],
  )
  return servers.length === 0 ? {} : { writtenAt: servers }
}

export function correctionOutcome(job: Job, report: CorrectionReport, at: string): Outcome {
  const { state, missing, stages } = report
  const targets = targetsOf(state)
  const tables = targets.map((server) => [server, rowsAt(report, server)] as const)
  const rows = state.request.scopes.map((scope): ScopeOutcome => {
    const lost = missing.get(scope)
    if (lost !== undefined) return { scope, status: 'refused', code: 'no-pre-image', message: lost }
    const own = tables.flatMap(([server, table]) => {
      const row = table.get(scope)
      return row === undefined ? [] : [[server, row] as const]
    })
    if (own.length > 0) return { ...joined(own), ...writtenAt(state, scope) }
    return {
      scope,
      status: 'refused',
      code: state.refusal?.code ?? 'unknown-scope',
      message: state.refusal?.message ?? 'it is not known',
    }
  })
  const [target] = targets
  const isWritten = Object.values(state.results).some((of) => of.some(({ result }) => result === 'written'))
  const base: Outcome = {
    ...outcomeOf(job, 'final', at),
    ...(target === undefined ? {} : { target }),
    ...(state.epoch === undefined ? {} : { epoch: state.epoch }),
    ...(isWritten ? { commit: job.job } : {}),
    stages: [...stages],
  }
  const { refusal } = state
  if (refusal !== undefined) {
    const isDecision = ['authority-unknown', 'authority-changed', 'paused', 'outside-window'].includes(refusal.code)
    const status = isDecision ? 'refused' : 'failed'
    return { ...base, status, ...refusal, ...(isWritten ? { scopes: rows } : {}) }
  }
  // What was approved for two servers at once cannot be released in part.
  const digest =
    targets.length === 1 && target !== undefined ? heldDigest(state.request.server, target, rows) : undefined
  return { ...base, ...summary(rows), scopes: rows, ...(digest === undefined ? {} : { planDigest: digest }) }
}
