// Which protections of the gate a watcher can be run without here, to show that each is needed. Only the harness can
// do that: it loads weakened.ts into the watchers' processes.

import { ALL_CHECKS, type GateChecks } from '#protocol/gate-types.ts'

export type Protection = keyof GateChecks

export const PROTECTIONS = Object.keys(ALL_CHECKS) as readonly Protection[]

export function isProtection(name: string): name is Protection {
  return PROTECTIONS.some((known) => known === name)
}

/** What a gate says in its log at the first step that it makes without that protection; `''`: with all of them again. */
export function weakenedLine(without: string): string {
  return JSON.stringify({ level: 'warn', msg: `the gate runs ${without === '' ? 'whole' : `without ${without}`}` })
}
