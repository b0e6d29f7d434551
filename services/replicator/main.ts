// The replicator: takes changes and requests, makes jobs of them, and runs them. Wired by hand, top to bottom.

import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { BUCKETS, STREAMS } from '#contracts/streams.ts'
import { ALL_REQUESTS, ALL_SCOPE_CHANGES, ALL_WAKEUPS, parseWakeupSubject } from '#contracts/subjects.ts'
import { createLocks } from '#locks/lock.ts'
import { connectRedis } from '#locks/redis.ts'
import { openBucket } from '#messaging/buckets.ts'
import { connectMessaging } from '#messaging/connection.ts'
import { consume, type Disposition, type Received } from '#messaging/consume.ts'
import { createGateClient } from '#messaging/gate-client.ts'
import { provision } from '#messaging/provision.ts'
import { publishWakeup } from '#messaging/publish.ts'
import { loadConfiguration } from '#service-host/configuration.ts'
import { startHealth } from '#service-host/health.ts'
import { readSettings, SETTINGS } from '#service-host/settings.ts'
import { shutdownSignal } from '#service-host/shutdown.ts'
import { createLogger } from '#telemetry/logger.ts'
import { registerTelemetry } from '#telemetry/register.ts'
import { createAuthorities } from './authority.ts'
import { dispositionOf } from './disposition.ts'
import { createFleet } from './fleet.ts'
import { createIntake } from './intake.ts'
import { createJobs } from './jobs.ts'
import { createPlaces } from './places.ts'
import { startReconcile } from './reconcile.ts'
import { createReplicate } from './replicate.ts'
import { createRequestJobs } from './request-jobs.ts'
import { createServerJobs } from './server-jobs.ts'

const logger = createLogger({ service: 'replicator' })
const settings = readSettings(SETTINGS)
/** What makes going on pointless; the supervisor starts us anew. */
const failure = new AbortController()
const signal = AbortSignal.any([shutdownSignal(logger), failure.signal])
const telemetry = registerTelemetry({ service: 'replicator' })
const name = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`
const configuration = loadConfiguration(settings.TWINSCOPE_CONFIG)

const messaging = await connectMessaging({ url: settings.NATS_URL, name: `replicator ${name}`, logger, signal })
await provision(messaging, { replicas: settings.TWINSCOPE_NATS_REPLICAS })
const redis = await connectRedis({ url: settings.REDIS_URL, logger })
/** Cut off from NATS for longer, we give our locks up: whoever is not may work. Milliseconds. */
const keepLocksMs = settings.TWINSCOPE_LOCK_TTL_MS / 3
let lostAt: number | undefined
messaging.onStatus((connected) => {
  lostAt = connected ? undefined : performance.now()
})
const mayKeep = () => lostAt === undefined || performance.now() - lostAt < keepLocksMs
const locks = createLocks({ redis, logger, ttlMs: settings.TWINSCOPE_LOCK_TTL_MS, mayKeep })
const gateClient = createGateClient(messaging, { maxWaitMs: settings.TWINSCOPE_GATE_TIMEOUT_MS })

const gatesBucket = await openBucket(messaging, BUCKETS.gates)
const jobsBucket = await openBucket(messaging, BUCKETS.jobs)
const places = createPlaces(await openBucket(messaging, BUCKETS.idempotency))
const jobs = createJobs({ messaging, bucket: jobsBucket, places, logger, replicator: name })
const authorities = createAuthorities(await openBucket(messaging, BUCKETS.authority), gateClient, logger)
const control = await openBucket(messaging, BUCKETS.control)
const fleet = createFleet({
  configuration,
  gates: gatesBucket,
  authorities,
  gateClient,
  logger,
  signal,
  onGateChange: (relationship, reason) => {
    publishWakeup(messaging, relationship, `gate/${relationship}/${reason}`).catch((error: unknown) => {
      if (!signal.aborted)
        logger.warn({ err: error, relationship }, 'wake-up could not be published; the next tick repeats it')
    })
  },
})
const { replicate, refuseAll } = createReplicate({
  fleet,
  jobs,
  locks,
  authorities,
  control,
  gateClient,
  logger,
})
const reconcileMs = settings.TWINSCOPE_RECONCILE_SECONDS * 1_000
const requestJobs = createRequestJobs({ messaging, fleet, jobs, places, reconcileMs })
const serverJobs = createServerJobs(jobs, requestJobs)
const intake = createIntake({ messaging, fleet, jobs, requestJobs, logger })

/** A wake-up that finds its relationship in other hands comes again; whoever holds it may have looked already. */
const BUSY_DELAY_MS = 200
const UNKNOWN_TRIES = 3
/** Messages that wait for another look must not keep new ones from being delivered. */
const MAX_PENDING = 4_096

async function onWakeup(received: Received): Promise<Disposition> {
  const slot = parseWakeupSubject(received.subject)
  if (slot === undefined) return { kind: 'term', reason: 'the subject names no relationship' }
  if (slot.startsWith('_')) {
    await serverJobs.settle(slot)
    return { kind: 'ack' }
  }
  const result = await replicate(slot)
  if (result === 'busy') return { kind: 'nak', delayMs: BUSY_DELAY_MS }
  if (result === 'unknown') {
    // A replicator with a newer configuration may know it; after a few rounds nobody does.
    if (received.deliveryCount <= UNKNOWN_TRIES) return { kind: 'nak', delayMs: 5_000 }
    await refuseAll(slot)
  }
  return { kind: 'ack' }
}

const ackWaitMs = settings.TWINSCOPE_ACK_WAIT_MS

function guarded(handle: (received: Received) => Promise<Disposition>) {
  return async (received: Received): Promise<Disposition> => {
    const keepAlive = setInterval(() => received.working(), ackWaitMs / 3)
    try {
      return await handle(received)
    } catch (error) {
      if (!signal.aborted)
        logger.error(
          { err: error, subject: received.subject, deliveryCount: received.deliveryCount },
          'message could not be handled; it comes again',
        )
      return dispositionOf(error, received.deliveryCount)
    } finally {
      clearInterval(keepAlive)
    }
  }
}

const consumers = [
  consume(messaging, {
    stream: STREAMS.changes.name,
    durable: 'replicator-changes',
    filter: ALL_SCOPE_CHANGES,
    ackWaitMs,
    handle: guarded(intake.onChange),
    signal,
  }),
  consume(messaging, {
    stream: STREAMS.requests.name,
    durable: 'replicator-requests',
    filter: ALL_REQUESTS,
    ackWaitMs,
    maxAckPending: MAX_PENDING,
    handle: guarded(intake.onRequest),
    signal,
  }),
  consume(messaging, {
    stream: STREAMS.wakeups.name,
    durable: 'replicator-wakeups',
    filter: ALL_WAKEUPS,
    ackWaitMs,
    maxAckPending: MAX_PENDING,
    handle: guarded(onWakeup),
    signal,
  }),
].map((consumer) =>
  consumer.catch((error: unknown) => {
    // Deaf on one stream, we would look ready and do nothing.
    logger.fatal({ err: error }, 'NATS refuses a consumer')
    process.exitCode = 1
    failure.abort()
  }),
)
const health = await startHealth({
  port: settings.TWINSCOPE_HEALTH_PORT,
  telemetry,
  isReady: () => messaging.connected && redis.status === 'ready',
  logger,
})
await fleet.watch()
startReconcile({
  messaging,
  jobs: jobsBucket,
  control,
  policies: configuration.relationships,
  periodMs: reconcileMs,
  logger,
  signal,
})
logger.info({ replicator: name, health: health.address, relationships: configuration.relationships.length }, 'ready')

/** Handlers that wait for NATS must not keep a process that is told to stop. Milliseconds. */
const STOP_WITHIN_MS = 5_000
const stopped = new Promise<void>((resolve) => {
  signal.addEventListener('abort', () => setTimeout(resolve, STOP_WITHIN_MS).unref(), { once: true })
})
await Promise.race([Promise.allSettled(consumers), stopped])
await health.close()
redis.disconnect()
await Promise.race([messaging.close(), stopped])
await telemetry.shutdown()
process.exit()
