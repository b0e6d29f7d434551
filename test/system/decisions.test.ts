// The decision table as operators see it: each row end to end, on simulated servers, and what a decision of theirs does.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { AUTH, PAIR, PARTNER, type SimulatedPair, startSimulatedPair } from '#harness/simulated-pair.ts'
import { waitAgreed } from '#harness/system.ts'
import { sample } from '#simulator/sample.ts'

function scopeAt(pair: SimulatedPair, index: number): ScopeKey {
  const scope = pair.scopes[index]
  assert.ok(scope !== undefined)
  return scope
}

async function isGone(pair: SimulatedPair, server: string, scope: ScopeKey): Promise<boolean> {
  return !(await pair.admin.scopes(server)).some(({ key }) => key === scope)
}

type Differences = { readonly outOfSync?: number; readonly conflict?: number }

/** Makes it certain that the two sides are looked at only when every edit has been seen: when this many scopes differ. */
async function whilePaused(pair: SimulatedPair, until: Differences, edit: () => Promise<void>): Promise<void> {
  const path = new URL(`/v1/relationships/${PAIR}/pause`, pair.system.local.console)
  const headers = { 'content-type': 'application/json' }
  const paused = await fetch(path, { method: 'PUT', headers, body: JSON.stringify({ actor: 'test' }) })
  assert.equal(paused.status, 200, await paused.text())
  await edit()
  const wanted = { outOfSync: 0, conflict: 0, ...until }
  await eventually(
    async () => {
      const { outOfSync, conflict } = (await pair.system.relationship(PAIR)).counts
      assert.deepEqual({ outOfSync, conflict }, wanted)
    },
    { timeoutMs: 20_000, what: 'the edits in the view' },
  )
  assert.equal((await fetch(path, { method: 'DELETE' })).status, 204)
}

/** The view follows the ledger by its next look at both sides. */
async function showsConflict(pair: SimulatedPair): Promise<void> {
  await eventually(async () => assert.equal((await pair.system.relationship(PAIR)).sync, 'conflict'), {
    timeoutMs: 10_000,
    what: 'the edit as a conflict',
  })
}

describe('default policies', () => {
  let pair: SimulatedPair
  before(async () => {
    pair = await startSimulatedPair()
  })
  after(async () => await pair?.stop())

  test('changed: it is copied', async () => {
    const scope = scopeAt(pair, 0)
    await pair.rename(AUTH, scope, 'changed')
    await pair.named(PARTNER, scope, 'changed')
  })

  test('created: it is created on the partner', async () => {
    const [made] = sample({ scopes: 1, first: '10.0.200.0' }) as [Scope]
    const created = { ...made, id: 200 }
    await pair.admin.putScope(AUTH, created)
    await eventually(async () => assert.ok(!(await isGone(pair, PARTNER, created.key))), { timeoutMs: 20_000 })
    assert.deepEqual((await pair.admin.scope(PARTNER, created.key)).reservations, created.reservations)
  })

  test('edited on the partner: held, once, with both ways out; approved, it is overwritten', async () => {
    await waitAgreed(pair.system)
    const scope = scopeAt(pair, 1)
    await pair.rename(PARTNER, scope, 'foreign')
    const { job, row, planDigest } = await pair.held(scope, 'foreign-edit')
    assert.match(row.message, new RegExp(`twinscope approve ${job}.*--side ${PARTNER}`, 's'))
    assert.equal(row.decision, 'foreign-edit')
    assert.ok(planDigest)
    const before = (await pair.system.replications()).length
    await pair.looks(3)
    assert.equal((await pair.system.replications()).length, before, 'a hold is told once')
    assert.equal(await pair.nameOf(PARTNER, scope), 'foreign')

    const approved = await pair.decide(`/v1/replications/${job}/approve`, { actor: 'alice' })
    assert.equal(approved.status, 'replicated')
    assert.equal(approved.of, job)
    assert.equal(approved.cause.approves, job)
    assert.notEqual(await pair.nameOf(PARTNER, scope), 'foreign')
    await waitAgreed(pair.system)
  })

  test('an approval of a plan that has changed since shows the new one, and approving that writes it', async () => {
    const scope = scopeAt(pair, 2)
    await pair.rename(PARTNER, scope, 'first edit')
    const shown = await pair.held(scope, 'foreign-edit')
    await pair.rename(PARTNER, scope, 'second edit')
    const again = await pair.decide(`/v1/replications/${shown.job}/approve`, {})
    assert.equal(again.status, 'held')
    assert.match(again.scopes?.[0]?.message ?? '', /not the present plan any more/)
    assert.notEqual(again.planDigest, shown.planDigest)
    assert.equal(await pair.nameOf(PARTNER, scope), 'second edit')

    const approved = await pair.decide(`/v1/replications/${again.job}/approve`, {})
    assert.equal(approved.status, 'replicated')
    assert.equal(await pair.nameOf(PARTNER, scope), await pair.nameOf(AUTH, scope))
    await waitAgreed(pair.system)
  })

  test('edited on both sides: a conflict, held', async () => {
    const scope = scopeAt(pair, 3)
    await whilePaused(pair, { conflict: 1 }, async () => {
      await pair.rename(AUTH, scope, 'here')
      await pair.rename(PARTNER, scope, 'there')
    })
    const { job } = await pair.held(scope, 'conflict')
    await showsConflict(pair)
    assert.equal((await pair.decide(`/v1/replications/${job}/approve`, {})).status, 'replicated')
    assert.equal(await pair.nameOf(PARTNER, scope), 'here')
    await waitAgreed(pair.system)
  })

  test('deleted on the authoritative side: held (prune: ask); approved, it is deleted', async () => {
    const scope = scopeAt(pair, 4)
    await pair.admin.deleteScope(AUTH, scope)
    const { job } = await pair.held(scope, 'deleted')
    assert.ok(!(await isGone(pair, PARTNER, scope)))
    const approved = await pair.decide(`/v1/replications/${job}/approve`, {})
    assert.equal(approved.status, 'replicated')
    assert.ok(await isGone(pair, PARTNER, scope))
    await waitAgreed(pair.system)
  })

  test('deleted on the partner: a foreign edit, held', async () => {
    const scope = scopeAt(pair, 5)
    await pair.admin.deleteScope(PARTNER, scope)
    const { job } = await pair.held(scope, 'foreign-edit')
    assert.equal((await pair.decide(`/v1/replications/${job}/approve`, {})).status, 'replicated')
    assert.ok(!(await isGone(pair, PARTNER, scope)))
    await waitAgreed(pair.system)
  })

  test('only on the partner: shown, never deleted, and no approval makes it so', async () => {
    const [made] = sample({ scopes: 1, first: '10.0.220.0' }) as [Scope]
    const only = { ...made, id: 220 }
    await pair.admin.putScope(PARTNER, only)
    const { job, row } = await pair.held(only.key, 'only-on-partner')
    assert.equal(row.decision, undefined)
    const { status } = await pair.system.post(`/v1/replications/${job}/approve`, {})
    assert.equal(status, 409)
    // The view knows the scope from its next look at both sides on.
    const asked = await eventually(() => pair.system.replicate({ server: AUTH, scopes: [only.key] }), {
      timeoutMs: 10_000,
      what: 'the scope in the view',
    })
    assert.equal(asked.status, 'held')
    assert.ok(!(await isGone(pair, PARTNER, only.key)))
    await pair.admin.deleteScope(PARTNER, only.key)
    await waitAgreed(pair.system)
  })

  test('rejected: it is not proposed again until one side changes', async () => {
    const scope = scopeAt(pair, 6)
    await pair.rename(PARTNER, scope, 'unwanted')
    const { job } = await pair.held(scope, 'foreign-edit')
    const rejected = await pair.decide(`/v1/replications/${job}/reject`, { actor: 'bob', reason: 'wait for Monday' })
    assert.deepEqual([rejected.status, rejected.code, rejected.of], ['done', 'rejected', job])
    const before = (await pair.system.replications()).length
    await pair.looks(2)
    assert.equal((await pair.system.replications()).length, before, 'nothing is said of it any more')
    const asked = await pair.system.replicate({ server: AUTH, scopes: [scope] })
    assert.deepEqual([asked.status, asked.scopes?.[0]?.code], ['held', 'rejected'])

    await pair.rename(PARTNER, scope, 'another')
    const news = await pair.held(scope, 'foreign-edit', [job])
    assert.equal((await pair.decide(`/v1/replications/${news.job}/approve`, {})).status, 'replicated')
    await waitAgreed(pair.system)

    // The decision was about that edit, not about every later one that happens to look the same.
    await pair.rename(PARTNER, scope, 'unwanted')
    const again = await pair.held(scope, 'foreign-edit', [job, news.job])
    assert.equal((await pair.decide(`/v1/replications/${again.job}/approve`, {})).status, 'replicated')
    await waitAgreed(pair.system)
  })

  test('the partner came up with an older file: it gets ours again, without asking', async () => {
    const scope = scopeAt(pair, 7)
    await pair.rename(AUTH, scope, 'older')
    await pair.named(PARTNER, scope, 'older')
    await waitAgreed(pair.system)
    await pair.rename(AUTH, scope, 'newer')
    await pair.named(PARTNER, scope, 'newer')
    await waitAgreed(pair.system)
    const since = (await pair.admin.log(PARTNER)).length
    await pair.admin.restart(PARTNER, 'previous')
    await eventually(
      async () => {
        const after = (await pair.admin.log(PARTNER)).slice(since).map(({ kind }) => kind)
        assert.deepEqual(after, ['restart', 'write'])
      },
      { timeoutMs: 20_000, what: 'a write after the restart' },
    )
    assert.equal(await pair.nameOf(PARTNER, scope), 'newer')
    await eventually(
      async () => {
        const found = (await pair.system.replications()).filter(({ status }) => status === 'replicated')
        const details = await Promise.all(
          found.slice(0, 5).map(({ job }) => pair.system.get<(typeof found)[number]>(`/v1/replications/${job}`)),
        )
        assert.ok(details.some(({ scopes }) => scopes?.some(({ code }) => code === 'target-lost-write')))
      },
      { timeoutMs: 10_000, what: 'its reason in the ledger' },
    )
  })

  test('the authoritative side came up with an older file: regressed, held, and nothing is lost on the partner', async () => {
    const scope = scopeAt(pair, 8)
    await pair.rename(AUTH, scope, 'older')
    await pair.named(PARTNER, scope, 'older')
    await waitAgreed(pair.system)
    await pair.rename(AUTH, scope, 'newer')
    await pair.named(PARTNER, scope, 'newer')
    await waitAgreed(pair.system)
    await pair.admin.restart(AUTH, 'previous')
    const { job } = await pair.held(scope, 'regressed')
    assert.equal(await pair.nameOf(PARTNER, scope), 'newer')
    assert.equal((await pair.decide(`/v1/replications/${job}/approve`, {})).status, 'replicated')
    assert.equal(await pair.nameOf(PARTNER, scope), 'older')
    await waitAgreed(pair.system)
  })

  test('changed while it served alone: a conflict', async () => {
    const scope = scopeAt(pair, 9)
    await pair.admin.setFailoverState(PARTNER, PAIR, 'partner-down')
    await eventually(
      async () => {
        const { partners } = await pair.system.relationship(PAIR)
        assert.equal(partners.find(({ server }) => server === PARTNER)?.failoverState, 'partner-down')
      },
      { timeoutMs: 10_000, what: 'the state partner-down' },
    )
    await pair.rename(PARTNER, scope, 'alone')
    await showsConflict(pair)
    await pair.admin.setFailoverState(PARTNER, PAIR, 'normal')
    const { job } = await pair.held(scope, 'conflict')
    assert.equal((await pair.decide(`/v1/replications/${job}/approve`, {})).status, 'replicated')
    assert.notEqual(await pair.nameOf(PARTNER, scope), 'alone')
    await waitAgreed(pair.system)
  })

  test('over a limit: held with the numbers, also where a request asks; approved, all of it is written', async () => {
    const changed = [0, 1, 2, 3].map((index) => scopeAt(pair, index))
    await whilePaused(pair, { outOfSync: changed.length }, async () => {
      for (const scope of changed) await pair.rename(AUTH, scope, 'many')
    })
    const { job, row, scopes = [] } = await pair.held(changed[0] as ScopeKey, 'too-many-scopes')
    assert.match(row.message, /4 of \d+ scopes would change in one run, limit 20 %/)
    assert.deepEqual(scopes.map(({ scope }) => scope).sort(), changed.toSorted())
    const asked = await pair.system.replicate({ server: AUTH, scopes: changed })
    assert.equal(asked.status, 'held')
    assert.notEqual(await pair.nameOf(PARTNER, changed[0] as ScopeKey), 'many')
    assert.equal((await pair.decide(`/v1/replications/${job}/approve`, {})).status, 'replicated')
    for (const scope of changed) assert.equal(await pair.nameOf(PARTNER, scope), 'many')
    await waitAgreed(pair.system)
  })

  test('a request that finds nothing to write says why: our own write, with its job, or merely equal', async () => {
    const scope = scopeAt(pair, 10)
    await pair.rename(AUTH, scope, 'echoed')
    const written = await pair.system.replicate({ server: AUTH, scopes: [scope] })
    assert.ok(written.status === 'replicated' || written.status === 'already-in-sync')
    await pair.named(PARTNER, scope, 'echoed')
    await waitAgreed(pair.system)
    const again = await pair.system.replicate({ server: AUTH, scopes: [scope, scopeAt(pair, 11)] })
    const codes = new Map(again.scopes?.map((row) => [row.scope as string, row]))
    assert.equal(codes.get(scope)?.code, 'echo')
    const [, job = ''] = /job ([A-Z0-9]+)/.exec(codes.get(scope)?.message ?? '') ?? []
    assert.ok((await pair.system.get<{ job: string }>(`/v1/replications/${job}`)).job, 'the job is in the ledger')
    assert.equal(codes.get(scopeAt(pair, 11))?.code, 'equal')
  })
})

describe('policies that let it be written', () => {
  let pair: SimulatedPair
  before(async () => {
    pair = await startSimulatedPair({
      policy: { 'on-foreign-edit': 'revert', 'on-conflict': 'authority-wins', prune: 'on' },
    })
  })
  after(async () => await pair?.stop())

  test('on-foreign-edit: revert overwrites the edit, and says so', async () => {
    const scope = scopeAt(pair, 0)
    const name = await pair.nameOf(AUTH, scope)
    await pair.rename(PARTNER, scope, 'foreign')
    await pair.named(PARTNER, scope, String(name))
    await eventually(
      async () => {
        const [newest] = (await pair.system.replications()).filter(({ status }) => status === 'replicated')
        const detail = newest && (await pair.system.get<typeof newest>(`/v1/replications/${newest.job}`))
        assert.equal(detail?.scopes?.[0]?.code, 'reverted')
      },
      { timeoutMs: 10_000, what: 'its reason' },
    )
  })

  test('on-conflict: authority-wins copies the authoritative side', async () => {
    const scope = scopeAt(pair, 1)
    await whilePaused(pair, { outOfSync: 1 }, async () => {
      await pair.rename(AUTH, scope, 'here')
      await pair.rename(PARTNER, scope, 'there')
    })
    await pair.named(PARTNER, scope, 'here')
  })

  test('prune: on deletes one scope, and holds two at once', async () => {
    await waitAgreed(pair.system)
    await pair.admin.deleteScope(AUTH, scopeAt(pair, 2))
    await eventually(async () => assert.ok(await isGone(pair, PARTNER, scopeAt(pair, 2))), { timeoutMs: 20_000 })
    await waitAgreed(pair.system)
    await whilePaused(pair, { outOfSync: 2 }, async () => {
      await pair.admin.deleteScope(AUTH, scopeAt(pair, 3))
      await pair.admin.deleteScope(AUTH, scopeAt(pair, 4))
    })
    const { row } = await pair.held(scopeAt(pair, 3), 'too-many-scope-deletes')
    assert.match(row.message, /2 scopes would be deleted in one run, limit 1/)
    assert.ok(!(await isGone(pair, PARTNER, scopeAt(pair, 3))))
  })
})

describe('first contact, and prune: off', () => {
  let pair: SimulatedPair
  const [first, second, third] = sample({ scopes: 3 }) as [Scope, Scope, Scope]
  before(async () => {
    const renamed = { ...second, properties: { ...second.properties, name: 'from long ago' } }
    const server = (name: string, partner: string, scopes: readonly Scope[]) => ({
      name,
      scopes,
      relationships: [{ name: PAIR, partner }],
    })
    pair = await startSimulatedPair({
      policy: { prune: 'off' },
      description: {
        servers: [server(AUTH, PARTNER, [first, second, third]), server(PARTNER, AUTH, [first, renamed, third])],
      },
      waitForAgreement: false,
    })
  })
  after(async () => await pair?.stop())

  test('what is equal is agreed, what differs is planned and waits for an approval', async () => {
    const { job, row, scopes = [] } = await pair.held(second.key, 'first-contact')
    assert.match(row.message, new RegExp(`twinscope onboard ${PAIR}`))
    assert.deepEqual(
      scopes.map(({ scope }) => scope),
      [second.key],
    )
    assert.equal(await pair.nameOf(PARTNER, second.key), 'from long ago')
    const approved = await pair.decide(`/v1/replications/${job}/approve`, {})
    assert.equal(approved.status, 'replicated')
    await waitAgreed(pair.system)
    await pair.rename(AUTH, second.key, 'automatic from now on')
    await pair.named(PARTNER, second.key, 'automatic from now on')
  })

  test('prune: off shows a deletion and never deletes', async () => {
    await waitAgreed(pair.system)
    await pair.admin.deleteScope(AUTH, third.key)
    const { row } = await pair.held(third.key, 'deleted')
    assert.match(row.message, /prune: off/)
    assert.equal(row.decision, undefined)
    assert.equal((await pair.system.replicate({ server: AUTH, scopes: [third.key] })).status, 'held')
    assert.ok(!(await isGone(pair, PARTNER, third.key)))
  })
})
