// The drawer of a relationship: partners, authority, pauses and policies, plan on demand, every scope.

import { get } from './api.js'
import { authorityFacts, openAuthority } from './authority.js'
import { clockTime, drawerHead, facts, h, pill, plural, time } from './dom.js'
import { pauseButton, pauseCallouts } from './pauses.js'
import { planView } from './plan-view.js'
import { pendingJobs } from './relationships.js'
import { openReplicate } from './replicate.js'
import { withoutCommands } from './words.js'

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

export function planSection(name) {
  const target = h('div', { class: 'plan-here', 'aria-live': 'polite' })
  const show = async (event) => {
    event.target.disabled = true
    target.replaceChildren(h('p', { class: 'muted' }, 'Reading both servers …'))
    try {
      const plan = await get(`/v1/relationships/${encodeURIComponent(name)}/diff`)
      target.replaceChildren(
        ...planView(plan)
          .flat(3)
          .filter((child) => child !== undefined && child !== false),
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
      h('button', { type: 'button', class: 'button push', onclick: show }, 'Compare now'),
    ),
    target,
  )
}

function actions(detail, decisions) {
  const { name, authority } = detail
  const button = (key, text, onclick) =>
    h('button', { type: 'button', class: 'button', 'data-key': `${key} ${name}`, onclick }, text)
  return h(
    'div',
    { class: 'actions' },
    decisions === 0
      ? undefined
      : h(
          'a',
          {
            class: 'button primary',
            href: `#/relationships/${encodeURIComponent(name)}/decide`,
            'data-key': `decide ${name}`,
          },
          `Decide ${plural(decisions, 'scope')}`,
        ),
    detail.mode === 'observe' || authority === undefined
      ? undefined
      : button('replicate', 'Replicate …', () => openReplicate({ server: authority.side, relationship: name })),
    pauseButton(detail),
    button('authority', 'Authority …', () => openAuthority(detail)),
  )
}

function windowCallout({ window }) {
  if (window === undefined || window.state !== 'closed') return undefined
  return h(
    'p',
    { class: 'callout', 'data-state': 'paused' },
    `The maintenance window is closed${window.reason === undefined ? '' : `: ${window.reason}`}. Changes wait`,
    window.changesAt === undefined ? undefined : [' until ', clockTime(window.changesAt)],
    '.',
  )
}

function windowText({ window }) {
  if (window === undefined) return undefined
  if (window.state === 'always') return 'always'
  return h(
    'span',
    {},
    window.state,
    window.changesAt === undefined
      ? undefined
      : [window.state === 'open' ? ', closes ' : ', opens ', clockTime(window.changesAt)],
  )
}

const policyValue = (value) => (Array.isArray(value) ? value.join(', ') || 'none' : String(value))

function policies({ policy }) {
  if (policy === undefined || Object.keys(policy).length === 0) return undefined
  return h(
    'details',
    { 'data-key': 'policies', class: 'fold' },
    h('summary', {}, 'Policies of the configuration'),
    facts(Object.entries(policy).map(([key, value]) => [key.replaceAll('-', ' '), policyValue(value)])),
  )
}

function marks(scope) {
  const link = (job, text) =>
    h('a', { href: `#/replications/${encodeURIComponent(job)}`, 'data-key': `${scope.scope} ${text}` }, text)
  return [
    scope.restored === undefined
      ? undefined
      : h('p', { class: 'small muted' }, link(scope.restored.job, 'restored'), ' ', time(scope.restored.at)),
    scope.rejected === undefined
      ? undefined
      : h(
          'p',
          { class: 'small muted' },
          `rejected by ${scope.rejected.by}${scope.rejected.reason === undefined ? '' : `: ${scope.rejected.reason}`}`,
        ),
    scope.writtenBy === undefined
      ? undefined
      : h('p', { class: 'small muted' }, link(scope.writtenBy, 'written by this replication')),
  ]
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
              h('td', {}, withoutCommands(scope.why), marks(scope)),
              h('td', { class: 'nowrap' }, scope.since === undefined ? '' : time(scope.since)),
            ),
          ),
        ),
      ),
    ),
  )
}

function authorityCallout(detail) {
  const problem = detail.authorityProblem
  if (problem === undefined) return undefined
  return h(
    'div',
    { class: 'callout with-action', 'data-state': 'failed' },
    h('p', {}, problem.message),
    h(
      'button',
      { type: 'button', class: 'button', 'data-key': `settle ${detail.name}`, onclick: () => openAuthority(detail) },
      'Settle the authority …',
    ),
  )
}

export function relationshipView(detail, plan) {
  const decisions = detail.scopes.filter(({ action }) => action === 'hold').length
  return [
    drawerHead(detail.name, detail.sync),
    detail.configured ? actions(detail, decisions) : undefined,
    authorityCallout(detail),
    pauseCallouts(detail),
    windowCallout(detail),
    detail.reason === undefined
      ? undefined
      : h(
          'p',
          { class: 'callout', 'data-state': detail.sync === 'unknown' ? 'unknown' : 'out-of-sync' },
          detail.reason,
        ),
    facts([
      ...authorityFacts(detail),
      ['Mode', detail.configured ? detail.mode : 'not configured, only observed'],
      ['Quiet period', detail.policy?.['quiet-period']],
      ['Soak delay', detail.policy?.['soak-delay']],
      ['Maintenance window', windowText(detail)],
    ]),
    h('div', { class: 'two' }, detail.partners.map(partnerFacts)),
    detail.pending.length === 0
      ? undefined
      : h('section', {}, h('h3', {}, 'Waiting'), h('ul', { class: 'rows' }, pendingJobs(detail.pending))),
    detail.configured ? plan : undefined,
    policies(detail),
    scopeTable(detail.scopes),
  ]
}
