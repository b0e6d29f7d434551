// Kea's process, where it can be looked at from here.

import { readFile } from 'node:fs/promises'

/** Kernel ticks per second in /proc on every Linux. */
const TICKS_PER_SECOND = 100

/** How much older a process may be than Kea says: it counts from when it is set up. Seconds. */
const SETUP_SECONDS = 30

/**
 * When the process was started, in kernel ticks since boot: a name that a restart of ours does not
 * change. `undefined` where it is not visible, or where the pid means another process here
 * (Kea in a container).
 */
export async function startOf(pid: number, uptimeSeconds: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    const up = Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0])
    // The name of the program, in brackets, may contain anything.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
    const age = up - Number(ticks) / TICKS_PER_SECOND
    return age > uptimeSeconds - 2 && age < uptimeSeconds + SETUP_SECONDS ? ticks : undefined
  } catch {
    return undefined
  }
}
