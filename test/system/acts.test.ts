// What people decide beyond the decision table: the other side's content, an undo, and that these stay.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { AUTH, PAIR, PARTNER, type SimulatedPair, startSimulatedPair } from '#harness/simulated-pair.ts'
import { type Replication, waitAgreed } from '#harness/system.ts'

type RestorePlan = { readonly digest?: string; readonly plans: readonly { readonly target: string }[] }

async function restorePlan(pair: SimulatedPair, job: string, body: Record<string, unknown>): Promise<RestorePlan> {
  const { status, body: plan } = await pair.system.post(`/v1/replications/${job}/restore/plan`, body)
  assert.equal(status, 200, JSON.stringify(plan))
  return plan as unknown as RestorePlan
}

async function restore(pair: SimulatedPair, job: string, body: Record<string, unknown> = {}): Promise<Replication> {
  const { digest } = await restorePlan(pair, job, body)
  assert.ok(digest)
  return await pair.decide(`/v1/replications/${job}/restore`, { ...body, approvedPlan: digest, actor: 'alice' })
}

/** Two names after another on both sides; the job that wrote the second. */
async function twoChanges(pair: SimulatedPair, scope: ScopeKey): Promise<string> {
  await pair.rename(AUTH, scope, 'one')
  await pair.named(PARTNER, scope, 'one')
  await waitAgreed(pair.system)
  await pair.rename(AUTH, scope, 'two')
  await pair.named(PARTNER, scope, 'two')
  await waitAgreed(pair.system)
  const { fingerprint } = contentOf(await pair.admin.scope(PARTNER, scope))
  return await eventually(
    async () => {
      for (const { job } of await pair.system.replications()) {
        const { scopes } = await pair.system.get<Replication>(`/v1/replications/${job}`)
        const row = scopes?.find((one) => one.scope === scope)
        if (row?.status === 'replicated' && row.after === fingerprint) return job
      }
      return false
    },
    { timeoutMs: 20_000, what: `the ledger tells of the second change of ${scope}` },
  )
}

for (const onForeignEdit of ['hold', 'revert'] as const) {
  describe(`on-foreign-edit: ${onForeignEdit}`, () => {
    let pair: SimulatedPair
    before(async () => {
      pair = await startSimulatedPair({ policy: { 'on-foreign-edit': onForeignEdit } })
    })
    after(async () => await pair?.stop())

    test('a restore puts back what was there, and no look undoes it; an approval does', async () => {
      const scope = pair.scopes[0] as ScopeKey
      const job = await twoChanges(pair, scope)
      const unapproved = await pair.system.post(`/v1/replications/${job}/restore`, {})
      assert.equal(unapproved.status, 428)

      const restored = await restore(pair, job)
      assert.deepEqual([restored.status, restored.act, restored.of], ['replicated', 'restore', job])
      assert.equal(restored.scopes?.[0]?.code, 'restored-preimage')
      assert.equal(await pair.nameOf(PARTNER, scope), 'one')
      assert.equal(await pair.nameOf(AUTH, scope), 'two')

      const held = await pair.held(scope, 'restored')
      await pair.looks(2)
      assert.equal(await pair.nameOf(PARTNER, scope), 'one', 'the next looks leave it')
      const asked = await pair.system.replicate({ server: AUTH, scopes: [scope] })
      assert.deepEqual([asked.status, asked.scopes?.[0]?.code], ['held', 'restored'])

      const approved = await pair.decide(`/v1/replications/${held.job}/approve`, {})
      assert.equal(approved.status, 'replicated')
      assert.equal(await pair.nameOf(PARTNER, scope), 'two')
      await waitAgreed(pair.system)
      await pair.rename(AUTH, scope, 'three')
      await pair.named(PARTNER, scope, 'three')
    })

    test('with both, the authoritative side gets it too, and both agree again', async () => {
      const scope = pair.scopes[1] as ScopeKey
      const job = await twoChanges(pair, scope)
      const plan = await restorePlan(pair, job, { both: true })
      assert.deepEqual(
        plan.plans.map(({ target }) => target),
        [PARTNER, AUTH],
      )
      const restored = await restore(pair, job, { both: true })
      assert.equal(restored.status, 'replicated', `${restored.message}`)
      assert.match(restored.scopes?.[0]?.message ?? '', new RegExp(`${PARTNER}: .*; ${AUTH}: `))
      assert.equal(await pair.nameOf(PARTNER, scope), 'one')
      assert.equal(await pair.nameOf(AUTH, scope), 'one')
      // Both are equal now; once the gates have agreed on that, the next change is an ordinary one.
      await pair.looks(2)
      await waitAgreed(pair.system)
      assert.equal(await pair.nameOf(AUTH, scope), 'one')
      await pair.rename(AUTH, scope, 'three')
      await pair.named(PARTNER, scope, 'three')

      // What it wrote on each of the two servers can be undone there.
      assert.deepEqual(restored.scopes?.[0]?.writtenAt?.toSorted(), [AUTH, PARTNER].toSorted())
      const back = await restore(pair, restored.job, { server: AUTH })
      assert.deepEqual([back.status, back.scopes?.[0]?.writtenAt], ['replicated', [AUTH]], `${back.message}`)
      assert.equal(await pair.nameOf(AUTH, scope), 'two')
      // Where only the partner of the one that a restore is about was written, that is where it is undone by itself.
      const again = await restore(pair, back.job)
      assert.deepEqual([again.status, again.target], ['replicated', AUTH], `${again.message}`)
      assert.equal(await pair.nameOf(AUTH, scope), 'three')
    })
  })
}

describe('acts on one relationship', () => {
  let pair: SimulatedPair
  before(async () => {
    // A lock of a killed replicator is free after this.
    pair = await startSimulatedPair({ replicators: 2, env: { TWINSCOPE_LOCK_TTL_MS: '6000' } })
  })
  after(async () => await pair?.stop())

  type Conflicts = {
    readonly items: readonly {
      readonly scope: string
      readonly sides: readonly { server: string; digest?: string }[]
    }[]
  }

  test('adopt: the picked side is written onto the authoritative one, once; the authority stays', async () => {
    const scope = pair.scopes[0] as ScopeKey
    await pair.rename(PARTNER, scope, 'kept')
    const { job } = await pair.held(scope, 'foreign-edit')
    const conflicts = await pair.system.get<Conflicts>(
      `/v1/relationships/${PAIR}/conflicts?scope=${scope.split('/')[0]}`,
    )
    const digest = conflicts.items[0]?.sides.find(({ server }) => server === PARTNER)?.digest
    assert.ok(digest)
    const adopted = await pair.decide(`/v1/replications/${job}/approve`, {
      side: PARTNER,
      planDigest: digest,
      actor: 'alice',
    })
    assert.deepEqual([adopted.status, adopted.act, adopted.of], ['replicated', 'adopt', job], `${adopted.message}`)
    assert.equal(adopted.target, AUTH)
    assert.equal(await pair.nameOf(AUTH, scope), 'kept')
    assert.deepEqual(
      (await pair.writes(AUTH)).map((write) => write.scope),
      [scope],
    )
    await waitAgreed(pair.system)
    await pair.rename(AUTH, scope, 'ordinary again')
    await pair.named(PARTNER, scope, 'ordinary again')

    const back = await restore(pair, adopted.job)
    assert.deepEqual([back.status, back.target], ['replicated', AUTH], 'an adoption can be undone too')
    await pair.held(scope, 'restored')
    assert.equal(await pair.nameOf(PARTNER, scope), 'ordinary again')
  })

  test('adopt without an approval, or with that of another plan, writes nothing and shows the plan', async () => {
    const scope = pair.scopes[1] as ScopeKey
    await pair.rename(PARTNER, scope, 'wanted')
    const { job } = await pair.held(scope, 'foreign-edit')
    const writes = (await pair.writes(AUTH)).length
    const act = { kind: 'adopt' as const, of: job }
    const ask = { level: 'scope' as const, server: PARTNER, relationship: PAIR, scopes: [scope], act }
    const shown = await pair.request(ask)
    assert.deepEqual([shown.status, shown.scopes?.[0]?.code, shown.scopes?.[0]?.decision], ['held', 'adopt', 'adopted'])
    assert.ok(shown.planDigest)
    await pair.rename(PARTNER, scope, 'something else')
    const stale = await pair.request({ ...ask, approvedPlan: shown.planDigest })
    assert.equal(stale.status, 'held')
    assert.match(stale.scopes?.[0]?.message ?? '', /not the present plan any more/)
    assert.equal((await pair.writes(AUTH)).length, writes)
    assert.ok(stale.planDigest)
    const adopted = await pair.request({ ...ask, approvedPlan: stale.planDigest })
    assert.equal(adopted.status, 'replicated')
    assert.equal(await pair.nameOf(AUTH, scope), 'something else')
    await eventually(async () => {
      const { scopes } = await pair.system.relationship(PAIR)
      assert.equal(scopes.find((one) => one.scope === scope)?.sync, 'in-sync')
    })
  })

  test('what cannot be done is refused, and says why', async () => {
    const scope = pair.scopes[2] as ScopeKey
    const adopt = { level: 'scope' as const, relationship: PAIR, scopes: [scope], act: { kind: 'adopt' as const } }
    const own = await pair.request({ ...adopt, server: AUTH })
    assert.deepEqual([own.status, own.code], ['refused', 'authoritative-side'])
    const restoreOf = (of: string, scopes?: string[]) => ({
      level: 'scope' as const,
      server: PARTNER,
      relationship: PAIR,
      act: { kind: 'restore' as const, of, both: false },
      ...(scopes === undefined ? {} : { scopes }),
    })
    const unknown = await pair.request(restoreOf('NOSUCHJOB'))
    assert.deepEqual([unknown.status, unknown.code], ['refused', 'unknown-job'])
    const gone = await pair.request(restoreOf('NOSUCHJOB', [scope]))
    assert.deepEqual([gone.status, gone.scopes?.[0]?.code], ['refused', 'no-pre-image'])
    const equal = await pair.system.replicate({ server: AUTH, scopes: [scope] })
    const nothing = await pair.request(restoreOf(equal.job))
    assert.deepEqual([nothing.status, nothing.code], ['refused', 'nothing-written'])
    const elsewhere = await pair.request({ ...restoreOf(equal.job), relationship: 'nosuch' })
    assert.deepEqual([elsewhere.status, elsewhere.code], ['refused', 'unknown-relationship'])
  })

  test('a restore is found by the gates alone after the ledger was lost', async () => {
    const scope = pair.scopes[3] as ScopeKey
    await pair.rename(AUTH, scope, 'one')
    await pair.named(PARTNER, scope, 'one')
    await waitFor(pair, scope)
    await pair.rename(AUTH, scope, 'two')
    await pair.named(PARTNER, scope, 'two')
    const commit = await writtenBy(pair, scope)
    const jetstream = await pair.nats.jetstreamManager()
    await jetstream.streams.purge('TWINSCOPE_OUTCOMES')
    const act = { kind: 'restore' as const, of: commit, both: false }
    const ask = { level: 'scope' as const, server: PARTNER, relationship: PAIR, scopes: [scope], act }
    const shown = await pair.request(ask)
    assert.ok(shown.status === 'held' && shown.planDigest, `${shown.status} ${shown.message}`)
    const restored = await pair.request({ ...ask, approvedPlan: shown.planDigest })
    assert.equal(restored.status, 'replicated', `${restored.message}`)
    assert.equal(await pair.nameOf(PARTNER, scope), 'one')
  })

  test('a replicator that is killed in the middle of a restore of both sides: it ends once, with both written once', async () => {
    const scope = pair.scopes[4] as ScopeKey
    await pair.rename(AUTH, scope, 'one')
    await pair.named(PARTNER, scope, 'one')
    await waitFor(pair, scope)
    await pair.rename(AUTH, scope, 'two')
    await pair.named(PARTNER, scope, 'two')
    await waitFor(pair, scope)
    const job = await writtenBy(pair, scope)
    const { digest } = await restorePlan(pair, job, { both: true })
    const [partnerLog, authLog] = [await pair.admin.log(PARTNER), await pair.admin.log(AUTH)]
    // The write takes effect, its answer is slow: both replicators die meanwhile.
    await pair.admin.setFaults(PARTNER, { answerDelayMs: 1_500 })
    const { location = '' } = await pair.system.post(`/v1/replications/${job}/restore`, {
      both: true,
      approvedPlan: digest,
    })
    await eventually(async () => assert.ok((await pair.admin.log(PARTNER)).length > partnerLog.length), {
      timeoutMs: 15_000,
      what: 'the first write',
    })
    await Promise.all(pair.system.local.replicators.map((part) => part.stop('SIGKILL')))
    await pair.admin.setFaults(PARTNER, {})
    await Promise.all(pair.system.local.replicators.map((part) => part.start()))
    const final = await pair.system.waitFinal(location.slice(location.lastIndexOf('/') + 1), 60_000)
    assert.equal(final.status, 'replicated', `${final.message}`)
    const of = (log: readonly { readonly scope: string }[]) => log.filter((entry) => entry.scope === scope).length
    assert.equal(of((await pair.admin.log(PARTNER)).slice(partnerLog.length)), 1)
    assert.equal(of((await pair.admin.log(AUTH)).slice(authLog.length)), 1)
    assert.deepEqual([await pair.nameOf(PARTNER, scope), await pair.nameOf(AUTH, scope)], ['one', 'one'])
  })
})

type GateRow = { readonly scope: string; readonly live?: string; readonly base?: string; readonly writtenBy?: string }

async function rowAt(pair: SimulatedPair, server: string, scope: ScopeKey): Promise<GateRow | undefined> {
  const { ok } = await pair.gate(server, 'manifest', { relationship: PAIR, fresh: true })
  return (ok as { rows: readonly GateRow[] }).rows.find((one) => one.scope === scope)
}

/** The job that wrote what the partner has, as its gate knows it. */
async function writtenBy(pair: SimulatedPair, scope: ScopeKey): Promise<string> {
  // The server has it a moment before the gate's journal has the end of the commit.
  return await eventually(async () => (await rowAt(pair, PARTNER, scope))?.writtenBy ?? false)
}

/** Both gates have the scope's content as their base, whatever else is held. */
async function waitFor(pair: SimulatedPair, scope: ScopeKey): Promise<void> {
  await eventually(
    async () => {
      const rows = await Promise.all([AUTH, PARTNER].map((server) => rowAt(pair, server, scope)))
      assert.equal(new Set(rows.flatMap((row) => [row?.live, row?.base])).size, 1)
    },
    { timeoutMs: 20_000, what: `agreement on ${scope}` },
  )
}
