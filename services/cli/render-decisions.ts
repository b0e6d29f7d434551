// What people decide about, as text: conflicts, pauses, the authority.

import type { Pause } from '#contracts/control.ts'
import type { AuthorityView, ConflictView } from '#contracts/decisions-api.ts'
import { localTime, table, withoutWaysOut } from './render.ts'

type Side = ConflictView['sides'][number]

/** `paused until 2026-11-24 18:00:00, since 2026-11-24 10:00:00 by anna@admin1: new disk`. */
export function pauseText(pause: Pause): string {
  const until = pause.until === undefined ? 'until somebody resumes it' : `until ${localTime(pause.until)}`
  const reason = pause.reason === undefined ? '' : `: ${pause.reason}`
  return `paused ${until}, since ${localTime(pause.at)} by ${pause.by}${reason}`
}

export function renderPause(pause: Pause): string {
  return `${pause.relationship ?? 'the whole fleet'} is ${pauseText(pause)}`
}

function sideLines(side: Side, base: ConflictView['base']): readonly string[] {
  const role = side.role === 'authoritative' ? ', the authoritative side' : ''
  const since = side.since === undefined ? '' : ` since ${localTime(side.since)}`
  const by = side.by === undefined ? '' : ` by ${side.by}`
  const against = base === 'unknown' ? ' (against the other side: both have never agreed)' : ''
  const { added, updated, deleted } = side.counts
  const counts = `+${added} ~${updated} -${deleted}`
  if (side.changes.length === 0) return [`  ${side.server}${role}: unchanged`]
  return [
    `  ${side.server}${role}: changed${since}${by}${against}, ${counts}`,
    ...side.changes.map((change) => `      ${change}`),
  ]
}

/** The exact command that keeps this side; `undefined`: it cannot be picked, `why` says the reason. */
function keep(
  relationship: string,
  item: ConflictView,
  side: Side,
): { readonly command?: string; readonly why?: string } {
  const firm = side.obstacles.find(({ approvable }) => !approvable)
  if (side.digest === undefined) return { why: firm?.message ?? 'it cannot be picked' }
  const what = item.job === undefined ? `--relationship ${relationship}` : item.job
  const pick = side.role === 'authoritative' ? '' : ` --side ${side.server}`
  return { command: `twinscope approve ${what} --scope ${item.scopeId}${pick}` }
}

export function renderConflict(relationship: string, item: ConflictView): string {
  const lines = [`${relationship}  ${item.scopeId}  ${item.code}: ${withoutWaysOut(item.why)}`]
  for (const side of item.sides) lines.push(...sideLines(side, item.base))
  if (item.rejected !== undefined) {
    const { by, at, reason } = item.rejected
    lines.push(
      `  rejected by ${by}, ${localTime(at)}${reason === undefined ? '' : `: ${reason}`}; not proposed until a side changes`,
    )
  }
  const width = Math.max(...item.sides.map(({ server }) => server.length)) + 'keep : '.length
  for (const side of item.sides) {
    const { command, why } = keep(relationship, item, side)
    lines.push(`  ${`keep ${side.server}:`.padEnd(width)} ${command ?? `not possible: ${why}`}`)
    if (command === undefined) continue
    for (const { message } of side.obstacles.filter(({ code }) => code !== item.code && code !== 'adopt'))
      lines.push(`      ! ${message}`)
  }
  if (item.job !== undefined && item.rejected === undefined) {
    lines.push(`  ${'neither now:'.padEnd(width)} twinscope reject ${item.job} --scope ${item.scopeId}`)
  }
  return lines.join('\n')
}

export function renderAuthorities(views: readonly AuthorityView[]): string {
  const rows = views.map((view) => [
    view.relationship,
    view.side ?? 'unknown',
    view.epoch === undefined ? '-' : String(view.epoch),
    view.changedAt === undefined ? '-' : localTime(view.changedAt),
    view.changedBy ?? '-',
    view.problem?.code ?? '-',
  ])
  const told = views.flatMap(({ relationship, problem, note }) =>
    [problem?.message, note].flatMap((text) => (text === undefined ? [] : [`${relationship}: ${text}`])),
  )
  const lines = [table(['RELATIONSHIP', 'AUTHORITATIVE SIDE', 'EPOCH', 'SINCE', 'BY', 'PROBLEM'], rows)]
  return told.length === 0 ? lines.join('') : [...lines, '', ...told].join('\n')
}

/** One relationship, with what each gate has made durable. */
export function renderAuthority(view: AuthorityView): string {
  const gates = view.gates.map(({ server, side, epoch, problem }) => {
    const knows = side === undefined ? 'knows none' : `${side}, epoch ${epoch ?? '?'}`
    return `  gate of ${server}: ${problem ?? knows}`
  })
  return [
    renderAuthorities([view]),
    '',
    ...gates,
    `  configuration: ${view.configured} (only a new relationship takes it from there)`,
  ].join('\n')
}
