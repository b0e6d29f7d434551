// What was on a server before a commit of ours, as the journal of its gate has it.

import type { ScopeContent } from '#dhcp/fingerprint.ts'
import { type GateClient, GateError } from '#messaging/gate-client.ts'
import { READ_TIMEOUT_MS } from './disposition.ts'

/** Reads that run at the same time. */
const PARALLEL = 8

export type PreImages = {
  /** `undefined`: the scope was not there. */
  readonly contents: ReadonlyMap<string, ScopeContent | undefined>
  /** Scope → why its pre-image is not there. */
  readonly missing: ReadonlyMap<string, string>
}

export async function readPreImages(
  gateClient: GateClient,
  relationship: string,
  server: string,
  commit: string,
  scopes: readonly string[],
): Promise<PreImages> {
  const contents = new Map<string, ScopeContent | undefined>()
  const missing = new Map<string, string>()
  const read = async (scope: string) => {
    try {
      const body = { relationship, job: commit, scope }
      const { content } = await gateClient.request(server, 'preimage', body, { timeoutMs: READ_TIMEOUT_MS })
      contents.set(scope, content as ScopeContent | undefined)
    } catch (error) {
      if (!(error instanceof GateError) || error.code !== 'unknown-job') throw error
      missing.set(scope, `${server} does not keep what was there before (any more): ${error.message}`)
    }
  }
  for (let index = 0; index < scopes.length; index += PARALLEL) {
    await Promise.all(scopes.slice(index, index + PARALLEL).map(read))
  }
  return { contents, missing }
}
