// Whether a relationship may be written now: pauses (bucket `control`) and maintenance windows (the configuration).

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Pause } from '#contracts/control.ts'
import { pauseKey } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'
import { windowAt } from '#plan/windows.ts'
import type { Permission } from '#protocol/job-types.ts'

export function pauseMessage(pause: Pause): string {
  const what = pause.relationship === undefined ? 'the whole fleet' : `relationship ${pause.relationship}`
  const until = pause.until === undefined ? '' : ` until ${pause.until}`
  const reason = pause.reason === undefined ? '' : ` (${pause.reason})`
  const which = pause.relationship === undefined ? '' : ` --relationship ${pause.relationship}`
  return `${what} is paused by ${pause.by} since ${pause.at}${until}${reason}; \`twinscope resume${which}\` ends it`
}

/** Of several pauses the one that ends last, or never, counts: it is the one that is waited for. */
function longest(pauses: readonly Pause[]): Pause | undefined {
  return pauses.toSorted((a, b) => (b.until ?? '~').localeCompare(a.until ?? '~'))[0]
}

export function createPermissions(control: Bucket) {
  async function pausesOf(relationship: string): Promise<readonly Pause[]> {
    const entries = await Promise.all([control.get(pauseKey()), control.get(pauseKey(relationship))])
    return entries.flatMap((entry) => (entry === undefined ? [] : [JSON.parse(entry.value) as Pause]))
  }

  /** Asked of the bucket each time: a pause counts from the moment it is stored. */
  async function permissionOf(policy: RelationshipPolicy, nowMs: number): Promise<Permission> {
    const standing = (await pausesOf(policy.name)).filter(
      ({ until }) => until === undefined || Date.parse(until) > nowMs,
    )
    const pause = longest(standing)
    if (pause !== undefined) {
      const untilMs = pause.until === undefined ? {} : { untilMs: Date.parse(pause.until) }
      return { kind: 'closed', wait: 'paused', message: pauseMessage(pause), ...untilMs }
    }
    const window = windowAt(policy.windows, nowMs)
    if (window.kind === 'open') return { kind: 'open' }
    const untilMs = window.opensAtMs === undefined ? {} : { untilMs: window.opensAtMs }
    return { kind: 'closed', wait: 'outside-window', message: `${policy.name}: ${window.reason}`, ...untilMs }
  }

  return { permissionOf }
}
export type Permissions = ReturnType<typeof createPermissions>
