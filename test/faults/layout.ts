// The parts of the system for a fleet, and the ways between them.

import type { Server } from './fleet.ts'

/** `watcher1` …, one for each server in order, `replicator1`, `replicator2`, `status`. */
export type Service = string
/** A service, what it stands on, or a DHCP server. */
export type PartName = string
/** `watcher1-nats`, `replicator2-redis`, `watcher3-sim3` … */
export type LinkName = string

export type Layout = {
  readonly services: readonly Service[]
  readonly parts: readonly PartName[]
  readonly natsLinks: readonly LinkName[]
  readonly links: readonly LinkName[]
}

const REPLICATORS = ['replicator1', 'replicator2'] as const

export function watcherOf(servers: readonly Server[], server: Server): Service {
  return `watcher${servers.indexOf(server) + 1}`
}

/** The ways on which replicators speak to NATS, and so to the gates. */
export const REPLICATOR_LINKS: readonly LinkName[] = REPLICATORS.map((name) => `${name}-nats`)

export function layoutOf(servers: readonly Server[]): Layout {
  const watchers = servers.map((server) => watcherOf(servers, server))
  const services = [...watchers, ...REPLICATORS, 'status']
  const natsLinks = services.map((service) => `${service}-nats`)
  return {
    services,
    parts: [...services, 'nats', 'redis', ...servers],
    natsLinks,
    links: [
      ...natsLinks,
      ...REPLICATORS.map((name) => `${name}-redis`),
      ...servers.map((server) => `${watcherOf(servers, server)}-${server}`),
    ],
  }
}
