// The drawer of a relationship: partners, plan on demand, every scope.

import { drawerHead, facts, get, h, pill, planLines, plural, time } from './dom.js'

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

export function planSection(name) {
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

export function relationshipView(detail, plan) {
  return [
    drawerHead(detail.name, detail.sync),
    detail.reason === undefined ? undefined : h('p', { class: 'lead' }, detail.reason),
    h('div', { class: 'two' }, detail.partners.map(partnerFacts)),
    detail.configured ? plan : undefined,
    scopeTable(detail.scopes),
  ]
}
