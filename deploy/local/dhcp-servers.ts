// The DHCP servers of a local system: the sample pair of Kea servers, simulated ones, or the operator's own.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import type { ConfigurationFile, RelationshipConfig, ServerConfig } from '#contracts/configuration.ts'
import { loadConfiguration } from '#service-host/configuration.ts'
import { formatDescription, type SimulatorDescription, sampleTriple } from '#simulator/description.ts'
import type { Ready } from '#simulator/ready.ts'
import type { Ports } from './ports.ts'
import { openPart, type Part } from './processes.ts'
import {
  SAMPLE_RELATIONSHIP,
  SAMPLE_SERVERS,
  type SamplePair,
  type SampleServer,
  startSamplePair,
} from './sample-pair.ts'
import type { SampleSubnet } from './sample-scopes.ts'
import { nodeProgram, sourceFile } from './source.ts'

export type DhcpChoice =
  | {
      readonly kind: 'kea'
      readonly subnets?: readonly SampleSubnet[]
      readonly heartbeatMs?: number
      readonly mode?: 'hot-standby' | 'load-balancing'
    }
  /** Default: three servers with two relationships. */
  | { readonly kind: 'simulated'; readonly description?: SimulatorDescription }
  | { readonly kind: 'configured'; readonly file: string }

export type DhcpServers = {
  readonly configFile: string
  /** Names of the servers that get a watcher. */
  readonly watched: readonly string[]
  /** The Kea servers that we started. */
  readonly kea: readonly SampleServer[]
  /** Where simulated servers are; their admin endpoint edits them. */
  readonly simulator?: Ready
  readonly parts: readonly Part[]
  steady(): Promise<void>
  stop(): Promise<void>
}

export type DhcpOptions = {
  readonly dataDir: string
  readonly ports: Ports
  readonly onNotice: (notice: string) => void
  /** Of the relationships that we configure, over `mode: automatic`. */
  readonly policy?: Partial<RelationshipConfig>
}

export async function startDhcpServers(choice: DhcpChoice, options: DhcpOptions): Promise<DhcpServers> {
  switch (choice.kind) {
    case 'kea':
      return startKea(choice, options)
    case 'simulated':
      return startSimulated(choice.description, options)
    case 'configured':
      return useConfigured(choice.file, options)
    default:
      return choice satisfies never
  }
}

async function startKea(choice: Extract<DhcpChoice, { kind: 'kea' }>, options: DhcpOptions): Promise<DhcpServers> {
  const { kind: _, ...sample } = choice
  const { dataDir, ports, onNotice } = options
  const pair: SamplePair = await startSamplePair({ dir: dataDir, ports, onNotice, ...sample })
  const servers = pair.servers.map(
    (server): ServerConfig => ({
      name: server.name,
      kind: 'kea',
      control: `unix:${server.controlSocket}`,
      'config-file': server.configFile,
    }),
  )
  const relationships = [relationshipOf(SAMPLE_RELATIONSHIP, SAMPLE_SERVERS, options)]
  return {
    configFile: writeConfiguration({ servers, relationships }, options),
    watched: SAMPLE_SERVERS,
    kea: pair.servers,
    parts: pair.servers.flatMap(({ dhcp4, agent }) => [dhcp4, agent]),
    steady: () => pair.steady(),
    stop: () => pair.stop(),
  }
}

async function startSimulated(given: SimulatorDescription | undefined, options: DhcpOptions): Promise<DhcpServers> {
  const { dataDir, ports, onNotice } = options
  const wanted = given ?? sampleTriple({ scopes: 8 })
  // Fixed ports: the servers must be found again at the same place after a restart of the simulator.
  const described = await Promise.all(
    wanted.servers.map(async (server) => ({
      ...server,
      port: server.port ?? (await ports.take(`simulated ${server.name}`)),
    })),
  )
  const dir = join(dataDir, 'simulator')
  mkdirSync(dir, { recursive: true })
  const file = join(dir, 'description.json')
  writeFileSync(file, formatDescription({ servers: described }))
  const part = openPart({
    name: 'simulator',
    command: nodeProgram(),
    args: [
      sourceFile('services/simulator/main.ts'),
      file,
      '--directory',
      dir,
      '--admin-port',
      String(await ports.take('simulator admin')),
    ],
    logFile: join(dataDir, 'logs', 'simulator.log'),
    readyLine: readyFields,
    onNotice,
  })
  const simulator = (await part.start()) as Ready
  const servers = described.map(
    ({ name }): ServerConfig => ({ name, kind: 'simulated', control: simulator.servers[name]?.control ?? '' }),
  )
  // A relationship is described at both of its servers; the first one there has the authority.
  const pairs = new Map<string, readonly [string, string]>()
  for (const { name, relationships = [] } of described) {
    for (const { name: relationship, partner } of relationships) {
      if (!pairs.has(relationship)) pairs.set(relationship, [name, partner])
    }
  }
  const relationships = [...pairs].map(([name, sides]) => relationshipOf(name, sides, options))
  return {
    configFile: writeConfiguration({ servers, relationships }, options),
    watched: described.map(({ name }) => name),
    kea: [],
    simulator,
    parts: [part],
    steady: async () => {},
    stop: () => part.stop(),
  }
}

async function useConfigured(file: string, { onNotice }: DhcpOptions): Promise<DhcpServers> {
  const { servers } = loadConfiguration(file)
  const watched: string[] = []
  for (const { name, kind } of servers) {
    if (kind === 'windows')
      onNotice(`${name}: the driver for Windows DHCP servers comes with a later version; not watched`)
    else watched.push(name)
  }
  return { configFile: file, watched, kea: [], parts: [], steady: async () => {}, stop: async () => {} }
}

function relationshipOf(name: string, sides: readonly [string, string], { policy }: DhcpOptions): RelationshipConfig {
  return { name, servers: [...sides], authority: sides[0], mode: 'automatic', ...policy }
}

function writeConfiguration(configuration: ConfigurationFile, { dataDir }: DhcpOptions): string {
  const path = join(dataDir, 'twinscope.yaml')
  const head = '# Written at each start for the sample servers. Start with --config FILE to use a file of your own.\n'
  writeFileSync(path, head + stringify(configuration))
  return path
}

/** The fields of a program's `ready` line; other lines are none of ours. */
export function readyFields(line: string): Readonly<Record<string, unknown>> | undefined {
  if (!line.includes('"ready"')) return undefined
  try {
    const fields = JSON.parse(line) as Record<string, unknown>
    return fields.msg === 'ready' ? fields : undefined
  } catch {
    return undefined
  }
}
