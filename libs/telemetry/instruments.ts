// Every metric, declared once with name, unit and description. A scope is never a label: there may be ten thousand.

import {
  type Counter,
  type Histogram,
  type Meter,
  type MeterProvider,
  type MetricOptions,
  metrics,
} from '@opentelemetry/api'

type Declaration = {
  readonly name: string
  readonly kind: 'counter' | 'histogram'
  readonly unit: string
  readonly description: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets, in its unit. */
  readonly buckets?: readonly number[]
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** Names as Prometheus shows them; only `_total` of a counter comes from the exporter. */
export const METRICS = {
  changesPublished: {
    name: 'twinscope_changes_published',
    kind: 'counter',
    unit: '1',
    description: 'Scope changes that a watcher published',
    labels: ['server', 'change'],
  },
  requestsDeadLettered: {
    name: 'twinscope_messages_deadlettered',
    kind: 'counter',
    unit: '1',
    description: 'Messages that could not be understood and were kept as dead letters',
    labels: ['stream'],
  },
  jobsByStatus: {
    name: 'twinscope_jobs',
    kind: 'counter',
    unit: '1',
    description: 'Jobs that ended, by their final status',
    labels: ['status', 'automatic', 'relationship'],
  },
  replicationDuration: {
    name: 'twinscope_replication_duration_seconds',
    kind: 'histogram',
    unit: 's',
    description: 'Time from the notice of a change, or from the request, to the final outcome',
    labels: ['status', 'automatic', 'relationship'],
    buckets: SECONDS,
  },
  stageDuration: {
    name: 'twinscope_stage_duration_seconds',
    kind: 'histogram',
    unit: 's',
    description: 'Time of one stage of a replication',
    labels: ['stage'],
    buckets: SECONDS,
  },
  silentRuns: {
    name: 'twinscope_silent_runs',
    kind: 'counter',
    unit: '1',
    description: 'Automatic runs that found nothing new and ended without an outcome',
    labels: ['relationship'],
  },
  gateCommits: {
    name: 'twinscope_gate_commits',
    kind: 'counter',
    unit: '1',
    description: 'Commits at a gate, by result',
    labels: ['server', 'result'],
  },
  lockWaits: {
    name: 'twinscope_lock_waits',
    kind: 'counter',
    unit: '1',
    description: 'Times that a relationship was found locked by another replicator',
    labels: ['relationship'],
  },
  probes: {
    name: 'twinscope_probes',
    kind: 'counter',
    unit: '1',
    description: 'Cheap looks at a DHCP server, by result',
    labels: ['server', 'result'],
  },
  reads: {
    name: 'twinscope_reads',
    kind: 'counter',
    unit: '1',
    description: 'Full reads of a DHCP server, by result',
    labels: ['server', 'result'],
  },
  readDuration: {
    name: 'twinscope_read_duration_seconds',
    kind: 'histogram',
    unit: 's',
    description: 'Time of a full read of a DHCP server',
    labels: ['server'],
    buckets: SECONDS,
  },
  messagingReconnects: {
    name: 'twinscope_messaging_reconnects',
    kind: 'counter',
    unit: '1',
    description: 'Times that the connection to NATS came back',
    labels: [],
  },
} as const satisfies Record<string, Declaration>

function options(declaration: Declaration): MetricOptions {
  return {
    unit: declaration.unit,
    description: declaration.description,
    ...(declaration.buckets === undefined ? {} : { advice: { explicitBucketBoundaries: [...declaration.buckets] } }),
  }
}

/**
 * Makes an instrument at its use, and again when the provider is another one: what was made before
 * `registerTelemetry` would record nothing for ever.
 */
function late<T>(make: (meter: Meter) => T): () => T {
  let made: { readonly by: MeterProvider; readonly instrument: T } | undefined
  return () => {
    const provider = metrics.getMeterProvider()
    if (made?.by !== provider) made = { by: provider, instrument: make(provider.getMeter('twinscope')) }
    return made.instrument
  }
}

function counter(declaration: Declaration): Pick<Counter, 'add'> {
  const instrument = late((meter) => meter.createCounter(declaration.name, options(declaration)))
  return { add: (value, attributes) => instrument().add(value, attributes) }
}

function histogram(declaration: Declaration): Pick<Histogram, 'record'> {
  const instrument = late((meter) => meter.createHistogram(declaration.name, options(declaration)))
  return { record: (value, attributes) => instrument().record(value, attributes) }
}

export const changesPublished = counter(METRICS.changesPublished)
export const requestsDeadLettered = counter(METRICS.requestsDeadLettered)
export const jobsByStatus = counter(METRICS.jobsByStatus)
export const replicationDuration = histogram(METRICS.replicationDuration)
export const stageDuration = histogram(METRICS.stageDuration)
export const silentRuns = counter(METRICS.silentRuns)
export const gateCommits = counter(METRICS.gateCommits)
export const lockWaits = counter(METRICS.lockWaits)
export const probes = counter(METRICS.probes)
export const reads = counter(METRICS.reads)
export const readDuration = histogram(METRICS.readDuration)
export const messagingReconnects = counter(METRICS.messagingReconnects)
