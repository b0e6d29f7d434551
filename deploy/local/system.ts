// A whole system on one machine: NATS, Redis, DHCP servers, watchers, replicator, status, each a process
// of its own. `npm start`, the demo, the tests, the fault runs and the benchmark all start this.

import { join, resolve } from 'node:path'
import type { RelationshipConfig } from '#contracts/configuration.ts'
import { untilAgreed } from './agreement.ts'
import { type DhcpChoice, type DhcpServers, readyFields, startDhcpServers } from './dhcp-servers.ts'
import { startNats, startRedis } from './infrastructure.ts'
import { takeInstance } from './instance.ts'
import { freePort, openPorts } from './ports.ts'
import { openPart, type Part } from './processes.ts'
import { nodeProgram, sourceFile } from './source.ts'

export type LocalOptions = {
  /** Everything that is kept between two runs; made where it is missing. */
  readonly dataDir: string
  readonly dhcp: DhcpChoice
  /** A running NATS or Redis to use. Default: our own. */
  readonly natsUrl?: string
  readonly redisUrl?: string
  /** Port of the console and API on 127.0.0.1. Default: a free one, the same as in the last run where possible. */
  readonly httpPort?: number
  /** Policy of the relationships of the sample or simulated servers, over `mode: automatic`. */
  readonly policy?: Partial<RelationshipConfig>
  /** Default 1. */
  readonly replicators?: number
  /** Further environment of the services, `TWINSCOPE_RECONCILE_SECONDS`. */
  readonly env?: Readonly<Record<string, string>>
  /** Gives up starting. Afterwards it does nothing: stop the system. */
  readonly signal?: AbortSignal
  /** Told about each part that is ready. */
  readonly onProgress?: (line: string) => void
  /** Told about what happens by itself later: crashes, restarts. */
  readonly onNotice?: (notice: string) => void
}

export interface LocalSystem {
  readonly dataDir: string
  readonly configFile: string
  /** Address of console and API, `http://127.0.0.1:8420`. */
  readonly console: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly dhcp: DhcpServers
  /** Ours only; absent where a running one was given. */
  readonly nats: Part | undefined
  readonly redis: Part | undefined
  /** Server → its watcher. */
  readonly watchers: ReadonlyMap<string, Part>
  readonly replicators: readonly Part[]
  readonly status: Part
  /** Every process, in the order in which they were started. */
  readonly parts: readonly Part[]
  /** Resolves when every relationship is in sync and both gates know what its servers have in common. */
  agreed(timeoutMs?: number): Promise<void>
  /** Stops everything in order; nothing of it runs when this resolves. */
  stop(): Promise<void>
}

/** Starts a system; resolves when every part is ready. What was started is stopped again where that fails. */
export async function startLocal(options: LocalOptions): Promise<LocalSystem> {
  const { onProgress = () => {}, onNotice = () => {}, replicators: replicatorCount = 1 } = options
  const dataDir = resolve(options.dataDir)
  const instance = takeInstance(dataDir)
  const ports = openPorts(join(dataDir, 'ports.json'))
  const common = { dataDir, ports, onNotice }
  /** In order of start; stopped from the end. */
  const stages: (() => Promise<unknown>)[] = []
  let stopping = Promise.resolve()
  // One after the other also where it is asked for again meanwhile.
  const stopStages = () => {
    stopping = stopping.then(async () => {
      for (let stage = stages.pop(); stage !== undefined; stage = stages.pop()) await stage()
    })
    return stopping
  }
  const stop = async () => {
    await stopStages()
    instance.release()
  }
  // Stopping a part lets the wait for it fail, and that ends the start below.
  const giveUp = () => void stopStages()
  options.signal?.addEventListener('abort', giveUp)
  const timed = async <T>(what: string, work: Promise<T>, where: (value: T) => string = () => ''): Promise<T> => {
    const startedAt = performance.now()
    const value = await work
    onProgress(`✓ ${what} ${where(value)}(${((performance.now() - startedAt) / 1000).toFixed(1)} s)`)
    return value
  }

  try {
    const nats = await startNats(options.natsUrl, common)
    const redis = await startRedis(options.redisUrl, common)
    stages.push(() => Promise.all([nats.part?.stop(), redis.part?.stop()]))
    await Promise.all([
      nats.part === undefined
        ? onProgress(`✓ NATS: using ${nats.url}`)
        : timed('nats-server', nats.part.start(), () => `at ${nats.url} `),
      redis.part === undefined
        ? onProgress(`✓ Redis: using ${redis.url}`)
        : timed('redis-server', redis.part.start(), () => `at ${redis.url} `),
    ])

    const { policy } = options
    const dhcp = await timed(
      dhcpTitle(options.dhcp),
      startDhcpServers(options.dhcp, { ...common, ...(policy === undefined ? {} : { policy }) }),
    )
    stages.push(() => dhcp.stop())
    options.signal?.throwIfAborted()

    const httpPort = options.httpPort ?? (await ports.take('console'))
    const service = (name: string, program: string, env: Record<string, string>) =>
      openPart({
        name,
        command: nodeProgram(),
        args: [sourceFile(program)],
        env: {
          NATS_URL: nats.url,
          REDIS_URL: redis.url,
          TWINSCOPE_CONFIG: dhcp.configFile,
          TWINSCOPE_HEALTH_PORT: '0',
          ...env,
          ...options.env,
        },
        logFile: join(dataDir, 'logs', `${name}.log`),
        readyLine: readyFields,
        graceMs: 5_000,
        onNotice,
      })
    const watchers = new Map(
      dhcp.watched.map((server) => [
        server,
        service(`watcher-${server}`, 'services/watcher/main.ts', {
          TWINSCOPE_SERVERS: server,
          TWINSCOPE_STATE_DIR: join(dataDir, 'watcher'),
        }),
      ]),
    )
    const replicators = Array.from({ length: replicatorCount }, (_, index) =>
      service(index === 0 ? 'replicator' : `replicator-${index + 1}`, 'services/replicator/main.ts', {}),
    )
    const status = service('status', 'services/status/main.ts', {
      TWINSCOPE_HTTP_HOST: '127.0.0.1',
      TWINSCOPE_HTTP_PORT: String(httpPort === 0 ? await freePort() : httpPort),
      TWINSCOPE_STATE_DIR: join(dataDir, 'status'),
    })
    // Watchers last: a run that has begun needs its gate until it has reported.
    stages.push(() => Promise.all([...watchers.values()].map((part) => part.stop())))
    stages.push(() => Promise.all([status, ...replicators].map((part) => part.stop())))
    const services = [...watchers.values(), ...replicators, status]
    await Promise.all(services.map((part) => timed(part.name, part.start())))

    const { address } = await status.ready()
    if (typeof address !== 'string') throw new Error(`status did not say its address; see ${status.logFile}`)
    const system: LocalSystem = {
      dataDir,
      configFile: dhcp.configFile,
      console: address,
      natsUrl: nats.url,
      redisUrl: redis.url,
      dhcp,
      nats: nats.part,
      redis: redis.part,
      watchers,
      replicators,
      status,
      parts: [nats.part, redis.part, ...dhcp.parts, ...services].filter((part) => part !== undefined),
      agreed: (timeoutMs) => untilAgreed(address, timeoutMs),
      stop,
    }
    const { console: where, natsUrl, redisUrl, configFile } = system
    instance.announce({ pid: process.pid, console: where, natsUrl, redisUrl, configFile })
    return system
  } catch (error) {
    await stop()
    throw error
  } finally {
    options.signal?.removeEventListener('abort', giveUp)
  }
}

function dhcpTitle(choice: DhcpChoice): string {
  switch (choice.kind) {
    case 'kea':
      return 'a sample pair of Kea servers'
    case 'simulated':
      return 'simulated DHCP servers'
    case 'configured':
      return `configuration ${choice.file}`
    default:
      return choice satisfies never
  }
}
