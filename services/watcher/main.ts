// The watcher: notices changes of one or more DHCP servers, and guards them. See README.md.

import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Configuration, ServerConfig } from '#contracts/configuration.ts'
import { BUCKETS } from '#contracts/streams.ts'
import { escapeName } from '#contracts/subjects.ts'
import { openBucket } from '#messaging/buckets.ts'
import { connectMessaging, type Messaging } from '#messaging/connection.ts'
import { provision } from '#messaging/provision.ts'
import { loadConfiguration, resolveServerName } from '#service-host/configuration.ts'
import { startHealth } from '#service-host/health.ts'
import { nearest } from '#service-host/nearest.ts'
import { readSettings, SETTINGS } from '#service-host/settings.ts'
import { shutdownSignal } from '#service-host/shutdown.ts'
import { messagingReconnects } from '#telemetry/instruments.ts'
import { createLogger } from '#telemetry/logger.ts'
import { registerTelemetry } from '#telemetry/register.ts'
import { installationId } from './installation.ts'
import { lockServer } from './single-instance.ts'
import { aborted, newHolder, watchServer } from './watch-server.ts'

/** How long "ready" waits for servers that give no answer. Milliseconds. */
const FIRST_LOOK_MS = 10_000

const DAY_MS = 24 * 3_600_000

/** How long a stop waits for a write that runs. Milliseconds. */
const FINISH_MS = 20_000

const {
  NATS_URL,
  TWINSCOPE_NATS_REPLICAS,
  TWINSCOPE_CONFIG,
  TWINSCOPE_STATE_DIR,
  TWINSCOPE_SERVERS,
  TWINSCOPE_LOG_LEVEL,
  TWINSCOPE_HEALTH_PORT,
  TWINSCOPE_PROBE_MS,
  TWINSCOPE_FULL_READ_SECONDS,
  TWINSCOPE_REGISTRATION_MS,
  TWINSCOPE_JOURNAL_DAYS,
  TWINSCOPE_COVER_MS,
} = SETTINGS

async function main(): Promise<void> {
  const settings = readSettings({
    NATS_URL,
    TWINSCOPE_NATS_REPLICAS,
    TWINSCOPE_CONFIG,
    TWINSCOPE_STATE_DIR,
    TWINSCOPE_SERVERS,
    TWINSCOPE_LOG_LEVEL,
    TWINSCOPE_HEALTH_PORT,
    TWINSCOPE_PROBE_MS,
    TWINSCOPE_FULL_READ_SECONDS,
    TWINSCOPE_REGISTRATION_MS,
    TWINSCOPE_JOURNAL_DAYS,
    TWINSCOPE_COVER_MS,
  })
  const logger = createLogger({ service: 'watcher', level: settings.TWINSCOPE_LOG_LEVEL })
  const configuration = loadConfiguration(settings.TWINSCOPE_CONFIG)
  for (const { line, message } of configuration.warnings)
    logger.warn({ line, reason: message }, 'configuration warning')
  const servers = wantedServers(configuration, settings.TWINSCOPE_SERVERS)
  for (const { name } of configuration.servers.filter(
    ({ kind, name }) => kind === 'windows' && !servers.some((server) => server.name === name),
  )) {
    logger.warn({ server: name }, 'not watched: the driver for Windows DHCP servers comes with a later version')
  }
  if (servers.length === 0) throw new Error(`${settings.TWINSCOPE_CONFIG} has no server that can be watched`)

  // Before anything else: a second watcher ends here, whether NATS is up or not.
  const own = newHolder()
  const directoryOf = (server: ServerConfig) => join(settings.TWINSCOPE_STATE_DIR, escapeName(server.name))
  const locked = servers.map((config) => ({ config, lock: lockServer(config.name, directoryOf(config), own) }))

  const stop = new AbortController()
  const signal = AbortSignal.any([shutdownSignal(logger), stop.signal])
  /** Ends the whole process: half a watcher would look healthy. */
  const fail = (error: Error) => {
    logger.fatal({ reason: error.message }, 'watcher stops')
    process.exitCode = 1
    stop.abort()
  }

  const telemetry = registerTelemetry({ service: 'watcher' })
  let isReady = () => false
  const health = await startHealth({
    port: settings.TWINSCOPE_HEALTH_PORT,
    telemetry,
    isReady: () => isReady() && !signal.aborted,
    logger,
  })
  const messaging = await connectMessaging({ url: settings.NATS_URL, name: 'twinscope-watcher', logger, signal }).catch(
    (error: Error) => {
      if (!signal.aborted) throw error
    },
  )
  if (messaging) {
    messaging.onStatus((connected) => connected && messagingReconnects.add(1))
    const ended = watchAll(messaging).catch((error: Error) => signal.aborted || fail(error))
    await aborted(signal)
    // A write that runs is finished and answered. Whoever waits for a NATS that is down is told to give up.
    await Promise.race([ended, sleep(messaging.connected ? FINISH_MS : 0, undefined, { ref: false })])
    await messaging.close()
    await ended
  }
  await health.close()
  await telemetry.shutdown()

  async function watchAll(connected: Messaging): Promise<void> {
    await provision(connected, { replicas: settings.TWINSCOPE_NATS_REPLICAS, signal })
    const gates = await openBucket(connected, BUCKETS.gates)
    const installation = installationId(settings.TWINSCOPE_STATE_DIR)
    const watched = locked.map(({ config, lock }) =>
      watchServer({
        config,
        configuration,
        directory: directoryOf(config),
        lock,
        own,
        installation,
        messaging: connected,
        gates,
        logger: logger.child({ server: config.name }),
        probeEveryMs: settings.TWINSCOPE_PROBE_MS,
        registrationMs: settings.TWINSCOPE_REGISTRATION_MS,
        fullReadEveryMs: settings.TWINSCOPE_FULL_READ_SECONDS * 1_000,
        retentionMs: settings.TWINSCOPE_JOURNAL_DAYS * DAY_MS,
        coverMs: settings.TWINSCOPE_COVER_MS,
        onTaken: ({ host, pid }) =>
          fail(new Error(`the watcher with process id ${pid} on ${host} has taken ${config.name} over`)),
        signal,
      }),
    )
    const ended = watched.map(({ done }) => done.catch((error: Error) => signal.aborted || fail(error)))
    const ready = Promise.all(watched.map((server) => server.ready))
    await Promise.race([ready, aborted(signal), sleep(FIRST_LOOK_MS, undefined, { ref: false })])
    if (!signal.aborted) {
      isReady = () => connected.connected
      logger.info({ address: health.address, servers: servers.map(({ name }) => name), installation }, 'ready')
    }
    await Promise.all(ended)
  }
}

/** The servers of the configuration that this process serves. Throws where a name is not among them. */
function wantedServers(configuration: Configuration, names: readonly string[]): readonly ServerConfig[] {
  // Windows servers may already be written down; a watcher that is told to serve one says that it cannot.
  if (names.length === 0) return configuration.servers.filter((server) => server.kind !== 'windows')
  return names.map((text) => {
    const name = resolveServerName(configuration, text)
    const config = configuration.servers.find((known) => known.name === name)
    if (config) return config
    const known = configuration.servers.map((server) => server.name)
    const near = nearest(text, known)
    throw new Error(
      `TWINSCOPE_SERVERS names "${text}", which is not in the configuration; ${near.length > 0 ? `near: ${near.join(', ')}` : `known: ${known.join(', ')}`}`,
    )
  })
}

main().catch((error: Error) => {
  createLogger({ service: 'watcher' }).fatal({ reason: error.message }, 'watcher cannot start')
  process.exitCode = 1
  // Whatever was opened before keeps no half-started process alive.
  process.exit()
})
