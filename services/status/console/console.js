// The console: follows the service by server-sent events and shows what it tells.

import { createDetails } from './details.js'
import { refreshTimes } from './dom.js'
import { heardReplication, heardSnapshot } from './jobs.js'
import { fleetPause, openPause, showPauseBanner } from './pauses.js'
import { headline, showRelationships } from './relationships.js'
import { createReplicationTable } from './replications.js'

const byId = (id) => document.getElementById(id)
/** Milliseconds until a connection that the browser gave up is made anew. */
const RETRY_MS = 2_000

const details = createDetails({ dialog: byId('details'), drawer: byId('drawer') })
const table = createReplicationTable({
  rows: byId('replication-rows'),
  empty: byId('replications-empty'),
  more: byId('more'),
  status: byId('filter-status'),
  cause: byId('filter-cause'),
})

let lastHeardAt
let missing = []

function showConnection(state) {
  const texts = { live: 'Live', connecting: 'Connecting', lost: 'Reconnecting' }
  byId('connection').dataset.state = state
  if (byId('connection-text').textContent !== texts[state]) byId('connection-text').textContent = texts[state]
  const banner = byId('banner')
  const text =
    state === 'lost'
      ? `The status service cannot be reached. What you see is from ${lastHeardAt === undefined ? 'before' : lastHeardAt.toLocaleTimeString()}; it is updated as soon as the service answers.`
      : missing.length > 0
        ? `The status service is not ready: ${missing.join('; ')}. What you see may be old.`
        : ''
  banner.hidden = text === ''
  if (banner.textContent !== text) banner.textContent = text
}

function onRelationships(relationships) {
  showRelationships(byId('relationship-list'), relationships)
  const text = headline(relationships)
  if (byId('headline').textContent !== text) byId('headline').textContent = text
  showPauseBanner(byId('pause-banner'), relationships)
  byId('pause-fleet').hidden = relationships.length === 0 || fleetPause(relationships) !== undefined
  details.refresh('relationships')
}

function connect() {
  const events = new EventSource('/v1/live')
  const on = (name, handle) =>
    events.addEventListener(name, (event) => {
      lastHeardAt = new Date()
      handle(JSON.parse(event.data))
    })
  events.addEventListener('open', () => showConnection('live'))
  events.addEventListener('error', () => {
    showConnection('lost')
    // The browser tries again by itself, except after an answer that is no stream.
    if (events.readyState === EventSource.CLOSED) setTimeout(connect, RETRY_MS)
  })
  on('readiness', (readiness) => {
    missing = readiness.missing
    showConnection('live')
  })
  on('snapshot', (snapshot) => {
    onRelationships(snapshot.relationships)
    table.reload()
    details.refresh('replications')
    heardSnapshot()
  })
  on('relationships', onRelationships)
  on('replication', (replication) => {
    table.update(replication)
    heardReplication(replication)
    details.refresh('replications', [replication.job, replication.parent])
  })
}

byId('pause-fleet').addEventListener('click', () => openPause())
setInterval(refreshTimes, 5_000)
connect()
