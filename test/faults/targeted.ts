// Schedules of a few exact steps, one for each protection of the gate that a server's write log can show: they end in
// a violation where the gate runs without it, and in none with it. A worker is stopped by the very message on which it
// depends (link.ts), not by time; Redis forgets the lock meanwhile, so another one takes over.

import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { NatsConnection } from 'nats'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import type { Invariant } from './checker/evidence.ts'
import { AGREED_AFTER_MS } from './checker/writes.ts'
import type { Server } from './fleet.ts'
import { REPLICATOR_LINKS } from './layout.ts'
import type { Caught } from './link.ts'
import { flushRedis } from './redis.ts'
import { type SimulatedServers, simulatedFleet } from './simulated-fleet.ts'
import type { Protection } from './without.ts'
import type { World } from './world.ts'

/** What a schedule is played with: one scope of a relationship whose authority is `source`, in a calm world. */
export type Stage = {
  readonly world: World<SimulatedServers>
  readonly nats: NatsConnection
  readonly relationship: string
  readonly scope: ScopeKey
  readonly source: Server
  readonly target: Server
  /** An operator makes this side the authoritative one; resolves when that is done. */
  moveAuthority(to: Server): Promise<void>
  /** Resolves when both sides are alike and both gates know it. */
  agreed(): Promise<void>
}

export type Targeted = {
  readonly protection: Protection
  /** What the checker finds without the protection. */
  readonly expects: Invariant
  readonly what: string
  play(stage: Stage): Promise<void>
}

/** For a busy machine. Milliseconds. */
const PATIENCE_MS = 30_000
/** The relationship in which foreign edits and conflicts are held. */
const [PLAYED] = simulatedFleet().relationships
if (PLAYED === undefined) throw new Error('the fleet has no relationship')
export const PLAYED_ON = { relationship: PLAYED.name, source: PLAYED.authority, target: PLAYED.partner }

type Trap = { readonly caught: Promise<Caught>; giveUp(): void }

/** For the next such request of any replicator to the gate of this server that is about the scope. */
function trap({ world, scope }: Stage, server: Server, operation: string): Trap {
  const { promise, resolve, reject } = Promise.withResolvers<Caught>()
  const links = REPLICATOR_LINKS.flatMap((name) => world.links.get(name) ?? [])
  const giveUps: (() => unknown)[] = []
  const timer = setTimeout(() => reject(new Error(`nobody asked ${server} to ${operation}`)), PATIENCE_MS)
  const giveUp = () => {
    clearTimeout(timer)
    for (const one of giveUps) one()
  }
  const onCaught = (caught: Caught) => {
    giveUp()
    resolve(caught)
  }
  const what = { subject: `twinscope.gate.${server}.${operation}`, text: `"scope":"${scope}"` }
  for (const link of links) giveUps.push(link.catchNext(what, onCaught))
  return { caught: promise, giveUp }
}

async function contentAt({ world, scope }: Stage, server: Server): Promise<Scope> {
  return await world.dhcp.admin(server).scope(server, scope)
}

async function put({ world }: Stage, server: Server, content: Scope, who: string): Promise<void> {
  await world.dhcp.admin(server).putScope(server, content, { who: `operator ${who}` })
}

/** An edit that gives the scope this name; returns the whole. */
async function rename(stage: Stage, server: Server, name: string): Promise<Scope> {
  const content = await contentAt(stage, server)
  const changed = { ...content, properties: { ...content.properties, name } }
  await put(stage, server, changed, name)
  return changed
}

async function arrives(stage: Stage, server: Server, { properties: { name } }: Scope): Promise<void> {
  await eventually(async () => assert.equal((await contentAt(stage, server)).properties.name, name), {
    timeoutMs: PATIENCE_MS,
    what: `${stage.scope} named ${name} at ${server}`,
  })
}

/** Asks a gate as a worker would; `undefined`: it refuses. */
async function askGate<T>({ nats }: Stage, server: Server, operation: string, body: object): Promise<T | undefined> {
  const answer = await nats.request(`twinscope.gate.${server}.${operation}`, JSON.stringify(body), { timeout: 10_000 })
  return answer.json<{ readonly ok?: T }>().ok
}

type Manifest = {
  readonly authority: { readonly epoch: number }
  readonly rows: readonly { readonly scope: string; readonly live?: string }[]
}
type Contents = {
  readonly contents: readonly { readonly content: { readonly fingerprint: string; readonly text: string } }[]
}

async function epochAt(stage: Stage, server: Server): Promise<number> {
  const manifest = await askGate<Manifest>(stage, server, 'manifest', {
    relationship: stage.relationship,
    fresh: false,
  })
  if (manifest === undefined) throw new Error(`the gate of ${server} gives no manifest`)
  return manifest.authority.epoch
}

/**
 * The way of a worker from prepare to commit, with what a worker of ours would not do but one that is late or
 * mistaken would: ours looks at the authority once more before. The gate must not depend on that.
 */
async function copyByHand(
  stage: Stage,
  order: { readonly from: Server; readonly to: Server; readonly side: Server; readonly epoch: number },
): Promise<void> {
  const { relationship, scope } = stage
  const { from, to, side, epoch } = order
  const job = 'BYHAND'
  const prepared = await askGate<{ readonly ticket: string; readonly manifest: Manifest }>(stage, to, 'prepare', {
    relationship,
    side,
    epoch,
    job,
  })
  if (prepared === undefined) return
  const { ticket, manifest } = prepared
  const read = { relationship, scopes: [scope], of: 'live', fresh: true }
  const [own] = (await askGate<Contents>(stage, from, 'read', read))?.contents ?? []
  if (own === undefined) throw new Error(`${from} does not give ${scope}`)
  const { content } = own
  await askGate(stage, to, 'stage', { relationship, ticket, contents: [{ scope, ...content }] })
  const expected = manifest.rows.find((row) => row.scope === scope)?.live
  const scopes = [{ scope, expected, wanted: content.fingerprint }]
  await askGate(stage, to, 'commit', { relationship, side, epoch, ticket, job, scopes })
}

/** Lets a message arrive, and waits for what the gate answers: whether it did what it was asked for. */
async function arrive({ nats }: Stage, { reply, send }: Caught): Promise<boolean> {
  if (reply === undefined) throw new Error('a request without a place for its answer')
  const answers = nats.subscribe(reply, { max: 1, timeout: PATIENCE_MS })
  await nats.flush()
  send()
  for await (const answer of answers) return 'ok' in answer.json<object>()
  throw new Error('the gate did not answer')
}

export const TARGETED: readonly Targeted[] = [
  {
    protection: 'ticket',
    expects: 'stale',
    what: 'a worker goes on after another one has written something newer, and the scope is as it was when it planned',
    async play(stage) {
      const { world, source, target } = stage
      const original = await contentAt(stage, source)
      const { caught } = trap(stage, target, 'stage')
      await rename(stage, source, 'stale')
      const late = await caught
      const newer = await rename(stage, source, 'newer')
      await flushRedis(world.redisPort)
      await arrives(stage, target, newer)
      await stage.agreed()
      await put(stage, source, original, 'back')
      await arrives(stage, target, original)
      await stage.agreed()
      const { caught: commit, giveUp } = trap(stage, target, 'commit')
      if (await arrive(stage, late)) await arrive(stage, await commit)
      else giveUp()
    },
  },
  {
    protection: 'comparison',
    expects: 'foreign-overwritten',
    what: 'somebody edits the partner after the change was planned and before it is committed',
    async play(stage) {
      const { source, target } = stage
      const { caught } = trap(stage, target, 'commit')
      await rename(stage, source, 'planned')
      const late = await caught
      await rename(stage, target, 'foreign')
      await arrive(stage, late)
    },
  },
  {
    protection: 'knownJob',
    expects: 'foreign-overwritten',
    what: 'a commit arrives a second time, after somebody has undone on the partner what it did',
    async play(stage) {
      const { source, target } = stage
      const original = await contentAt(stage, target)
      const { caught } = trap(stage, target, 'commit')
      const changed = await rename(stage, source, 'once')
      const commit = await caught
      await arrive(stage, commit)
      await arrives(stage, target, changed)
      await stage.agreed()
      // An edit right after a write proves nothing to the checker, which cannot know when both sides agreed.
      await sleep(AGREED_AFTER_MS)
      await put(stage, target, original, 'undone')
      await arrive(stage, commit)
    },
  },
  {
    protection: 'authoritativeSide',
    expects: 'wrong-side',
    what: 'a worker that mistakes the sides copies the partner onto the authoritative side',
    async play(stage) {
      const { source, target } = stage
      const epoch = await epochAt(stage, source)
      await rename(stage, target, 'on the partner')
      await copyByHand(stage, { from: target, to: source, side: source, epoch })
    },
  },
  {
    protection: 'epoch',
    expects: 'wrong-side',
    what: 'a worker that read the authority before it moved copies onto what is the authoritative side by now',
    async play(stage) {
      const { source, target } = stage
      const epoch = await epochAt(stage, target)
      await stage.moveAuthority(target)
      await rename(stage, source, 'on the partner now')
      await copyByHand(stage, { from: source, to: target, side: source, epoch })
    },
  },
]
