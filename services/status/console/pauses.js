// Pausing and resuming: of one relationship, or of the whole fleet.

import { openAction } from './action.js'
import { clockTime, h, plural } from './dom.js'

const HOUR_MS = 3_600_000
/** How long a pause lasts, in hours; none: until somebody resumes. */
const LENGTHS = [
  ['', 'until somebody resumes'],
  ['0.5', '30 minutes'],
  ['1', '1 hour'],
  ['2', '2 hours'],
  ['4', '4 hours'],
  ['8', '8 hours'],
  ['24', '1 day'],
  ['at', 'until a time …'],
]

export function fleetPause(relationships) {
  return relationships.flatMap(({ pauses = [] }) => pauses).find(({ relationship }) => relationship === undefined)
}

export function ownPause({ pauses = [], name }) {
  return pauses.find(({ relationship }) => relationship === name)
}

/** "paused by anna 10:02: maintenance; until 12:00" */
export function pauseText(pause) {
  return [
    `${pause.relationship === undefined ? 'The whole fleet is' : 'This relationship is'} paused by ${pause.by} since `,
    clockTime(pause.at),
    pause.until === undefined ? ', until somebody resumes' : ', until ',
    pause.until === undefined ? undefined : clockTime(pause.until),
    pause.reason === undefined ? '.' : `: ${pause.reason}.`,
  ].filter((part) => part !== undefined)
}

function pathOf(relationship) {
  return relationship === undefined ? '/v1/pause' : `/v1/relationships/${encodeURIComponent(relationship)}/pause`
}

const whatOf = (relationship) => relationship ?? 'the whole fleet'

export function openPause(relationship) {
  const length = h(
    'select',
    { id: 'pause-length' },
    LENGTHS.map(([value, text]) => h('option', { value }, text)),
  )
  const at = h('input', { type: 'datetime-local', id: 'pause-at', 'aria-label': 'End of the pause' })
  at.hidden = true
  const until = () => {
    if (length.value === '') return undefined
    if (length.value === 'at') {
      if (at.value === '' || Date.parse(at.value) <= Date.now()) throw new Error('Give an end that is in the future.')
      return new Date(at.value).toISOString()
    }
    return new Date(Date.now() + Number(length.value) * HOUR_MS).toISOString()
  }
  openAction({
    title: `Pause ${whatOf(relationship)}`,
    reasonLabel: 'Reason, shown to everybody',
    controls: () => {
      length.addEventListener('change', () => {
        at.hidden = length.value !== 'at'
      })
      return h('div', { class: 'field row' }, h('label', { for: 'pause-length' }, 'For'), length, at)
    },
    async load() {
      return {
        content: [
          h(
            'ul',
            { class: 'bullets' },
            h('li', {}, 'Changes are noticed and wait; they are replicated as soon as the pause ends.'),
            h('li', {}, 'Requests to replicate are refused.'),
            h('li', {}, 'Restores, and moves of the authority, go on.'),
          ),
        ],
        consequence: `Nothing is replicated in ${whatOf(relationship)} while the pause stands.`,
        confirm: `Pause ${whatOf(relationship)}`,
      }
    },
    async submit({ person, send }) {
      const end = until()
      const pause = await send('PUT', pathOf(relationship), { ...person, ...(end === undefined ? {} : { until: end }) })
      const words =
        pause?.until === undefined ? 'until somebody resumes' : `until ${new Date(pause.until).toLocaleString()}`
      return { done: `Paused ${words}.` }
    },
  })
}

/** `waiting`: jobs that the pause holds back. */
export function openResume(relationship, pause, waiting) {
  openAction({
    title: `Resume ${whatOf(relationship)}`,
    async load() {
      return {
        content: [h('p', {}, pauseText(pause))],
        consequence:
          waiting === 0
            ? 'Nothing waits. Changes are replicated again from now on.'
            : `${plural(waiting, 'waiting replication')} ${waiting === 1 ? 'goes' : 'go'} on at once.`,
        confirm: `Resume ${whatOf(relationship)}`,
      }
    },
    async submit({ actor, send }) {
      const by = actor === undefined ? '' : `?${new URLSearchParams({ actor })}`
      await send('DELETE', `${pathOf(relationship)}${by}`)
      return { done: 'Resumed.' }
    },
  })
}

export function pausedJobs(relationships) {
  return relationships.flatMap(({ pending }) => pending).filter(({ reason }) => reason === 'paused').length
}

/** The banner under the header while the fleet is paused. */
export function showPauseBanner(banner, relationships) {
  const pause = fleetPause(relationships)
  banner.hidden = pause === undefined
  const key = JSON.stringify(pause)
  if (banner.dataset.shown === key) return
  banner.dataset.shown = key ?? ''
  banner.replaceChildren()
  if (pause === undefined) return
  banner.append(
    h('p', {}, pauseText(pause)),
    h(
      'button',
      {
        type: 'button',
        class: 'button',
        'data-key': 'resume fleet',
        onclick: () => openResume(undefined, pause, pausedJobs(relationships)),
      },
      'Resume the fleet',
    ),
  )
}

/** Pause or resume, whichever can be done. */
export function pauseButton(detail) {
  const pause = ownPause(detail)
  const key = `pause ${detail.name}`
  return pause === undefined
    ? h(
        'button',
        { type: 'button', class: 'button', 'data-key': key, onclick: () => openPause(detail.name) },
        'Pause …',
      )
    : h(
        'button',
        {
          type: 'button',
          class: 'button',
          'data-key': key,
          onclick: () => openResume(detail.name, pause, pausedJobs([detail])),
        },
        'Resume …',
      )
}

export function pauseCallouts({ pauses = [] }) {
  return pauses.map((pause) => h('p', { class: 'callout', 'data-state': 'paused' }, pauseText(pause)))
}
