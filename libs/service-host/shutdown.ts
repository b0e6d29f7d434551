// One signal that says "stop". The second Ctrl-C does not wait.

import type { Logger } from '#telemetry/logger.ts'

/** Aborted at SIGTERM or SIGINT. */
export function shutdownSignal(logger: Logger): AbortSignal {
  const controller = new AbortController()
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) {
      logger.warn({ signal: name }, 'stopping at once')
      process.exit(1)
    }
    logger.info({ signal: name }, 'stopping')
    controller.abort()
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
  return controller.signal
}
