// Carrying out what was chosen in the decide view: up to three directions in one answer, each said with its scopes.

import { openAction } from './action.js'
import { get, post } from './api.js'
import { h, planLines, plural, shortName } from './dom.js'
import { consequenceOf, countsLine, direction, obstacle, planView } from './plan-view.js'

/** What picking a side writes for exactly these scopes, and the digest that names it. */
async function picked(path, role, conflicts) {
  if (conflicts.length === 0) return { scopes: [], items: [] }
  const scopes = conflicts.map(({ scope }) => scope)
  const { items, sides } = await get(`${path}?scope=${encodeURIComponent(scopes.join(','))}`)
  const side = sides.find((one) => one.role === role)
  return { items, scopes: side?.scopes ?? [], digest: side?.digest }
}

function adoptSection({ items, scopes }, side, partner) {
  const row = ({ scope, scopeId, sides }) => {
    const from = sides.find(({ role }) => role === 'partner')
    return h(
      'li',
      { class: 'scope' },
      h(
        'div',
        { class: 'scope-head' },
        h('code', {}, scopeId),
        from.planned === undefined ? undefined : countsLine(from.planned.counts),
      ),
      planLines(from.plan),
      scopes.includes(scope) ? undefined : from.obstacles.map(obstacle),
    )
  }
  return h(
    'section',
    { class: 'side-plan' },
    h('h3', {}, `Adopt ${shortName(partner)}`),
    direction(partner, side),
    h('ul', { class: 'scopes-list' }, items.map(row)),
  )
}

function rejectSection(rejected) {
  return h(
    'section',
    { class: 'side-plan' },
    h('h3', {}, 'Reject'),
    h('p', {}, 'Both sides keep what they have; not proposed again until one of them changes.'),
    h(
      'ul',
      { class: 'chips' },
      rejected.map(({ scopeId }) => h('li', {}, h('code', {}, scopeId))),
    ),
  )
}

/** Rejections are one request per replication that held the scopes. */
function byJob(conflicts) {
  const groups = new Map()
  for (const { job, scope } of conflicts) groups.set(job, [...(groups.get(job) ?? []), scope])
  return [...groups]
}

/** `decisions`: `{conflict, choice}` with `keep`, `adopt` or `reject`. */
export function openDecision({ name, side, partner, decisions }) {
  const scopesOf = (choice) =>
    new Set(decisions.filter((one) => one.choice === choice).map(({ conflict }) => conflict.scope))
  const wanted = { keep: scopesOf('keep'), adopt: scopesOf('adopt'), reject: scopesOf('reject') }
  const path = `/v1/relationships/${encodeURIComponent(name)}/conflicts`
  let present
  openAction({
    title: `Decide ${plural(decisions.length, 'scope')} of ${name}`,
    again: true,
    async load() {
      // Everything is read afresh, so that what is approved is what is there now.
      const { items } = await get(path)
      const still = (choice) => items.filter(({ scope }) => wanted[choice].has(scope))
      const kept = still('keep')
      const keepPlan =
        kept.length === 0
          ? undefined
          : (await post('/v1/plans', { server: side, scopes: kept.map(({ scope }) => scope) })).plans.find(
              ({ relationship }) => relationship === name,
            )
      const adopted = await picked(path, 'partner', still('adopt'))
      const rejected = still('reject')
      present = { keepPlan, adopted, rejected }
      const count = kept.length + adopted.scopes.length + rejected.length
      return {
        content: [
          count < decisions.length
            ? h(
                'p',
                { class: 'callout', 'data-state': 'unknown' },
                `${plural(decisions.length - count, 'scope')} no longer ${decisions.length - count === 1 ? 'waits' : 'wait'} for a decision.`,
              )
            : undefined,
          keepPlan === undefined
            ? undefined
            : h('section', { class: 'side-plan' }, h('h3', {}, `Keep ${shortName(side)}`), planView(keepPlan)),
          adopted.scopes.length === 0 ? undefined : adoptSection(adopted, side, partner),
          rejected.length === 0 ? undefined : rejectSection(rejected),
        ],
        consequence: [
          keepPlan === undefined ? '' : consequenceOf(keepPlan),
          adopted.scopes.length === 0
            ? ''
            : `${shortName(side)}’s settings of ${plural(adopted.scopes.length, 'scope')} are overwritten with those of ${shortName(partner)}; ${shortName(side)} stays the authoritative side.`,
          rejected.length === 0
            ? ''
            : `${plural(rejected.length, 'scope')} ${rejected.length === 1 ? 'stays' : 'stay'} different.`,
        ],
        danger: kept.length + adopted.scopes.length > 0,
        confirm: count === 0 ? undefined : `Decide ${plural(count, 'scope')}`,
      }
    },
    async submit({ person, send }) {
      const { keepPlan, adopted, rejected } = present
      const jobs = []
      const add = (accepted, label) => jobs.push({ job: accepted.job, label })
      if (keepPlan?.digest !== undefined) {
        const body = {
          ...person,
          server: side,
          scopes: keepPlan.scopes.map(({ scope }) => scope),
          approvedPlans: { [name]: keepPlan.digest },
        }
        add(await send('POST', '/v1/replications', body), `${shortName(side)} → ${shortName(partner)}`)
      }
      if (adopted.digest !== undefined) {
        const body = { ...person, side: partner, scopes: adopted.scopes, planDigest: adopted.digest }
        add(await send('POST', `${path}/pick`, body), `${shortName(partner)} → ${shortName(side)}`)
      }
      for (const [job, scopes] of byJob(rejected)) {
        add(
          await send('POST', `/v1/replications/${encodeURIComponent(job)}/reject`, { ...person, scopes }),
          `Reject ${plural(scopes.length, 'scope')}`,
        )
      }
      return { jobs }
    },
  })
}
