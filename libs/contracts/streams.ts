// Streams and buckets: names, subjects, and how long things are kept.

import { ALL_DEADLETTERS, ALL_OUTCOMES, ALL_REQUESTS, ALL_SCOPE_CHANGES, ALL_WAKEUPS } from './subjects.ts'

export type StreamDefinition = {
  readonly name: string
  readonly subjects: readonly string[]
  readonly description: string
  /** Days; absent keeps messages until they are replaced or acknowledged. */
  readonly maxAgeDays?: number
  /** Keeps only the newest message of each subject. */
  readonly lastPerSubject?: boolean
}

export const STREAMS = {
  changes: {
    name: 'TWINSCOPE_CHANGES',
    subjects: [ALL_SCOPE_CHANGES],
    description: 'A scope was created, changed or deleted on a server',
    maxAgeDays: 7,
  },
  requests: {
    name: 'TWINSCOPE_REQUESTS',
    subjects: [ALL_REQUESTS],
    description: 'Somebody asks for a replication',
    maxAgeDays: 7,
  },
  wakeups: {
    name: 'TWINSCOPE_WAKEUPS',
    subjects: [ALL_WAKEUPS],
    description: 'A relationship, or a server job, has something to look at',
    lastPerSubject: true,
  },
  outcomes: {
    name: 'TWINSCOPE_OUTCOMES',
    subjects: [ALL_OUTCOMES],
    description: 'The ledger: what became of every job',
    maxAgeDays: 90,
  },
  deadletter: {
    name: 'TWINSCOPE_DEADLETTER',
    subjects: [ALL_DEADLETTERS],
    description: 'Messages that could not be understood, with the reason',
    maxAgeDays: 30,
  },
} as const satisfies Record<string, StreamDefinition>

export type BucketDefinition = { readonly name: string; readonly description: string; readonly ttlDays?: number }

export const BUCKETS = {
  authority: { name: 'TWINSCOPE_authority', description: 'Relationship → authoritative side and epoch' },
  jobs: { name: 'TWINSCOPE_jobs', description: 'Jobs that wait or run' },
  control: { name: 'TWINSCOPE_control', description: 'Pauses and rejections, and what a relationship was last told' },
  gates: { name: 'TWINSCOPE_gates', description: 'Server → the watcher that holds its gate' },
  idempotency: {
    name: 'TWINSCOPE_idempotency',
    description: 'Idempotency key → job; job of a request → its slot',
    ttlDays: 1,
  },
} as const satisfies Record<string, BucketDefinition>

/** JetStream refuses larger messages by default (1 MiB); ours stay under half of it, with envelope. */
export const MAX_MESSAGE_BYTES = 512 * 1024

/** Content of one `read` page or `stage` part. */
export const MAX_PART_BYTES = 384 * 1024
