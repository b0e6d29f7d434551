// A pair of real Kea servers in HA on this machine, each in a directory of its own, apart from the
// distribution's Kea: other files, other sockets, no packets.

import { createHash } from 'node:crypto'
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keaCommand } from './kea-control.ts'
import type { Ports } from './ports.ts'
import { openPart, type Part } from './processes.ts'
import { findProgram } from './programs.ts'
import { agentConfig, type Paths, type Peer, sampleConfig, socketIn } from './sample-config.ts'
import { SAMPLE_SUBNETS, type SampleSubnet } from './sample-scopes.ts'

export const SAMPLE_SERVERS = ['dhcp1.example.net', 'dhcp2.example.net'] as const
export const SAMPLE_RELATIONSHIP = 'dhcp1-dhcp2'

export type SampleOptions = {
  /** Each server gets a directory of its short name in here. */
  readonly dir: string
  readonly ports: Ports
  readonly onNotice?: (notice: string) => void
  /** Default {@link SAMPLE_SUBNETS}. Used where there is no configuration file from an earlier run. */
  readonly subnets?: readonly SampleSubnet[]
  /** Milliseconds between HA heartbeats, default 200: Kea's own wait after each change is one of them. */
  readonly heartbeatMs?: number
  readonly mode?: 'hot-standby' | 'load-balancing'
}

/** One server of the pair. */
export type SampleServer = {
  readonly name: string
  readonly dir: string
  readonly configFile: string
  readonly controlSocket: string
  /** The control agent: the same commands over HTTP. Also what the partner's HA talks to. */
  readonly controlUrl: string
  /** Kea writes its process id here; SIGHUP makes it load its file. */
  readonly pidFile: string
  readonly dhcp4: Part
  readonly agent: Part
}

export type SamplePair = {
  readonly servers: readonly [SampleServer, SampleServer]
  /** Resolves when both serve and neither waits for the other. */
  steady(timeoutMs?: number): Promise<void>
  stop(): Promise<void>
}

/** Longest path of a unix socket on Linux, without the closing zero byte. Bytes. */
const LONGEST_SOCKET_PATH = 107
const STEADY = new Set(['hot-standby', 'load-balancing'])

/** Starts both servers, from the files of an earlier run where there are some. */
export async function startSamplePair(options: SampleOptions): Promise<SamplePair> {
  const { heartbeatMs = 200, mode = 'hot-standby', subnets = SAMPLE_SUBNETS, onNotice = () => {} } = options
  const [first, second] = SAMPLE_SERVERS
  const paths = [await pathsOf(first, options), await pathsOf(second, options)] as const
  for (const own of paths) {
    mkdirSync(own.dir, { recursive: true, mode: 0o750 })
    mkdirSync(own.runDir, { recursive: true, mode: 0o750 })
    chmodSync(own.dir, 0o750) // Kea 2.6.3 and later check both against this mode
    chmodSync(own.runDir, 0o750)
    const file = join(own.dir, 'kea-dhcp4.conf')
    const peers = paths.map(({ name, port }) => ({ name, url: `http://127.0.0.1:${port}/` }))
    if (existsSync(file)) keepFile(file, own.dir, peers, own)
    else writeJson(file, sampleConfig({ own, peers, mode, heartbeatMs, subnets }))
    rememberPlace(own.dir, peers, own)
    writeJson(join(own.dir, 'kea-ctrl-agent.conf'), agentConfig(own))
  }
  const binaries = copyBinaries(join(options.dir, 'bin'))
  const servers = [serverOf(paths[0], binaries, onNotice), serverOf(paths[1], binaries, onNotice)] as const
  const pair: SamplePair = {
    servers,
    steady: (timeoutMs = 30_000) => untilSteady(servers, timeoutMs),
    async stop() {
      await Promise.all(servers.map(({ agent }) => agent.stop()))
      await Promise.all(servers.map(({ dhcp4 }) => dhcp4.stop()))
      for (const own of paths) if (own.runDir !== own.dir) rmSync(own.runDir, { recursive: true, force: true })
    },
  }
  try {
    await Promise.all(servers.map(({ dhcp4 }) => dhcp4.start()))
    await Promise.all(servers.map(({ agent }) => agent.start()))
  } catch (error) {
    await pair.stop()
    throw error
  }
  return pair
}

async function pathsOf(name: string, { dir, ports }: SampleOptions): Promise<Paths> {
  const own = join(dir, shortName(name))
  const port = await ports.take(`kea-ctrl-agent ${shortName(name)}`)
  if (Buffer.byteLength(socketIn(own)) <= LONGEST_SOCKET_PATH) return { name, dir: own, runDir: own, port }
  const digest = createHash('sha256').update(own).digest('hex').slice(0, 12)
  return { name, dir: own, runDir: join(tmpdir(), `twinscope-${digest}`), port }
}

function shortName(name: string): string {
  return name.split('.')[0] ?? name
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o640 })
  renameSync(`${path}.new`, path)
}

/** Where the servers were when the file was written; the file itself may have become anything since. */
type Place = { readonly dir: string; readonly socket: string; readonly peers: readonly Peer[] }

function rememberPlace(dir: string, peers: readonly Peer[], own: Paths): void {
  writeJson(join(dir, 'place.json'), { dir, socket: socketIn(own.runDir), peers } satisfies Place)
}

/**
 * Keeps a file of an earlier run as it is, but for ports that had to change and a directory that was moved.
 * It is changed as text, since its owner may have put comments into it by now.
 */
function keepFile(file: string, dir: string, peers: readonly Peer[], own: Paths): void {
  const placeFile = join(dir, 'place.json')
  if (!existsSync(placeFile)) return
  const place = JSON.parse(readFileSync(placeFile, 'utf8')) as Place
  const before = readFileSync(file, 'utf8')
  const changes: [string, string][] = [
    [place.socket, socketIn(own.runDir)],
    [place.dir, dir],
  ]
  for (const { name, url } of peers) {
    const old = place.peers.find((peer) => peer.name === name)
    if (old !== undefined) changes.push([old.url, url])
  }
  // Through marks, so that two ports that change places do not meet half way.
  const marked = changes.reduce((text, [old], index) => text.replaceAll(old, `\u0000${index}\u0000`), before)
  const after = changes.reduce((text, [, now], index) => text.replaceAll(`\u0000${index}\u0000`, now), marked)
  if (after !== before) writeFileSync(file, after)
}

type Binaries = { readonly dhcp4: string; readonly agent: string }

/**
 * Copies of Kea's programs. Where AppArmor is active, its profiles for `/usr/sbin/kea-dhcp4` and
 * `/usr/sbin/kea-ctrl-agent` allow only the distribution's own directories. They go by path, so a copy
 * elsewhere is not confined, and the profiles, which protect the distribution's Kea, stay as they are.
 */
function copyBinaries(dir: string): Binaries {
  mkdirSync(dir, { recursive: true })
  const copy = (program: string) => {
    const original = findProgram(program)
    if (original === undefined) throw new Error(`${program} is not installed`)
    const path = join(dir, program)
    // By rename: a copy that an earlier run has left may still be running and cannot be written to.
    copyFileSync(original, `${path}.new`, constants.COPYFILE_FICLONE)
    chmodSync(`${path}.new`, 0o755)
    renameSync(`${path}.new`, path)
    return path
  }
  return { dhcp4: copy('kea-dhcp4'), agent: copy('kea-ctrl-agent') }
}

function serverOf(own: Paths, binaries: Binaries, onNotice: (notice: string) => void): SampleServer {
  const controlSocket = socketIn(own.runDir)
  const configFile = join(own.dir, 'kea-dhcp4.conf')
  const env = {
    KEA_PIDFILE_DIR: own.dir,
    KEA_LOCKFILE_DIR: own.dir,
    KEA_LOG_FILE_DIR: own.dir,
    KEA_DHCP_DATA_DIR: own.dir,
    KEA_CONTROL_SOCKET_DIR: own.runDir,
  }
  // The data directory is ours alone, so no Kea of it runs now; the number in a file that a kill left may be anybody's.
  for (const name of ['kea-dhcp4.kea-dhcp4.pid', 'kea-ctrl-agent.kea-ctrl-agent.pid'])
    rmSync(join(own.dir, name), { force: true })
  return {
    name: own.name,
    dir: own.dir,
    configFile,
    controlSocket,
    controlUrl: `http://127.0.0.1:${own.port}/`,
    pidFile: join(own.dir, 'kea-dhcp4.kea-dhcp4.pid'),
    dhcp4: openPart({
      name: `kea-dhcp4(${own.name})`,
      command: binaries.dhcp4,
      args: ['-c', configFile],
      env,
      logFile: join(own.dir, 'kea-dhcp4.log'),
      isReady: async () => (await keaCommand(controlSocket, 'status-get')).result === 0,
      onNotice,
    }),
    agent: openPart({
      name: `kea-ctrl-agent(${own.name})`,
      command: binaries.agent,
      args: ['-c', join(own.dir, 'kea-ctrl-agent.conf')],
      env,
      logFile: join(own.dir, 'kea-ctrl-agent.log'),
      isReady: () => accepts(own.port),
      onNotice,
    }),
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function untilSteady(servers: readonly SampleServer[], timeoutMs: number): Promise<void> {
  const endsAt = performance.now() + timeoutMs
  let states: (string | undefined)[] = []
  while (performance.now() < endsAt) {
    states = await Promise.all(servers.map(({ controlSocket }) => haState(controlSocket).catch(() => undefined)))
    if (states.every((state) => state !== undefined && STEADY.has(state))) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(
    `the sample pair is not steady after ${timeoutMs / 1000} s: ${states.map((state) => state ?? 'no answer').join(', ')}`,
  )
}

/** The server's own HA state, `hot-standby`. */
export async function haState(controlSocket: string): Promise<string | undefined> {
  const { arguments: status } = await keaCommand(controlSocket, 'status-get')
  const relationships = (status as KeaStatus | undefined)?.['high-availability']
  return relationships?.[0]?.['ha-servers']?.local?.state
}

type KeaStatus = {
  readonly 'high-availability'?: readonly { readonly 'ha-servers'?: { readonly local?: { readonly state?: string } } }[]
}
