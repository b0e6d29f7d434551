// The whole system for one run: real NATS and Redis, the DHCP servers of a fleet, watchers, replicators, status, each a
// process of its own; every way between two of them goes through a link that can be disturbed.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort } from '#harness/free-port.ts'
import type { Fleet, FleetShape, RunningFleet, Server } from './fleet.ts'
import { type LinkName, layoutOf, type PartName, type Service, watcherOf } from './layout.ts'
import { type Link, openLink } from './link.ts'
import { createPart, type Part } from './part.ts'
import { createRandom } from './random.ts'
import { LOCK_TTL_MS, RECONCILE_MS } from './schedule.ts'
import { weakenedLine } from './without.ts'

export type WorldOptions<F extends RunningFleet = RunningFleet> = {
  readonly fleet: Fleet<F>
  readonly seed: number
  /** Everything of the run is in it. */
  readonly directory: string
  readonly scale: number
  /** Directory for compiled modules, shared by many runs. */
  readonly compiled?: string
  /** The protection that the watchers run without; the world can be weakened where it is given, also where it is ''. */
  readonly without?: string
  /** Further environment of the services, over the scaled times. */
  readonly env?: Readonly<Record<string, string>>
}

export type World<F extends RunningFleet = RunningFleet> = {
  readonly fleet: FleetShape
  readonly dhcp: F
  readonly services: readonly Service[]
  readonly directory: string
  readonly parts: ReadonlyMap<PartName, Part>
  readonly links: ReadonlyMap<LinkName, Link>
  readonly natsUrl: string
  readonly redisPort: number
  readonly statusUrl: string
  /** Between two comparisons of a relationship, as the services have it. */
  readonly periodMs: number
  setClock(service: Service, offsetMs: number): void
  /** From its next step on every gate runs without this protection; '': with all of them. */
  weaken(without: string): void
  /** Watchers whose gates have made a step without this protection, by their own logs. */
  weakened(without: string): readonly Service[]
  /** Removes what NATS has stored. NATS must not run. */
  wipeNats(): Promise<void>
  /** Starts a second NATS on the same store, while the first does not run. */
  openStore(): Promise<{ readonly url: string; close(): Promise<void> }>
  /** Everything as it should be; resolves when every process is ready. */
  heal(): Promise<void>
  stop(): Promise<void>
}

/** For a busy machine. Milliseconds. */
const READY_MS = 120_000
const root = new URL('../../', import.meta.url)
const path = (relative: string) => new URL(relative, root).pathname
const READY_LINE = (line: string) => line.includes('"msg":"ready"')

/** Monotonic, and the same for every process of the host. Milliseconds. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export async function startWorld<F extends RunningFleet>(options: WorldOptions<F>): Promise<World<F>> {
  const { directory, scale, fleet } = options
  const { servers } = fleet
  const { services, links: linkNames } = layoutOf(servers)
  const at = (...names: string[]) => join(directory, ...names)
  for (const name of ['nats', 'redis', 'state', 'clocks']) mkdirSync(at(name), { recursive: true })
  const random = createRandom(options.seed ^ 0x5bd1e995)
  const parts = new Map<PartName, Part>()
  const links = new Map<LinkName, Link>()
  const [natsPort, redisPort, statusPort] = [await freePort(), await freePort(), await freePort()]

  const addPart = (name: PartName, given: Omit<Parameters<typeof createPart>[0], 'name' | 'logFile'>) =>
    parts.set(name, createPart({ name, logFile: at(`${name}.log`), ...given }))

  const natsArguments = (port: number) => ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', at('nats')]
  const nats = (name: string, port: number) => ({
    name,
    command: 'nats-server',
    args: natsArguments(port),
    env: {},
    logFile: at(`${name}.log`),
    isReady: (line: string) => line.includes('Server is ready'),
  })
  parts.set('nats', createPart(nats('nats', natsPort)))
  addPart('redis', {
    command: 'redis-server',
    args: ['--bind', '127.0.0.1', '--port', String(redisPort), '--dir', at('redis'), '--save', ''],
    env: {},
    isReady: (line) => line.includes('Ready to accept connections'),
  })
  const dhcp = await fleet.open({ directory, scale, ...(options.compiled && { compiled: options.compiled }) })
  for (const part of dhcp.parts) parts.set(part.name, part)

  for (const name of linkNames) {
    const to = name.slice(name.indexOf('-') + 1)
    const port = to === 'nats' ? natsPort : to === 'redis' ? redisPort : dhcp.portOf(to)
    links.set(name, await openLink({ name, port, isNats: to === 'nats', random }))
  }
  const portOf = (name: LinkName) => links.get(name)?.port ?? 0
  const configuration = at('twinscope.yaml')
  const control = (server: Server) => portOf(`${watcherOf(servers, server)}-${server}`)
  writeFileSync(configuration, dhcp.configurationText(control))

  const scaled = (ms: number, atLeast: number) => String(Math.max(atLeast, Math.round(ms / scale)))
  const reconcileSeconds = Math.max(1, Math.round(RECONCILE_MS / 1_000 / scale))
  const withoutFile = at('without')
  writeFileSync(withoutFile, options.without ?? '')
  const clockFile = (service: Service) => at('clocks', service)
  for (const service of services) {
    writeFileSync(clockFile(service), '0')
    const kind = service.replace(/\d$/, '')
    const preload = ['--import', pathToFileURL(path('test/faults/clock.ts')).href]
    if (kind === 'watcher' && options.without !== undefined)
      preload.push('--import', pathToFileURL(path('test/faults/weakened.ts')).href)
    addPart(service, {
      command: process.execPath,
      args: [...preload, path(`services/${kind}/main.ts`)],
      isReady: READY_LINE,
      env: {
        // What was compiled once is there for whoever is started again, and for the next run.
        ...(options.compiled && { NODE_COMPILE_CACHE: options.compiled }),
        FAULTS_CLOCK_FILE: clockFile(service),
        FAULTS_WITHOUT_FILE: withoutFile,
        NATS_URL: `nats://127.0.0.1:${portOf(`${service}-nats`)}`,
        REDIS_URL: `redis://127.0.0.1:${portOf(`${service}-redis`)}`,
        TWINSCOPE_CONFIG: configuration,
        TWINSCOPE_STATE_DIR: at('state'),
        TWINSCOPE_SERVERS: kind === 'watcher' ? (servers[Number(service.at(-1)) - 1] ?? '') : '',
        TWINSCOPE_HTTP_PORT: String(statusPort),
        TWINSCOPE_LOG_LEVEL: 'info',
        TWINSCOPE_PROBE_MS: '100',
        TWINSCOPE_RECONCILE_SECONDS: String(reconcileSeconds),
        TWINSCOPE_FULL_READ_SECONDS: String(Math.max(1, Math.round(30 / scale))),
        TWINSCOPE_LOCK_TTL_MS: scaled(LOCK_TTL_MS, 300),
        TWINSCOPE_ACK_WAIT_MS: scaled(30_000, 500),
        TWINSCOPE_GATE_TIMEOUT_MS: scaled(30_000, 500),
        TWINSCOPE_REGISTRATION_MS: scaled(20_000, 500),
        TWINSCOPE_COVER_MS: scaled(30_000, 1_000),
        ...options.env,
      },
    })
  }

  const world: World<F> = {
    fleet,
    dhcp,
    services,
    directory,
    parts,
    links,
    natsUrl: `nats://127.0.0.1:${natsPort}`,
    redisPort,
    statusUrl: `http://127.0.0.1:${statusPort}`,
    periodMs: reconcileSeconds * 1_000,
    setClock: (service, offsetMs) => writeFileSync(clockFile(service), String(offsetMs)),
    weaken(without) {
      if (options.without === undefined) throw new Error('this world was not made to be weakened')
      writeFileSync(withoutFile, without)
    },
    weakened: (without) =>
      services.filter((service) => readFileSync(at(`${service}.log`), 'utf8').includes(weakenedLine(without))),
    async wipeNats() {
      await rm(at('nats'), { recursive: true, force: true })
    },
    async openStore() {
      const port = await freePort()
      const reader = createPart(nats('nats-store', port))
      reader.start()
      await reader.ready(READY_MS)
      return { url: `nats://127.0.0.1:${port}`, close: () => reader.end() }
    },
    async heal() {
      for (const link of links.values()) link.heal()
      for (const service of services) world.setClock(service, 0)
      for (const part of parts.values()) part.resume()
      for (const part of parts.values()) if (!part.isRunning) part.start()
      await Promise.all([...parts.values()].map((part) => part.ready(READY_MS)))
      await Promise.all(servers.map((server) => dhcp.calm(server)))
      await dhcp.normal()
    },
    async stop() {
      // Services first: they would only complain about what they stand on.
      await Promise.all(services.map((service) => parts.get(service)?.end()))
      await Promise.all([...parts.values()].map((part) => part.end()))
      await Promise.all([...links.values()].map((link) => link.close()))
      await dhcp.close()
    },
  }
  try {
    const first = ['nats', 'redis', ...servers].flatMap((name) => parts.get(name) ?? [])
    for (const part of first) part.start()
    await Promise.all(first.map((part) => part.ready(READY_MS)))
    await dhcp.normal()
    for (const service of services) parts.get(service)?.start()
    await Promise.all(services.map((service) => parts.get(service)?.ready(READY_MS)))
  } catch (error) {
    await world.stop()
    throw error
  }
  return world
}
