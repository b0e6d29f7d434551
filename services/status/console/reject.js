// Rejecting: a held plan is not proposed again until one side changes.

import { openAction } from './action.js'
import { h, plural } from './dom.js'

export function openReject({ job, relationship, scopes, scopeIds }) {
  openAction({
    title: `Reject the plan for ${relationship}`,
    reasonLabel: 'Reason why it should stay as it is',
    async load() {
      return {
        content: [
          h('p', {}, 'Both sides keep what they have:'),
          h(
            'ul',
            { class: 'chips' },
            scopeIds.map((id) => h('li', {}, h('code', {}, id))),
          ),
        ],
        consequence: `Nothing is written. The difference of ${plural(scopeIds.length, 'scope')} stays and is not proposed again until one of the sides changes.`,
        confirm: `Reject ${plural(scopeIds.length, 'scope')}`,
      }
    },
    async submit({ person, send }) {
      const accepted = await send('POST', `/v1/replications/${encodeURIComponent(job)}/reject`, {
        ...person,
        ...(scopes === undefined ? {} : { scopes }),
      })
      return { jobs: [{ job: accepted.job, label: 'Rejection' }] }
    },
  })
}
