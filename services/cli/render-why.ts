// Why each thing is as it is, also where nothing was written.

import type { PendingJobView, Relationship, ScopeView } from '#contracts/status-api.ts'
import { localTime, plural } from './render.ts'
import { pauseText, renderPause } from './render-decisions.ts'

/** One scope, whatever its state. */
export function renderScopeWhy(relationship: string, scope: ScopeView): string {
  const { scopeId, restored, rejected, writtenBy } = scope
  const since = scope.since === undefined || scope.sync === 'in-sync' ? '' : ` since ${localTime(scope.since)}`
  // A hold that no job has told of is released by its place.
  const why = scope.why.replaceAll(
    /`twinscope approve ID(?: --scope [^ `]+)?/g,
    `\`twinscope approve --relationship ${relationship} --scope ${scopeId}`,
  )
  const lines = [`${relationship}  ${scopeId}  ${scope.sync}${since}: ${why}`]
  if (restored !== undefined)
    lines.push(`    restored by ${restored.job}, ${localTime(restored.at)}; held until approved`)
  if (rejected !== undefined) {
    const reason = rejected.reason === undefined ? '' : `: ${rejected.reason}`
    lines.push(`    rejected by ${rejected.by}, ${localTime(rejected.at)}${reason}; not proposed until a side changes`)
  }
  if (writtenBy !== undefined && !why.includes(writtenBy))
    lines.push(`    the partner's content was written by ${writtenBy}`)
  return lines.join('\n')
}

function pendingText({ job, running, reason, detail, dueAt }: PendingJobView): string {
  if (running) return `job ${job} is running`
  const next = dueAt === undefined ? '' : `, looked at again ${localTime(dueAt)}`
  return `job ${job} waits (${reason ?? 'for a replicator'})${detail === undefined ? '' : `: ${detail}`}${next}`
}

/** Nothing where all is in sync and nothing stands in the way. */
export function renderWhy(relationship: Relationship): readonly string[] {
  const { name, window, authorityProblem } = relationship
  const lines: string[] = []
  if (relationship.reason !== undefined) lines.push(`${name}: ${relationship.reason}`)
  if (authorityProblem !== undefined && relationship.reason?.includes(authorityProblem.message) !== true) {
    lines.push(`${name}: ${authorityProblem.message}`)
  }
  for (const pause of relationship.pauses) {
    lines.push(`${name}: ${pause.relationship === undefined ? renderPause(pause) : pauseText(pause)}`)
  }
  if (window.state === 'closed') {
    const opens = window.changesAt === undefined ? '' : `; it opens ${localTime(window.changesAt)}`
    lines.push(`${name}: ${window.reason ?? `it is outside its maintenance window${opens}`}`)
  }
  for (const scope of relationship.differences) lines.push(renderScopeWhy(name, scope))
  const rest = relationship.counts.outOfSync + relationship.counts.conflict - relationship.differences.length
  if (rest > 0) lines.push(`${name}  … and ${plural(rest, 'more scope')} not in sync`)
  for (const job of relationship.pending) lines.push(`${name}  ${pendingText(job)}`)
  return lines
}
