// The drawer: everything about one replication or one relationship. Its address is in the URL, so it can be linked to.

import {
  drawerHead,
  duration,
  exactTime,
  facts,
  get,
  h,
  pill,
  planLines,
  plural,
  replaceContent,
  shortName,
} from './dom.js'
import { planSection, relationshipView } from './relationship-details.js'
import { causeText, scopesText } from './replications.js'

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

function replicationView(replication) {
  const { cause } = replication
  const target = replication.target === undefined ? '' : ` → ${shortName(replication.target)}`
  return [
    drawerHead(
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
      replaceContent(drawer, relationshipView(detail, plan))
    } catch (error) {
      replaceContent(drawer, [
        drawerHead('Not available'),
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
