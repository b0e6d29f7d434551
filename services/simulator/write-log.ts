// The server's own record of what was written to it, by whom: the witness of the tests. It is
// computed from the server's own state and knows nothing of what Twinscope believes.

import { appendFileSync } from 'node:fs'
import type { Fingerprint } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'

export type LogEntry = {
  readonly sequence: number
  readonly time: string
  /** Milliseconds of a clock that nobody sets and that all processes of the host share. */
  readonly monotonicMs: number
  readonly server: string
  /** `write`: somebody changed the scope. `restart`: the server came up with another content than it had. */
  readonly kind: 'write' | 'restart'
  /** What the client calls itself; `admin` for another tool. */
  readonly who: string
  readonly scope: ScopeKey
  /** Absent: the scope was not there. */
  readonly before?: Fingerprint
  readonly after?: Fingerprint
  /** Which configuration runs after it, and, of a write, which one its author had read; see `token` in `wire.ts`. */
  readonly token: string
  readonly readToken?: string
}

/** What is in the file only: a process that came up and what it runs, and a write that changed nothing. */
export type LogNote =
  | {
      readonly kind: 'start'
      readonly token: string
      /** Scope → fingerprint. What the process before ran at its end is not known here. */
      readonly scopes: Readonly<Record<string, Fingerprint>>
    }
  | { readonly kind: 'unchanged'; readonly who: string; readonly token: string; readonly readToken?: string }

type Stamped<E> = Omit<E, 'sequence' | 'time' | 'monotonicMs' | 'server'>

export type WriteLog = {
  readonly file: string
  readonly entries: readonly LogEntry[]
  append(entry: Stamped<LogEntry>): void
  note(note: LogNote): void
}

/** Opens the log `file` for appending, one JSON object per line. */
export function openWriteLog(server: string, file: string): WriteLog {
  const entries: LogEntry[] = []
  const stamp = () => ({
    time: new Date().toISOString(),
    monotonicMs: Number(process.hrtime.bigint()) / 1e6,
    server,
  })
  return {
    file,
    entries,
    append(entry) {
      const complete = { sequence: entries.length + 1, ...stamp(), ...entry }
      entries.push(complete)
      appendFileSync(file, `${JSON.stringify(complete)}\n`)
    },
    note(note) {
      appendFileSync(file, `${JSON.stringify({ ...stamp(), ...note })}\n`)
    },
  }
}
