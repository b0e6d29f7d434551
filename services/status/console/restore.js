// Undoing a replication: the content from before it is written back, as a replication of its own.

import { openAction } from './action.js'
import { post } from './api.js'
import { h, plural, shortName } from './dom.js'
import { planNumbers, planView } from './plan-view.js'

export function openRestore(replication) {
  const path = `/v1/replications/${encodeURIComponent(replication.job)}/restore`
  const both = h('input', { type: 'checkbox', id: 'restore-both' })
  let answer
  openAction({
    title: `Restore what was there before replication ${replication.job}`,
    again: true,
    controls: (reload) => {
      both.addEventListener('change', reload)
      return [
        h(
          'p',
          { class: 'muted' },
          'The restored scopes are held afterwards, so that no tick undoes the restore, until somebody approves.',
        ),
        h(
          'div',
          { class: 'check' },
          both,
          h(
            'label',
            { for: 'restore-both' },
            'Restore the authoritative side too',
            h('span', { class: 'muted small' }, 'Otherwise it keeps the newer content, and the partners differ.'),
          ),
        ),
      ]
    },
    async load() {
      answer = await post(`${path}/plan`, both.checked ? { both: true } : {})
      const numbers = answer.plans.map((plan) => ({ plan, ...planNumbers(plan) }))
      const written = numbers.filter((one) => one.written > 0)
      const isPossible = written.length > 0 && answer.digest !== undefined
      return {
        content: [
          ...answer.plans.map((plan) =>
            h(
              'section',
              { class: 'side-plan' },
              h('h3', {}, `On ${shortName(plan.target)}`),
              planView(plan, { hasDirection: false }),
            ),
          ),
          answer.plans.length === 0 ? h('p', {}, 'Nothing would be written.') : undefined,
          ...answer.missing.map(({ scopeId, message }) =>
            h('p', { class: 'callout', 'data-state': 'unknown' }, `${scopeId} is left as it is: ${message}`),
          ),
        ],
        consequence: isPossible
          ? written.map(
              ({ plan, written: count }) =>
                `${shortName(plan.target)}’s settings of ${plural(count, 'scope')} are overwritten with what was there before.`,
            )
          : undefined,
        danger: true,
        confirm: isPossible
          ? `Restore ${plural(Math.max(...written.map((one) => one.written)), 'scope')} on ${written.map(({ plan }) => shortName(plan.target)).join(' and ')}`
          : undefined,
      }
    },
    async submit({ person, send }) {
      const accepted = await send('POST', path, {
        ...person,
        ...(both.checked ? { both: true } : {}),
        approvedPlan: answer.digest,
      })
      return { jobs: [{ job: accepted.job, label: 'Restore' }] }
    },
  })
}
