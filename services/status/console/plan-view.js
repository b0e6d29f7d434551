// A plan for people: direction and consequence first, then the numbers, then every change.

import { h, planLines, plural, shortName } from './dom.js'
import { withoutCommands } from './words.js'

/** Scopes whose changes are shown without a click. */
const OPEN_SCOPES = 3

const isHeldWhatever = ({ obstacles }) => obstacles.some(({ approvable }) => !approvable)

/** What an approval of the plan writes, by kind, and what stays held all the same. */
export function planNumbers(plan) {
  const written = plan.scopes.filter((scope) => !isHeldWhatever(scope))
  const of = (action) => written.filter((scope) => scope.action === action).length
  return {
    update: of('update'),
    create: of('create'),
    delete: of('delete'),
    written: written.length,
    stuck: plan.scopes.length - written.length,
  }
}

/** "dhcp2's settings of 3 scopes are overwritten with dhcp1's. 1 scope is deleted on dhcp2." */
export function consequenceOf(plan) {
  const numbers = planNumbers(plan)
  const [source, target] = [shortName(plan.source), shortName(plan.target)]
  const are = (count) => (count === 1 ? 'is' : 'are')
  return [
    numbers.update > 0 &&
      `${target}’s settings of ${plural(numbers.update, 'scope')} are overwritten with those of ${source}.`,
    numbers.create > 0 && `${plural(numbers.create, 'scope')} ${are(numbers.create)} created on ${target}.`,
    numbers.delete > 0 && `${plural(numbers.delete, 'scope')} ${are(numbers.delete)} deleted on ${target}.`,
    numbers.stuck > 0 &&
      `${plural(numbers.stuck, 'scope')} ${numbers.stuck === 1 ? 'stays' : 'stay'} held all the same.`,
  ]
    .filter(Boolean)
    .join(' ')
}

/** The button that carries it out says how much. */
export function confirmText(plan) {
  const { written, update, create } = planNumbers(plan)
  const verb = update === written ? 'Overwrite' : create === written ? 'Create' : 'Write'
  return `${verb} ${plural(written, 'scope')} on ${shortName(plan.target)}`
}

export function direction(source, target) {
  return h(
    'p',
    { class: 'direction' },
    h('span', { class: 'end', title: source }, shortName(source)),
    h('span', { class: 'arrow', 'aria-hidden': 'true' }, '→'),
    h('span', { class: 'visually-hidden' }, ' is copied to '),
    h('span', { class: 'end', title: target }, shortName(target)),
  )
}

export function countsLine({ added, updated, deleted }) {
  return h(
    'span',
    { class: 'muted small counts' },
    [added > 0 && `${added} added`, updated > 0 && `${updated} changed`, deleted > 0 && `${deleted} removed`]
      .filter(Boolean)
      .join(', ') || 'nothing',
  )
}

export function obstacle({ message, approvable }) {
  return h(
    'p',
    { class: 'callout', 'data-state': approvable ? 'held' : 'failed' },
    approvable ? withoutCommands(message) : `Stays held whatever is answered: ${message}`,
  )
}

export function plannedScope(scope, isOpen) {
  return h(
    'li',
    { class: 'scope' },
    h(
      'details',
      { open: isOpen, 'data-key': `planned ${scope.scope}` },
      h(
        'summary',
        {},
        h('code', {}, scope.scopeId),
        h('span', { class: 'tag', 'data-action': scope.action }, scope.action),
        countsLine(scope.counts),
      ),
      scope.changes.length === 0
        ? h('p', { class: 'muted small' }, 'No single change to show.')
        : planLines(scope.changes),
    ),
    scope.obstacles.map(obstacle),
  )
}

/** An obstacle that every scope has is one of the whole run and said once. */
function ofTheRun(scopes) {
  if (scopes.length < 2) return []
  const [first, ...others] = scopes
  return first.obstacles.filter(({ message }) =>
    others.every(({ obstacles }) => obstacles.some((other) => other.message === message)),
  )
}

/** `hasDirection`: false where the content comes from neither side, as in a restore. */
export function planView(plan, { hasDirection = true } = {}) {
  const common = ofTheRun(plan.scopes)
  const isCommon = ({ message }) => common.some((other) => other.message === message)
  const isOpen = plan.scopes.length <= OPEN_SCOPES
  return [
    hasDirection && direction(plan.source, plan.target),
    plan.refusal === undefined
      ? undefined
      : h('p', { class: 'callout', 'data-state': 'refused' }, plan.refusal.message),
    plan.failure === undefined ? undefined : h('p', { class: 'callout', 'data-state': 'failed' }, plan.failure.message),
    common.map(obstacle),
    plan.scopes.length === 0
      ? plan.failure === undefined && h('p', {}, 'Nothing would be written.')
      : h(
          'ul',
          { class: 'scopes-list' },
          plan.scopes.map((scope) =>
            plannedScope({ ...scope, obstacles: scope.obstacles.filter((one) => !isCommon(one)) }, isOpen),
          ),
        ),
    plan.shown.map(({ scopeId, message }) =>
      h('p', { class: 'callout', 'data-state': 'unknown' }, `${scopeId} is left as it is: ${message}`),
    ),
    plan.notes.map((note) => h('p', { class: 'callout', 'data-state': 'pending' }, note)),
  ]
}
