// The status service: follows the ledger and the registry, serves the API and the console.

import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { STREAMS } from '#contracts/streams.ts'
import { connectMessaging, type Messaging } from '#messaging/connection.ts'
import { createGateClient, type GateClient, GateError } from '#messaging/gate-client.ts'
import { orderedMessages, streamInfo } from '#messaging/last.ts'
import { provision } from '#messaging/provision.ts'
import { loadConfiguration } from '#service-host/configuration.ts'
import { readSettings, SETTINGS, type Setting } from '#service-host/settings.ts'
import { shutdownSignal } from '#service-host/shutdown.ts'
import { messagingReconnects } from '#telemetry/instruments.ts'
import { createLogger } from '#telemetry/logger.ts'
import { registerTelemetry } from '#telemetry/register.ts'
import { buildApp } from './app.ts'
import { followOutcomes, type OutcomeFollower } from './follow-outcomes.ts'
import { createLive } from './live.ts'
import { createPauses, type Pauses } from './pauses.ts'
import { ProblemError } from './problems.ts'
import { jobOf, openProjection } from './projection.ts'
import type { PlanGates } from './read-sides.ts'
import { createRegistry } from './registry.ts'
import { createRequests, type Requests } from './requests.ts'
import { stuckScopes } from './stuck.ts'
import { watchRelationships } from './watch-relationships.ts'

const { NATS_URL, TWINSCOPE_CONFIG, TWINSCOPE_STATE_DIR, TWINSCOPE_HTTP_HOST, TWINSCOPE_HTTP_PORT } = SETTINGS
const { TWINSCOPE_NATS_REPLICAS } = SETTINGS
const TWINSCOPE_TOKEN: Setting<string> = {
  description: 'Bearer token that whatever changes something must carry; empty: none is asked for',
  default: '',
  parse: (given) => ({ ok: given }),
}

const logger = createLogger({ service: 'status' })
const stopping = shutdownSignal(logger)

/** Milliseconds between two looks whether the service is ready; consoles are told when that changes. */
const READINESS_EVERY_MS = 1_000

type Connected = {
  readonly messaging: Messaging
  readonly gates: GateClient
  readonly requests: Requests
  readonly pauses: Pauses
  readonly outcomes: OutcomeFollower
}

function notYet(): never {
  throw new GateError('no-responders', 'NATS has not been reached yet')
}

function notAccepted(): ProblemError {
  return new ProblemError('messaging-unavailable', 'nothing was accepted: NATS has not been reached yet')
}

/** A changed scope is looked at at once, not at the next turn. */
async function followChanges(messaging: Messaging, onChange: () => void): Promise<void> {
  const { lastSequence, createdAt } = await streamInfo(messaging, STREAMS.changes.name)
  await orderedMessages(messaging, {
    stream: STREAMS.changes.name,
    fromSequence: lastSequence + 1,
    streamCreatedAt: createdAt,
    onMessage: onChange,
    onReset: onChange,
    signal: stopping,
  })
}

async function main(): Promise<void> {
  const settings = readSettings({
    NATS_URL,
    TWINSCOPE_CONFIG,
    TWINSCOPE_STATE_DIR,
    TWINSCOPE_HTTP_HOST,
    TWINSCOPE_HTTP_PORT,
    TWINSCOPE_NATS_REPLICAS,
    TWINSCOPE_TOKEN,
  })
  const configuration = loadConfiguration(settings.TWINSCOPE_CONFIG)
  const telemetry = registerTelemetry({ service: 'status' })
  const directory = join(settings.TWINSCOPE_STATE_DIR, 'status')
  mkdirSync(directory, { recursive: true })
  const projection = openProjection(join(directory, 'view.sqlite'))

  // The API listens before NATS is there: history is in the view, and /readyz says what is missing.
  let nats: Connected | undefined
  const registry = createRegistry({ logger, onChange: () => relationships.refreshSoon() })
  const gates: PlanGates = {
    readManifest: (...request) => (nats === undefined ? notYet() : nats.gates.readManifest(...request)),
    readContents: (...request) => (nats === undefined ? notYet() : nats.gates.readContents(...request)),
    request: (...request) => (nats === undefined ? notYet() : nats.gates.request(...request)),
  }
  const requests: Requests = {
    accept: (...request) => {
      if (nats !== undefined) return nats.requests.accept(...request)
      throw notAccepted()
    },
    repeated: async (options) => await nats?.requests.repeated(options),
    pending: async (job) => await nats?.requests.pending(job),
  }
  const pauses: Pauses = {
    set: (pause) => (nats === undefined ? Promise.reject(notAccepted()) : nats.pauses.set(pause)),
    clear: (...which) => (nats === undefined ? Promise.reject(notAccepted()) : nats.pauses.clear(...which)),
  }
  const isConnected = () => nats?.messaging.connected ?? false
  const missing = () => [
    ...(isConnected() ? [] : ['NATS is not connected']),
    ...(nats?.outcomes.caughtUp ? [] : ['the view has not caught up with the ledger']),
    ...(relationships.looked ? [] : ['the relationships have not been looked at']),
  ]
  const live = createLive({ projection, relationships: () => relationships.current, missing })
  const relationships = watchRelationships({
    configuration,
    registry,
    gates,
    logger,
    ledger: (relationship) => ({
      stuck: stuckScopes(projection, relationship),
      jobOf: (writtenBy) => jobOf(projection, writtenBy)?.job ?? writtenBy,
    }),
    onChange: () => live.relationshipsChanged(),
  })

  async function connect(): Promise<Connected> {
    const { NATS_URL: url, TWINSCOPE_NATS_REPLICAS: replicas } = settings
    const messaging = await connectMessaging({ url, name: 'twinscope-status', logger, signal: stopping })
    messaging.onStatus((connected) => {
      if (connected) messagingReconnects.add(1)
    })
    await provision(messaging, { replicas, signal: stopping })
    await registry.follow(messaging, stopping)
    const outcomes = followOutcomes({
      messaging,
      projection,
      logger,
      onOutcome: (job, parent) => {
        live.outcome(job, parent)
        relationships.refreshSoon()
      },
      onReset: () => live.reset(),
      signal: stopping,
    })
    return {
      messaging,
      gates: createGateClient(messaging),
      requests: await createRequests(messaging),
      pauses: await createPauses(messaging, logger),
      outcomes,
    }
  }

  const app = buildApp({
    known: () => ({ configuration, registry, relationships: relationships.current }),
    projection,
    gates,
    requests,
    pauses,
    live,
    isConnected,
    requireMessaging: (what) => {
      if (isConnected()) return
      throw new ProblemError('messaging-unavailable', `${what}: NATS is not reachable. Try again when it is back`)
    },
    missing,
    telemetry,
    logger,
    ...(settings.TWINSCOPE_TOKEN === '' ? {} : { token: settings.TWINSCOPE_TOKEN }),
  })
  const address = await app.listen({ host: settings.TWINSCOPE_HTTP_HOST, port: settings.TWINSCOPE_HTTP_PORT })
  logger.info({ address }, 'listening')
  const readinessTimer = setInterval(() => live.checkReadiness(), READINESS_EVERY_MS)
  nats = await connect()
  relationships.refreshSoon()
  const changesFollowed = followChanges(nats.messaging, () => relationships.refreshSoon())
  logger.info({ address }, 'ready')

  if (!stopping.aborted) await once(stopping, 'abort')
  clearInterval(readinessTimer)
  live.closeAll()
  relationships.stop()
  await app.close()
  await Promise.allSettled([nats.outcomes.done, changesFollowed])
  await nats.messaging.close()
  projection.close()
  await telemetry.shutdown()
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    if (stopping.aborted) process.exit(0)
    logger.fatal({ reason: error instanceof Error ? error.message : String(error) }, 'the status service cannot run')
    process.exit(1)
  },
)
