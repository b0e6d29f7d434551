// The dialog of everything that changes something: what happens, to whom, on whose word; then what became of it.

import { createSender, token } from './api.js'
import { h, pill, plural } from './dom.js'
import { followJob } from './jobs.js'
import { withoutCommands } from './words.js'

const NAME_KEY = 'twinscope-name'

function field(label, input, hint) {
  const id = `field-${input.name}`
  input.id = id
  if (hint !== undefined) input.setAttribute('aria-describedby', `${id}-hint`)
  return h(
    'div',
    { class: 'field' },
    h('label', { for: id }, label),
    input,
    hint === undefined ? undefined : h('p', { class: 'muted small', id: `${id}-hint` }, hint),
  )
}

function scopeResult(scope) {
  return h(
    'li',
    {},
    h('div', { class: 'scope-head' }, h('code', {}, scope.scope), pill(scope.status)),
    h('p', { class: 'small' }, withoutCommands(scope.message)),
  )
}

/** What became of one job, while it runs and afterwards. */
function jobResult({ label, replication }) {
  const { job, status = 'pending', message, problem, scopes = [] } = replication
  const isTold = scopes.length === 1 && scopes[0].message === message
  return h(
    'li',
    { class: 'scope' },
    h(
      'div',
      { class: 'scope-head' },
      h('strong', {}, label),
      pill(status),
      h('a', { class: 'small push', href: `#/replications/${encodeURIComponent(job)}`, 'data-close': true }, 'Details'),
    ),
    problem === undefined ? undefined : h('p', { class: 'callout', 'data-state': 'unknown' }, problem),
    message === undefined ? undefined : h('p', {}, withoutCommands(message)),
    scopes.length === 0 || isTold ? undefined : h('ul', { class: 'results' }, scopes.slice(0, 50).map(scopeResult)),
  )
}

/**
 * Opens the dialog. `load` gives `{content, consequence, confirm, danger}` afresh; `consequence` is a sentence or
 * several, `confirm` absent: nothing can be done. `controls(reload)` are inputs above it that stay. `submit({actor, reason, send})` answers with
 * `{jobs: [{job, label}]}` or `{done: text}`. `again`: a held job's plan is loaded and shown anew.
 */
export function openAction({ title, controls, load, submit, again = false, reasonLabel }) {
  const opener = document.activeElement?.dataset?.key
  const send = createSender()
  let loads = 0
  let loaded
  let stops = []

  const body = h('div', { class: 'action-body' })
  const problem = h('p', { class: 'callout', 'data-state': 'failed', role: 'alert', hidden: true })
  const consequence = h('div', { class: 'consequence', hidden: true })
  const actor = h('input', {
    name: 'actor',
    maxlength: '253',
    autocomplete: 'name',
    value: localStorage.getItem(NAME_KEY) ?? '',
  })
  const reason = h('input', { name: 'reason', maxlength: '1000', autocomplete: 'off' })
  const secret = h('input', { name: 'token', type: 'password', autocomplete: 'off' })
  const secretField = field('API token', secret, 'The service asks for it. It is kept until this tab is closed.')
  secretField.hidden = true
  const who = h(
    'div',
    { class: 'who' },
    field('Your name, for the record', actor),
    field(reasonLabel ?? 'Reason, for the record', reason),
    secretField,
  )
  const above =
    controls === undefined
      ? undefined
      : h(
          'div',
          { class: 'controls' },
          controls(() => void reload()),
        )
  const confirm = h('button', { type: 'submit', class: 'button primary' }, 'Continue')
  const cancel = h('button', { type: 'button', class: 'button', onclick: () => dialog.close() }, 'Cancel')
  const form = h(
    'form',
    { class: 'action-form', onsubmit },
    h('h2', { id: 'action-title', tabindex: '-1' }, title),
    h('div', { class: 'action-scroll', tabindex: '0', role: 'region', 'aria-label': title }, above, body),
    h('div', { class: 'action-foot' }, consequence, problem, who, h('div', { class: 'actions end' }, cancel, confirm)),
  )
  const dialog = h('dialog', { class: 'action', 'aria-labelledby': 'action-title', onclose, onclick }, form)

  function say(error) {
    problem.textContent = error?.message ?? ''
    problem.hidden = error === undefined
    if (error?.status === 401) {
      token.set('')
      secretField.hidden = false
      secret.focus()
    }
  }

  function show(next) {
    loaded = next
    body.replaceChildren(...next.content.flat(3).filter((child) => child !== undefined && child !== false))
    const sentences = [next.consequence ?? []].flat().filter((sentence) => sentence !== '')
    consequence.replaceChildren(...sentences.map((sentence) => h('p', {}, sentence)))
    consequence.hidden = sentences.length === 0
    consequence.dataset.danger = String(next.danger === true)
    confirm.textContent = next.confirm ?? 'Nothing to do'
    confirm.disabled = next.confirm === undefined
    confirm.hidden = next.confirm === undefined
    confirm.classList.toggle('danger', next.danger === true)
    who.hidden = next.confirm === undefined
    cancel.textContent = next.confirm === undefined ? 'Close' : 'Cancel'
  }

  /** Whatever is answered to an earlier load is no longer of interest. */
  async function reload(notice) {
    const mine = ++loads
    confirm.disabled = true
    body.setAttribute('aria-busy', 'true')
    if (loaded === undefined || notice !== undefined)
      body.replaceChildren(h('p', { class: 'muted' }, 'Reading both servers …'))
    try {
      const next = await load()
      if (mine !== loads) return
      say(undefined)
      show({ ...next, content: [notice, ...next.content] })
    } catch (error) {
      if (mine !== loads) return
      show({ content: [notice] })
      say(error)
    }
    body.removeAttribute('aria-busy')
  }

  function follow(jobs) {
    const list = h('ul', { class: 'scopes-list' })
    const known = new Map(jobs.map(({ job, label }) => [job, { label, replication: { job } }]))
    const refresh = () => list.replaceChildren(...[...known.values()].map(jobResult))
    refresh()
    show({ content: [h('div', { role: 'status', 'aria-live': 'polite' }, list)] })
    cancel.focus()
    if (above !== undefined) above.hidden = true
    const unsettled = new Set(known.keys())
    stops = jobs.map(({ job, label }) =>
      followJob(job, (replication) => {
        known.set(job, { label, replication })
        refresh()
        if (replication.finishedAt === undefined) return
        unsettled.delete(job)
        if (unsettled.size > 0) return
        const held = [...known.values()].filter((one) => one.replication.status === 'held')
        if (again && held.length > 0) void showAgain(held)
      }),
    )
  }

  async function showAgain(held) {
    for (const stop of stops) stop()
    if (above !== undefined) above.hidden = false
    await reload(
      h(
        'div',
        { class: 'callout again', 'data-state': 'held', role: 'alert' },
        h('strong', {}, 'The plan has changed since it was shown to you; this is the present one.'),
        held.map(({ replication }) =>
          h('p', {}, withoutCommands(replication.message) ?? `${plural(held.length, 'job')} ended held.`),
        ),
      ),
    )
  }

  async function onsubmit(event) {
    event.preventDefault()
    if (confirm.disabled || loaded?.confirm === undefined) return
    if (secret.value !== '') token.set(secret.value)
    localStorage.setItem(NAME_KEY, actor.value)
    confirm.disabled = true
    say(undefined)
    try {
      const person = {
        ...(actor.value.trim() === '' ? {} : { actor: actor.value.trim() }),
        ...(reason.value.trim() === '' ? {} : { reason: reason.value.trim() }),
      }
      const result = await submit({ ...person, person, send, reload: () => reload() })
      secretField.hidden = true
      if (result.jobs !== undefined) return follow(result.jobs)
      show({ content: [h('p', { class: 'callout', 'data-state': 'replicated', role: 'status' }, result.done)] })
      if (above !== undefined) above.hidden = true
      cancel.focus()
    } catch (error) {
      confirm.disabled = false
      say(error)
    }
  }

  function onclick(event) {
    if (event.target.closest?.('[data-close]')) dialog.close()
  }

  function onclose() {
    loads++
    for (const stop of stops) stop()
    dialog.remove()
    if (opener !== undefined) document.querySelector(`[data-key="${CSS.escape(opener)}"]`)?.focus()
  }

  document.body.append(dialog)
  dialog.showModal()
  form.querySelector('h2').focus()
  void reload()
}
