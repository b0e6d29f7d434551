// The drawer: everything about one replication or one relationship. Its address is in the URL, so it can be linked to.

import { duration, exactTime, facts, h, pill, planLines, plural, replaceContent, shortName, time } from './dom.js'
import { causeText, scopesText } from './replications.js'

async function get(path) {
  const response = await fetch(path)
  const body = await response.json()
  if (!response.ok) throw new Error(body.detail ?? `the service answered ${response.status}`)
  return body
}

function stages(list) {
  if (list.length === 0) return undefined
  const longest = Math.max(...list.map(({ durationMs }) => durationMs), 1)
  return h(
    'section',
    {},
    h('h3', {}, 'Stages'),
    h(
      'ol',
      { class: 'stages' },
      list.map(({ name, durationMs }) => {
        const bar = h('span', { class: 'stage-bar', 'aria-hidden': 'true' })
        bar.style.width = `${Math.max(1, Math.round((durationMs / longest) * 100))}%`
        return h(
          'li',
          {},
          h('span', {}, name),
          h('span', { class: 'stage-track' }, bar),
          h('span', { class: 'number' }, duration(durationMs)),
        )
      }),
    ),
  )
}

function scopeOutcome(scope) {
  const { counts } = scope
  return h(
    'li',
    { class: 'scope' },
    h(
      'div',
      { class: 'scope-head' },
      h('code', {}, scope.scope),
      pill(scope.status),
      counts === undefined
        ? undefined
        : h('span', { class: 'muted small mono' }, `+${counts.added} ~${counts.updated} −${counts.deleted}`),
    ),
    h('p', {}, scope.message),
    scope.persisted === false
      ? h(
          'p',
          { class: 'callout', 'data-state': 'out-of-sync' },
          'It runs on the partner but does not survive its restart; saving is tried again.',
        )
      : undefined,
    scope.plan === undefined || scope.plan.length === 0 ? undefined : planLines(scope.plan),
  )
}

function scopesOf(replication) {
  if (replication.scopes.length === 0) return undefined
  const rank = (scope) => (scope.status === 'already-in-sync' ? 1 : 0)
  const sorted = [...replication.scopes].sort((a, b) => rank(a) - rank(b))
  return h(
    'section',
    {},
    h('h3', {}, plural(replication.scopeCount, 'scope')),
    h('ul', { class: 'scopes-list' }, sorted.map(scopeOutcome)),
  )
}

function head(title, status) {
  return h(
    'header',
    { class: 'drawer-head' },
    h('h2', { id: 'details-title', tabindex: '-1', 'data-key': 'title' }, title),
    status === undefined ? undefined : pill(status),
    h('a', { class: 'button', href: '#/', 'data-key': 'close', 'aria-label': 'Close the details' }, 'Close'),
  )
}

function replicationView(replication) {
  const { cause } = replication
  const target = replication.target === undefined ? '' : ` → ${shortName(replication.target)}`
  return [
    head(
      `${replication.relationship ?? shortName(replication.source)}: ${scopesText(replication)}`,
      replication.status,
    ),
    replication.message === undefined ? undefined : h('p', { class: 'lead' }, replication.message),
    facts([
      ['Direction', `${shortName(replication.source)}${target}`],
      ['Level', `${replication.level}${replication.automatic ? ', automatic' : ''}`],
      ['Cause', causeText(replication)],
      ['Reason', cause.reason],
      ['Noticed', replication.noticedAt === undefined ? undefined : exactTime(replication.noticedAt)],
      ['Created', exactTime(replication.createdAt)],
      ['Finished', replication.finishedAt === undefined ? undefined : exactTime(replication.finishedAt)],
      ['Took', replication.durationMs === undefined ? undefined : duration(replication.durationMs)],
      ['Code', replication.code === undefined ? undefined : h('code', {}, replication.code)],
      ['Job', h('code', {}, replication.job), true],
      [
        'Trace',
        cause.traceparent === undefined ? undefined : h('code', {}, cause.traceparent.split('-')[1] ?? ''),
        true,
      ],
      [
        'Plan',
        replication.planDigest === undefined
          ? undefined
          : h('code', { title: replication.planDigest }, replication.planDigest.slice(0, 12)),
      ],
    ]),
    (replication.refused ?? []).map(({ relationship, message }) =>
      h('p', { class: 'callout', 'data-state': 'refused' }, `${relationship} was refused: ${message}`),
    ),
    replication.children.length === 0 ? scopesOf(replication) : undefined,
    replication.children.map((child) =>
      h(
        'section',
        { class: 'child' },
        h('div', { class: 'scope-head' }, h('h3', {}, child.relationship ?? child.source), pill(child.status)),
        child.message === undefined ? undefined : h('p', {}, child.message),
        scopesOf(child),
        stages(child.stages),
      ),
    ),
    stages(replication.stages),
  ]
}

function partnerFacts(partner) {
  return h(
    'section',
    { class: 'child' },
    h(
      'div',
      { class: 'scope-head' },
      h('h3', {}, partner.server),
      pill(partner.reachable ? partner.failoverState : 'unreachable'),
    ),
    facts([
      ['Role', partner.role === 'authoritative' ? 'authoritative side' : partner.role],
      ['Product', partner.version ?? partner.product],
      ['Own word for its state', partner.nativeState],
      ['In this state since', partner.failoverSince === undefined ? undefined : time(partner.failoverSince)],
      ['Last read', partner.readAt === undefined ? undefined : time(partner.readAt)],
    ]),
    partner.problem === undefined ? undefined : h('p', { class: 'callout', 'data-state': 'unknown' }, partner.problem),
  )
}

function plannedScope(scope) {
  return h(
    'li',
    { class: 'scope' },
    h('div', { class: 'scope-head' }, h('code', {}, scope.scopeId), h('span', { class: 'tag' }, scope.action)),
    scope.obstacles.map(({ message }) => h('p', { class: 'callout', 'data-state': 'held' }, message)),
    planLines(scope.changes),
  )
}

function planSection(name) {
  const target = h('div', { 'aria-live': 'polite' })
  const show = async (event) => {
    event.target.disabled = true
    target.replaceChildren(h('p', { class: 'muted' }, 'Reading both servers …'))
    try {
      const plan = await get(`/v1/relationships/${encodeURIComponent(name)}/diff`)
      target.replaceChildren(
        h('p', { class: 'muted small' }, `${plan.source} → ${plan.target}`),
        plan.scopes.length === 0
          ? h('p', {}, 'A replication would change nothing.')
          : h('ul', { class: 'scopes-list' }, plan.scopes.map(plannedScope)),
        ...plan.shown.map(({ scopeId, message }) =>
          h('p', { class: 'callout', 'data-state': 'unknown' }, `${scopeId}: ${message}`),
        ),
        ...plan.notes.map((note) => h('p', { class: 'callout', 'data-state': 'pending' }, note)),
      )
    } catch (error) {
      target.replaceChildren(h('p', { class: 'callout', 'data-state': 'failed' }, error.message))
    }
    event.target.disabled = false
  }
  return h(
    'section',
    {},
    h(
      'div',
      { class: 'scope-head' },
      h('h3', {}, 'What a replication would change'),
      h('button', { type: 'button', class: 'button', onclick: show }, 'Compare now'),
    ),
    target,
  )
}

function scopeTable(scopes) {
  const rank = { conflict: 0, 'out-of-sync': 1, 'in-sync': 2 }
  const sorted = [...scopes].sort((a, b) => rank[a.sync] - rank[b.sync])
  return h(
    'section',
    {},
    h('h3', {}, plural(scopes.length, 'scope')),
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table of scopes' },
      h(
        'table',
        {},
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['Scope', 'State', 'Why', 'Since'].map((title) => h('th', { scope: 'col' }, title)),
          ),
        ),
        h(
          'tbody',
          {},
          sorted.map((scope) =>
            h(
              'tr',
              {},
              h('td', { class: 'mono nowrap' }, scope.scopeId),
              h('td', {}, pill(scope.sync)),
              h('td', {}, scope.why),
              h('td', { class: 'nowrap' }, scope.since === undefined ? '' : time(scope.since)),
            ),
          ),
        ),
      ),
    ),
  )
}

export function createDetails({ dialog, drawer }) {
  let route
  let plan

  async function show() {
    const [kind, name] = route
    try {
      const detail = await get(`/v1/${kind}/${encodeURIComponent(name)}`)
      if (route?.[1] !== name) return
      if (kind === 'replications') return replaceContent(drawer, replicationView(detail))
      plan ??= planSection(name)
      replaceContent(drawer, [
        head(name, detail.sync),
        detail.reason === undefined ? undefined : h('p', { class: 'lead' }, detail.reason),
        h('div', { class: 'two' }, detail.partners.map(partnerFacts)),
        detail.configured ? plan : undefined,
        scopeTable(detail.scopes),
      ])
    } catch (error) {
      replaceContent(drawer, [
        head('Not available'),
        h('p', { class: 'callout', 'data-state': 'failed' }, error.message),
      ])
    }
  }

  async function onRoute() {
    const match = /^#\/(replications|relationships)\/(.+)$/.exec(location.hash)
    if (match === null) {
      route = undefined
      if (dialog.open) dialog.close()
      return
    }
    route = [match[1], decodeURIComponent(match[2])]
    plan = undefined
    await show()
    if (route !== undefined && !dialog.open) dialog.showModal()
    drawer.scrollTop = 0
    drawer.querySelector('#details-title')?.focus()
  }

  dialog.addEventListener('close', () => {
    const opener = route === undefined ? undefined : route[0] === 'replications' ? route[1] : `relationship ${route[1]}`
    if (route !== undefined) history.pushState(undefined, '', '#/')
    route = undefined
    if (opener !== undefined) document.querySelector(`main [data-key="${CSS.escape(opener)}"]`)?.focus()
  })
  // A click beside the drawer closes it, as does Escape.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close()
  })
  addEventListener('hashchange', onRoute)
  onRoute()
  return {
    /** Something of this job, or of the relationships, is new. */
    refresh(kind, names) {
      if (route?.[0] === kind && (names === undefined || names.includes(route[1]))) show()
    },
  }
}
