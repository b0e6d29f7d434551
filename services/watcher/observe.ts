// Watches one DHCP server: decides when to read it (change-detector.ts), reads it through its gate,
// and knows whether it can be reached.

import { performance } from 'node:perf_hooks'
import { DriverError, type ScopeReader } from '#drivers/driver.ts'
import type { Gate } from '#gate/gate.ts'
import { probes, readDuration, reads } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import { detectChanges, type LookReason } from './change-detector.ts'

export type ObserverOptions = {
  readonly server: string
  readonly reader: Pick<ScopeReader, 'probe' | 'watch'>
  readonly gate: Pick<Gate, 'recover' | 'observe'>
  readonly logger: Logger
  /** Milliseconds between two probes. */
  readonly probeEveryMs: number
  /** Milliseconds between two full reads without another reason. */
  readonly fullReadEveryMs: number
  /** The server became reachable or unreachable. */
  readonly onReachable: () => void
  readonly signal: AbortSignal
}

export type Observer = {
  /** Why the server cannot be read; `undefined` while it can. */
  problem(): string | undefined
  /** Resolves after the first look, whether it succeeded or not. */
  readonly firstLook: Promise<void>
  /** Resolves after `signal` was aborted. */
  readonly done: Promise<void>
}

export function observeServer(options: ObserverOptions): Observer {
  const { server, reader, gate, logger, signal } = options
  let problem: string | undefined = 'not read yet'
  let lastKind: string | undefined
  const first = Promise.withResolvers<void>()

  async function look(reason: LookReason): Promise<void> {
    const startedAt = performance.now()
    try {
      // First what an earlier process left half done, or a write whose answer never came.
      await gate.recover(signal)
      const { revision, contents } = await gate.observe(signal)
      reads.add(1, { server, result: 'ok' })
      readDuration.record((performance.now() - startedAt) / 1_000, { server })
      logger.debug(
        { reason, revision, scopes: contents.size, ms: Math.round(performance.now() - startedAt) },
        'server read',
      )
    } catch (error) {
      if (!signal.aborted) reads.add(1, { server, result: resultOf(error) })
      throw error
    }
  }

  const done = detectChanges({
    reader: {
      async probe(probeSignal) {
        try {
          // Before anything is asked of a server that an earlier process may have left without service.
          await gate.recover(probeSignal)
          const probe = await reader.probe(probeSignal)
          probes.add(1, { server, result: 'ok' })
          return probe
        } catch (error) {
          if (!signal.aborted) probes.add(1, { server, result: resultOf(error) })
          throw error
        }
      },
      ...(reader.watch && { watch: reader.watch.bind(reader) }),
    },
    look,
    probeEveryMs: options.probeEveryMs,
    fullReadEveryMs: options.fullReadEveryMs,
    onFailure(error, failures) {
      const message = error instanceof Error ? error.message : String(error)
      // Said once, and again where the reason is another one.
      const kind = error instanceof DriverError ? error.code : message
      const isNews = failures === 1 || kind !== lastKind
      lastKind = kind
      problem = message
      if (isNews) {
        const fields = { reason: message, ...(error instanceof DriverError ? { code: error.code } : { err: error }) }
        if (error instanceof DriverError)
          logger.warn(fields, 'server cannot be read; its state is unknown until it can')
        else logger.error(fields, 'reading the server failed unexpectedly')
      }
      if (isNews) options.onReachable()
      first.resolve()
    },
    onSuccess(afterFailures) {
      const wasUnknown = problem !== undefined
      problem = undefined
      if (afterFailures > 0) logger.info({ failures: afterFailures }, 'server can be read again')
      if (wasUnknown) options.onReachable()
      first.resolve()
    },
    signal,
  })
  void done.finally(first.resolve)
  return { problem: () => problem, firstLook: first.promise, done }
}

function resultOf(error: unknown): string {
  return error instanceof DriverError ? error.code : 'failed'
}
