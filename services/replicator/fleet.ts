// What is known of servers, relationships and authority: the configuration, the watchers'
// registry (bucket `gates`) and the authority record (bucket `authority`).

import type { Configuration, RelationshipPolicy } from '#contracts/configuration.ts'
import type { RegisteredGate } from '#contracts/registry.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import type { Logger } from '#telemetry/logger.ts'
import type { Authorities } from './authority.ts'
import type { Fleet } from './fan-out.ts'

export type FleetOptions = {
  readonly configuration: Configuration
  readonly gates: Bucket
  readonly authorities: Authorities
  readonly gateClient: GateClient
  readonly logger: Logger
  readonly signal: AbortSignal
  /** Called when a watcher appears, or a server's reachability or failover state changes. */
  readonly onGateChange: (relationship: string, reason: string) => void
}

export function createFleet(options: FleetOptions) {
  const { configuration, gates, authorities, gateClient, logger, signal, onGateChange } = options
  const registered = new Map<string, RegisteredGate>()

  function noteGate(gate: RegisteredGate): void {
    const previous = registered.get(gate.server)
    registered.set(gate.server, gate)
    for (const { name, state, problem } of gate.relationships) {
      const before = previous?.relationships.find((known) => known.name === name)
      const isSame =
        previous?.holder === gate.holder &&
        previous.reachable === gate.reachable &&
        before?.state === state &&
        before.problem === problem
      if (!isSame && findPolicy(name) !== undefined) onGateChange(name, `${gate.server}/${gate.renewedAt}`)
    }
  }

  function findPolicy(relationship: string): RelationshipPolicy | undefined {
    return configuration.relationships.find(({ name }) => name === relationship)
  }

  /** Follows the registry; resolves when everything that is registered now is known. */
  function watch(): Promise<void> {
    return new Promise((resolve, reject) => {
      gates
        .watch(
          undefined,
          (entry) => {
            if (!('value' in entry)) return
            try {
              noteGate(JSON.parse(entry.value) as RegisteredGate)
            } catch (error) {
              logger.error({ err: error, key: entry.key }, 'registry entry is not readable')
            }
          },
          signal,
          resolve,
        )
        .then(resolve, reject)
    })
  }

  /** The fleet as a request sees it; scopes only where they are needed, since they must be asked for. */
  async function view(withScopesOf: readonly RelationshipPolicy[]): Promise<Fleet> {
    const sides = new Map<string, string>()
    for (const policy of configuration.relationships) {
      const record = await authorities.record(policy.name)
      // Where it is lost, only the run can tell, by asking the gates.
      if (record !== undefined) sides.set(policy.name, record.side)
    }
    const scopesOf = new Map<string, ReadonlySet<string>>()
    const incomplete = new Set<string>()
    for (const policy of withScopesOf) {
      const manifests = await Promise.allSettled(
        policy.servers.map((server) => gateClient.readManifest(server, policy.name, false)),
      )
      const known = manifests.flatMap((result) =>
        result.status === 'fulfilled' ? result.value.page.rows.filter((row) => row.live !== undefined) : [],
      )
      if (manifests.some(({ status }) => status === 'rejected')) incomplete.add(policy.name)
      scopesOf.set(policy.name, new Set(known.map(({ scope }) => scope)))
    }
    return {
      servers: configuration.servers.map(({ name }) => name),
      policies: configuration.relationships,
      discovered: [...registered.values()].flatMap((gate) =>
        gate.relationships.filter(({ configured }) => !configured).map(({ name }) => ({ server: gate.server, name })),
      ),
      authoritativeSide: sides,
      scopesOf,
      incomplete,
    }
  }

  /** Why the relationship cannot be worked on at this server, in the watcher's words. */
  function problemAt(server: string, relationship: string): string | undefined {
    return registered.get(server)?.relationships.find(({ name }) => name === relationship)?.problem
  }

  return {
    watch,
    authorityOf: authorities.authorityOf,
    view,
    findPolicy,
    problemAt,
    policies: configuration.relationships,
    servers: configuration.servers.map(({ name }) => name),
  }
}
export type FleetView = ReturnType<typeof createFleet>
