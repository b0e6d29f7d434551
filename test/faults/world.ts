// The whole system for one run: real NATS and Redis, DHCP servers that are simulated, each a process of its own,
// watchers, replicators, status; every way between two of them goes through a link that can be disturbed.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { freePort } from '#harness/free-port.ts'
import { createSimulatorAdmin, type SimulatorAdmin } from '#simulator/admin-client.ts'
import { formatDescription } from '#simulator/description.ts'
import type { LogLine } from './checker/evidence.ts'
import { configurationText, describeServer, SERVERS, type Server } from './fleet.ts'
import { type Link, openLink } from './link.ts'
import { createPart, type Part } from './part.ts'
import { createRandom } from './random.ts'
import { LINKS, type LinkName, LOCK_TTL_MS, type PartName, RECONCILE_MS, SERVICES, type Service } from './schedule.ts'
import { weakenedLine } from './without.ts'

export type WorldOptions = {
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

export type World = {
  readonly directory: string
  readonly parts: ReadonlyMap<PartName, Part>
  readonly links: ReadonlyMap<LinkName, Link>
  readonly natsUrl: string
  readonly redisPort: number
  readonly statusUrl: string
  /** Between two comparisons of a relationship, as the services have it. */
  readonly periodMs: number
  admin(server: Server): SimulatorAdmin
  setClock(service: Service, offsetMs: number): void
  /** From its next step on every gate runs without this protection; '': with all of them. */
  weaken(without: string): void
  /** Watchers whose gates have made a step without this protection, by their own logs. */
  weakened(without: string): readonly Service[]
  writeLogs(): Record<string, readonly LogLine[]>
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

export async function startWorld(options: WorldOptions): Promise<World> {
  const { directory, scale } = options
  const at = (...names: string[]) => join(directory, ...names)
  for (const name of ['nats', 'redis', 'dhcp', 'state', 'clocks']) mkdirSync(at(name), { recursive: true })
  const random = createRandom(options.seed ^ 0x5bd1e995)
  const parts = new Map<PartName, Part>()
  const links = new Map<LinkName, Link>()
  const [natsPort, redisPort, statusPort] = [await freePort(), await freePort(), await freePort()]
  const dhcp = new Map<Server, { readonly control: number; readonly admin: SimulatorAdmin }>()

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
  for (const server of SERVERS) {
    const [control, adminPort] = [await freePort(), await freePort()]
    const file = at('dhcp', `${server}.description.json`)
    writeFileSync(file, formatDescription({ servers: [describeServer(server, control)] }))
    const args = [
      path('services/simulator/main.ts'),
      file,
      '--directory',
      at('dhcp'),
      '--admin-port',
      String(adminPort),
    ]
    const env = options.compiled === undefined ? {} : { NODE_COMPILE_CACHE: options.compiled }
    addPart(server, { command: process.execPath, args, env, isReady: READY_LINE })
    dhcp.set(server, { control, admin: createSimulatorAdmin(`http://127.0.0.1:${adminPort}`) })
  }

  for (const name of LINKS) {
    const to = name.slice(name.indexOf('-') + 1)
    const port = to === 'nats' ? natsPort : to === 'redis' ? redisPort : dhcp.get(to as Server)?.control
    if (port === undefined) throw new Error(`${name} leads nowhere`)
    links.set(name, await openLink({ name, port, isNats: to === 'nats', random }))
  }
  const portOf = (name: LinkName) => links.get(name)?.port ?? 0
  const configuration = at('twinscope.yaml')
  const control = (server: Server) => `http://127.0.0.1:${portOf(`watcher${SERVERS.indexOf(server) + 1}-${server}`)}`
  writeFileSync(
    configuration,
    configurationText({ sim1: control('sim1'), sim2: control('sim2'), sim3: control('sim3') }),
  )

  const scaled = (ms: number, atLeast: number) => String(Math.max(atLeast, Math.round(ms / scale)))
  const reconcileSeconds = Math.max(1, Math.round(RECONCILE_MS / 1_000 / scale))
  const withoutFile = at('without')
  writeFileSync(withoutFile, options.without ?? '')
  const clockFile = (service: Service) => at('clocks', service)
  for (const service of SERVICES) {
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
        TWINSCOPE_SERVERS: kind === 'watcher' ? (SERVERS[Number(service.at(-1)) - 1] ?? '') : '',
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

  const world: World = {
    directory,
    parts,
    links,
    natsUrl: `nats://127.0.0.1:${natsPort}`,
    redisPort,
    statusUrl: `http://127.0.0.1:${statusPort}`,
    periodMs: reconcileSeconds * 1_000,
    admin(server) {
      const found = dhcp.get(server)
      if (found === undefined) throw new Error(`there is no server ${server}`)
      return found.admin
    },
    setClock: (service, offsetMs) => writeFileSync(clockFile(service), String(offsetMs)),
    weaken(without) {
      if (options.without === undefined) throw new Error('this world was not made to be weakened')
      writeFileSync(withoutFile, without)
    },
    weakened: (without) =>
      SERVICES.filter((service) => readFileSync(at(`${service}.log`), 'utf8').includes(weakenedLine(without))),
    writeLogs: () =>
      Object.fromEntries(SERVERS.map((server) => [server, linesOf(at('dhcp', `${server}.writes.jsonl`))])),
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
      for (const service of SERVICES) world.setClock(service, 0)
      for (const part of parts.values()) part.resume()
      for (const part of parts.values()) if (!part.isRunning) part.start()
      await Promise.all([...parts.values()].map((part) => part.ready(READY_MS)))
      await Promise.all(SERVERS.map((server) => world.admin(server).setFaults(server, {})))
    },
    async stop() {
      // Services first: they would only complain about what they stand on.
      await Promise.all(SERVICES.map((service) => parts.get(service)?.end()))
      await Promise.all([...parts.values()].map((part) => part.end()))
      await Promise.all([...links.values()].map((link) => link.close()))
    },
  }
  try {
    for (const name of ['nats', 'redis', ...SERVERS] as const) parts.get(name)?.start()
    await Promise.all(['nats', 'redis', ...SERVERS].map((name) => parts.get(name as PartName)?.ready(READY_MS)))
    for (const service of SERVICES) parts.get(service)?.start()
    await Promise.all(SERVICES.map((service) => parts.get(service)?.ready(READY_MS)))
  } catch (error) {
    await world.stop()
    throw error
  }
  return world
}

/** A line that a killed server had not finished is none. */
function linesOf(file: string): readonly LogLine[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.flatMap((line, index) => {
    if (line === '') return []
    try {
      return [JSON.parse(line) as LogLine]
    } catch (error) {
      if (index === lines.length - 1) return []
      throw error
    }
  })
}
