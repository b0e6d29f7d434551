import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { authorityProblem } from './authority.ts'

const POLICY = {
  name: 'a-b',
  authority: 'a',
  servers: ['a', 'b'],
  onAuthorityLoss: 'hold',
} as unknown as RelationshipPolicy

test('a gate that names the other side in the epoch of the record is an interrupted move', () => {
  const gates = [
    { server: 'a', side: 'a', epoch: 4 },
    { server: 'b', side: 'b', epoch: 4 },
  ]
  const problem = authorityProblem(POLICY, { side: 'a', epoch: 4 }, gates)
  assert.equal(problem?.code, 'interrupted')
  assert.match(problem?.message ?? '', /the gate of b knows b in epoch 4/)
  const agreed = gates.map(({ server }) => ({ server, side: 'a', epoch: 4 }))
  assert.equal(authorityProblem(POLICY, { side: 'a', epoch: 4 }, agreed), undefined)
})
