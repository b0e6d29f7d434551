// Which side is copied from: what the record and both gates say, and moving or confirming it.

import { openAction } from './action.js'
import { getWithTag } from './api.js'
import { exactTime, facts, h, plural, shortName } from './dom.js'

const FROM = {
  record: 'the record',
  gates: 'the gates; the record is lost',
  configuration: 'the configuration; nothing is recorded yet',
}

const PROBLEMS = {
  lost: 'The record of the authority is lost',
  interrupted: 'A move of the authority was interrupted',
  unseeded: 'The authority was never recorded',
}

export function authorityFacts({ authority }) {
  if (authority === undefined) return []
  return [
    ['Authoritative side', authority.side],
    ['Epoch', authority.epoch === undefined ? undefined : String(authority.epoch)],
    ['Known from', FROM[authority.from] ?? authority.from],
  ]
}

function gateRow(gate) {
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, shortName(gate.server)),
    h(
      'td',
      {},
      gate.problem ?? (gate.side === undefined ? 'nothing recorded' : `${shortName(gate.side)} is authoritative`),
    ),
    h('td', { class: 'number' }, gate.epoch === undefined ? '' : String(gate.epoch)),
  )
}

function content(view) {
  return [
    view.problem === undefined
      ? undefined
      : h(
          'div',
          { class: 'callout', 'data-state': 'failed' },
          h(
            'strong',
            {},
            `${PROBLEMS[view.problem.code] ?? view.problem.code}. Nothing is written until it is settled.`,
          ),
          h('p', {}, view.problem.message),
        ),
    facts([
      ['Recorded', view.side === undefined ? 'none' : view.side],
      ['Epoch', view.epoch === undefined ? undefined : String(view.epoch)],
      ['Changed', view.changedAt === undefined ? undefined : exactTime(view.changedAt)],
      ['By', view.changedBy],
      ['In the configuration', view.configured],
    ]),
    h(
      'table',
      { class: 'plain' },
      h('caption', {}, 'What each gate has made durable'),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          ['Gate', 'Knows', 'Epoch'].map((title) =>
            h('th', { scope: 'col', class: title === 'Epoch' && 'number' }, title),
          ),
        ),
      ),
      h('tbody', {}, view.gates.map(gateRow)),
    ),
    view.note === undefined ? undefined : h('p', { class: 'callout', 'data-state': 'unknown' }, view.note),
  ]
}

/** What a move means, in the words of the console's own direction. */
function consequence(view, detail, side, other, force) {
  const differing = detail.counts.outOfSync + detail.counts.conflict
  const edits = detail.policy?.['on-foreign-edit'] === 'revert' ? 'reverted' : 'held'
  const [to, from] = [shortName(side), shortName(other)]
  const first =
    side === view.side
      ? `${to} is confirmed as the authoritative side: its settings are copied to ${from}.`
      : `From then on the settings of ${to} are copied to ${from}, and edits on ${from} are ${edits}.`
  const drift =
    differing === 0
      ? ''
      : ` ${plural(differing, 'scope')} ${differing === 1 ? 'differs' : 'differ'} now; ${to} counts for ${differing === 1 ? 'it' : 'them'}.`
  const forced = force
    ? ` It is done though ${from} or its watcher cannot be asked: make sure that nothing else writes there.`
    : ''
  return `${first}${drift}${forced}`
}

export function openAuthority(detail) {
  const path = `/v1/relationships/${encodeURIComponent(detail.name)}/authority`
  const servers = detail.partners.map(({ server }) => server)
  const force = h('input', { type: 'checkbox', id: 'authority-force' })
  let picked
  let view
  let tag
  const radios = servers.map((server, index) =>
    h('input', { type: 'radio', name: 'side', id: `side-${index}`, value: server }),
  )
  openAction({
    title: `Authority of ${detail.name}`,
    controls: (reload) => {
      const pick = (event) => {
        picked = event.target.value
        reload()
      }
      for (const radio of radios) radio.addEventListener('change', pick)
      force.addEventListener('change', reload)
      return [
        h(
          'fieldset',
          { class: 'sides' },
          h('legend', {}, 'The authoritative side, whose settings are copied'),
          radios.map((radio, index) =>
            h('div', { class: 'check' }, radio, h('label', { for: radio.id }, servers[index])),
          ),
        ),
        h(
          'div',
          { class: 'check' },
          force,
          h(
            'label',
            { for: 'authority-force' },
            'Though the other server or its watcher cannot be asked',
            h(
              'span',
              { class: 'muted small' },
              'For a server that is down. It learns of the move before it is written again.',
            ),
          ),
        ),
      ]
    },
    async load() {
      ;({ answer: view, tag } = await getWithTag(path))
      const present = view.side ?? detail.authority?.side
      // The usual wish is the other side; where something is wrong, it is to settle what was.
      picked ??= view.problem === undefined ? servers.find((server) => server !== present) : present
      for (const radio of radios) radio.checked = radio.value === picked
      const other = servers.find((server) => server !== picked) ?? picked
      const isConfirmation = picked === view.side
      const nothing = isConfirmation && view.problem === undefined
      return {
        content: content(view),
        consequence: nothing ? undefined : consequence(view, detail, picked, other, force.checked),
        danger: true,
        confirm: nothing
          ? undefined
          : `${isConfirmation || view.side === undefined ? 'Confirm' : 'Move the authority to'} ${shortName(picked)}`,
      }
    },
    async submit({ person, send, reload }) {
      try {
        const accepted = await send(
          'PUT',
          path,
          { ...person, side: picked, ...(force.checked ? { force: true } : {}) },
          tag === undefined ? {} : { 'if-match': tag },
        )
        return { jobs: [{ job: accepted.job, label: `Authority to ${shortName(picked)}` }] }
      } catch (error) {
        // Somebody was faster: what they did is shown before the question is put again.
        if (error.status === 412) await reload()
        throw error
      }
    },
  })
}
