// Does to the world what a schedule says. A fault that lasts ends by itself; nothing here waits for the end of one.

import { setTimeout as sleep } from 'node:timers/promises'
import { headers, type NatsConnection, type StoredMsg } from 'nats'
import type { Evidence } from './checker/evidence.ts'
import type { Server } from './fleet.ts'
import { wipeNats } from './gather.ts'
import { type LinkName, type PartName, watcherOf } from './layout.ts'
import type { LedgerReader } from './ledger-reader.ts'
import type { Random } from './random.ts'
import { flushRedis } from './redis.ts'
import type { Fault } from './schedule.ts'
import { monotonicMs, type World } from './world.ts'

/** What the harness notes for the checker while it disturbs. */
export type Notes = {
  readonly wipes: Evidence['wipes'][number][]
  readonly interruptions: Evidence['interruptions'][number][]
}

export type Disturbance = {
  perform(fault: Fault): Promise<void>
  /** Resolves when everything that lasts has ended. */
  over(): Promise<void>
}

const STREAMS = { changes: 'TWINSCOPE_CHANGES', requests: 'TWINSCOPE_REQUESTS', wakeups: 'TWINSCOPE_WAKEUPS' } as const

export function createDisturbance(options: {
  readonly world: World
  readonly nats: NatsConnection
  readonly ledger: LedgerReader
  readonly random: Random
  readonly notes: Notes
}): Disturbance {
  const { world, nats, ledger, random, notes } = options
  const lasting = new Set<Promise<void>>()
  /** A part that is away is nobody else's to kill or start. */
  const away = new Set<PartName>()

  function last(ms: number, end: () => Promise<void> | void): void {
    const ends = sleep(ms)
      .then(end)
      .finally(() => lasting.delete(ends))
    lasting.add(ends)
  }

  function interrupted(server: Server): void {
    notes.interruptions.push({ server, atMs: monotonicMs() })
  }

  /** Whoever writes to a server, or what is written to, was disturbed. */
  function noteInterruption(name: PartName | LinkName): void {
    const { servers } = world.fleet
    for (const server of servers)
      if (name === server || name.startsWith(watcherOf(servers, server))) interrupted(server)
  }

  const partOf = (name: PartName) => {
    const part = world.parts.get(name)
    if (part === undefined) throw new Error(`there is no part ${name}`)
    return part
  }
  const linksOf = (names: readonly LinkName[]) => names.flatMap((name) => world.links.get(name) ?? [])

  async function takeAway(names: readonly PartName[], forMs: number, meanwhile?: () => Promise<void>): Promise<void> {
    const free = names.filter((name) => !away.has(name))
    if (free.length < names.length) return
    for (const name of free) {
      away.add(name)
      noteInterruption(name)
    }
    await Promise.all(free.map((name) => partOf(name).kill()))
    await meanwhile?.()
    last(forMs, () => {
      for (const name of free) {
        away.delete(name)
        partOf(name).start()
      }
    })
  }

  async function wipe(fault: Extract<Fault, { kind: 'wipe-nats' }>): Promise<void> {
    await takeAway(fault.withRedis ? ['nats', 'redis'] : ['nats'], fault.downMs, async () => {
      const beganAtMs = monotonicMs()
      await wipeNats(world, ledger)
      notes.wipes.push({ beganAtMs, endedAtMs: monotonicMs() })
    })
  }

  /** Messages that are stored already, stored again as others. */
  async function replay(what: keyof typeof STREAMS, count: number): Promise<void> {
    const manager = await nats.jetstreamManager({ checkAPI: false, timeout: 1_000 })
    const { state } = await manager.streams.info(STREAMS[what])
    const stored: StoredMsg[] = []
    for (let index = 0; index < count && state.messages > 0; index++) {
      const seq = random.integer(state.first_seq, state.last_seq)
      // One that is gone from the middle of the stream is not sent again.
      const found = await manager.streams.getMessage(STREAMS[what], { seq }).catch(() => undefined)
      if (found !== undefined) stored.push(found)
    }
    for (const message of random.shuffled(stored)) {
      const again = headers()
      for (const [name, values] of message.header)
        if (name !== 'Nats-Msg-Id') for (const value of values) again.append(name, value)
      again.set('Nats-Msg-Id', `again-${random.next()}`)
      await nats.jetstream({ timeout: 1_000 }).publish(message.subject, message.data, { headers: again })
    }
  }

  async function trouble(fault: Extract<Fault, { kind: 'dhcp-trouble' }>): Promise<void> {
    const { server } = fault
    interrupted(server)
    await world.dhcp.trouble(server, fault.trouble)
    last(fault.forMs, async () => {
      // Killed in this very moment, it cannot be asked; healing ends the trouble once more, and fails where it cannot.
      if (partOf(server).isReady) await world.dhcp.calm(server).catch(() => {})
    })
  }

  async function perform(fault: Fault): Promise<void> {
    switch (fault.kind) {
      case 'kill':
        return await takeAway([fault.part], fault.downMs)
      case 'pause': {
        const part = partOf(fault.part)
        noteInterruption(fault.part)
        part.pause()
        return last(fault.forMs, () => part.resume())
      }
      case 'wipe-nats':
        return await wipe(fault)
      case 'flush-redis':
        return await flushRedis(world.redisPort)
      case 'cut':
      case 'stall':
      case 'slow':
      case 'garble': {
        for (const link of linksOf(fault.links)) {
          noteInterruption(link.name)
          if (fault.kind === 'cut') link.cut()
          else if (fault.kind === 'stall') link.stall()
          else if (fault.kind === 'slow') link.slow(fault.delayMs)
          else if (fault.kind === 'garble') link.garble(fault)
        }
        return last(fault.forMs, () => {
          for (const link of linksOf(fault.links)) link.heal()
        })
      }
      case 'replay':
        return await replay(fault.what, fault.count)
      case 'drop': {
        const manager = await nats.jetstreamManager({ checkAPI: false, timeout: 1_000 })
        await manager.streams.purge(STREAMS[fault.what])
        return
      }
      case 'restart-dhcp':
        interrupted(fault.server)
        return await world.dhcp.restart(fault.server, fault.file)
      case 'dhcp-trouble':
        return await trouble(fault)
      case 'clock': {
        for (const service of fault.services) world.setClock(service, fault.byMs)
        return last(fault.forMs, () => {
          for (const service of fault.services) world.setClock(service, 0)
        })
      }
    }
  }

  return {
    perform,
    async over() {
      while (lasting.size > 0) await Promise.all(lasting)
    },
  }
}
