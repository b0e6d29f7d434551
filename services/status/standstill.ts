// What keeps a relationship from being written for now: pauses and maintenance windows, in words.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Pause } from '#contracts/control.ts'
import type { Relationship } from '#contracts/status-api.ts'
import { windowAt } from '#plan/windows.ts'

export type Standstill = { readonly code: 'paused' | 'outside-window'; readonly message: string }

/** With the command that ends it: the fleet's pause and a relationship's are ended each by its own. */
function pauseText({ relationship, by, at, until, reason }: Pause): string {
  const what = relationship === undefined ? 'the whole fleet' : relationship
  const command = `twinscope resume${relationship === undefined ? '' : ` --relationship ${relationship}`}`
  const because = reason === undefined ? '' : ` (${reason})`
  return `${what} is paused by ${by} since ${at}${until === undefined ? '' : ` until ${until}`}${because}; \`${command}\` ends it`
}

/** `undefined`: it may be written. */
export function standstillOf(
  policy: RelationshipPolicy,
  pauses: readonly Pause[],
  nowMs: number,
): Standstill | undefined {
  if (pauses.length > 0) {
    return { code: 'paused', message: pauses.map(pauseText).join('; ') }
  }
  const window = windowAt(policy.windows, nowMs)
  return window.kind === 'closed' ? { code: 'outside-window', message: window.reason } : undefined
}

/** The maintenance window as the API shows it; without a policy nothing is written at any time. */
export function windowView(policy: RelationshipPolicy | undefined, nowMs: number): Relationship['window'] {
  if (policy === undefined || (policy.windows.allow.length === 0 && policy.windows.freeze.length === 0)) {
    return { state: 'always' }
  }
  const window = windowAt(policy.windows, nowMs)
  const at = window.kind === 'open' ? window.closesAtMs : window.opensAtMs
  return {
    state: window.kind,
    ...(window.kind === 'closed' ? { reason: window.reason } : {}),
    ...(at === undefined ? {} : { changesAt: new Date(at).toISOString() }),
  }
}
