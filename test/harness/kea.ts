// A real pair of Kea servers in HA on the loopback interface, with a directory and ports of their own.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, copyFile, mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '#dhcp/json.ts'
import { formatKeaJson, parseKeaJson } from '#drivers/kea/kea-json.ts'
import { type KeaBinaries, type KeaVersion, keaBinaries } from './kea-versions.ts'

export type KeaConfig = Record<string, unknown>

export type KeaPairOptions = {
  /** Default `2.2`. */
  readonly version?: KeaVersion
  /** Default `load-balancing`. */
  readonly mode?: 'load-balancing' | 'hot-standby'
  /**
   * Kea's `heartbeat-delay`. Milliseconds, default 10000 as Kea's own, which shows what a reload costs;
   * 50 to 200 brings a pair up in under a second.
   */
  readonly heartbeatDelayMs?: number
  /** How many subnets are made by {@link aSubnet}, or the subnets themselves. Default 2. */
  readonly subnets?: number | readonly KeaConfig[]
  /** More parameters of `Dhcp4`, for both servers or by the server's index. */
  readonly dhcp4?: KeaConfig | ((index: 0 | 1) => KeaConfig)
  /** What `control` of a server names: the unix socket (default), the control agent, or Kea 3's own HTTP socket. */
  readonly control?: 'unix' | 'ctrl-agent' | 'http'
  /** What the HTTP control channel asks for; Kea 3 only. */
  readonly credentials?: { readonly user: string; readonly password: string }
  /** User id the servers run as, where the tests run as root. The configuration file stays root's, as Debian has it. */
  readonly uid?: number
  /** The text of the configuration file; default is plain JSON. */
  readonly configText?: (config: KeaConfig, index: 0 | 1) => string
  /** Loads the hook lease_cmds from a copy in the server's directory, `hooks/`; Kea 2.2 only. */
  readonly ownHooks?: boolean
  /** Where the configuration file is put; default is the server's own directory. */
  readonly configDirectory?: (index: 0 | 1) => string | undefined
  /** More arguments of `kea-dhcp4` (`-p`, `1067`). */
  readonly dhcp4Arguments?: (index: 0 | 1) => readonly string[]
  /** More parameters of the HA relationship, over those that the harness has. */
  readonly ha?: KeaConfig
  /** Where everything of the pair is kept, and stays; default is a directory of its own that goes with the pair. */
  readonly root?: string
}

export type KeaServer = {
  /** Kea's `this-server-name`: `server1`, `server2`. */
  readonly name: string
  /** As in Twinscope's configuration: `unix:/…` or `http://…`. */
  readonly control: string
  readonly configFile: string
  readonly directory: string
  readonly socket: string
  readonly logFile: string
  /** Sends a command over the unix socket, as an administrator's script would, and returns its first answer. */
  command(command: string, args?: unknown): Promise<KeaAnswer>
  /** HA state in Kea's word. */
  haState(): Promise<string>
  pid(): number
  /** Where HTTP reaches it: the control agent, or Kea's own HTTP control socket; `undefined` where it has neither. */
  readonly http: string | undefined
  start(): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Sends a signal to the server and its control agent. */
  signal(signal: NodeJS.Signals): void
  /** Calls back when the server or its control agent ends without being stopped. */
  onEnd(listener: () => void): void
}

export type KeaAnswer = { readonly result: number; readonly text?: string; readonly arguments?: Record<string, never> }

export type KeaPair = {
  readonly servers: readonly [KeaServer, KeaServer]
  /** Waits until both serve as configured. */
  waitSteady(deadlineMs?: number): Promise<void>
  close(): Promise<void>
}

const LEASE_COMMANDS = 'libdhcp_lease_cmds.so'

/** How long a server may take to come up. Milliseconds. */
const START_DEADLINE_MS = 20_000

/** The nth subnet of a made-up network: one pool, five options, two reservations. */
export function aSubnet(n: number): KeaConfig {
  const net24 = `10.${Math.floor(n / 256)}.${n % 256}`
  return {
    id: n + 1,
    subnet: `${net24}.0/24`,
    pools: [{ pool: `${net24}.10 - ${net24}.200` }],
    'option-data': [
      { name: 'routers', data: `${net24}.1` },
      { name: 'domain-name-servers', data: `${net24}.2, ${net24}.3` },
      { name: 'domain-name', data: `site${n}.example.org` },
      { name: 'ntp-servers', data: `${net24}.4` },
      { name: 'broadcast-address', data: `${net24}.255` },
    ],
    reservations: [1, 2].map((host) => ({
      'hw-address': `02:00:00:${hex(n / 256)}:${hex(n % 256)}:${hex(host)}`,
      'ip-address': `${net24}.${4 + host}`,
      hostname: `h${n}-${host}`,
    })),
  }
}

function hex(value: number): string {
  return Math.floor(value).toString(16).padStart(2, '0')
}

/** Calls `check` until it returns something; throws with `what` when the time is over. */
export async function waitFor<T>(
  what: string,
  check: () => Promise<T | undefined>,
  { deadlineMs = START_DEADLINE_MS, everyMs = 10 } = {},
): Promise<T> {
  const end = performance.now() + deadlineMs
  let last: unknown
  for (;;) {
    try {
      const value = await check()
      if (value !== undefined) return value
    } catch (error) {
      last = error
    }
    if (performance.now() > end) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`, { cause: last })
    await sleep(everyMs)
  }
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** One command per connection, as Kea has it. */
export async function keaExchange(socket: string, request: Buffer | string): Promise<Buffer> {
  const connection = net.connect(socket)
  try {
    connection.write(request)
    const chunks: Buffer[] = []
    for await (const chunk of connection) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  } finally {
    connection.destroy()
  }
}

export async function keaCommand(socket: string, command: string, args?: unknown): Promise<KeaAnswer> {
  const request = JSON.stringify(args === undefined ? { command } : { command, arguments: args })
  return JSON.parse((await keaExchange(socket, request)).toString('utf8')) as KeaAnswer
}

/** A command whose numbers and text survive; returns the answer's arguments and throws Kea's words on a failure. */
export async function keaRaw(socket: string, request: JsonObject): Promise<JsonObject> {
  const answer = parseKeaJson(await keaExchange(socket, formatKeaJson(request))) as JsonObject
  if (answer.result !== 0) throw new Error(`Kea refused ${String(request.command)}: ${String(answer.text)}`)
  return (answer.arguments ?? {}) as JsonObject
}

/** Starts both servers and waits until their HA state is steady. */
export async function startKeaPair(options: KeaPairOptions = {}): Promise<KeaPair> {
  const pair = await prepareKeaPair(options)
  try {
    await Promise.all(pair.servers.map((server) => server.start()))
    await pair.waitSteady()
  } catch (error) {
    await pair.close()
    throw error
  }
  return pair
}

/** Both servers, ready to be started. */
export async function prepareKeaPair(options: KeaPairOptions = {}): Promise<KeaPair> {
  const { version = '2.2', control = 'unix' } = options
  if (control === 'http' && version === '2.2') throw new Error('Kea 2.2 has no HTTP control socket of its own')
  const binaries = await keaBinaries(version)
  const root = options.root ?? (await mkdtemp(path.join(os.tmpdir(), 'kea-')))
  await mkdir(root, { recursive: true })
  await chmod(root, 0o755)
  const peers = [await freePort(), await freePort()] as const
  const controls = [await freePort(), await freePort()] as const
  const servers = await Promise.all(
    ([0, 1] as const).map((index) => prepareServer({ index, root, binaries, peers, controls, options })),
  )
  const [first, second] = servers as [KeaServer, KeaServer]
  return {
    servers: [first, second],
    async waitSteady(deadlineMs = START_DEADLINE_MS + 6 * (options.heartbeatDelayMs ?? 10_000)) {
      const steady = options.mode ?? 'load-balancing'
      await waitFor(
        `both servers to be ${steady}`,
        async () => {
          const states = await Promise.all([first.haState(), second.haState()])
          return states.every((state) => state === steady) ? true : undefined
        },
        { deadlineMs },
      )
    },
    async close() {
      await Promise.all([first.stop('SIGKILL'), second.stop('SIGKILL')])
      if (options.root === undefined) await rm(root, { recursive: true, force: true })
    },
  }
}

type Preparation = {
  readonly index: 0 | 1
  readonly root: string
  readonly binaries: KeaBinaries
  /** Ports where the servers are reached by each other: the control agents of 2.2, Kea's own listeners of 3.x. */
  readonly peers: readonly [number, number]
  readonly controls: readonly [number, number]
  readonly options: KeaPairOptions
}

async function prepareServer(preparation: Preparation): Promise<KeaServer> {
  const { index, root, binaries, peers, controls, options } = preparation
  const name = `server${index + 1}`
  const directory = path.join(root, name)
  await mkdir(directory, { mode: 0o750 })
  const socket = path.join(directory, 'ctrl.sock')
  const configFile = path.join(options.configDirectory?.(index) ?? directory, 'kea-dhcp4.conf')
  const agentFile = path.join(directory, 'kea-ctrl-agent.conf')
  const logFile = path.join(directory, 'kea-dhcp4.log')
  const dhcp4 = dhcp4Config({ ...preparation, directory, socket, logFile })
  const text = options.configText?.({ Dhcp4: dhcp4 }, index) ?? JSON.stringify({ Dhcp4: dhcp4 }, undefined, 2)
  await writeFile(configFile, text)
  const agentPort = binaries.version === '2.2' ? peers[index] : controls[index]
  const needsAgent = binaries.version === '2.2' || options.control === 'ctrl-agent'
  if (needsAgent) await writeFile(agentFile, JSON.stringify(agentConfig(agentPort, socket, directory)))
  if (options.ownHooks) {
    await mkdir(path.join(directory, 'hooks'))
    await copyFile(path.join(binaries.hooks, LEASE_COMMANDS), path.join(directory, 'hooks', LEASE_COMMANDS))
  }
  const leases = path.join(directory, 'leases')
  await mkdir(leases, { mode: 0o750 })
  if (options.uid !== undefined) {
    for (const one of [directory, leases]) await chown(one, options.uid, options.uid)
  }

  const environment = {
    ...process.env,
    ...binaries.environment,
    KEA_PIDFILE_DIR: directory,
    KEA_LOCKFILE_DIR: directory,
    KEA_CONTROL_SOCKET_DIR: directory,
    KEA_DHCP_DATA_DIR: leases,
    KEA_LOG_FILE_DIR: directory,
    KEA_LEGAL_LOG_DIR: directory,
  }
  const asUser =
    options.uid === undefined ? [] : ['--reuid', String(options.uid), '--regid', String(options.uid), '--clear-groups']
  let children: readonly ChildProcess[] = []
  const onEnd = new Set<() => void>()
  const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

  async function launch(program: readonly string[]): Promise<ChildProcess> {
    // The children die with us, however we die.
    const output = await open(path.join(directory, 'output.log'), 'a')
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...asUser, '--', ...program], {
      env: environment,
      cwd: directory,
      stdio: ['ignore', output.fd, output.fd],
    })
    await once(child, 'spawn')
    await output.close()
    child.once('exit', () => {
      if (children.includes(child)) for (const listener of onEnd) listener()
    })
    return child
  }

  const server: KeaServer = {
    name,
    control:
      options.control === 'ctrl-agent'
        ? `http://127.0.0.1:${agentPort}/`
        : options.control === 'http'
          ? `http://127.0.0.1:${controls[index]}/`
          : `unix:${socket}`,
    configFile,
    directory,
    socket,
    logFile,
    command: (command, args) => keaCommand(socket, command, args),
    async haState() {
      const { arguments: status } = await server.command('status-get')
      const relationships = (status as { 'high-availability'?: unknown } | undefined)?.['high-availability']
      const [first] = (relationships ?? []) as { 'ha-servers': { local: { state: string } } }[]
      return first?.['ha-servers'].local.state ?? 'none'
    },
    pid: () => children[0]?.pid ?? 0,
    http: needsAgent
      ? `http://127.0.0.1:${agentPort}/`
      : options.control === 'http'
        ? `http://127.0.0.1:${controls[index]}/`
        : undefined,
    async start() {
      const own = [await launch([...binaries.dhcp4, ...(options.dhcp4Arguments?.(index) ?? []), '-c', configFile])]
      children = own
      if (needsAgent) own.push(await launch([...binaries.ctrlAgent, '-c', agentFile]))
      // It may have been stopped meanwhile, and then knows of none.
      children = own
      await waitFor(`${name} to answer`, async () => {
        if (own.some(hasEnded)) return true
        if ((await server.command('status-get')).result !== 0) return undefined
        if (needsAgent) await connects(agentPort)
        return true
      })
      if (own.some(hasEnded)) {
        const output = await readFile(path.join(directory, 'output.log'), 'utf8')
        const log = await readFile(logFile, 'utf8').catch(() => '')
        throw new Error(`${name} did not come up:\n${output.slice(-2_000)}\n${log.slice(-2_000)}`)
      }
    },
    signal(signal) {
      for (const child of children) child.kill(signal)
    },
    onEnd: (listener) => void onEnd.add(listener),
    async stop(signal = 'SIGTERM') {
      const running = children.filter((child) => !hasEnded(child))
      children = []
      await Promise.all(
        running.map(async (child) => {
          const exited = once(child, 'exit')
          child.kill(signal)
          await exited
        }),
      )
    },
  }
  return server
}

async function connects(port: number): Promise<void> {
  const connection = net.connect(port, '127.0.0.1')
  try {
    await once(connection, 'connect')
  } finally {
    connection.destroy()
  }
}

type Dhcp4Place = Preparation & { readonly directory: string; readonly socket: string; readonly logFile: string }

function dhcp4Config({ index, binaries, peers, controls, options, directory, socket, logFile }: Dhcp4Place): KeaConfig {
  const { mode = 'load-balancing', heartbeatDelayMs = 10_000, subnets = 2 } = options
  const isKea2 = binaries.version === '2.2'
  const hook = (name: string) => path.join(binaries.hooks, `libdhcp_${name}.so`)
  const relationship = {
    'this-server-name': `server${index + 1}`,
    mode,
    'heartbeat-delay': heartbeatDelayMs,
    'max-response-delay': 60_000,
    'max-ack-delay': 5_000,
    'max-unacked-clients': 5,
    peers: peers.map((port, peer) => ({
      name: `server${peer + 1}`,
      url: `http://127.0.0.1:${port}/`,
      role: peer === 0 ? 'primary' : mode === 'hot-standby' ? 'standby' : 'secondary',
      'auto-failover': true,
    })),
    ...(isKea2
      ? {}
      : {
          'multi-threading': {
            'enable-multi-threading': true,
            'http-dedicated-listener': true,
            'http-listener-threads': 1,
            'http-client-threads': 1,
          },
        }),
    ...options.ha,
  }
  const more = typeof options.dhcp4 === 'function' ? options.dhcp4(index) : (options.dhcp4 ?? {})
  return {
    'interfaces-config': { interfaces: [] },
    'lease-database': {
      type: 'memfile',
      persist: true,
      name: path.join(directory, 'leases', 'leases4.csv'),
      'lfc-interval': 0,
    },
    'valid-lifetime': 4000,
    'renew-timer': 1000,
    'rebind-timer': 2000,
    subnet4: typeof subnets === 'number' ? Array.from({ length: subnets }, (_, n) => aSubnet(n)) : subnets,
    'hooks-libraries': [
      ...(isKea2 ? [] : [{ library: hook('subnet_cmds') }, { library: hook('host_cmds') }]),
      { library: options.ownHooks ? path.join(directory, 'hooks', LEASE_COMMANDS) : hook('lease_cmds') },
      { library: hook('ha'), parameters: { 'high-availability': [relationship] } },
    ],
    loggers: [
      {
        name: 'kea-dhcp4',
        severity: 'INFO',
        [isKea2 ? 'output_options' : 'output-options']: [{ output: logFile }],
      },
    ],
    ...(isKea2
      ? {
          'multi-threading': { 'enable-multi-threading': false },
          'control-socket': { 'socket-type': 'unix', 'socket-name': socket },
        }
      : {
          'control-sockets': [
            { 'socket-type': 'unix', 'socket-name': socket },
            ...(options.control === 'http'
              ? [
                  {
                    'socket-type': 'http',
                    'socket-address': '127.0.0.1',
                    'socket-port': controls[index],
                    ...(options.credentials === undefined
                      ? {}
                      : { authentication: { type: 'basic', realm: 'kea', clients: [options.credentials] } }),
                  },
                ]
              : []),
          ],
        }),
    ...more,
  }
}

function agentConfig(port: number, socket: string, directory: string): KeaConfig {
  return {
    'Control-agent': {
      'http-host': '127.0.0.1',
      'http-port': port,
      'control-sockets': { dhcp4: { 'socket-type': 'unix', 'socket-name': socket } },
      loggers: [
        {
          name: 'kea-ctrl-agent',
          severity: 'INFO',
          output_options: [{ output: path.join(directory, 'kea-ctrl-agent.log') }],
        },
      ],
    },
  }
}
