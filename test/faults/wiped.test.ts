// Redis and NATS are wiped together at the very moment at which a commit is on its way to the gate: no configuration is
// damaged, the authority comes back from the gates or waits for an operator, and history begins anew.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { eventually } from '#harness/eventually.ts'
import { check } from './checker/check.ts'
import type { Evidence } from './checker/evidence.ts'
import type { Server } from './fleet.ts'
import { gatherer, wipeNats } from './gather.ts'
import { startLagMeter } from './lag.ts'
import { REPLICATOR_LINKS } from './layout.ts'
import { connectPast, createLedgerReader, type LedgerReader } from './ledger-reader.ts'
import type { Caught } from './link.ts'
import { createOperator } from './operate.ts'
import { agreed, settle, startWorldAgain } from './run.ts'
import { type SimulatedServers, simulatedFleet } from './simulated-fleet.ts'
import { monotonicMs, type World } from './world.ts'

const SCALE = 20
const FLEET = simulatedFleet()
const RELATIONSHIPS = FLEET.relationships
const PATIENCE_MS = 60_000

let world: World<SimulatedServers>
let directory: string
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'twinscope-wiped-'))
  world = await startWorldAgain({
    fleet: FLEET,
    seed: 0,
    directory,
    scale: SCALE,
    env: { TWINSCOPE_GATE_TIMEOUT_MS: '60000' },
  })
  await agreed(world)
})
after(async () => {
  await world?.stop()
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
})

/** An edit at the source of each relationship, whose commit is taken on its way. */
async function commitsUnderWay(): Promise<void> {
  const caught = RELATIONSHIPS.map(({ name, partner }) => {
    const { promise, resolve } = Promise.withResolvers<Caught>()
    const giveUps: (() => unknown)[] = []
    for (const link of REPLICATOR_LINKS) {
      const what = { subject: `twinscope.gate.${partner}.commit`, text: `"relationship":"${name}"` }
      const onCaught = (one: Caught) => {
        for (const giveUp of giveUps) giveUp()
        resolve(one)
      }
      const giveUp = world.links.get(link)?.catchNext(what, onCaught)
      if (giveUp !== undefined) giveUps.push(giveUp)
    }
    return promise
  })
  for (const relationship of RELATIONSHIPS) await edit(relationship.authority, relationship.scopes[0], 'before')
  await Promise.all(caught)
}

async function edit(server: Server, scope: string | undefined, name: string): Promise<void> {
  const content = (await world.dhcp.admin(server).scopes(server)).find(({ key }) => key === scope)
  assert.ok(content)
  const changed = { ...content, properties: { ...content.properties, name } }
  await world.dhcp.admin(server).putScope(server, changed, { who: `operator ${name}` })
}

async function nameAt(server: string, scope: string | undefined): Promise<unknown> {
  const scopes = await world.dhcp.admin(server).scopes(server)
  return scopes.find(({ key }) => key === scope)?.properties.name
}

/** When everything was as it should be, and silent. */
async function calm(evidence: () => Promise<Evidence>): Promise<number | undefined> {
  const lag = startLagMeter()
  const dueMs = monotonicMs() + PATIENCE_MS
  return await settle(evidence, { dueMs, lag, periodMs: world.periodMs }).finally(() => lag.stop())
}

/** What NATS had in the ledger is read, as by anybody who keeps history elsewhere; then everything is gone. */
async function wipeBoth(ledger: LedgerReader): Promise<Evidence['wipes'][number]> {
  const parts = (['nats', 'redis'] as const).map((name) => world.parts.get(name))
  await Promise.all(parts.map((part) => part?.kill()))
  const beganAtMs = monotonicMs()
  await wipeNats(world, ledger)
  for (const part of parts) part?.start()
  await world.heal()
  return { beganAtMs, endedAtMs: monotonicMs() }
}

test('NATS and Redis are wiped together while commits are at the gates', { timeout: 180_000 }, async () => {
  const [agreeing, holding] = RELATIONSHIPS
  assert.deepEqual([agreeing?.onAuthorityLoss, holding?.onAuthorityLoss], ['agree', 'hold'])
  assert.ok(agreeing !== undefined && holding !== undefined)
  const ledger = createLedgerReader()
  await commitsUnderWay()
  const wipe = await wipeBoth(ledger)
  const before = ledger.entries.length
  const nats = await connectPast(world.natsUrl)
  try {
    const operator = createOperator({ world, nats })
    const healedAtMs = monotonicMs()
    const confirmations: Evidence['confirmations'][number][] = []
    const evidence = gatherer({ world, operator, ledger, nats }, () => ({
      wipes: [wipe],
      confirmations,
      interruptions: [],
      healedAtMs: confirmations.at(-1)?.atMs ?? healedAtMs,
    }))
    // One is recovered from the gates and goes on by itself; the other waits, is told as that, and nothing is written.
    await eventually(async () => assert.equal(await nameAt(agreeing.partner, agreeing.scopes[0]), 'before'), {
      timeoutMs: PATIENCE_MS,
      what: `the change of ${agreeing.name} after the wipe`,
    })
    const held = await calm(evidence)
    assert.ok(held !== undefined, 'it does not settle')
    const waiting = await evidence(held)
    assert.deepEqual(check(waiting, world.periodMs).violations, [])
    assert.notEqual(await nameAt(holding.partner, holding.scopes[0]), 'before')
    const told = waiting.ledger.filter(({ slot, code }) => slot === holding.name && code === 'authority-unknown')
    assert.ok(told.length > 0)

    // History began anew, with its own numbers.
    const anew = waiting.ledger.filter(({ incarnation }) => incarnation === 1)
    assert.equal(waiting.ledger.length, before + anew.length)
    assert.ok(anew.some(({ slot, status }) => slot === agreeing.name && status === 'replicated'))
    assert.equal(Math.min(...anew.map(({ sequence }) => sequence)), 1)

    await eventually(() => operator.confirm(holding.name, holding.authority), {
      timeoutMs: PATIENCE_MS,
      what: `the confirmation of ${holding.name}`,
    })
    confirmations.push({ relationship: holding.name, atMs: monotonicMs() })
    await eventually(async () => assert.equal(await nameAt(holding.partner, holding.scopes[0]), 'before'), {
      timeoutMs: PATIENCE_MS,
      what: `the change of ${holding.name} after the confirmation`,
    })
    const settled = await calm(evidence)
    assert.ok(settled !== undefined, 'it does not settle after the confirmation')
    const verdict = check(await evidence(settled), world.periodMs)
    assert.deepEqual(verdict.violations, [])
    // Each change was written once, whatever was sent twice.
    assert.equal(verdict.writes, 2)
    assert.equal(verdict.held, 0)
  } finally {
    await nats.close()
  }
})
