// The drawer: everything about one replication or one relationship, or its decisions. Its address is in the URL, so
// it can be linked to.

import { get } from './api.js'
import { createDecide } from './decide.js'
import { drawerHead, h, replaceContent } from './dom.js'
import { planSection, relationshipView } from './relationship-details.js'
import { replicationView } from './replication-details.js'

function parse(hash) {
  const match = /^#\/(replications|relationships)\/([^/]+)(\/decide)?$/.exec(hash)
  if (match === null) return undefined
  const [, kind, text, decide] = match
  return { kind: decide !== undefined && kind === 'relationships' ? 'decide' : kind, name: decodeURIComponent(text) }
}

/** What a route shows: `load` reads afresh. */
function viewOf({ kind, name }, redraw) {
  const path = `/v1/${kind}/${encodeURIComponent(name)}`
  switch (kind) {
    case 'decide':
      return createDecide(name, redraw)
    case 'relationships': {
      const plan = planSection(name)
      return { load: async () => relationshipView(await get(path), plan) }
    }
    default:
      return { load: async () => replicationView(await get(path)) }
  }
}

export function createDetails({ dialog, drawer }) {
  let route
  let view
  let isLoading = false
  let loadAgain = false

  function put(content) {
    const { scrollTop } = drawer
    replaceContent(drawer, content)
    drawer.scrollTop = scrollTop
  }

  /** One read at a time; what is new meanwhile is read afterwards. */
  async function show() {
    loadAgain = isLoading
    if (isLoading) return
    isLoading = true
    const mine = view
    try {
      const content = await mine.load()
      if (mine === view) put(content)
    } catch (error) {
      if (mine === view) {
        put([drawerHead('Not available'), h('p', { class: 'callout', 'data-state': 'failed' }, error.message)])
      }
    }
    isLoading = false
    if (loadAgain || (view !== undefined && mine !== view)) await show()
  }

  function onRoute() {
    route = parse(location.hash)
    if (route === undefined) {
      view = undefined
      if (dialog.open) dialog.close()
      return
    }
    const { kind, name } = route
    const mine = viewOf(route, () => {
      if (mine === view && mine.view !== undefined) put(mine.view())
    })
    view = mine
    dialog.dataset.kind = kind
    drawer.replaceChildren(drawerHead(name), h('p', { class: 'muted' }, 'Loading …'))
    if (!dialog.open) dialog.showModal()
    drawer.scrollTop = 0
    drawer.querySelector('#details-title')?.focus()
    void show()
  }

  dialog.addEventListener('close', () => {
    const opener =
      route === undefined ? undefined : route.kind === 'replications' ? route.name : `relationship ${route.name}`
    if (route !== undefined) history.pushState(undefined, '', '#/')
    route = undefined
    view = undefined
    if (opener !== undefined) document.querySelector(`main [data-key="${CSS.escape(opener)}"]`)?.focus()
  })
  // A click beside the drawer closes it, as does Escape.
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close()
  })
  addEventListener('hashchange', onRoute)
  onRoute()
  return {
    /** Something of this job, or of the relationships, is new. */
    refresh(kind, names) {
      if (route === undefined) return
      const isMine = kind === 'replications' ? route.kind === 'replications' : route.kind !== 'replications'
      if (isMine && (names === undefined || names.includes(route.name))) void show()
    },
  }
}
