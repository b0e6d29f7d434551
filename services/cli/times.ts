// Times as operators write them.

import { UsageError } from './command.ts'

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `90s`, `30m`, `2h`, `7d` in milliseconds; `undefined`: it is none. */
export function durationOf(text: string): number | undefined {
  const parts = /^(\d+)(s|m|h|d)$/.exec(text)
  return parts === null ? undefined : Number(parts[1]) * UNITS[parts[2] as keyof typeof UNITS]
}

/** A date or a date and time; without a zone it is local time, a date alone is its beginning. */
export function timeOf(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return undefined
  const time = Date.parse(text.replace(' ', 'T'))
  return Number.isNaN(time) ? undefined : time
}

/** `--since`: a time, or how far back. */
export function sinceOf(text: string, now = Date.now()): string {
  const back = durationOf(text)
  const time = back === undefined ? timeOf(text) : now - back
  if (time !== undefined) return new Date(time).toISOString()
  throw new UsageError(`--since "${text}": write a time (2026-11-24T10:00:00Z) or how far back (2h)`)
}

/** `--until` or `--for`: when it ends, in the future; absent: never by itself. */
export function untilOf(
  given: { readonly until?: string | undefined; readonly for?: string | undefined },
  now = Date.now(),
): string | undefined {
  if (given.until !== undefined && given.for !== undefined) throw new UsageError('give --until or --for, not both')
  if (given.for !== undefined) {
    const length = durationOf(given.for)
    if (length !== undefined && length > 0) return new Date(now + length).toISOString()
    throw new UsageError(`--for "${given.for}": write how long, 30m, 2h or 1d`)
  }
  if (given.until === undefined) return undefined
  const time = timeOf(given.until)
  if (time === undefined)
    throw new UsageError(`--until "${given.until}": write a time, 2026-11-24T18:00 or 2026-11-24T18:00Z`)
  if (time <= now) throw new UsageError(`--until ${given.until} is in the past`)
  return new Date(time).toISOString()
}
