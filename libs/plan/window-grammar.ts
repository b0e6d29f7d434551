// How maintenance windows are written in the configuration, and what they mean as numbers.
//
//   Mon-Fri 22:00-05:00        these days; past midnight it still belongs to the day on which it starts
//   Sat,Sun 00:00-24:00        days and spans of days, separated by commas
//   daily 01:00-03:00
//   2026-12-24                 freeze only: one whole day
//   2026-12-20 00:00 to 2027-01-07 00:00
//                              freeze only: from the first moment until just before the second

/** 1 is Monday, as in ISO 8601. */
type Weekday = number

export type WeeklyWindow = {
  readonly kind: 'weekly'
  readonly text: string
  readonly days: ReadonlySet<Weekday>
  /** Minutes after midnight, 0–1439. */
  readonly startMinute: number
  /** 1–1440. Not later than the start: it ends on the next day. */
  readonly endMinute: number
}

export type DatedWindow = {
  readonly kind: 'dated'
  readonly text: string
  readonly from: Temporal.PlainDateTime
  /** Exclusive. */
  readonly to: Temporal.PlainDateTime
}

export type Window = WeeklyWindow | DatedWindow

const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']
const MINUTES_A_DAY = 24 * 60

const WEEKLY_FORM = '`Mon-Fri 22:00-05:00`, `Sat,Sun 00:00-24:00` or `daily 01:00-03:00`'
const FREEZE_FORM = `${WEEKLY_FORM}, a day as \`2026-12-24\`, or \`2026-12-20 00:00 to 2027-01-07 00:00\``

/** What the text is not, and what was expected; for the author of the configuration. */
export class WindowError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'WindowError'
  }
}

function minuteOf(text: string, isEnd: boolean): number {
  const [hour, minute] = text.split(':').map(Number) as [number, number]
  const value = hour * 60 + minute
  if (minute > 59 || value > MINUTES_A_DAY || (value === MINUTES_A_DAY && !isEnd)) {
    const most = isEnd ? '24:00' : '23:59'
    throw new WindowError(`"${text}" is no time of day; expected 00:00 to ${most}`)
  }
  return value
}

function dayOf(text: string): Weekday {
  const index = DAYS.indexOf(text.toLowerCase())
  if (index < 0) throw new WindowError(`"${text}" is no day; expected Mon, Tue, Wed, Thu, Fri, Sat or Sun`)
  return index + 1
}

function daysOf(text: string): ReadonlySet<Weekday> {
  if (text.toLowerCase() === 'daily') return new Set([1, 2, 3, 4, 5, 6, 7])
  const days = text.split(',').flatMap((part) => {
    const [first = '', last = first, ...more] = part.trim().split('-')
    if (more.length > 0) throw new WindowError(`"${part}" is no span of days; expected one like Mon-Fri`)
    const [from, to] = [dayOf(first), dayOf(last)]
    // Fri-Mon goes over the end of the week.
    const length = ((to - from + 7) % 7) + 1
    return Array.from({ length }, (_, index) => ((from - 1 + index) % 7) + 1)
  })
  return new Set(days)
}

function parseWeekly(text: string): WeeklyWindow | undefined {
  const match = /^([A-Za-z]+(?:\s*[-,]\s*[A-Za-z]+)*)\s+(\d{1,2}:\d{2})\s*-\s*(\d{1,2}:\d{2})$/.exec(text)
  if (match === null) return undefined
  const [, days = '', start = '', end = ''] = match
  const startMinute = minuteOf(start, false)
  const endMinute = minuteOf(end, true)
  if (startMinute === endMinute) {
    throw new WindowError(`"${text}" begins and ends at the same time; a whole day is 00:00-24:00`)
  }
  return { kind: 'weekly', text, days: daysOf(days.replaceAll(/\s/g, '')), startMinute, endMinute }
}

function momentOf(date: string, time: string): Temporal.PlainDateTime {
  try {
    return Temporal.PlainDate.from(date, { overflow: 'reject' }).toPlainDateTime(
      Temporal.PlainTime.from(time, { overflow: 'reject' }),
    )
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new WindowError(`"${date} ${time}" is no date and time; expected one like 2026-12-24 00:00`)
  }
}

function parseDated(text: string): DatedWindow | undefined {
  const day = /^\d{4}-\d{2}-\d{2}$/.exec(text)
  if (day !== null) {
    const from = momentOf(text, '00:00')
    return { kind: 'dated', text, from, to: from.add({ days: 1 }) }
  }
  const match = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}) to (\d{4}-\d{2}-\d{2}) (\d{2}:\d{2})$/.exec(text)
  if (match === null) return undefined
  const [, fromDate = '', fromTime = '', toDate = '', toTime = ''] = match
  const [from, to] = [momentOf(fromDate, fromTime), momentOf(toDate, toTime)]
  if (Temporal.PlainDateTime.compare(from, to) >= 0) {
    throw new WindowError(`"${text}" ends before it begins; expected the earlier moment first`)
  }
  return { kind: 'dated', text, from, to }
}

/** Throws {@link WindowError}. */
export function parseAllowWindow(text: string): WeeklyWindow {
  const window = parseWeekly(text.trim())
  if (window === undefined) throw new WindowError(`"${text}" is no allow window; expected ${WEEKLY_FORM}`)
  return window
}

/** Throws {@link WindowError}. */
export function parseFreezeWindow(text: string): Window {
  const window = parseWeekly(text.trim()) ?? parseDated(text.trim())
  if (window === undefined) throw new WindowError(`"${text}" is no freeze window; expected ${FREEZE_FORM}`)
  return window
}

/** Whether a weekly window is open at this minute of this day, as a clock on the wall shows them. */
export function isWithinWeekly({ days, startMinute, endMinute }: WeeklyWindow, day: Weekday, minute: number): boolean {
  if (endMinute > startMinute) return days.has(day) && minute >= startMinute && minute < endMinute
  const yesterday = day === 1 ? 7 : day - 1
  return (days.has(day) && minute >= startMinute) || (days.has(yesterday) && minute < endMinute)
}
