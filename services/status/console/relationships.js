// The relationship cards.

import { clockTime, h, pill, plural, replaceContent, shortName, time } from './dom.js'
import { ownPause } from './pauses.js'
import { waitText, withoutCommands } from './words.js'

const SHOWN_DIFFERENCES = 5

function partner(view) {
  return h(
    'div',
    { class: 'partner', 'data-reachable': String(view.reachable) },
    h('p', { class: 'partner-name', title: view.server }, shortName(view.server)),
    h(
      'p',
      { class: 'role', 'data-role': view.role },
      view.role === 'authoritative' ? 'authoritative side' : view.role === 'partner' ? 'partner' : 'side not known',
    ),
    h(
      'p',
      { class: 'partner-state' },
      pill(
        view.reachable ? view.failoverState : 'unreachable',
        view.nativeState && `the server says ${view.nativeState}`,
      ),
    ),
    h('p', { class: 'muted small' }, view.version ?? view.product ?? 'not seen yet'),
  )
}

function syncBar({ counts }) {
  const bar = h('div', { class: 'bar', 'aria-hidden': 'true' })
  for (const [kind, count] of [
    ['in-sync', counts.inSync],
    ['out-of-sync', counts.outOfSync],
    ['conflict', counts.conflict],
  ]) {
    if (count === 0) continue
    const part = h('span', { 'data-state': kind })
    part.style.flexGrow = String(count)
    bar.append(part)
  }
  return bar
}

function countsText({ sync, counts }) {
  if (sync === 'unknown') return 'The state of the scopes is not known'
  if (counts.total === 0) return 'Neither side has a scope'
  if (counts.inSync === counts.total)
    return `${counts.total === 1 ? 'The scope is' : `All ${counts.total} scopes are`} in sync`
  const parts = [
    `${counts.inSync} of ${plural(counts.total, 'scope')} in sync`,
    counts.outOfSync > 0 && `${counts.outOfSync} out of sync`,
    counts.conflict > 0 && `${counts.conflict} in conflict`,
  ]
  return parts.filter(Boolean).join(' · ')
}

function difference(scope) {
  return h(
    'li',
    {},
    h('code', {}, scope.scopeId),
    h('span', { class: 'why' }, withoutCommands(scope.why)),
    scope.since === undefined ? undefined : h('span', { class: 'muted small' }, time(scope.since)),
  )
}

function pendingJob(job) {
  const text = job.running ? 'running now' : waitText(job.reason)
  return h(
    'li',
    {},
    pill(job.running ? 'running' : 'pending'),
    h(
      'span',
      { class: 'why' },
      h(
        'a',
        { href: `#/replications/${encodeURIComponent(job.job)}`, 'data-key': `job ${job.job}` },
        job.automatic ? 'Automatic replication' : 'Request',
      ),
      `: ${text}`,
      job.detail === undefined ? undefined : h('span', { class: 'muted' }, ` (${job.detail})`),
      job.running || job.dueAt === undefined
        ? undefined
        : [' ', h('span', { class: 'muted nowrap' }, '· next try ', clockTime(job.dueAt))],
    ),
  )
}

export function pendingJobs(pending) {
  return pending.map(pendingJob)
}

/** What keeps the whole relationship from being written. */
function stops(relationship) {
  const { window } = relationship
  return [
    ownPause(relationship) !== undefined && pill('paused'),
    window?.state === 'closed' && pill('outside-window'),
    relationship.authorityProblem !== undefined && pill(`authority-${relationship.authorityProblem.code}`),
  ]
}

/** Scopes that wait for a person; the list carries only the first differences. */
function decisionLink({ name, differences, configured }) {
  // What somebody rejected is decided; the details still offer it.
  const count = differences.filter(({ action, rejected }) => action === 'hold' && rejected === undefined).length
  if (count === 0 || !configured) return undefined
  return h(
    'p',
    { class: 'to-decide' },
    h('span', {}, `${plural(count, 'scope')} ${count === 1 ? 'waits' : 'wait'} for a decision`),
    h(
      'a',
      {
        class: 'button primary',
        href: `#/relationships/${encodeURIComponent(name)}/decide`,
        'data-key': `card decide ${name}`,
        'aria-label': `Decide ${plural(count, 'scope')} of ${name}`,
      },
      'Decide',
    ),
  )
}

function card(relationship) {
  const { name, differences, counts, pending, partners } = relationship
  const [left, right] = [...partners].sort(
    (a, b) => Number(b.role === 'authoritative') - Number(a.role === 'authoritative'),
  )
  const open = counts.outOfSync + counts.conflict
  const hasDirection = left?.role === 'authoritative'
  return h(
    'article',
    { class: 'card relationship', 'data-state': relationship.sync, 'aria-label': `Relationship ${name}` },
    h(
      'header',
      { class: 'card-head' },
      h(
        'h2',
        {},
        h('a', { href: `#/relationships/${encodeURIComponent(name)}`, 'data-key': `relationship ${name}` }, name),
      ),
      pill(relationship.sync),
    ),
    h(
      'p',
      { class: 'tags' },
      h(
        'span',
        { class: 'tag' },
        relationship.configured ? `mode: ${relationship.mode}` : 'not configured, only observed',
      ),
      relationship.failoverMode === undefined
        ? undefined
        : h('span', { class: 'tag' }, relationship.failoverMode.replaceAll('-', ' ')),
      stops(relationship),
    ),
    h(
      'div',
      { class: 'pair' },
      left === undefined ? undefined : partner(left),
      h('span', { class: 'arrow', 'aria-hidden': 'true' }, hasDirection ? '→' : '·'),
      right === undefined ? undefined : partner(right),
    ),
    h('div', { class: 'sync' }, syncBar(relationship), h('p', {}, countsText(relationship))),
    relationship.reason === undefined
      ? undefined
      : h(
          'p',
          { class: 'callout', 'data-state': relationship.sync === 'unknown' ? 'unknown' : 'out-of-sync' },
          relationship.reason,
        ),
    decisionLink(relationship),
    pending.length === 0
      ? undefined
      : h(
          'div',
          { class: 'group' },
          h('h3', {}, 'Waiting'),
          h('ul', { class: 'rows' }, pendingJobs(pending.slice(0, 5))),
        ),
    open === 0
      ? undefined
      : h(
          'div',
          { class: 'group' },
          h('h3', {}, 'Not in sync'),
          h('ul', { class: 'rows' }, differences.slice(0, SHOWN_DIFFERENCES).map(difference)),
          open > SHOWN_DIFFERENCES
            ? h(
                'p',
                { class: 'small' },
                h(
                  'a',
                  { href: `#/relationships/${encodeURIComponent(name)}`, 'data-key': `all ${name}` },
                  `Show all ${open}`,
                ),
              )
            : undefined,
        ),
  )
}

const URGENCY = { conflict: 0, unknown: 1, 'out-of-sync': 2, 'in-sync': 3 }

export function showRelationships(parent, relationships) {
  if (relationships.length === 0) {
    replaceContent(
      parent,
      h(
        'p',
        { class: 'empty' },
        'No failover relationship is known. Name servers and relationships in twinscope.yaml, and start a watcher beside each server.',
      ),
    )
    return
  }
  // What needs a person comes first.
  const sorted = [...relationships].sort((a, b) => URGENCY[a.sync] - URGENCY[b.sync] || (a.name < b.name ? -1 : 1))
  replaceContent(parent, sorted.map(card))
}

export function headline(relationships) {
  if (relationships.length === 0) return ''
  const count = (sync) => relationships.filter((relationship) => relationship.sync === sync).length
  const bad = [
    [count('conflict'), 'in conflict'],
    [count('out-of-sync'), 'out of sync'],
    [count('unknown'), 'unknown'],
  ].filter(([number]) => number > 0)
  if (bad.length === 0)
    return relationships.length === 1
      ? 'The relationship is in sync'
      : `All ${relationships.length} relationships are in sync`
  return `Of ${plural(relationships.length, 'relationship')}: ${bad.map(([number, word]) => `${number} ${word}`).join(', ')}`
}
