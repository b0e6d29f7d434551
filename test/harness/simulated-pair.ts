// Two simulated servers in one relationship with a whole system around them, and the hands of an operator and of
// administrators of either server.

import assert from 'node:assert/strict'
import { connect, type NatsConnection } from 'nats'
import type { RelationshipConfig } from '#contracts/configuration.ts'
import type { ReplicationRequested, ScopeOutcome } from '#contracts/messages.ts'
import { gateSubject, replicationRequestedSubject } from '#contracts/subjects.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { createSimulatorAdmin, type SimulatorAdmin } from '#simulator/admin-client.ts'
import { type SimulatorDescription, samplePair } from '#simulator/description.ts'
import { eventually } from './eventually.ts'
import { type Replication, type System, startSystem } from './system.ts'

export const AUTH = 'sim1.example.net'
export const PARTNER = 'sim2.example.net'
export const PAIR = 'sim1-sim2'

export type Row = ScopeOutcome

export interface SimulatedPair {
  readonly system: System
  readonly admin: SimulatorAdmin
  readonly nats: NatsConnection
  readonly scopes: readonly ScopeKey[]
  /** An administrator gives the scope another name. */
  rename(server: string, scope: ScopeKey, name: string): Promise<Scope>
  nameOf(server: string, scope: ScopeKey): Promise<unknown>
  /** Waits until the scope has this name there. */
  named(server: string, scope: ScopeKey, name: string): Promise<void>
  /** Another service publishes a request; resolves with its final outcome. */
  request(request: Omit<ReplicationRequested, 'requester' | 'job'>): Promise<Replication>
  /** The replication that holds the scope for this reason, newest first, that is not `not`. */
  held(scope: ScopeKey, code: string, not?: readonly string[]): Promise<Replication & { readonly row: Row }>
  /** Calls the API and waits for the job that it made. */
  decide(path: string, body: Record<string, unknown>): Promise<Replication>
  /** What Twinscope wrote to a server since the log had this many entries. */
  writes(server: string, since?: number): Promise<readonly { readonly scope: string; readonly who: string }[]>
  /** Asks a gate without any of the services in between. */
  gate(server: string, operation: 'fence' | 'manifest', body: unknown): Promise<Record<string, unknown>>
  /** Resolves after this many further runs of the replicator that had nothing new to say. */
  looks(count: number): Promise<void>
  stop(): Promise<void>
}

export type SimulatedPairOptions = {
  readonly policy?: Partial<RelationshipConfig>
  readonly description?: SimulatorDescription
  readonly env?: Readonly<Record<string, string>>
  readonly replicators?: number
  readonly waitForAgreement?: boolean
}

/** Seconds between two looks of these systems. */
const LOOK_SECONDS = 1

/** Runs that said nothing, of all replicators, by their own metrics. */
async function silentRuns(system: System): Promise<number> {
  let sum = 0
  for (const part of system.local.replicators) {
    const { health } = await part.ready()
    const text = await (await fetch(new URL('/metrics', String(health)))).text()
    for (const [, value] of text.matchAll(/^twinscope_silent_runs_total\{[^}]*\} (\d+)/gm)) sum += Number(value)
  }
  return sum
}

export async function startSimulatedPair(options: SimulatedPairOptions = {}): Promise<SimulatedPair> {
  const { description = samplePair({ scopes: 12 }), env, ...rest } = options
  const system = await startSystem({
    ...rest,
    dhcp: { kind: 'simulated', description },
    env: { TWINSCOPE_RECONCILE_SECONDS: String(LOOK_SECONDS), ...env },
  })
  const { simulator } = system.local.dhcp
  assert.ok(simulator)
  const admin = createSimulatorAdmin(simulator.admin)
  const nats = await connect({ servers: system.local.natsUrl, reconnect: true, maxReconnectAttempts: -1 })
  let count = 0

  const nameOf = async (server: string, scope: ScopeKey) => (await admin.scope(server, scope)).properties.name

  const pair: SimulatedPair = {
    system,
    admin,
    nats,
    scopes: (await admin.scopes(AUTH)).map(({ key }) => key),
    rename: (server, scope, name) =>
      admin.editScope(server, scope, (content) => ({ ...content, properties: { ...content.properties, name } })),
    nameOf,
    named: async (server, scope, name) => {
      await eventually(async () => assert.equal(await nameOf(server, scope), name), {
        timeoutMs: 20_000,
        what: `${scope} named ${name} on ${server}`,
      })
    },
    request: async (request) => {
      const job = `ASKED${Date.now()}-${++count}`
      const body = JSON.stringify({ ...request, requester: 'monitoring', job })
      await nats.jetstream().publish(replicationRequestedSubject(request.level, 'monitoring'), body)
      return await system.waitFinal(job)
    },
    held: async (scope, code, not = []) =>
      await eventually(
        async () => {
          for (const { job, status } of await system.replications()) {
            if (status !== 'held' || not.includes(job)) continue
            const found = await system.get<Replication>(`/v1/replications/${job}`)
            const row = found.scopes?.find((one) => one.scope === scope && one.status === 'held' && one.code === code)
            if (row !== undefined) return { ...found, row }
          }
          return false
        },
        { timeoutMs: 20_000, what: `a hold of ${scope} as ${code}` },
      ),
    decide: async (path, body) => {
      const { status, location, body: answer } = await system.post(path, body)
      if (status !== 202 || location === undefined) throw new Error(`${path}: ${status} ${JSON.stringify(answer)}`)
      return await system.waitFinal(location.slice(location.lastIndexOf('/') + 1))
    },
    writes: async (server, since = 0) =>
      (await admin.log(server)).slice(since).filter(({ kind, who }) => kind === 'write' && who !== 'admin'),
    gate: async (server, operation, body) => {
      const answer = await nats.request(gateSubject(server, operation), JSON.stringify(body), { timeout: 5_000 })
      return answer.json<Record<string, unknown>>()
    },
    looks: async (looks) => {
      const from = await silentRuns(system)
      await eventually(async () => assert.ok((await silentRuns(system)) >= from + looks), {
        timeoutMs: 30_000,
        everyMs: 100,
        what: `${looks} further looks with nothing to say`,
      })
    },
    stop: async () => {
      await nats.close()
      await system.stop()
    },
  }
  return pair
}
