// Whether Kea serves. After a failed config-set it can be alive and answer every command, report its
// sockets as `ready` and its old configuration, and yet serve nobody. What was found to tell the two
// apart (2.2.0 and 3.0.4, by experiment):
//
//   · `reload` of status-get, the seconds since a configuration was taken: starts again only with a success;
//   · the HA block of status-get: gone where hooks failed to load; it begins again at `waiting` with a success;
//   · Kea's DHCP sockets, seen through /proc where the watcher runs on the same host: closed on a dead server.

import { readdir, readFile, readlink } from 'node:fs/promises'
import type { JsonObject } from '#dhcp/json.ts'
import { startOf } from './process.ts'

/** What status-get and the host say about a server at one moment. */
export type ServiceSigns = {
  readonly pid: number
  /** Seconds since a configuration was taken. */
  readonly reload: number
  readonly relationships: number
  /** Open DHCP sockets; `undefined` where this process cannot see Kea's. */
  readonly sockets: number | undefined
}

export async function serviceSigns(status: JsonObject, isLocal: boolean): Promise<ServiceSigns> {
  const relationships = status['high-availability']
  const pid = Number(status.pid)
  return {
    pid,
    reload: Number(status.reload),
    relationships: Array.isArray(relationships) ? relationships.length : 0,
    sockets: isLocal && (await startOf(pid, Number(status.uptime))) !== undefined ? await dhcpSockets(pid) : undefined,
  }
}

/** Why a server that took a configuration `secondsAgo` does not seem to serve; `undefined` where it does. */
export function doubt(before: ServiceSigns | undefined, now: ServiceSigns, secondsAgo: number): string | undefined {
  if (before !== undefined && before.pid !== now.pid) return 'the process was replaced by another'
  // Kea counts in whole seconds.
  if (now.reload > Math.ceil(secondsAgo) + 1) {
    return `it took its last configuration ${now.reload} s ago, which was before the one just sent`
  }
  if (before !== undefined && now.relationships < before.relationships) return 'its HA service is gone'
  if (before?.sockets !== undefined && before.sockets > 0 && now.sockets === 0) return 'it has no DHCP socket open'
  return undefined
}

/** Datagram and packet sockets of a process: all that Kea's DHCP service has open. */
async function dhcpSockets(pid: number): Promise<number | undefined> {
  try {
    const descriptors = await readdir(`/proc/${pid}/fd`)
    const targets = await Promise.all(descriptors.map((one) => readlink(`/proc/${pid}/fd/${one}`).catch(() => '')))
    const inodes = new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []))
    const tables = await Promise.all([socketInodes(pid, 'udp', 9), socketInodes(pid, 'packet', 8)])
    return tables.flat().filter((inode) => inodes.has(inode)).length
  } catch {
    return undefined
  }
}

async function socketInodes(pid: number, table: string, column: number): Promise<readonly string[]> {
  const text = await readFile(`/proc/${pid}/net/${table}`, 'utf8')
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => line.trim().split(/\s+/)[column] ?? [])
}
