// The configuration files of the sample pair's servers.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { SampleSubnet } from './sample-scopes.ts'

/** Where one server lives: its directory, that of its sockets, and the port of its control agent. */
export type Paths = { readonly dir: string; readonly runDir: string; readonly port: number; readonly name: string }

export type Peer = { readonly name: string; readonly url: string }

export function socketIn(dir: string): string {
  return join(dir, 'kea4-ctrl-socket')
}

type SampleConfig = {
  readonly own: Paths
  readonly peers: readonly Peer[]
  readonly mode: 'hot-standby' | 'load-balancing'
  readonly heartbeatMs: number
  readonly subnets: readonly SampleSubnet[]
}

/** Kea's configuration file for one server of the pair. */
export function sampleConfig({ own, peers, mode, heartbeatMs, subnets }: SampleConfig): unknown {
  const hooks = hooksFolder()
  return {
    Dhcp4: {
      // No interfaces: this pair answers commands and its partner, but never a client of your network.
      'interfaces-config': { interfaces: [] },
      'control-socket': { 'socket-type': 'unix', 'socket-name': socketIn(own.runDir) },
      'lease-database': { type: 'memfile', persist: true, name: join(own.dir, 'kea-leases4.csv'), 'lfc-interval': 0 },
      'valid-lifetime': 14_400,
      'renew-timer': 3_600,
      'rebind-timer': 7_200,
      'option-data': [{ name: 'domain-search', data: 'example.net' }],
      // With threads Kea 2.6 and later open listeners of their own for HA; without, HA talks through the agents.
      'multi-threading': { 'enable-multi-threading': false },
      'hooks-libraries': [
        { library: join(hooks, 'libdhcp_lease_cmds.so') },
        {
          library: join(hooks, 'libdhcp_ha.so'),
          parameters: {
            'high-availability': [
              {
                'this-server-name': own.name,
                mode,
                'heartbeat-delay': heartbeatMs,
                'max-response-delay': 60_000,
                'max-ack-delay': 5_000,
                'max-unacked-clients': 5,
                'multi-threading': { 'enable-multi-threading': false },
                peers: peers.map(({ name, url }, index) => ({
                  name,
                  url,
                  role: index === 0 ? 'primary' : mode === 'hot-standby' ? 'standby' : 'secondary',
                  'auto-failover': true,
                })),
              },
            ],
          },
        },
      ],
      loggers: [
        { name: 'kea-dhcp4', severity: 'INFO', output_options: [{ output: 'stdout' }] },
        // One line for each heartbeat and probe would be 100 MB a day.
        { name: 'kea-dhcp4.commands', severity: 'WARN', output_options: [{ output: 'stdout' }] },
      ],
      subnet4: subnets,
    },
  }
}

/** The control agent's configuration file. */
export function agentConfig(own: Paths): unknown {
  return {
    'Control-agent': {
      'http-host': '127.0.0.1',
      'http-port': own.port,
      'control-sockets': { dhcp4: { 'socket-type': 'unix', 'socket-name': socketIn(own.runDir) } },
      loggers: [{ name: 'kea-ctrl-agent', severity: 'WARN', output_options: [{ output: 'stdout' }] }],
    },
  }
}

/** Kea's hooks are in a folder of the machine's architecture. */
function hooksFolder(): string {
  const triplets: Partial<Record<NodeJS.Architecture, string>> = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }
  const candidates = [
    `/usr/lib/${triplets[process.arch] ?? process.arch}/kea/hooks`,
    '/usr/lib/kea/hooks',
    '/usr/local/lib/kea/hooks',
  ]
  const found = candidates.find((folder) => existsSync(join(folder, 'libdhcp_ha.so')))
  if (found === undefined) throw new Error(`found no libdhcp_ha.so in ${candidates.join(', ')}`)
  return found
}
