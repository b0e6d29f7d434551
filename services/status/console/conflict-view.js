// One scope that waits for a person: what happened on each side since both agreed, and what picking a side would do.

import { h, planLines, shortName, time } from './dom.js'
import { obstacle } from './plan-view.js'
import { holdText, withoutCommands } from './words.js'

export const sideOf = (conflict, role) => conflict.sides.find((side) => side.role === role)
export const isPickable = (side) =>
  side !== undefined && side.digest !== undefined && side.obstacles.every(({ approvable }) => approvable)

/** A choice holds only for what was shown. */
export function shownOf(conflict) {
  return JSON.stringify(conflict.sides.map(({ server, digest, plan }) => [server, digest, plan]))
}

function whatChanged(conflict, side, other) {
  if (side.changes.length === 0) {
    return h(
      'p',
      { class: 'muted small' },
      conflict.base === 'known' ? 'Not changed since both agreed.' : 'Nothing else.',
    )
  }
  const title =
    conflict.base === 'known'
      ? 'Since both agreed:'
      : `What ${shortName(side.server)} has, against ${shortName(other.server)}:`
  return [h('p', { class: 'muted small' }, title), planLines(side.changes)]
}

function whoAndWhen(side) {
  if (side.changes.length === 0) return undefined
  return h(
    'p',
    { class: 'small' },
    'Changed ',
    side.since === undefined ? undefined : time(side.since),
    side.by === undefined ? ', by whom is not known' : ` by ${side.by}`,
  )
}

function consequence(side, other) {
  const [kept, lost] = [shortName(side.server), shortName(other.server)]
  if (side.role === 'authoritative') return `Copies ${kept}’s settings over ${lost}’s.`
  return `Copies ${kept}’s settings over ${lost}’s, once; ${lost} stays the authoritative side.`
}

function sideCard({ conflict, side, other, name, isChosen, onChoose, isOpen }) {
  const choice = side.role === 'authoritative' ? 'keep' : 'adopt'
  const id = `${name} ${choice}`.replaceAll(/[^\w-]/g, '-')
  return h(
    'div',
    { class: 'choice', 'data-chosen': String(isChosen) },
    h(
      'div',
      { class: 'check' },
      h('input', {
        type: 'radio',
        name,
        id,
        value: choice,
        checked: isChosen,
        disabled: !isPickable(side),
        'data-key': id,
        'aria-describedby': `${id}-what`,
        onchange: () => onChoose(choice),
      }),
      h(
        'label',
        { for: id },
        h('strong', {}, `${choice === 'keep' ? 'Keep' : 'Adopt'} ${shortName(side.server)}`),
        h('span', { class: 'muted small' }, side.role === 'authoritative' ? 'authoritative side' : 'partner'),
      ),
    ),
    whoAndWhen(side),
    whatChanged(conflict, side, other),
    h(
      'p',
      { class: 'small', id: `${id}-what` },
      isPickable(side) ? consequence(side, other) : `${shortName(side.server)} cannot be picked here.`,
    ),
    side.plan.length === 0
      ? undefined
      : h(
          'details',
          { 'data-key': `${id}-plan`, open: isOpen },
          h('summary', {}, `Would be written on ${shortName(other.server)}`),
          planLines(side.plan),
        ),
    // That an adopt is written onto the authoritative side is said above.
    side.obstacles.filter(({ code }) => code !== conflict.code && code !== 'adopt').map(obstacle),
  )
}

function rejectCard({ conflict, name, isChosen, onChoose }) {
  const id = `${name} reject`.replaceAll(/[^\w-]/g, '-')
  return h(
    'div',
    { class: 'choice flat', 'data-chosen': String(isChosen) },
    h(
      'div',
      { class: 'check' },
      h('input', {
        type: 'radio',
        name,
        id,
        value: 'reject',
        checked: isChosen,
        disabled: conflict.job === undefined,
        'data-key': id,
        onchange: () => onChoose('reject'),
      }),
      h(
        'label',
        { for: id },
        h('strong', {}, 'Reject: leave both as they are'),
        h(
          'span',
          { class: 'muted small' },
          conflict.job === undefined
            ? 'Possible once a replication has held this difference.'
            : 'It is not proposed again until one side changes.',
        ),
      ),
    ),
  )
}

export function conflictView(conflict, chosen, wasChanged, onChoose) {
  const authoritative = sideOf(conflict, 'authoritative')
  const partner = sideOf(conflict, 'partner')
  const name = `choice ${conflict.scope}`
  const common = { conflict, name }
  const card = (side, other, choice) =>
    side === undefined || other === undefined
      ? undefined
      : sideCard({ ...common, side, other, isChosen: chosen === choice, onChoose })
  return h(
    'li',
    {},
    h(
      'fieldset',
      { class: 'conflict' },
      h(
        'legend',
        {},
        h('code', {}, conflict.scopeId),
        h('span', { class: 'tag', 'data-state': conflict.code }, holdText(conflict.code)),
      ),
      h('p', { class: 'why-text' }, withoutCommands(conflict.why)),
      wasChanged
        ? h(
            'p',
            { class: 'callout', 'data-state': 'held', role: 'status' },
            'It has changed since you chose; choose again.',
          )
        : undefined,
      conflict.rejected === undefined
        ? undefined
        : h(
            'p',
            { class: 'callout', 'data-state': 'unknown' },
            `Rejected by ${conflict.rejected.by}`,
            conflict.rejected.reason === undefined ? '' : `: ${conflict.rejected.reason}`,
            ' (',
            time(conflict.rejected.at),
            ')',
          ),
      h('div', { class: 'two' }, card(authoritative, partner, 'keep'), card(partner, authoritative, 'adopt')),
      rejectCard({ ...common, isChosen: chosen === 'reject', onChoose }),
      conflict.job === undefined
        ? undefined
        : h(
            'p',
            { class: 'small' },
            'Held last by ',
            h(
              'a',
              { href: `#/replications/${encodeURIComponent(conflict.job)}`, 'data-key': `held by ${conflict.scope}` },
              'this replication',
            ),
          ),
    ),
  )
}
