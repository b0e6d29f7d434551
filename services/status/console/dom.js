// Elements without a framework, and how values are written.

/** `h('p', {class: 'x', onclick: f}, 'text', child)`; `undefined` children and attributes are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(3).filter((child) => child !== undefined && child !== false))
  return element
}

/** Replaces the content and keeps the focus on what has the same `data-key`. */
export function replaceContent(parent, ...children) {
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined
  const open = new Set([...parent.querySelectorAll('details[open][data-key]')].map((details) => details.dataset.key))
  parent.replaceChildren(...children.flat(3).filter((child) => child !== undefined && child !== false))
  for (const details of parent.querySelectorAll('details[data-key]')) {
    if (open.has(details.dataset.key)) details.open = true
  }
  if (key !== undefined) parent.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true })
}

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`
}

export function shortName(server) {
  return /^\d/.test(server) ? server : server.split('.')[0]
}

/** Every state has a word; the colour only repeats it. */
export function pill(state, title) {
  return h(
    'span',
    { class: 'pill', 'data-state': state, title },
    h('span', { class: 'dot' }),
    state.replaceAll('-', ' '),
  )
}

export function duration(ms) {
  if (ms === undefined) return ''
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms < 3_600_000) return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`
  return `${Math.floor(ms / 3_600_000)} h ${Math.round((ms % 3_600_000) / 60_000)} min`
}

function ago(text) {
  const seconds = Math.round((Date.now() - Date.parse(text)) / 1_000)
  if (seconds < 5) return 'just now'
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`
  return new Date(text).toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric' })
}

export function time(text) {
  if (text === undefined) return undefined
  return h('time', { datetime: text, title: new Date(text).toLocaleString(), 'data-ago': true }, ago(text))
}

export function exactTime(text) {
  return h('time', { datetime: text }, new Date(text).toLocaleString())
}

/** The time of day, with its date where that is not today. For what lies minutes or hours ahead or behind. */
export function clockTime(text) {
  const date = new Date(text)
  const isToday = date.toDateString() === new Date().toDateString()
  const words = date.toLocaleString(undefined, {
    ...(isToday ? {} : { day: 'numeric', month: 'short' }),
    hour: '2-digit',
    minute: '2-digit',
  })
  return h('time', { datetime: text, title: date.toLocaleString() }, words)
}

/** Relative times age while nothing else happens. */
export function refreshTimes() {
  for (const element of document.querySelectorAll('time[data-ago]')) element.textContent = ago(element.dateTime)
}

/** One line of a plan: added, changed, deleted are told apart by sign and colour. */
export function planLines(lines) {
  const kinds = { '+': 'add', '-': 'delete', '~': 'update' }
  return h(
    'ul',
    { class: 'plan' },
    lines.map((line) => h('li', { 'data-kind': kinds[line[0]] }, line)),
  )
}

export function facts(rows) {
  return h(
    'dl',
    { class: 'facts' },
    rows
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value, wide]) => h('div', { class: wide && 'wide' }, h('dt', {}, name), h('dd', {}, value))),
  )
}

/** `back`: where closing leads to; default: the overview. */
export function drawerHead(title, status, back) {
  return h(
    'header',
    { class: 'drawer-head' },
    h('h2', { id: 'details-title', tabindex: '-1', 'data-key': 'title' }, title),
    status === undefined ? undefined : pill(status),
    back === undefined ? undefined : h('a', { class: 'button', href: back, 'data-key': 'back' }, 'Back'),
    h('a', { class: 'button', href: '#/', 'data-key': 'close', 'aria-label': 'Close the details' }, 'Close'),
  )
}
