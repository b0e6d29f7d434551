// The authority of a relationship: moved as planned, with the other side away, interrupted, and lost with NATS.

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { ReplicationRequested } from '#contracts/messages.ts'
import { BUCKETS } from '#contracts/streams.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { AUTH, PAIR, PARTNER, type SimulatedPair, startSimulatedPair } from '#harness/simulated-pair.ts'
import { waitAgreed } from '#harness/system.ts'
import type { Part } from '#local/processes.ts'

function moveTo(server: string, force = false): Omit<ReplicationRequested, 'requester' | 'job'> {
  return { level: 'relationship', server, relationship: PAIR, actor: 'alice', act: { kind: 'move-authority', force } }
}

type Known = { readonly side: string; readonly epoch: number; readonly job?: string }

async function recordOf(pair: SimulatedPair): Promise<Known | undefined> {
  const bucket = await pair.nats.jetstream().views.kv(BUCKETS.authority.name, { bindOnly: true })
  return (await bucket.get(PAIR))?.json<Known>()
}

async function atGate(pair: SimulatedPair, server: string): Promise<Known | undefined> {
  const { ok } = await pair.gate(server, 'manifest', { relationship: PAIR, fresh: false })
  return (ok as { authority?: Known }).authority
}

describe('moving it', () => {
  let pair: SimulatedPair
  before(async () => {
    pair = await startSimulatedPair({ replicators: 2 })
  })
  after(async () => await pair?.stop())

  test('planned: the record and both gates know the new side, changes flow the other way, the old one is refused', async () => {
    const moved = await pair.request(moveTo(PARTNER))
    assert.deepEqual(
      [moved.status, moved.code, moved.act],
      ['done', 'authority-moved', 'move-authority'],
      `${moved.message}`,
    )
    const record = await recordOf(pair)
    assert.equal(record?.side, PARTNER)
    for (const server of [AUTH, PARTNER]) {
      const { side, epoch } = (await atGate(pair, server)) ?? {}
      assert.deepEqual([side, epoch], [PARTNER, record?.epoch])
    }
    const scope = pair.scopes[0] as ScopeKey
    await pair.rename(PARTNER, scope, 'from the other side')
    await pair.named(AUTH, scope, 'from the other side')
    const old = await pair.request({ level: 'relationship', server: AUTH, relationship: PAIR })
    assert.deepEqual([old.status, old.code], ['refused', 'not-authoritative'])
    await waitAgreed(pair.system)
    await pair.rename(AUTH, scope, 'now a foreign edit')
    const { job } = await pair.held(scope, 'foreign-edit')
    assert.equal((await pair.decide(`/v1/replications/${job}/approve`, {})).status, 'replicated')
    assert.equal(await pair.nameOf(AUTH, scope), 'from the other side')
  })

  test('a move to where it is changes nothing; one that expects another epoch is refused', async () => {
    const before = await recordOf(pair)
    const same = await pair.request(moveTo(PARTNER))
    assert.equal(same.status, 'done')
    const { job } = (await recordOf(pair)) ?? {}
    assert.ok(job, 'the record names the move that made it')
    const stale = await pair.request({
      ...moveTo(AUTH),
      act: { kind: 'move-authority', force: false, expectedEpoch: 999 },
    })
    assert.deepEqual([stale.status, stale.code], ['refused', 'authority-changed'])
    assert.deepEqual(await recordOf(pair), before)
  })

  test('a request may take the authority along: it is moved, then copied', async () => {
    await waitAgreed(pair.system)
    const scope = pair.scopes[1] as ScopeKey
    await pair.rename(AUTH, scope, 'taken along')
    await pair.held(scope, 'foreign-edit')
    const taken = await pair.request({
      level: 'scope',
      server: AUTH,
      relationship: PAIR,
      scopes: [scope],
      takeAuthority: true,
    })
    // With the authority here, what was a foreign edit is an ordinary change.
    assert.equal(taken.status, 'replicated', `${taken.message}`)
    assert.equal(await pair.nameOf(PARTNER, scope), 'taken along')
    assert.equal((await recordOf(pair))?.side, AUTH)
  })

  test('an interrupted move: nothing is written, everybody says so, and a move settles it', async () => {
    await waitAgreed(pair.system)
    const scope = pair.scopes[2] as ScopeKey
    const epoch = ((await recordOf(pair))?.epoch ?? 0) + 1
    // What is left of a replicator that dies between fencing the new side and publishing it.
    const fenced = await pair.gate(PARTNER, 'fence', { relationship: PAIR, side: PARTNER, epoch })
    assert.ok('ok' in fenced, JSON.stringify(fenced))
    const writes = (await pair.writes(PARTNER)).length
    await pair.rename(AUTH, scope, 'while nobody knows')
    const asked = await pair.system.replicate({ server: AUTH, scopes: [scope] })
    assert.deepEqual([asked.status, asked.code], ['refused', 'authority-unknown'])
    assert.match(asked.message ?? '', new RegExp(`twinscope authority move ${PAIR} --to ${AUTH}.*--to ${PARTNER}`))
    const view = await pair.system.get<{ problem?: { code: string } }>(`/v1/relationships/${PAIR}/authority`)
    assert.equal(view.problem?.code, 'interrupted')
    assert.equal((await pair.writes(PARTNER)).length, writes)

    const settled = await pair.request(moveTo(AUTH))
    assert.equal(settled.status, 'done', `${settled.message}`)
    assert.equal((await recordOf(pair))?.epoch, epoch + 1)
    await pair.named(PARTNER, scope, 'while nobody knows')
  })

  test('the old side is away: only a forced move goes through, and it learns when it is back', async () => {
    await waitAgreed(pair.system)
    const scope = pair.scopes[3] as ScopeKey
    const watcher = pair.system.local.watchers.get(AUTH) as Part
    await watcher.stop()
    const refused = await pair.request(moveTo(PARTNER))
    assert.deepEqual([refused.status, refused.code], ['refused', 'partner-unreachable'])
    assert.match(refused.message ?? '', /--force/)
    const unreachable = await pair.request(moveTo(AUTH, true))
    assert.equal(unreachable.status, 'refused')
    const forced = await pair.request(moveTo(PARTNER, true))
    assert.deepEqual([forced.status, forced.code], ['done', 'authority-moved'])
    // Meanwhile somebody edits the server that was the authoritative side.
    await pair.rename(AUTH, scope, 'edited while away')
    await pair.rename(PARTNER, pair.scopes[4] as ScopeKey, 'from the new side')
    await watcher.start()
    await pair.named(AUTH, pair.scopes[4] as ScopeKey, 'from the new side')
    assert.equal((await atGate(pair, AUTH))?.side, PARTNER)
    await pair.held(scope, 'foreign-edit')
    assert.notEqual(await pair.nameOf(PARTNER, scope), 'edited while away')
  })
})

for (const onLoss of ['hold', 'agree'] as const) {
  describe(`NATS is wiped, on-authority-loss: ${onLoss}`, () => {
    let pair: SimulatedPair
    before(async () => {
      pair = await startSimulatedPair({ policy: { 'on-authority-loss': onLoss } })
    })
    after(async () => await pair?.stop())

    test(
      onLoss === 'hold'
        ? 'it is only observed until somebody confirms a side'
        : 'what both gates agree on is recorded again',
      async () => {
        await pair.request(moveTo(PARTNER))
        await waitAgreed(pair.system)
        const known = await atGate(pair, AUTH)
        assert.deepEqual(known, await atGate(pair, PARTNER))
        const scope = pair.scopes[0] as ScopeKey
        const { nats, dataDir } = pair.system.local
        await nats?.stop('SIGKILL')
        await rm(join(dataDir, 'nats'), { recursive: true })
        await nats?.start()
        await eventually(
          async () => {
            await pair.nats.flush()
            assert.equal((await fetch(new URL('/readyz', pair.system.local.console))).status, 200)
          },
          { timeoutMs: 20_000, what: 'readiness after the wipe' },
        )
        await pair.rename(PARTNER, scope, 'after the loss')
        if (onLoss === 'agree') {
          await pair.named(AUTH, scope, 'after the loss')
          await eventually(
            async () => {
              const { side, epoch } = (await recordOf(pair)) ?? {}
              assert.deepEqual([side, epoch], [known?.side, known?.epoch])
            },
            { timeoutMs: 20_000, what: 'the record as the gates have it' },
          )
          return
        }
        const asked = await pair.system.replicate({ server: PARTNER, scopes: [scope] })
        assert.deepEqual([asked.status, asked.code], ['refused', 'authority-unknown'])
        assert.match(asked.message ?? '', new RegExp(`twinscope authority move ${PAIR} --to ${PARTNER}`))
        await eventually(async () => {
          const view = await pair.system.get<{ problem?: { code: string } }>(`/v1/relationships/${PAIR}/authority`)
          assert.equal(view.problem?.code, 'lost')
        })
        assert.equal(await recordOf(pair), undefined, 'the configuration does not seed it anew')
        assert.notEqual(await pair.nameOf(AUTH, scope), 'after the loss')
        const confirmed = await pair.request(moveTo(PARTNER))
        assert.equal(confirmed.status, 'done', `${confirmed.message}`)
        assert.equal((await recordOf(pair))?.epoch, (known?.epoch ?? 0) + 1)
        await pair.named(AUTH, scope, 'after the loss')
      },
    )
  })
}
