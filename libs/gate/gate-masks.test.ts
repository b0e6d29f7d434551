// Ignored fields: not compared, not copied, not told of, and never overwritten.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import { parseScopeKey, type Scope, type ScopeKey } from '#dhcp/scope.ts'
import { aScope } from './fake-driver.ts'
import { A, never, ok, prepared, relationship, rowOf, setUp, stageAll, write } from './fake-house.ts'

const IGNORING = { policy: { ignore: ['description', 'options.66'] } }

/** A scope with both ignored fields, each the server's own. */
function own(lifetime: number, whose: string): Scope {
  const options = [
    { space: 'dhcp4', code: 3, data: '10.0.1.1', properties: {} },
    { space: 'dhcp4', code: 66, data: `boot.${whose}`, properties: {} },
  ]
  return { ...aScope(A, lifetime), properties: { 'valid-lifetime': lifetime, description: whose }, options }
}

/** The same as it is seen: without them. */
function seen(lifetime: number): Scope {
  const { options, ...scope } = own(lifetime, 'x')
  return { ...scope, properties: { 'valid-lifetime': lifetime }, options: options.filter(({ code }) => code !== 66) }
}

test('two servers that differ in ignored fields only look the same, and an edit of them is no news', async (context) => {
  const { dhcp, start } = setUp(context, 'dhcp2', IGNORING)
  dhcp.put(own(1, 'two'))
  const gate = start()
  await gate.observe(never)
  const expected = contentOf(seen(1))
  assert.equal((await rowOf(gate, A))?.live, expected.fingerprint)
  const live = await ok(gate, 'read', { relationship, scopes: [A], of: 'live', fresh: true })
  assert.deepEqual(live.contents, [{ scope: A, content: expected }])

  dhcp.put(own(1, 'renamed'))
  await gate.observe(never)
  assert.deepEqual(gate.unpublished(), [])
  dhcp.put(own(2, 'renamed'))
  await gate.observe(never)
  assert.equal(gate.unpublished()[0]?.fingerprint, contentOf(seen(2)).fingerprint)
})

test('a write leaves the ignored fields as the server has them, and its read-back does not mind', async (context) => {
  const { dhcp, start } = setUp(context, 'dhcp2', IGNORING)
  dhcp.put(own(1, 'two'))
  const gate = start()
  const { results } = await write(gate, [{ scope: A, from: contentOf(seen(1)), to: seen(2) }])
  assert.equal(results[0]?.result, 'written')
  assert.deepEqual(dhcp.content(A), contentOf(own(2, 'two')))
  const row = await rowOf(gate, A)
  assert.deepEqual([row?.base, row?.writtenBy], [contentOf(seen(2)).fingerprint, 'job'])

  // An edit of an ignored field between plan and write hinders nobody, and is kept.
  const { ticket } = await prepared(gate)
  const change = { scope: A, from: contentOf(seen(2)), to: seen(3) }
  await stageAll(gate, ticket, [change])
  dhcp.put(own(2, 'edited'))
  const scopes = [{ scope: A, expected: contentOf(seen(2)).fingerprint, wanted: contentOf(seen(3)).fingerprint }]
  await ok(gate, 'commit', { relationship, side: 'dhcp1', epoch: 1, ticket, job: 'second', scopes })
  assert.deepEqual(dhcp.content(A), contentOf(own(3, 'edited')))
})

test('half a write is put back with the ignored fields as they are by then', async (context) => {
  const { dhcp, start, journal } = setUp(context, 'dhcp2', IGNORING)
  const masked = (lifetime: number, name: string): Scope => ({
    ...seen(lifetime),
    properties: { 'valid-lifetime': lifetime, name },
  })
  const whole = (lifetime: number, name: string, whose: string): Scope => ({
    ...own(lifetime, whose),
    properties: { 'valid-lifetime': lifetime, name, description: whose },
  })
  start()
  const [before, wanted] = [contentOf(masked(1, 'old')), contentOf(masked(2, 'new'))]
  const texts = new Map<string, string>([before, wanted].map(({ fingerprint, text }) => [fingerprint, text]))
  const intents = [{ scope: A, preImage: before.fingerprint, wanted: wanted.fingerprint }]
  journal().begin({ job: 'job', relationship, epoch: 1, intents, settled: [] }, texts, '2026-01-01T00:00:00Z')
  dhcp.put(whole(2, 'old', 'edited'))
  await start().recover(never)
  assert.deepEqual(dhcp.content(A), contentOf(whole(1, 'old', 'edited')))
})

test('what was agreed on and kept before a field was ignored counts without it', async (context) => {
  const before = setUp(context)
  before.dhcp.put(own(1, 'two'))
  await write(before.start(), [{ scope: A, from: before.dhcp.content(A), to: own(2, 'one') }])
  before.policies[0] = { ...before.policies[0], ...IGNORING.policy } as (typeof before.policies)[number]
  const gate = before.start()

  const row = await rowOf(gate, A)
  assert.deepEqual([row?.live, row?.base], [contentOf(seen(2)).fingerprint, contentOf(seen(2)).fingerprint])
  const base = await ok(gate, 'read', { relationship, scopes: [A], of: 'base', fresh: false })
  assert.deepEqual(base.contents, [{ scope: A, content: contentOf(seen(2)) }])
  const preImage = await ok(gate, 'preimage', { relationship, job: 'job', scope: A })
  assert.deepEqual([preImage.content, preImage.wanted], [contentOf(seen(1)), contentOf(seen(2)).fingerprint])
})

test('a scope outside of the relationship is whole', async (context) => {
  const { dhcp, start } = setUp(context, 'dhcp2', IGNORING)
  dhcp.members = [parseScopeKey('10.0.9.0/24') as ScopeKey]
  dhcp.put(own(1, 'two'))
  const observation = await start().observe(never)
  assert.deepEqual(observation.contents.get(aScope(A).key), contentOf(own(1, 'two')))
})

test('a field that cannot be ignored is an error, not one that is overwritten', async (context) => {
  const { dhcp, start } = setUp(context, 'dhcp2', { policy: { ignore: ['ranges'] } })
  dhcp.put(own(1, 'two'))
  await assert.rejects(start().observe(never), /"ranges" cannot be ignored: expected a parameter/)
})
