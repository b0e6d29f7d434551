// Tables, plans and outcomes as text.

import { scopeIdsOf } from '#contracts/scope-ids.ts'
import type {
  PlanAnswer,
  Relationship,
  RelationshipPlan,
  Replication,
  ReplicationDetail,
} from '#contracts/status-api.ts'

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)))
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd()
  return [line(head), ...rows.map(line)].join('\n')
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

export function duration(ms: number | undefined): string {
  if (ms === undefined) return ''
  if (ms < 1_000) return `${ms} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  return ms < 3_600_000
    ? `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
    : `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`
}

/** `2026-11-24 10:20:30`, local time. */
export function localTime(text: string): string {
  const at = new Date(text)
  const two = (value: number) => String(value).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** Only what happened: where the commands are shown, or one of them runs, the sentence that names them says it twice. */
export function withoutWaysOut(text: string): string {
  return text.replaceAll(/\. To [^`]*`twinscope [^`]*`(?:; to [^`]*`twinscope [^`]*`)*/g, '')
}

const ACTIONS = { create: 'create', update: 'change', delete: 'delete' } as const

/** `direction`: who gets what. Default: source → target. */
export function renderRelationshipPlan(plan: RelationshipPlan, direction = `${plan.source} → ${plan.target}`): string {
  const lines = [`${plan.relationship}: ${direction}`]
  if (plan.failure !== undefined) return [...lines, `  no plan: ${plan.failure.message}`].join('\n')
  for (const scope of plan.scopes) {
    const { added, updated, deleted } = scope.counts
    const held = scope.obstacles.length === 0 ? '' : ', held'
    lines.push(`  ${scope.scopeId}  ${ACTIONS[scope.action]} (${scope.code}${held}): +${added} ~${updated} -${deleted}`)
    for (const change of scope.changes) lines.push(`      ${change}`)
    for (const { message, approvable } of scope.obstacles) {
      lines.push(`      ! ${message}${approvable ? '' : ' (no approval removes this)'}`)
    }
  }
  for (const shown of plan.shown) lines.push(`  ${shown.scopeId}  not written: ${shown.message}`)
  if (plan.scopes.length + plan.shown.length === 0) lines.push('  nothing to do')
  if (plan.inSyncCount > 0) lines.push(`  ${plural(plan.inSyncCount, 'scope')} already in sync`)
  for (const note of plan.notes) lines.push(`  note: ${note}`)
  if (plan.refusal !== undefined) lines.push(`  a request for this is refused now: ${plan.refusal.message}`)
  return lines.join('\n')
}

/** What a yes overwrites, and what of it is held. */
export function overwriteQuestion(plans: readonly RelationshipPlan[]): string {
  const parts = plans.map((plan) => {
    const held = plan.scopes.filter(({ obstacles }) => obstacles.length > 0).length
    const which = held < plan.scopes.length ? `of which ${held} ` : held === 1 ? '' : 'all '
    const approves = held === 0 ? '' : `, ${which}held and approved by your yes`
    return `${plural(plan.scopes.length, 'scope')} on ${plan.target} with the settings of ${plan.source}${approves}`
  })
  return `Overwrite ${parts.join('; ')}?`
}

export function renderPlan(answer: PlanAnswer): string {
  return [
    ...answer.plans.map((plan) => renderRelationshipPlan(plan)),
    ...answer.refused.map(({ relationship, message }) => `${relationship}: refused: ${message}`),
  ].join('\n')
}

export function failoverStates(relationship: Relationship): string {
  return relationship.partners.map(({ failoverState }) => failoverState).join(' / ')
}

export function renderRelationships(relationships: readonly Relationship[]): string {
  return table(
    ['RELATIONSHIP', 'SYNC', 'AUTHORITY', 'MODE', 'FAILOVER STATE', 'SCOPES', 'PENDING'],
    relationships.map((relationship) => [
      relationship.name,
      relationship.sync,
      relationship.authority?.side ?? '-',
      relationship.pauses.length > 0 ? `${relationship.mode}, paused` : relationship.mode,
      failoverStates(relationship),
      relationship.sync === 'unknown' ? '?' : `${relationship.counts.inSync}/${relationship.counts.total} in sync`,
      relationship.pending.map(({ reason, running }) => (running ? 'running' : (reason ?? 'pending'))).join(', ') ||
        '-',
    ]),
  )
}

export function causeText({ cause }: Replication): string {
  switch (cause.kind) {
    case 'change':
      return 'change'
    case 'tick':
      return 'reconcile'
    case 'request':
      return cause.actor ?? cause.requester ?? 'request'
  }
}

export function scopesText(replication: Replication): string {
  const shown = replication.scopeIds.slice(0, 3).join(',')
  const rest = replication.scopeCount - Math.min(3, replication.scopeIds.length)
  return shown === ''
    ? replication.level === 'server'
      ? 'all relationships'
      : 'all'
    : `${shown}${rest > 0 ? ` +${rest}` : ''}`
}

export function renderHistory(replications: readonly Replication[]): string {
  return table(
    ['TIME', 'JOB', 'STATUS', 'RELATIONSHIP', 'SOURCE', 'SCOPES', 'BY', 'TOOK'],
    replications.map((replication) => [
      localTime(replication.createdAt),
      replication.job,
      replication.act === 'replicate' ? replication.status : `${replication.act}: ${replication.status}`,
      replication.relationship ?? '-',
      replication.source,
      scopesText(replication),
      causeText(replication),
      duration(replication.durationMs),
    ]),
  )
}

/** The scopes that were replicated, addresses alone where they are unambiguous. */
export function replicatedScopeIds(replication: ReplicationDetail): readonly string[] {
  const all = [replication, ...replication.children].flatMap(({ scopes }) => scopes)
  const ids = scopeIdsOf(all.map(({ scope }) => scope))
  const replicated = all.filter(({ status }) => status === 'replicated').map(({ scope }) => ids.get(scope) ?? scope)
  return [...new Set(replicated)]
}

/** One line per scope that was not simply replicated, and the job's own sentence. */
export function renderResult(replication: ReplicationDetail): readonly string[] {
  const parts = replication.children.length > 0 ? replication.children : [replication]
  const lines: string[] = []
  for (const part of parts) {
    const ids = scopeIdsOf(part.scopes.map(({ scope }) => scope))
    for (const scope of part.scopes) {
      if (scope.status === 'already-in-sync') continue
      if (scope.status === 'replicated' && scope.persisted !== false) continue
      const warning = scope.persisted === false ? ' (runs on the partner, but does not survive its restart)' : ''
      lines.push(`${ids.get(scope.scope) ?? scope.scope}: ${scope.status}: ${scope.message}${warning}`)
    }
    const counts = new Map<string, number>()
    for (const { status } of part.scopes) counts.set(status, (counts.get(status) ?? 0) + 1)
    const summary = [...counts].map(([status, count]) => `${count} ${status}`).join(', ')
    const took = part.durationMs === undefined ? '' : ` in ${duration(part.durationMs)}`
    // Where no row says why the whole is as it is, its own sentence does.
    const own = counts.has(part.status) ? undefined : part.message
    const why = own === undefined || own === part.status ? '' : `: ${own}`
    lines.push(
      `${part.relationship ?? part.source}: ${part.status}${why}${summary === '' ? '' : ` (${summary})`}${took}`,
    )
  }
  for (const refused of replication.refused ?? []) lines.push(`${refused.relationship}: refused: ${refused.message}`)
  return lines
}

export function renderReplication(replication: ReplicationDetail): string {
  const rows: [string, string | undefined][] = [
    ['job', replication.job],
    ['status', `${replication.status}${replication.code === undefined ? '' : ` (${replication.code})`}`],
    ['message', replication.message],
    ['level', `${replication.level}${replication.automatic ? ', automatic' : ''}`],
    ['relationship', replication.relationship],
    ['source', replication.source],
    ['target', replication.target],
    ['by', `${causeText(replication)}${replication.cause.reason === undefined ? '' : `: ${replication.cause.reason}`}`],
    ['created', localTime(replication.createdAt)],
    ['finished', replication.finishedAt === undefined ? undefined : localTime(replication.finishedAt)],
    ['took', replication.durationMs === undefined ? undefined : duration(replication.durationMs)],
    ['act', replication.act === 'replicate' ? undefined : replication.act],
    ['of', replication.of],
    ['plan', replication.planDigest],
    ['trace', replication.cause.traceparent?.split('-')[1]],
  ]
  const lines = rows.filter(([, text]) => text !== undefined).map(([name, text]) => `${name.padEnd(13)}${text}`)
  for (const part of [replication, ...replication.children]) {
    if (part.scopes.length === 0 || (part === replication && replication.children.length > 0)) continue
    lines.push('', `${part.relationship ?? part.source}`)
    for (const scope of part.scopes) {
      lines.push(`  ${scope.scope}  ${scope.status} (${scope.code}): ${scope.message}`)
      for (const line of scope.plan ?? []) lines.push(`      ${line}`)
    }
    if (part.stages.length > 0) {
      lines.push(
        `  stages: ${part.stages.map(({ name, durationMs }) => `${name} ${duration(Math.round(durationMs))}`).join(' · ')}`,
      )
    }
  }
  return lines.join('\n')
}
