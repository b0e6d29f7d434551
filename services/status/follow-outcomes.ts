// Keeps the view at the end of the ledger, across reconnects and streams made anew.

import { Outcome } from '#contracts/messages.ts'
import { STREAMS } from '#contracts/streams.ts'
import type { Messaging } from '#messaging/connection.ts'
import { orderedMessages } from '#messaging/last.ts'
import { decode } from '#messaging/received.ts'
import type { Logger } from '#telemetry/logger.ts'
import type { Projection } from './projection.ts'

export type OutcomeFollower = {
  /** The view has everything that was in the ledger when the service (re)started. */
  readonly caughtUp: boolean
  /** Resolves when the signal is aborted. */
  readonly done: Promise<void>
}

export function followOutcomes(options: {
  readonly messaging: Messaging
  readonly projection: Projection
  readonly logger: Logger
  readonly onOutcome: (job: string, parent: string | undefined) => void
  /** The ledger is another one: whoever showed the old one must begin anew. */
  readonly onReset: () => void
  readonly signal: AbortSignal
}): OutcomeFollower {
  const { messaging, projection, logger } = options
  const known = projection.position()
  const state = { caughtUp: false }
  const done = orderedMessages(messaging, {
    stream: STREAMS.outcomes.name,
    fromSequence: (known?.sequence ?? 0) + 1,
    // An empty view belongs to no stream, so that the first one found is a reset too and gives it its place.
    streamCreatedAt: known?.streamCreatedAt ?? '',
    onReset: ({ createdAt }) => {
      state.caughtUp = false
      logger.info({ streamCreatedAt: createdAt }, 'rebuilding the view from the ledger')
      projection.restart(createdAt)
      options.onReset()
    },
    onCaughtUp: () => {
      if (!state.caughtUp) logger.info({ ...projection.position() }, 'the view has caught up with the ledger')
      state.caughtUp = true
    },
    onMessage: (message) => {
      const decoded = decode(Outcome, message)
      if (decoded.ok === undefined) {
        // One strange entry must not stop the view of all others.
        logger.warn({ sequence: message.sequence, reason: decoded.error }, 'an entry of the ledger is not understood')
        projection.skip(message.sequence)
        return
      }
      const outcome = decoded.ok
      if (projection.apply(message.sequence, outcome)) options.onOutcome(outcome.job, outcome.parent?.job)
    },
    signal: options.signal,
  })
  return {
    get caughtUp() {
      return state.caughtUp
    },
    done,
  }
}
