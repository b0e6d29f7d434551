// Serves the gate of one server to replicators: the only door through which it is written.

import type { GateAnswer, GateResponses } from '#contracts/gate.ts'
import type { Gate } from '#gate/gate.ts'
import type { Messaging } from '#messaging/connection.ts'
import { serveGate as serveRequests } from '#messaging/gate-server.ts'
import { gateCommits } from '#telemetry/instruments.ts'
import type { Logger } from '#telemetry/logger.ts'
import { withSpan } from '#telemetry/trace.ts'

export type ServeGateOptions = {
  readonly server: string
  readonly gate: Pick<Gate, 'handle' | 'latest'>
  readonly messaging: Messaging
  readonly logger: Logger
  /** Whether the server is this watcher's to guard; while false every request is refused. */
  readonly isOurs: () => boolean
  /** Why the server cannot be read, where it cannot. */
  readonly problem: () => string | undefined
}

/** Answers requests until `stop` is called, which waits for those that are being answered. */
export async function serveGate(options: ServeGateOptions): Promise<{ readonly stop: () => Promise<void> }> {
  const { server, gate, messaging, logger } = options
  return serveRequests(messaging, server, async (operation, request, traceparent) => {
    if (!options.isOurs()) {
      const message = `This watcher does not hold the registration of ${server} any more, or cannot renew it.`
      return { error: { code: 'unreachable', message } }
    }
    // Without one read the gate knows none of the server's relationships, and would call them unknown.
    if (gate.latest() === undefined) {
      return {
        error: {
          code: 'unreachable',
          message: `${server} was not read yet: ${options.problem() ?? 'its watcher is starting'}`,
        },
      }
    }
    const startedAt = performance.now()
    const answer = await withSpan(`gate ${operation}`, traceparent, () => gate.handle(operation, request))
    const ms = Math.round(performance.now() - startedAt)
    if ('error' in answer)
      logger.info({ operation, ms, code: answer.error.code, reason: answer.error.message }, 'gate request refused')
    else logger.debug({ operation, ms }, 'gate request answered')
    if (operation === 'commit') countCommit(server, answer)
    return answer
  })
}

function countCommit(server: string, answer: GateAnswer<unknown>): void {
  if ('error' in answer) gateCommits.add(1, { server, result: answer.error.code })
  else for (const { result } of (answer.ok as GateResponses['commit']).results) gateCommits.add(1, { server, result })
}
