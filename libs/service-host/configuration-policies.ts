// What a schema cannot say of a relationship's policies: windows and fields that mean something, and combinations
// that surprise.

import type { RelationshipConfig, RelationshipPolicy } from '#contracts/configuration.ts'
import { IGNORED_FIELD_EXPECTED, parseIgnoredField } from '#dhcp/mask.ts'
import { ALWAYS, windowProblems } from '#plan/windows.ts'
import { nearest } from './nearest.ts'

type Report = (path: readonly (string | number)[], message: string) => void

function texts(value: unknown): readonly string[] | undefined {
  if (value === undefined) return []
  return Array.isArray(value) && value.every((text) => typeof text === 'string') ? value : undefined
}

const KEYS = { allow: 'allow-windows', freeze: 'freeze-windows', timeZone: 'time-zone' } as const

/** Windows of one relationship, as far as the file has them as lists of texts; the schema reports everything else. */
export function checkWindows(entry: Readonly<Record<string, unknown>>, report: Report): void {
  const allow = texts(entry[KEYS.allow])
  const freeze = texts(entry[KEYS.freeze])
  const timeZone = entry[KEYS.timeZone] ?? ALWAYS.timeZone
  if (allow === undefined || freeze === undefined || typeof timeZone !== 'string') return
  for (const { of, index, message } of windowProblems({ allow, freeze, timeZone })) {
    const near = of === 'timeZone' ? nearest(timeZone, Intl.supportedValuesOf('timeZone')) : []
    const hint = near.length === 0 ? '' : `. Did you mean ${near.join(' or ')}?`
    report(index === undefined ? [KEYS[of]] : [KEYS[of], index], `${message}${hint}`)
  }
}

/** Fields that cannot be ignored, or that name nothing. */
export function checkIgnored(entry: Readonly<Record<string, unknown>>, report: Report): void {
  texts(entry.ignore)?.forEach((text, index) => {
    if (parseIgnoredField(text) === undefined) {
      report(['ignore', index], `"${text}" cannot be ignored; ${IGNORED_FIELD_EXPECTED}`)
    }
  })
}

/** Policies of which each only says how something is copied. */
const ONLY_WHERE_COPIED = [
  'quiet-period',
  'soak-delay',
  'allow-windows',
  'freeze-windows',
  'on-foreign-edit',
  'on-conflict',
  'prune',
  'limits',
] as const satisfies readonly (keyof RelationshipConfig)[]

/** What is allowed, and probably does not do what its author thinks. */
export function warnAboutPolicies(
  config: RelationshipConfig,
  { quietPeriodMs, soakDelayMs }: Pick<RelationshipPolicy, 'quietPeriodMs' | 'soakDelayMs'>,
  warn: Report,
): void {
  const has = (key: keyof RelationshipConfig) => config[key] !== undefined
  const mode = config.mode ?? 'observe'
  const idle = mode === 'observe' ? ONLY_WHERE_COPIED.filter(has) : []
  if (idle.length > 0) {
    const said = has('mode') ? 'mode is observe' : 'without a mode it is only observed'
    warn([], `${said}, so nothing is copied and these have no effect: ${idle.join(', ')}`)
  }
  const waits = mode === 'manual' ? (['quiet-period', 'soak-delay'] as const).filter(has) : []
  if (waits.length > 0) {
    warn([], `mode is manual: only requests are carried out, and they do not wait for ${waits.join(' or ')}`)
  }
  // Of a relationship that copies by itself; the others have been told of both already.
  if (mode === 'automatic' && config['soak-delay'] !== undefined && soakDelayMs <= quietPeriodMs) {
    warn(
      ['soak-delay'],
      'both count from the last change, so it has no effect unless it is longer than the quiet-period',
    )
  }
  if (config.prune === 'on' && config.limits?.['max-scope-deletes'] === 0) {
    warn(['prune'], 'prune: on deletes nothing by itself while max-scope-deletes is 0: every deletion is held')
  }
  if (config['on-conflict'] === 'authority-wins' && config['on-foreign-edit'] !== 'revert') {
    warn(
      ['on-conflict'],
      'an edit on the partner that on-foreign-edit: hold holds is overwritten as soon as the authoritative side changes the same scope',
    )
  }
  if (has('time-zone') && !has('allow-windows') && !has('freeze-windows')) {
    warn(['time-zone'], 'there are no allow-windows and no freeze-windows that it could be for')
  }
}
