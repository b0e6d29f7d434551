// Reads the ledger with a client of its own, past every link, and keeps what it read when NATS is wiped.

import { connect, type JetStreamManager, type NatsConnection, NatsError, type StoredMsg } from 'nats'
import type { Entry, Row } from './checker/evidence.ts'
import { monotonicMs } from './world.ts'

const STREAM = 'TWINSCOPE_OUTCOMES'
const PARALLEL = 64
/** JetStream's error code of a sequence that is not there. */
const NO_MESSAGE = 10_037

export type LedgerReader = {
  readonly entries: readonly Entry[]
  /** Reads what is new, from this server. */
  read(connection: NatsConnection): Promise<void>
  /** NATS was wiped: another history begins. */
  wiped(): void
}

type Outcome = {
  readonly job: string
  readonly kind: string
  readonly slot: string
  readonly automatic: boolean
  readonly status?: string
  readonly code?: string
  readonly scopes?: readonly Row[]
}

export function connectPast(url: string): Promise<NatsConnection> {
  return connect({
    servers: url.replace('nats://', ''),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    timeout: 2_000,
  })
}

/** `undefined`: it was deleted, or NATS died while it was storing it. */
async function messageAt(manager: JetStreamManager, seq: number): Promise<StoredMsg | undefined> {
  try {
    return await manager.streams.getMessage(STREAM, { seq })
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE) return undefined
    throw error
  }
}

export function createLedgerReader(): LedgerReader {
  const entries: Entry[] = []
  let incarnation = 0
  let next = 1
  return {
    entries,
    async read(connection) {
      const manager: JetStreamManager = await connection.jetstreamManager({ checkAPI: false, timeout: 2_000 })
      const { state } = await manager.streams.info(STREAM)
      /** What the host's wall clock, by which NATS stamps, is ahead of the monotonic one. */
      const aheadMs = Date.now() - monotonicMs()
      for (let from = Math.max(next, state.first_seq); from <= state.last_seq; from += PARALLEL) {
        const to = Math.min(from + PARALLEL - 1, state.last_seq)
        const sequences = Array.from({ length: to - from + 1 }, (_, index) => from + index)
        const messages = await Promise.all(sequences.map((seq) => messageAt(manager, seq)))
        for (const message of messages) {
          if (message === undefined) continue
          const outcome = message.json<Outcome>()
          entries.push({
            incarnation,
            sequence: message.seq,
            storedAtMs: message.time.getTime() - aheadMs,
            kind: outcome.kind,
            job: outcome.job,
            slot: outcome.slot,
            automatic: outcome.automatic,
            ...(outcome.status === undefined ? {} : { status: outcome.status }),
            ...(outcome.code === undefined ? {} : { code: outcome.code }),
            rows: (outcome.scopes ?? []).map(({ scope, status, code, after, earlier }) => ({
              scope,
              status,
              code,
              ...(after === undefined ? {} : { after }),
              ...(earlier === undefined ? {} : { earlier }),
            })),
          })
        }
        next = to + 1
      }
    },
    wiped() {
      incarnation++
      next = 1
    },
  }
}
