// What became of a commit whose run was interrupted: the target's gate knows.

import { type GateClient, GateError } from '#messaging/gate-client.ts'
import type { CommittedScope } from '#protocol/job-types.ts'
import { READ_TIMEOUT_MS } from './disposition.ts'

/** The scopes that were written. What was not is decided again from what is there now. */
export async function recall(
  gateClient: GateClient,
  relationship: string,
  commits: readonly string[],
  target: string,
): Promise<readonly CommittedScope[]> {
  const written: CommittedScope[] = []
  for (const job of commits) {
    try {
      const { results } = await gateClient.request(
        target,
        'result',
        { relationship, job },
        { timeoutMs: READ_TIMEOUT_MS },
      )
      written.push(...results.filter(({ result }) => result === 'written'))
    } catch (error) {
      // Never begun: the interrupted run did not get as far, and its ticket is void from the next prepare on.
      if (!(error instanceof GateError) || error.code !== 'unknown-job') throw error
    }
  }
  return written
}
