import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type MaintenanceWindows, windowAt, windowProblems } from './windows.ts'

const HOUR_MS = 3_600_000

function windows(change: Partial<MaintenanceWindows>): MaintenanceWindows {
  return { allow: [], freeze: [], timeZone: 'Europe/Vienna', ...change }
}

/** `2026-03-29 01:30 +01:00`: Vienna, to be unambiguous. */
function at(text: string): number {
  return Date.parse(text.replace(' ', 'T').replace(' ', ''))
}

test('without windows it is always open', () => {
  assert.deepEqual(windowAt(windows({}), at('2026-11-24 12:00 +01:00')), { kind: 'open' })
})

test('a closed window says why and when it opens', () => {
  const nights = windows({ allow: ['Mon-Fri 22:00-05:00'] })
  assert.deepEqual(windowAt(nights, at('2026-11-24 12:00 +01:00')), {
    kind: 'closed',
    reason: 'outside the allow window Mon-Fri 22:00-05:00 (Europe/Vienna); opens Tue 22:00',
    opensAtMs: at('2026-11-24 22:00 +01:00'),
  })
  assert.deepEqual(windowAt(nights, at('2026-11-24 22:00 +01:00')), {
    kind: 'open',
    closesAtMs: at('2026-11-25 05:00 +01:00'),
  })
  assert.equal(windowAt(nights, at('2026-11-25 04:59 +01:00')).kind, 'open')
  assert.equal(windowAt(nights, at('2026-11-25 05:00 +01:00')).kind, 'closed')
})

test('a window that passes midnight belongs to the day on which it starts', () => {
  const nights = windows({ allow: ['Mon-Fri 22:00-05:00'] })
  // Saturday 03:00 is still Friday's window; Sunday's night is nobody's.
  assert.equal(windowAt(nights, at('2026-11-28 03:00 +01:00')).kind, 'open')
  assert.equal(windowAt(nights, at('2026-11-28 22:30 +01:00')).kind, 'closed')
  assert.equal(windowAt(nights, at('2026-11-30 03:00 +01:00')).kind, 'closed')
})

test('spans of days go over the end of the week, lists and daily are understood', () => {
  const moment = { mon: '2026-11-23', tue: '2026-11-24', sat: '2026-11-28', sun: '2026-11-29' }
  const isOpen = (allow: string, day: keyof typeof moment) =>
    windowAt(windows({ allow: [allow] }), at(`${moment[day]} 12:00 +01:00`)).kind === 'open'
  assert.deepEqual(
    (['mon', 'tue', 'sat', 'sun'] as const).map((day) => isOpen('Sat-Mon 10:00-14:00', day)),
    [true, false, true, true],
  )
  assert.deepEqual(
    (['mon', 'tue', 'sat', 'sun'] as const).map((day) => isOpen('Sat, sun 00:00-24:00', day)),
    [false, false, true, true],
  )
  assert.equal(isOpen('daily 01:00-03:00', 'mon'), false)
})

test('a freeze counts more than an allow window, for a day, a span or weekly', () => {
  const frozen = windows({
    allow: ['daily 00:00-24:00'],
    freeze: ['2026-12-24', '2026-12-26 12:00 to 2027-01-07 00:00'],
  })
  assert.deepEqual(windowAt(frozen, at('2026-12-24 08:00 +01:00')), {
    kind: 'closed',
    reason: 'within the freeze window 2026-12-24 (Europe/Vienna); opens Fri 00:00',
    opensAtMs: at('2026-12-25 00:00 +01:00'),
  })
  assert.deepEqual(windowAt(frozen, at('2026-12-25 08:00 +01:00')), {
    kind: 'open',
    closesAtMs: at('2026-12-26 12:00 +01:00'),
  })
  const state = windowAt(frozen, at('2026-12-27 08:00 +01:00'))
  assert.equal(
    state.kind === 'closed' && state.reason.endsWith('; opens Thu 2027-01-07 00:00'),
    true,
    JSON.stringify(state),
  )
  assert.equal(windowAt(windows({ freeze: ['Fri 12:00-24:00'] }), at('2026-11-27 12:00 +01:00')).kind, 'closed')
})

test('what never changes within 400 days has no time', () => {
  const frozen = windows({ freeze: ['2026-01-01 00:00 to 2030-01-01 00:00'] })
  const state = windowAt(frozen, at('2026-11-24 12:00 +01:00'))
  assert.deepEqual(state, {
    kind: 'closed',
    reason:
      'within the freeze window 2026-01-01 00:00 to 2030-01-01 00:00 (Europe/Vienna); does not open within 400 days',
  })
  assert.deepEqual(windowAt(windows({ allow: ['daily 00:00-24:00'] }), 0), { kind: 'open' })
})

test('a time that is skipped in spring begins with the jump', () => {
  // 02:00 +01:00 becomes 03:00 +02:00.
  const early = windows({ allow: ['Sun 02:30-06:00'] })
  assert.deepEqual(windowAt(early, at('2026-03-29 01:00 +01:00')), {
    kind: 'closed',
    reason: 'outside the allow window Sun 02:30-06:00 (Europe/Vienna); opens Sun 03:00',
    opensAtMs: at('2026-03-29 02:00 +01:00'),
  })
  const skipped = windowAt(windows({ allow: ['Sun 02:15-02:45'] }), at('2026-03-29 01:00 +01:00'))
  assert.equal(skipped.kind === 'closed' && skipped.opensAtMs, at('2026-04-05 02:15 +02:00'))
})

test('a time that is shown twice in autumn counts twice', () => {
  // 03:00 +02:00 becomes 02:00 +01:00.
  const late = windows({ allow: ['Sun 01:00-02:30'] })
  assert.deepEqual(windowAt(late, at('2026-10-25 01:00 +02:00')), {
    kind: 'open',
    closesAtMs: at('2026-10-25 02:30 +02:00'),
  })
  const between = windowAt(late, at('2026-10-25 02:40 +02:00'))
  assert.equal(between.kind === 'closed' && between.opensAtMs, at('2026-10-25 02:00 +01:00'))
  assert.deepEqual(windowAt(late, at('2026-10-25 02:10 +01:00')), {
    kind: 'open',
    closesAtMs: at('2026-10-25 02:30 +01:00'),
  })
})

const DAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']
/** Zones whose clocks jump at other hours, by other amounts, over midnight, or never. */
const ZONES = [
  'UTC',
  'Europe/Vienna',
  'America/New_York',
  'Africa/Cairo',
  'America/Santiago',
  'Asia/Beirut',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
]
const QUARTER_MS = HOUR_MS / 4

const aTime = (most: number) =>
  fc
    .integer({ min: 0, max: most })
    .map(
      (quarters) =>
        `${String(Math.floor(quarters / 4)).padStart(2, '0')}:${String((quarters % 4) * 15).padStart(2, '0')}`,
    )
const someDays = fc.oneof(
  fc.constant('daily'),
  fc.uniqueArray(fc.constantFrom(...DAYS), { minLength: 1, maxLength: 3 }).map((days) => days.join(',')),
  fc.tuple(fc.constantFrom(...DAYS), fc.constantFrom(...DAYS)).map((ends) => ends.join('-')),
)
const weekly = fc
  .tuple(someDays, aTime(95), aTime(96))
  .filter(([, start, end]) => start !== end)
  .map(([days, start, end]) => `${days} ${start}-${end}`)

const FORMATS = new Map(
  ZONES.map((timeZone) => [
    timeZone,
    new Intl.DateTimeFormat('en-GB', {
      timeZone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    }),
  ]),
)

/** What a clock of the zone shows, told by the formatter of the runtime and not by the code under test. */
function shown(atMs: number, timeZone: string): { readonly day: string; readonly minute: number } {
  const [day = '', time = ''] = (FORMATS.get(timeZone)?.format(atMs) ?? '').split(' ')
  const [hour = 0, minute = 0] = time.split(':').map(Number)
  return { day, minute: hour * 60 + minute }
}

function isWithinText(text: string, atMs: number, timeZone: string): boolean {
  const [days = '', span = ''] = text.split(' ')
  const [start = 0, end = 0] = span.split('-').map((time) => {
    const [hour = 0, minute = 0] = time.split(':').map(Number)
    return hour * 60 + minute
  })
  const named = days.split(',').flatMap((part) => {
    if (part === 'daily') return DAYS
    const [first = '', last = first] = part.split('-')
    const round = [...DAYS, ...DAYS]
    const from = round.indexOf(first)
    return round.slice(from, round.indexOf(last, from) + 1)
  })
  const { day, minute } = shown(atMs, timeZone)
  const before = DAYS[(DAYS.indexOf(day) + 6) % 7] as string
  if (start < end) return named.includes(day) && start <= minute && minute < end
  return (named.includes(day) && minute >= start) || (named.includes(before) && minute < end)
}

test('the state is what a clock on the wall says, until the moment that is named', () => {
  // Around the jumps of these zones, and anywhere.
  const moments = fc.oneof(
    fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2028, 0, 1) }),
    fc
      .tuple(
        fc.constantFrom(
          '2026-03-29',
          '2026-10-25',
          '2026-03-08',
          '2026-11-01',
          '2026-04-05',
          '2026-10-04',
          '2026-10-29',
          '2026-09-05',
        ),
        fc.integer({ min: -36, max: 36 }),
      )
      .map(([date, hours]) => Date.parse(date) + hours * HOUR_MS),
  )
  fc.assert(
    fc.property(
      fc.array(weekly, { maxLength: 2 }),
      fc.array(weekly, { maxLength: 2 }),
      fc.constantFrom(...ZONES),
      moments,
      (allow, freeze, timeZone, moment) => {
        const nowMs = Math.floor(moment / QUARTER_MS) * QUARTER_MS
        const isOpen = (atMs: number) => {
          const within = (text: string) => isWithinText(text, atMs, timeZone)
          return (allow.length === 0 || allow.some(within)) && !freeze.some(within)
        }
        const state = windowAt({ allow, freeze, timeZone }, nowMs)
        assert.equal(state.kind === 'open', isOpen(nowMs))
        const changeMs = state.kind === 'open' ? state.closesAtMs : state.opensAtMs
        const untilMs = Math.min(changeMs ?? Number.POSITIVE_INFINITY, nowMs + 9 * 24 * HOUR_MS)
        for (let atMs = nowMs; atMs < untilMs; atMs += QUARTER_MS) {
          assert.equal(isOpen(atMs), isOpen(nowMs), `changes at ${new Date(atMs).toISOString()} already`)
        }
        if (changeMs !== undefined) assert.notEqual(isOpen(changeMs), isOpen(nowMs))
      },
    ),
    { numRuns: 300, seed: 20260329 },
  )
})

test('what is wrong with a window is said, with what is expected', () => {
  const problems = (change: Partial<MaintenanceWindows>) =>
    windowProblems(windows(change)).map(({ of, index, message }) => `${of} ${index ?? '-'}: ${message}`)
  assert.deepEqual(problems({ allow: ['Mon-Fri 22:00-05:00'], freeze: ['2026-12-24', 'Fri 12:00-24:00'] }), [])
  const expected: readonly (readonly [Partial<MaintenanceWindows>, RegExp])[] = [
    [{ allow: ['nights'] }, /^allow 0: "nights" is no allow window; expected `Mon-Fri 22:00-05:00`/],
    [{ allow: ['daily 01:00-02:00', 'Mon-Fri 22-5'] }, /^allow 1: "Mon-Fri 22-5" is no allow window/],
    [{ allow: ['Mo-Fr 22:00-05:00'] }, /^allow 0: "Mo" is no day; expected Mon, Tue/],
    [{ allow: ['Mon-Wed-Fri 22:00-05:00'] }, /^allow 0: "Mon-Wed-Fri" is no span of days/],
    [{ allow: ['daily 25:00-26:00'] }, /^allow 0: "25:00" is no time of day; expected 00:00 to 23:59/],
    [{ allow: ['daily 24:00-02:00'] }, /^allow 0: "24:00" is no time of day; expected 00:00 to 23:59/],
    [{ allow: ['daily 20:00-24:30'] }, /^allow 0: "24:30" is no time of day; expected 00:00 to 24:00/],
    [{ allow: ['daily 02:00-02:00'] }, /^allow 0: .* begins and ends at the same time; a whole day is 00:00-24:00/],
    [{ allow: ['2026-12-24'] }, /^allow 0: "2026-12-24" is no allow window/],
    [{ freeze: ['2026-02-30'] }, /^freeze 0: "2026-02-30 00:00" is no date and time/],
    [{ freeze: ['2026-12-24 00:00 to 2026-12-23 00:00'] }, /^freeze 0: .* ends before it begins/],
    [{ freeze: ['24.12.2026'] }, /^freeze 0: "24.12.2026" is no freeze window; expected .* a day as `2026-12-24`/],
    [{ timeZone: 'Europe/Wien' }, /^timeZone -: "Europe\/Wien" is no time zone; expected an IANA name/],
    [{ timeZone: '+02:00' }, /^timeZone -: "\+02:00" is no time zone/],
    [{ freeze: ['daily 00:00-24:00'] }, /^freeze -: .*leave no minute of the week open; nothing would ever be written/],
    [
      { allow: ['Mon 01:00-03:00'], freeze: ['Mon-Tue 00:00-12:00'] },
      /^allow -: .*leave no minute of the allow windows open/,
    ],
  ]
  for (const [change, pattern] of expected) {
    const found = problems(change)
    assert.equal(found.length, 1, `${pattern}: ${found.join('\n')}`)
    assert.match(found[0] ?? '', pattern)
  }
})
