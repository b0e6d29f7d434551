// What runs and corrections ask of the fleet and its gates in the same way, as inputs of their machines.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { GateRequests } from '#contracts/gate.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import type { RunEffect, RunInput } from '#protocol/job-types.ts'
import { READ_TIMEOUT_MS } from './disposition.ts'
import type { FleetView } from './fleet.ts'
import { allRows, sideOf } from './manifests.ts'

export async function readAuthority(
  fleet: FleetView,
  policy: RelationshipPolicy,
): Promise<Extract<RunInput, { kind: 'authority' | 'no-authority' }>> {
  const answer = await fleet.authorityOf(policy)
  return answer.kind === 'known'
    ? { kind: 'authority', side: answer.side, epoch: answer.epoch }
    : { kind: 'no-authority', message: answer.message }
}

export async function prepareAt(
  gateClient: GateClient,
  policy: RelationshipPolicy,
  target: string,
  order: Omit<GateRequests['prepare'], 'relationship'>,
): Promise<Extract<RunInput, { kind: 'prepared' | 'outdated' }>> {
  const body = { relationship: policy.name, ...order }
  const { ticket, manifest } = await gateClient.request(target, 'prepare', body, { timeoutMs: READ_TIMEOUT_MS })
  const rows = await allRows(gateClient, target, policy.name, manifest)
  // Another read came in between: its pages do not belong to this manifest.
  if (rows === undefined) return { kind: 'outdated', why: 'input-changed' }
  return { kind: 'prepared', ticket, target: sideOf({ page: { ...manifest, rows } }, policy) }
}

/** The serial that the gate gave to the bases that it set. */
export async function agreeAt(
  gateClient: GateClient,
  policy: RelationshipPolicy,
  { server, side, epoch, scopes }: Omit<Extract<RunEffect, { kind: 'agree' }>, 'kind'>,
): Promise<number> {
  const body = { relationship: policy.name, side, epoch, scopes: [...scopes] }
  return (await gateClient.request(server, 'agree', body, { timeoutMs: READ_TIMEOUT_MS })).serial
}
