// The partner of a server that is about to be written covers for it: its gate begins no write of its own meanwhile.

import type { GateClient } from '#messaging/gate-client.ts'

/** Milliseconds for an answer; a cover ends by itself after 30 s anyway. */
const COVER_TIMEOUT_MS = 5_000

export async function cover(
  gateClient: GateClient,
  relationship: string,
  server: string,
  job: string,
  on: boolean,
): Promise<void> {
  await gateClient.request(server, 'cover', { relationship, job, on }, { timeoutMs: COVER_TIMEOUT_MS })
}
