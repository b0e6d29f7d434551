// The table of replications: live, filtered, with older pages on demand.

import { duration, h, pill, replaceContent, shortName, time } from './dom.js'
import { actText, withoutCommands } from './words.js'

export function scopesText(replication) {
  const shown = replication.scopeIds.slice(0, 2).join(', ')
  const rest = replication.scopeCount - Math.min(2, replication.scopeIds.length)
  if (replication.act === 'move-authority') return 'authority'
  if (shown === '') return replication.level === 'server' ? 'every relationship' : 'all scopes'
  return rest > 0 ? `${shown} and ${rest} more` : shown
}

export function causeText({ cause }) {
  if (cause.kind === 'change') return 'change'
  if (cause.kind === 'tick') return 'reconcile'
  return cause.actor ?? cause.requester ?? 'request'
}

/** Whatever is not an ordinary replication says what it is. */
function actTag({ act }) {
  const text = actText(act)
  return text === undefined ? undefined : [h('span', { class: 'tag' }, text), ' ']
}

/** While something runs, its own progress says more than its status. */
function statusCell(replication) {
  const { progress } = replication
  return h(
    'td',
    {},
    h(
      'a',
      { class: 'row-link', href: `#/replications/${encodeURIComponent(replication.job)}`, 'data-key': replication.job },
      pill(replication.status, withoutCommands(replication.message)),
      h('span', { class: 'visually-hidden' }, `, details of replication ${replication.job}`),
    ),
    progress === undefined
      ? undefined
      : h('p', { class: 'muted small nowrap' }, `${progress.stage} ${progress.done}/${progress.total}`),
  )
}

function row(replication) {
  const source = shortName(replication.source)
  const failed = ['held', 'refused', 'failed'].includes(replication.status)
  return h(
    'tr',
    { 'data-state': replication.status },
    statusCell(replication),
    h(
      'td',
      { class: 'scopes' },
      h('span', { class: 'mono' }, scopesText(replication)),
      failed && replication.message !== undefined
        ? h('p', { class: 'muted small message' }, withoutCommands(replication.message))
        : undefined,
    ),
    h('td', { class: 'nowrap' }, replication.relationship ?? h('span', { class: 'muted' }, 'server request')),
    h(
      'td',
      { class: 'nowrap' },
      replication.target === undefined ? source : `${source} → ${shortName(replication.target)}`,
    ),
    h('td', {}, actTag(replication), causeText(replication)),
    h('td', { class: 'nowrap' }, time(replication.createdAt)),
    h('td', { class: 'number nowrap' }, duration(replication.durationMs)),
  )
}

export function createReplicationTable({ rows, empty, more, status, cause }) {
  /** Of the present filter only. */
  let known = new Map()
  let next

  const fits = (replication) =>
    (status.value === '' || replication.status === status.value) &&
    (cause.value === '' || String(replication.automatic) === cause.value)

  function show() {
    const sorted = [...known.values()].sort((a, b) =>
      a.createdAt === b.createdAt ? (a.job < b.job ? 1 : -1) : a.createdAt < b.createdAt ? 1 : -1,
    )
    replaceContent(rows, sorted.map(row))
    empty.hidden = sorted.length > 0
    empty.textContent =
      status.value === '' && cause.value === ''
        ? 'Nothing has been replicated yet. A change on an authoritative server appears here within seconds.'
        : 'No replication matches the filters.'
    more.hidden = next === undefined
  }

  async function load(cursor) {
    const query = new URLSearchParams({ limit: '50' })
    if (status.value !== '') query.set('status', status.value)
    if (cause.value !== '') query.set('automatic', cause.value)
    if (cursor !== undefined) query.set('cursor', cursor)
    const response = await fetch(`/v1/replications?${query}`)
    if (!response.ok) return
    const page = await response.json()
    if (cursor === undefined) known = new Map()
    for (const replication of page.items) known.set(replication.job, replication)
    next = page.next
    show()
  }

  for (const filter of [status, cause]) filter.addEventListener('change', () => load())
  more.addEventListener('click', () => load(next))
  return {
    reload: () => load(),
    update(replication) {
      if (fits(replication)) known.set(replication.job, replication)
      else known.delete(replication.job)
      show()
    },
  }
}
