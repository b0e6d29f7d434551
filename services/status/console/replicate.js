// Copying the authoritative side, with its plan shown first. The answer approves exactly that plan: everything of a
// relationship, some scopes, or what a replication held.

import { openAction } from './action.js'
import { post } from './api.js'
import { h, plural, shortName } from './dom.js'
import { confirmText, consequenceOf, planNumbers, planView } from './plan-view.js'

/** Names of a relationship's plan in an answer that may refuse it. */
async function planOf({ server, relationship, scopes }) {
  const answer = await post('/v1/plans', { server, ...(scopes === undefined ? { relationship } : { scopes }) })
  const plan = answer.plans.find((one) => one.relationship === relationship)
  if (plan !== undefined) return plan
  const refused = answer.refused.find((one) => one.relationship === relationship)
  throw new Error(refused?.message ?? `${relationship} has no such scope any more.`)
}

/**
 * `of`: the held replication whose plan is approved, as the ledger has it. Where the plan is another one by now, that
 * is said, and the present one is what the answer approves.
 */
export function openReplicate({ server, relationship, scopes, title, of }) {
  let plan
  const changed = () => of !== undefined && plan.digest !== of.planDigest
  openAction({
    title: title ?? `Replicate ${relationship} from ${shortName(server)}`,
    again: true,
    async load() {
      plan = await planOf({ server, relationship, scopes })
      const { written } = planNumbers(plan)
      const isPossible = plan.digest !== undefined && written > 0 && plan.refusal === undefined
      return {
        content: [
          changed() && isPossible
            ? h(
                'p',
                { class: 'callout', 'data-state': 'held' },
                'The plan has changed since it was held; this is the present one.',
              )
            : undefined,
          ...planView(plan),
          plan.inSyncCount > 0
            ? h('p', { class: 'muted small' }, `${plural(plan.inSyncCount, 'scope')} already in sync.`)
            : undefined,
        ],
        consequence: isPossible ? consequenceOf(plan) : undefined,
        danger: planNumbers(plan).update + planNumbers(plan).delete > 0,
        confirm: isPossible ? confirmText(plan) : undefined,
      }
    },
    async submit({ person, send }) {
      // An approval releases what it names; scopes that stay held whatever is answered are no part of one.
      const isApproval = of !== undefined && planNumbers(plan).stuck === 0
      const accepted = isApproval
        ? await send('POST', `/v1/replications/${encodeURIComponent(of.job)}/approve`, {
            ...person,
            scopes: plan.scopes.map(({ scope }) => scope),
            planDigest: plan.digest,
          })
        : await send('POST', '/v1/replications', {
            ...person,
            server,
            ...(scopes === undefined ? { relationship } : { scopes: plan.scopes.map(({ scope }) => scope) }),
            approvedPlans: { [relationship]: plan.digest },
          })
      return {
        jobs: [{ job: accepted.job, label: `${shortName(plan.source)} → ${shortName(plan.target)}` }],
      }
    },
  })
}
