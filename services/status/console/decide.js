// The decisions of one relationship: scopes that wait for a person, what happened on each side, and which side is kept.

import { get } from './api.js'
import { conflictView, isPickable, shownOf, sideOf } from './conflict-view.js'
import { openDecision } from './decision.js'
import { drawerHead, h, plural, shortName } from './dom.js'
import { openReplicate } from './replicate.js'

/** The report at first contact: every scope in one line of numbers. */
function firstContact(detail, conflicts) {
  if (!conflicts.some(({ code }) => code === 'first-contact')) return undefined
  const count = (test) => detail.scopes.filter(test).length
  const row = (number, text) => (number === 0 ? undefined : h('li', {}, h('strong', {}, String(number)), ` ${text}`))
  return h(
    'section',
    { class: 'child' },
    h('h3', {}, 'First contact'),
    h(
      'p',
      {},
      'The partners have never agreed on these scopes, so Twinscope cannot tell who changed what. Approve once; from then on changes are replicated by themselves.',
    ),
    h(
      'ul',
      { class: 'numbers' },
      row(
        count(({ sync }) => sync === 'in-sync'),
        'already equal',
      ),
      row(
        count(({ code }) => code === 'first-contact'),
        'different on both sides',
      ),
      row(
        count(({ code }) => code === 'created'),
        'missing on the partner, would be created there',
      ),
      row(
        count(({ code }) => code === 'only-on-partner'),
        'only on the partner, left as they are',
      ),
    ),
  )
}

function summaryText(decisions, detail) {
  const authoritative = shortName(detail.authority.side)
  const partner = shortName(detail.partners.find(({ server }) => server !== detail.authority.side)?.server ?? '')
  const count = (choice) => decisions.filter((one) => one.choice === choice).length
  const parts = [
    count('keep') > 0 && `${authoritative} is kept for ${plural(count('keep'), 'scope')}`,
    count('adopt') > 0 && `${partner} is adopted for ${plural(count('adopt'), 'scope')}`,
    count('reject') > 0 && `${plural(count('reject'), 'scope')} rejected`,
  ].filter(Boolean)
  return parts.length === 0 ? 'Choose a side for each scope.' : `${parts.join(' · ')}`
}

/** One relationship's decisions; `redraw` is called when a choice changed what is shown. */
export function createDecide(name, redraw) {
  /** Scope → what was chosen, and for what. */
  const choices = new Map()

  function view(detail, conflicts) {
    const changed = new Set()
    for (const conflict of conflicts) {
      const choice = choices.get(conflict.scope)
      if (choice === undefined || choice.shown === shownOf(conflict)) continue
      choices.set(conflict.scope, { shown: choice.shown, stale: true })
    }
    for (const [scope, { stale }] of choices) if (stale) changed.add(scope)
    const decisions = conflicts.flatMap((conflict) => {
      const choice = choices.get(conflict.scope)?.choice
      return choice === undefined ? [] : [{ conflict, choice }]
    })
    const choose = (conflict, choice) => {
      choices.set(conflict.scope, { choice, shown: shownOf(conflict) })
      redraw()
    }
    const isShown = (conflict) =>
      detail.scopes.some(({ scope, action }) => scope === conflict.scope && action === 'show')
    const chooseAll = (choice, role) => {
      // What is only shown is no part of "all": it is adopted one by one.
      for (const conflict of conflicts) {
        if (isShown(conflict) || !isPickable(sideOf(conflict, role))) continue
        choices.set(conflict.scope, { choice, shown: shownOf(conflict) })
      }
      redraw()
    }
    const side = detail.authority?.side
    const partner = detail.partners.find(({ server }) => server !== side)?.server
    const waiting = conflicts.filter((conflict) => !isShown(conflict))
    const shown = conflicts.filter(isShown)
    const list = (items) =>
      h(
        'ul',
        { class: 'conflicts' },
        items.map((conflict) =>
          conflictView(conflict, choices.get(conflict.scope)?.choice, changed.has(conflict.scope), (choice) =>
            choose(conflict, choice),
          ),
        ),
      )
    const head = drawerHead(`${name}: decide`, detail.sync, `#/relationships/${encodeURIComponent(name)}`)
    if (side === undefined || conflicts.length === 0) {
      return [
        head,
        h('p', { class: 'lead' }, 'Nothing waits for a decision.'),
        h(
          'p',
          {},
          h(
            'a',
            { href: `#/relationships/${encodeURIComponent(name)}`, 'data-key': 'to details' },
            'The relationship in full',
          ),
        ),
      ]
    }
    return [
      head,
      h(
        'div',
        { class: 'decide-head' },
        h(
          'p',
          { class: 'lead' },
          `${plural(waiting.length, 'scope')} ${waiting.length === 1 ? 'waits' : 'wait'} for a decision. ${shortName(side)} is the authoritative side.`,
        ),
        h(
          'div',
          { class: 'actions' },
          h(
            'button',
            {
              type: 'button',
              class: 'button',
              'data-key': 'approve all',
              onclick: () =>
                openReplicate({ server: side, relationship: name, title: `Approve everything of ${name}` }),
            },
            'Approve everything …',
          ),
          conflicts.length < 2
            ? undefined
            : [
                h(
                  'button',
                  {
                    type: 'button',
                    class: 'button',
                    'data-key': 'keep all',
                    onclick: () => chooseAll('keep', 'authoritative'),
                  },
                  `Choose ${shortName(side)} for all`,
                ),
                h(
                  'button',
                  {
                    type: 'button',
                    class: 'button',
                    'data-key': 'adopt all',
                    onclick: () => chooseAll('adopt', 'partner'),
                  },
                  `Choose ${shortName(partner ?? '')} for all`,
                ),
              ],
        ),
      ),
      firstContact(detail, conflicts),
      list(waiting),
      shown.length === 0
        ? undefined
        : h(
            'section',
            {},
            h('h3', {}, 'Only shown'),
            h('p', { class: 'muted' }, `Nothing is written here unless you adopt ${shortName(partner ?? '')}.`),
            list(shown),
          ),
      h(
        'div',
        { class: 'decide-foot' },
        h('p', { role: 'status' }, summaryText(decisions, detail)),
        h(
          'button',
          {
            type: 'button',
            class: 'button primary',
            'data-key': 'carry out',
            disabled: decisions.length === 0,
            onclick: () => openDecision({ name, side, partner, decisions }),
          },
          decisions.length === 0 ? 'Decide' : `Decide ${plural(decisions.length, 'scope')} …`,
        ),
      ),
    ]
  }

  let last
  return {
    async load() {
      const path = `/v1/relationships/${encodeURIComponent(name)}`
      const [detail, list] = await Promise.all([get(path), get(`${path}/conflicts`)])
      last = [detail, list.items]
      return view(...last)
    },
    /** As it was read last, with the present choices. */
    view: () => (last === undefined ? [] : view(...last)),
  }
}
