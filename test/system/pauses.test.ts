// Pauses, windows and the soak delay: what waits, what is refused, what goes on, and that all of it says so.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { RelationshipConfig } from '#contracts/configuration.ts'
import { type ScopeKey, scopeAddress } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { AUTH, PAIR, PARTNER, type SimulatedPair, startSimulatedPair } from '#harness/simulated-pair.ts'
import { waitAgreed } from '#harness/system.ts'

async function call(pair: SimulatedPair, method: 'PUT' | 'DELETE', path: string, body?: unknown): Promise<number> {
  const response = await fetch(new URL(path, pair.system.local.console), {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  })
  await response.arrayBuffer()
  return response.status
}

/** Waits until the automatic job waits for this reason. */
async function waitsFor(pair: SimulatedPair, reason: string) {
  return await eventually(
    async () =>
      (await pair.system.relationship(PAIR)).pending.find(
        (job) => job.automatic && job.reason === reason && !job.running,
      ) ?? false,
    { timeoutMs: 20_000, what: `the automatic job waiting for ${reason}` },
  )
}

describe('pauses', () => {
  let pair: SimulatedPair
  before(async () => {
    // Looks come late, so that only resuming can be what wakes a job.
    pair = await startSimulatedPair({ env: { TWINSCOPE_RECONCILE_SECONDS: '300' }, replicators: 2 })
  })
  after(async () => await pair?.stop())

  for (const [what, path, flag] of [
    ['the fleet', '/v1/pause', ''],
    ['a relationship', `/v1/relationships/${PAIR}/pause`, ` --relationship ${PAIR}`],
  ] as const) {
    test(`${what} is paused: changes wait, requests are refused, and resuming wakes what waits at once`, async () => {
      await waitAgreed(pair.system)
      const scope = pair.scopes[0] as ScopeKey
      const name = `while ${what} is paused`
      const writes = (await pair.writes(PARTNER)).length
      assert.equal(await call(pair, 'PUT', path, { actor: 'alice', reason: 'moving house' }), 200)
      await pair.rename(AUTH, scope, name)
      const { detail, dueAt } = await waitsFor(pair, 'paused')
      assert.match(detail ?? '', new RegExp(`paused by alice .*\\(moving house\\).*twinscope resume${flag}\``))
      assert.ok(Date.parse(dueAt ?? '') > Date.now() + 30_000)

      const asked = await pair.system.replicate({ server: AUTH, scopes: [scope] })
      assert.deepEqual([asked.status, asked.code], ['refused', 'paused'])
      const told = asked.scopes?.find((row) => row.scope === scope)
      assert.deepEqual([told?.status, told?.code], ['refused', 'paused'], 'the scope that was not copied is named')
      assert.equal((await pair.writes(PARTNER)).length, writes)

      const resumedAt = Date.now()
      assert.equal(await call(pair, 'DELETE', path), 204)
      await pair.named(PARTNER, scope, name)
      assert.ok(Date.now() - resumedAt < 15_000, 'it did not wait for its own look')
    })
  }

  test('a pause with an end ends by itself', async () => {
    await waitAgreed(pair.system)
    const scope = pair.scopes[1] as ScopeKey
    const until = new Date(Date.now() + 4_000).toISOString()
    assert.equal(await call(pair, 'PUT', '/v1/pause', { actor: 'alice', until }), 200)
    await pair.rename(AUTH, scope, 'after a while')
    const { dueAt } = await waitsFor(pair, 'paused')
    assert.equal(dueAt, until)
    await pair.named(PARTNER, scope, 'after a while')
    assert.ok(Date.now() >= Date.parse(until))
  })

  test('restores and moves of the authority go on while it is paused, adoptions do not', async () => {
    await waitAgreed(pair.system)
    const scope = pair.scopes[2] as ScopeKey
    const before = String(await pair.nameOf(PARTNER, scope))
    await pair.rename(AUTH, scope, 'regretted')
    await pair.named(PARTNER, scope, 'regretted')
    await waitAgreed(pair.system)
    // The ledger is told a moment after both gates agreed.
    const newest = await eventually(async () => {
      const [one] = (await pair.system.replications()).filter(({ status }) => status === 'replicated')
      return one?.scopeIds?.includes(scopeAddress(scope)) === true && one
    })
    assert.equal(await call(pair, 'PUT', '/v1/pause', { actor: 'alice' }), 200)
    const common = { level: 'scope' as const, server: PARTNER, relationship: PAIR, scopes: [scope] }
    const adopt = await pair.request({ ...common, act: { kind: 'adopt' } })
    assert.deepEqual([adopt.status, adopt.code], ['refused', 'paused'])
    const act = { kind: 'restore' as const, of: newest.job, both: false }
    const { planDigest, message } = await pair.request({ ...common, act })
    assert.ok(planDigest, `${message}`)
    const restored = await pair.request({ ...common, act, approvedPlan: planDigest })
    assert.equal(restored.status, 'replicated', `${restored.message}`)
    assert.equal(await pair.nameOf(PARTNER, scope), before)
    const moved = await pair.request({
      level: 'relationship',
      server: PARTNER,
      relationship: PAIR,
      act: { kind: 'move-authority', force: false },
    })
    assert.deepEqual([moved.status, moved.code], ['done', 'authority-moved'])
    const taken = await pair.request({ level: 'relationship', server: AUTH, relationship: PAIR, takeAuthority: true })
    assert.deepEqual(
      [taken.status, taken.code],
      ['refused', 'paused'],
      'nothing is moved for a request that is refused',
    )
    assert.equal((await pair.system.relationship(PAIR)).authority?.side, PARTNER)
    assert.equal(await call(pair, 'DELETE', '/v1/pause'), 204)
  })
})

/** A weekly window of this day that is not now, in UTC. */
function closedNow(): string {
  const hour = (new Date().getUTCHours() + 12) % 24
  const text = (value: number) => `${String(value).padStart(2, '0')}:00`
  return `daily ${text(hour)}-${text((hour + 1) % 24)}`
}

describe('windows and soak', () => {
  async function withPolicy(policy: Partial<RelationshipConfig>, run: (pair: SimulatedPair) => Promise<void>) {
    const pair = await startSimulatedPair({ policy })
    try {
      await run(pair)
    } finally {
      await pair.stop()
    }
  }

  test('outside the window: the change waits until it opens, a request is refused, both with the window', async () => {
    const window = closedNow()
    await withPolicy({ 'allow-windows': [window] }, async (pair) => {
      const scope = pair.scopes[0] as ScopeKey
      await pair.rename(AUTH, scope, 'at night')
      const { detail, dueAt } = await waitsFor(pair, 'outside-window')
      assert.match(detail ?? '', new RegExp(`outside the allow window ${window}`))
      const opensIn = Date.parse(dueAt ?? '') - Date.now()
      assert.ok(opensIn > 10 * 3_600_000 && opensIn < 14 * 3_600_000, `opens in ${opensIn} ms`)
      const asked = await pair.system.replicate({ server: AUTH, scopes: [scope] })
      assert.deepEqual([asked.status, asked.code], ['refused', 'outside-window'])
      assert.notEqual(await pair.nameOf(PARTNER, scope), 'at night')
    })
  })

  test('soak: a change is copied when it was stable for so long, a request does not wait for it', async () => {
    await withPolicy({ 'soak-delay': '5s' }, async (pair) => {
      const [soaking, asked] = pair.scopes as [ScopeKey, ScopeKey]
      const changedAt = Date.now()
      await pair.rename(AUTH, soaking, 'soaked')
      const { dueAt } = await waitsFor(pair, 'soak-delay')
      assert.ok(Date.parse(dueAt ?? '') >= changedAt + 4_500)
      await pair.rename(AUTH, asked, 'at once')
      const replication = await pair.system.replicate({ server: AUTH, scopes: [asked] })
      assert.equal(replication.status, 'replicated')
      assert.notEqual(await pair.nameOf(PARTNER, soaking), 'soaked')
      await pair.named(PARTNER, soaking, 'soaked')
      assert.ok(Date.now() - changedAt >= 4_900)
      const automatic = await eventually(
        async () =>
          (await pair.system.replications()).find((one) => one.automatic && one.status === 'replicated') ?? false,
        { timeoutMs: 10_000, what: 'the outcome of the automatic job' },
      )
      const noticed = Date.parse(automatic.noticedAt ?? '')
      assert.ok(Math.abs(noticed - changedAt) < 3_000, 'it still knows when its change was noticed')
    })
  })
})
