// The server's own record of what was written to it, by whom: the witness of the tests. It is
// computed from the server's own state and knows nothing of what Twinscope believes.

import { appendFileSync } from 'node:fs'
import type { Fingerprint } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'

export type LogEntry = {
  readonly sequence: number
  readonly time: string
  readonly server: string
  /** `write`: somebody changed the scope. `restart`: the server came up with another content than it had. */
  readonly kind: 'write' | 'restart'
  /** What the client calls itself; `admin` for another tool. */
  readonly who: string
  readonly scope: ScopeKey
  /** Absent: the scope was not there. */
  readonly before?: Fingerprint
  readonly after?: Fingerprint
}

export type WriteLog = {
  readonly file: string
  readonly entries: readonly LogEntry[]
  append(entry: Omit<LogEntry, 'sequence' | 'time' | 'server'>): void
}

/** Opens the log `file` for appending, one JSON object per line. */
export function openWriteLog(server: string, file: string): WriteLog {
  const entries: LogEntry[] = []
  return {
    file,
    entries,
    append(entry) {
      const complete = { sequence: entries.length + 1, time: new Date().toISOString(), server, ...entry }
      entries.push(complete)
      appendFileSync(file, `${JSON.stringify(complete)}\n`)
    },
  }
}
