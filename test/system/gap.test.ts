// The honest remainder: somebody edits the target between the gate's own read and its write. Nobody can prevent that;
// it must be told, with who it was, and what was there must be to be had again.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { AUTH, PARTNER, type SimulatedPair, startSimulatedPair } from '#harness/simulated-pair.ts'
import type { Replication } from '#harness/system.ts'

let pair: SimulatedPair
before(async () => {
  pair = await startSimulatedPair()
})
after(async () => await pair?.stop())

/** The scope as the partner has it, with another name. */
async function atPartner(scope: ScopeKey, name: string): Promise<Scope> {
  const content = await pair.admin.scope(PARTNER, scope)
  return { ...content, properties: { ...content.properties, name } }
}

/** The replication that wrote the scope with this content. */
async function thatWrote(scope: ScopeKey): Promise<Replication> {
  return await eventually(
    async () => {
      for (const { job } of await pair.system.replications()) {
        const found = await pair.system.get<Replication>(`/v1/replications/${job}`)
        // The job as a whole may be held, for another scope.
        const row = found.scopes?.find((one) => one.scope === scope)
        if (row?.status === 'replicated') return found
      }
      return false
    },
    { timeoutMs: 20_000, what: `a replication of ${scope}` },
  )
}

test('an edit in the gap of the gate is overwritten, told with its author, and can be undone', async () => {
  const scope = pair.scopes[0] as ScopeKey
  const before = await pair.admin.scope(PARTNER, scope)
  await pair.admin.setFaults(PARTNER, { editBeforeNextWrite: await atPartner(scope, 'in the gap') })
  await pair.rename(AUTH, scope, 'planned')
  await pair.named(PARTNER, scope, 'planned')

  // It did happen, in that order: the edit, and then our write over it, planned from what was there before the edit.
  const writes = (await pair.admin.log(PARTNER)).filter((entry) => entry.kind === 'write' && entry.scope === scope)
  assert.deepEqual(
    writes.map(({ who }) => who),
    ['admin', 'twinscope'],
  )

  const done = await thatWrote(scope)
  const row = done.scopes?.find((one) => one.scope === scope)
  assert.deepEqual([done.status, row?.status, row?.code], ['replicated', 'replicated', 'overwrote-edit'])
  assert.match(row?.message ?? '', /\badmin\b/)
  assert.match(row?.message ?? '', /restore brings it back/)

  const { status, body: plan } = await pair.system.post(`/v1/replications/${done.job}/restore/plan`, {})
  assert.equal(status, 200, JSON.stringify(plan))
  const restored = await pair.decide(`/v1/replications/${done.job}/restore`, {
    approvedPlan: plan.digest,
    actor: 'alice',
  })
  assert.deepEqual([restored.status, restored.act, restored.of], ['replicated', 'restore', done.job])
  assert.equal(contentOf(await pair.admin.scope(PARTNER, scope)).fingerprint, contentOf(before).fingerprint)
})

test('an edit of another scope in the gap is not touched, and nothing is said of it but that it is held', async () => {
  const [, mine, theirs] = pair.scopes as [ScopeKey, ScopeKey, ScopeKey]
  await pair.admin.setFaults(PARTNER, { editBeforeNextWrite: await atPartner(theirs, 'somebody else') })
  await pair.rename(AUTH, mine, 'also planned')
  await pair.named(PARTNER, mine, 'also planned')
  const done = await thatWrote(mine)
  assert.equal(done.scopes?.find((one) => one.scope === mine)?.code, 'changed')
  assert.equal(await pair.nameOf(PARTNER, theirs), 'somebody else')
  const { row } = await pair.held(theirs, 'foreign-edit')
  assert.equal(row.scope, theirs)
})
