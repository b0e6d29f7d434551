// The drawer of a replication: what became of it, scope by scope, and what can be done about it.

import { drawerHead, duration, exactTime, facts, h, pill, planLines, plural, shortName } from './dom.js'
import { openReject } from './reject.js'
import { openReplicate } from './replicate.js'
import { causeText, scopesText } from './replications.js'
import { openRestore } from './restore.js'
import { actText, withoutCommands } from './words.js'

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
    h('p', {}, withoutCommands(scope.message)),
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

function jobLink(job) {
  return h('a', { href: `#/replications/${encodeURIComponent(job)}`, 'data-key': `to ${job}` }, h('code', {}, job))
}

/** `undefined` where there is nothing to decide: it runs, it wrote nothing, nothing is held. */
function actions(replication) {
  const { job, relationship, finishedAt, act = 'replicate' } = replication
  if (finishedAt === undefined || relationship === undefined) return undefined
  const held = replication.scopes.filter(({ status }) => status === 'held').map(({ scope }) => scope)
  const isWritten = replication.scopes.some(({ status }) => status === 'replicated')
  const button = (key, text, onclick, more = '') =>
    h('button', { type: 'button', class: `button ${more}`, 'data-key': `${key} ${job}`, onclick }, text)
  const buttons = [
    held.length > 0 && act === 'replicate'
      ? [
          button(
            'approve',
            'Approve …',
            () =>
              openReplicate({
                server: replication.source,
                relationship,
                scopes: held,
                title: `Approve what ${relationship} held`,
                of: replication,
              }),
            'primary',
          ),
          button('reject', 'Reject …', () => openReject({ job, relationship, scopes: held, scopeIds: held })),
        ]
      : undefined,
    held.length > 0
      ? h(
          'a',
          {
            class: 'button',
            href: `#/relationships/${encodeURIComponent(relationship)}/decide`,
            'data-key': `decide ${job}`,
          },
          'Compare both sides',
        )
      : undefined,
    isWritten && act !== 'reject' ? button('restore', 'Restore …', () => openRestore(replication)) : undefined,
  ].flat()
  return buttons.every((one) => one === undefined) ? undefined : h('div', { class: 'actions' }, buttons)
}

export function replicationView(replication) {
  const { cause } = replication
  const target = replication.target === undefined ? '' : ` → ${shortName(replication.target)}`
  const act = actText(replication.act)
  return [
    drawerHead(
      `${replication.relationship ?? shortName(replication.source)}: ${scopesText(replication)}`,
      replication.status,
    ),
    replication.message === undefined ? undefined : h('p', { class: 'lead' }, withoutCommands(replication.message)),
    actions(replication),
    facts([
      ['Act', act],
      ['Direction', `${shortName(replication.source)}${target}`],
      ['Level', `${replication.level}${replication.automatic ? ', automatic' : ''}`],
      ['Cause', causeText(replication)],
      ['Reason', cause.reason],
      ['Of replication', replication.of === undefined ? undefined : jobLink(replication.of), true],
      [
        'Approves',
        cause.approves === undefined || cause.approves === replication.of ? undefined : jobLink(cause.approves),
        true,
      ],
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
        child.message === undefined ? undefined : h('p', {}, withoutCommands(child.message)),
        actions(child),
        scopesOf(child),
        stages(child.stages),
      ),
    ),
    stages(replication.stages),
  ]
}
