import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import type { Logger } from '#telemetry/logger.ts'
import { createAuthorities } from './authority.ts'

type Known = { readonly side: string; readonly epoch: number }

const POLICY = {
  name: 'a-b',
  authority: 'a',
  servers: ['a', 'b'],
  onAuthorityLoss: 'hold',
} as unknown as RelationshipPolicy

/** What is said where NATS has no record and the gates know this. */
async function saidFor(gates: Readonly<Record<string, Known>>): Promise<string> {
  const bucket = { get: () => Promise.resolve(undefined) } as unknown as Bucket
  const gateClient = {
    request: (server: string) => Promise.resolve({ authority: gates[server] }),
  } as unknown as GateClient
  const answer = await createAuthorities(bucket, gateClient, {} as Logger).authorityOf(POLICY)
  assert.equal(answer.kind, 'unknown')
  return answer.kind === 'unknown' ? answer.message : ''
}

test('after the loss of the record the side of the highest epoch is named, not that of a gate which was away', async () => {
  const message = await saidFor({ a: { side: 'a', epoch: 1 }, b: { side: 'b', epoch: 2 } })
  assert.match(message, /the gates know b \(epoch 2\) and a \(epoch 1\)/)
  assert.match(message, /authority move a-b --to b`/)
  assert.doesNotMatch(message, /--to a`/)
})

test('two gates that name different sides in one epoch leave it to a person', async () => {
  const message = await saidFor({ a: { side: 'a', epoch: 2 }, b: { side: 'b', epoch: 2 } })
  assert.match(message, /--to a` or `twinscope authority move a-b --to b`/)
})
