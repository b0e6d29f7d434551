// When a relationship may be written: weekly allow windows and freeze windows, in a time zone.
//
// A window is open while a clock on the wall of that zone shows a time within it. Where clocks are put forward, what
// is skipped is not shown, so a window begins, or ends, with the jump; where they are put back, what is shown twice
// counts twice.

import {
  isWithinWeekly,
  parseAllowWindow,
  parseFreezeWindow,
  type WeeklyWindow,
  type Window,
  WindowError,
} from './window-grammar.ts'

/** Default: no windows at all, so always open. */
export type MaintenanceWindows = {
  /** Writing is allowed only within one of these; none: always. As written in the configuration. */
  readonly allow: readonly string[]
  /** Writing is not allowed within any of these, whatever `allow` says. */
  readonly freeze: readonly string[]
  /** IANA name. Default `UTC`. */
  readonly timeZone: string
}

export type WindowState =
  | { readonly kind: 'open'; readonly closesAtMs?: number }
  /** `opensAtMs` absent: not within the time that is looked ahead. */
  | { readonly kind: 'closed'; readonly reason: string; readonly opensAtMs?: number }

export const ALWAYS: MaintenanceWindows = { allow: [], freeze: [], timeZone: 'UTC' }

/** How far the next opening or closing is looked for. Days. */
const HORIZON_DAYS = 400
const WEEKLY_DAYS = 15
const DAY_MS = 86_400_000
const MINUTES_A_DAY = 24 * 60

type Parsed = {
  readonly allow: readonly WeeklyWindow[]
  readonly freeze: readonly Window[]
  readonly timeZone: string
  /** Minutes of a day at which a weekly window begins or ends, midnight included. */
  readonly minutes: readonly number[]
}

function parse({ allow, freeze, timeZone }: MaintenanceWindows): Parsed {
  const parsed = { allow: allow.map(parseAllowWindow), freeze: freeze.map(parseFreezeWindow) }
  const weekly = [...parsed.allow, ...parsed.freeze].filter((window) => window.kind === 'weekly')
  const minutes = weekly.flatMap(({ startMinute, endMinute }) => [startMinute, endMinute % MINUTES_A_DAY])
  return { ...parsed, timeZone, minutes: [...new Set([0, ...minutes])] }
}

function minuteOf(at: Temporal.ZonedDateTime): number {
  return at.hour * 60 + at.minute
}

function isWithin(window: Window, at: Temporal.ZonedDateTime): boolean {
  if (window.kind === 'weekly') return isWithinWeekly(window, at.dayOfWeek, minuteOf(at))
  const shown = at.toPlainDateTime()
  const { compare } = Temporal.PlainDateTime
  return compare(window.from, shown) <= 0 && compare(shown, window.to) < 0
}

function isOpen({ allow, freeze }: Parsed, at: Temporal.ZonedDateTime): boolean {
  const isAllowed = allow.length === 0 || allow.some((window) => isWithin(window, at))
  return isAllowed && !freeze.some((window) => isWithin(window, at))
}

function zoned(atMs: number, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timeZone)
}

/** The moments at which a clock shows this: one, or two where it is put back. What is skipped begins or ends with the jump. */
function momentsOf(shown: Temporal.PlainDateTime, timeZone: string): readonly number[] {
  const at = (disambiguation: 'earlier' | 'later') =>
    shown.toZonedDateTime(timeZone, { disambiguation }).epochMilliseconds
  return [at('earlier'), at('later')]
}

/** Moments of one day at which something may begin or end. */
function momentsOfDay({ minutes, freeze, timeZone }: Parsed, day: Temporal.PlainDate): readonly number[] {
  const shown = [
    ...minutes.map((minute) =>
      day.toPlainDateTime(Temporal.PlainTime.from({ hour: Math.floor(minute / 60), minute: minute % 60 })),
    ),
    ...freeze
      .flatMap((window) => (window.kind === 'dated' ? [window.from, window.to] : []))
      .filter((moment) => moment.toPlainDate().equals(day)),
  ]
  const jump = day.toZonedDateTime(timeZone).getTimeZoneTransition('next')
  const jumps = jump?.toPlainDate().equals(day) ? [jump.epochMilliseconds] : []
  return [...shown.flatMap((moment) => momentsOf(moment, timeZone)), ...jumps]
}

/**
 * Days on which something can begin or end for the first time: what is weekly shows within two weeks whether it ever
 * changes (one week may be the one of a skipped hour), from now on and from where a dated freeze begins or ends.
 */
function daysToLookAt({ freeze }: Parsed, today: Temporal.PlainDate): readonly Temporal.PlainDate[] {
  const last = today.add({ days: HORIZON_DAYS })
  const dated = freeze.flatMap((window) => (window.kind === 'dated' ? [window.from, window.to] : []))
  const starts = [today, ...dated.map((moment) => moment.toPlainDate())].filter(
    (day) => Temporal.PlainDate.compare(day, today) >= 0 && Temporal.PlainDate.compare(day, last) <= 0,
  )
  const days = starts.flatMap((start) =>
    // From the day before: clocks that are put back over midnight show yesterday again.
    Array.from({ length: 2 + WEEKLY_DAYS }, (_, index) => start.add({ days: index - 1 })),
  )
  return [...new Map(days.map((day) => [day.toString(), day])).values()].sort(Temporal.PlainDate.compare)
}

/** When the state is another one for the first time; `undefined`: not within {@link HORIZON_DAYS}. */
function nextChangeMs(parsed: Parsed, now: Temporal.ZonedDateTime): number | undefined {
  const wasOpen = isOpen(parsed, now)
  let found: readonly number[] = []
  for (const day of daysToLookAt(parsed, now.toPlainDate())) {
    const changes = momentsOfDay(parsed, day).filter(
      (atMs) => atMs > now.epochMilliseconds && isOpen(parsed, zoned(atMs, parsed.timeZone)) !== wasOpen,
    )
    // A day's first moments may come before the last of the day before, which is then shown again.
    if (found.length > 0) return Math.min(...found, ...changes)
    found = changes
  }
  return found.length > 0 ? Math.min(...found) : undefined
}

const DAY_NAMES = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** `Tue 22:00`, with the date where the day alone would be ambiguous. */
function shownMoment(atMs: number, nowMs: number, timeZone: string): string {
  const at = zoned(atMs, timeZone)
  const date = atMs - nowMs < 6 * DAY_MS ? '' : ` ${at.toPlainDate().toString()}`
  return `${DAY_NAMES[at.dayOfWeek - 1]}${date} ${at.toPlainTime().toString({ smallestUnit: 'minute' })}`
}

function reasonOf(parsed: Parsed, now: Temporal.ZonedDateTime): string {
  const frozen = parsed.freeze.find((window) => isWithin(window, now))
  if (frozen !== undefined) return `within the freeze window ${frozen.text} (${parsed.timeZone})`
  const texts = parsed.allow.map(({ text }) => text)
  return `outside the allow window${texts.length === 1 ? '' : 's'} ${texts.join('; ')} (${parsed.timeZone})`
}

/** Whether writing is allowed now, and when that changes. Throws for windows that the configuration would not let through. */
export function windowAt(windows: MaintenanceWindows, nowMs: number): WindowState {
  if (windows.allow.length === 0 && windows.freeze.length === 0) return { kind: 'open' }
  const parsed = parse(windows)
  const now = zoned(nowMs, windows.timeZone)
  const changeMs = nextChangeMs(parsed, now)
  if (isOpen(parsed, now)) return { kind: 'open', ...(changeMs === undefined ? {} : { closesAtMs: changeMs }) }
  const opens =
    changeMs === undefined
      ? `does not open within ${HORIZON_DAYS} days`
      : `opens ${shownMoment(changeMs, nowMs, windows.timeZone)}`
  return {
    kind: 'closed',
    reason: `${reasonOf(parsed, now)}; ${opens}`,
    ...(changeMs === undefined ? {} : { opensAtMs: changeMs }),
  }
}

export type WindowProblem = {
  readonly of: 'allow' | 'freeze' | 'timeZone'
  /** Which of the list. */
  readonly index?: number
  readonly message: string
}

function problemOf(parseText: (text: string) => unknown, text: string): string | undefined {
  try {
    parseText(text)
    return undefined
  } catch (error) {
    if (error instanceof WindowError) return error.message
    throw error
  }
}

export function isTimeZone(name: string): boolean {
  // Temporal knows offsets too; they know no daylight saving, which is rarely meant.
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    zoned(0, name)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** What is wrong with windows as they are written; a problem at a time for each entry. */
export function windowProblems({ allow, freeze, timeZone }: MaintenanceWindows): readonly WindowProblem[] {
  const problems = (of: 'allow' | 'freeze', texts: readonly string[], parseText: (text: string) => unknown) =>
    texts.flatMap((text, index): readonly WindowProblem[] => {
      const message = problemOf(parseText, text)
      return message === undefined ? [] : [{ of, index, message }]
    })
  const found: WindowProblem[] = [
    ...problems('allow', allow, parseAllowWindow),
    ...problems('freeze', freeze, parseFreezeWindow),
  ]
  if (!isTimeZone(timeZone)) {
    found.push({
      of: 'timeZone',
      message: `"${timeZone}" is no time zone; expected an IANA name such as Europe/Vienna`,
    })
  }
  if (found.length === 0 && neverOpens(parse({ allow, freeze, timeZone }))) {
    const [of, message] =
      allow.length === 0
        ? (['freeze', 'the freeze windows leave no minute of the week open'] as const)
        : (['allow', 'the freeze windows leave no minute of the allow windows open'] as const)
    found.push({ of, message: `${message}; nothing would ever be written` })
  }
  return found
}

/** Whether what is weekly leaves no minute of any week; a dated freeze ends some day. */
function neverOpens({ allow, freeze }: Parsed): boolean {
  const weekly = freeze.filter((window) => window.kind === 'weekly')
  for (let minute = 0; minute < 7 * MINUTES_A_DAY; minute++) {
    const [day, ofDay] = [Math.floor(minute / MINUTES_A_DAY) + 1, minute % MINUTES_A_DAY]
    const isIn = (window: WeeklyWindow) => isWithinWeekly(window, day, ofDay)
    if ((allow.length === 0 || allow.some(isIn)) && !weekly.some(isIn)) return false
  }
  return true
}
