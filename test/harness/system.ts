// The whole system for a test: real NATS, Redis, DHCP servers and services, in a directory of their own.
// What is written and read at the DHCP servers goes through their own control channels, not through our drivers.

import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RelationshipConfig } from '#contracts/configuration.ts'
import type { Outcome } from '#contracts/messages.ts'
import type { RelationshipDetail } from '#contracts/status-api.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '#dhcp/json.ts'
import type { DhcpChoice } from '#local/dhcp-servers.ts'
import { keaCommandOk } from '#local/kea-control.ts'
import type { SampleServer } from '#local/sample-pair.ts'
import { type LocalSystem, startLocal } from '#local/system.ts'
import { eventually } from './eventually.ts'

export type SystemOptions = {
  readonly dhcp: DhcpChoice
  /** Policy of the relationships. Default: automatic, quiet period 0. */
  readonly policy?: Partial<RelationshipConfig>
  readonly replicators?: number
  readonly env?: Readonly<Record<string, string>>
  /** Default true: resolves only when both sides of every relationship have agreed on what they have in common. */
  readonly waitForAgreement?: boolean
}

/** A replication as the API gives it. */
export type Replication = Outcome & {
  readonly status: NonNullable<Outcome['status']>
  readonly scopeIds?: readonly string[]
}

export type System = {
  readonly local: LocalSystem
  get<T>(path: string): Promise<T>
  post(
    path: string,
    body: unknown,
    headers?: Record<string, string>,
  ): Promise<{ readonly status: number; readonly location?: string; readonly body: Record<string, unknown> }>
  relationship(name: string): Promise<RelationshipDetail>
  replications(): Promise<readonly Replication[]>
  /** Requests a replication through the API and waits for its final outcome. */
  replicate(body: Record<string, unknown>): Promise<Replication>
  waitFinal(job: string, timeoutMs?: number): Promise<Replication>
  stop(): Promise<void>
}

const FINAL = new Set(['replicated', 'already-in-sync', 'done', 'held', 'refused', 'failed', 'superseded'])

export async function startSystem(options: SystemOptions): Promise<System> {
  const dataDir = await mkdtemp(join(tmpdir(), 'twinscope-system-'))
  const local = await startLocal({
    dataDir,
    dhcp: options.dhcp,
    policy: { 'quiet-period': '0s', ...options.policy },
    replicators: options.replicators ?? 1,
    env: { TWINSCOPE_RECONCILE_SECONDS: '2', TWINSCOPE_PROBE_MS: '100', ...options.env },
  })

  async function get<T>(path: string): Promise<T> {
    const response = await fetch(new URL(path, local.console))
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
    return (await response.json()) as T
  }

  async function post(path: string, body: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(new URL(path, local.console), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
    const location = response.headers.get('location') ?? undefined
    return {
      status: response.status,
      ...(location === undefined ? {} : { location }),
      body: (await response.json()) as Record<string, unknown>,
    }
  }

  const relationship = (name: string) => get<RelationshipDetail>(`/v1/relationships/${encodeURIComponent(name)}`)

  async function waitFinal(job: string, timeoutMs = 30_000): Promise<Replication> {
    return await eventually(
      async () => {
        const found = await get<Replication>(`/v1/replications/${job}`)
        if (!FINAL.has(found.status)) throw new Error(`${job} is ${found.status}: ${found.message ?? ''}`)
        return found
      },
      { timeoutMs, what: `the final outcome of ${job}` },
    )
  }

  const system: System = {
    local,
    get,
    post,
    relationship,
    replications: async () => (await get<{ items: readonly Replication[] }>('/v1/replications?limit=200')).items,
    replicate: async (body) => {
      const { status, location, body: answer } = await post('/v1/replications', body)
      if (status !== 202 || location === undefined)
        throw new Error(`POST /v1/replications: ${status} ${JSON.stringify(answer)}`)
      return await waitFinal(location.slice(location.lastIndexOf('/') + 1))
    },
    waitFinal,
    stop: async () => {
      await local.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  try {
    if (options.waitForAgreement !== false) await waitAgreed(system)
  } catch (error) {
    await system.stop()
    throw error
  }
  return system
}

/** Waits until every relationship is in sync and both gates have the common content as their base. */
export async function waitAgreed(system: System, timeoutMs = 30_000): Promise<void> {
  await eventually(
    async () => {
      const { items } = await system.get<{ items: readonly RelationshipDetail[] }>('/v1/relationships')
      for (const { name, sync, counts, reason } of items) {
        if (sync !== 'in-sync' || counts.agreed !== counts.total) {
          throw new Error(`${name} is ${sync} (${reason ?? ''}), ${counts.agreed} of ${counts.total} agreed`)
        }
      }
    },
    { timeoutMs, what: 'agreement of all relationships' },
  )
}

// --- Kea, as an administrator's tools see it

export function keaServer(system: System, index: 0 | 1): SampleServer {
  const server = system.local.dhcp.kea[index]
  if (server === undefined) throw new Error('the system has no Kea pair')
  return server
}

/** The running configuration, `Dhcp4`. */
export async function runningConfig(server: SampleServer): Promise<JsonObject> {
  const { Dhcp4 } = await keaCommandOk(server.controlSocket, 'config-get')
  if (!isJsonObject(Dhcp4)) throw new Error('config-get gave no Dhcp4')
  return Dhcp4
}

/** What Kea would load after a restart. */
export async function fileConfig(server: SampleServer): Promise<JsonObject> {
  const parsed = parseJson(await readFile(server.configFile, 'latin1'))
  if (!isJsonObject(parsed) || !isJsonObject(parsed.Dhcp4)) throw new Error(`${server.configFile} has no Dhcp4`)
  return parsed.Dhcp4
}

export function subnetsOf(config: JsonObject): readonly JsonObject[] {
  return (config.subnet4 ?? []) as readonly JsonObject[]
}

export function subnetOf(config: JsonObject, prefix: string): JsonObject | undefined {
  return subnetsOf(config).find(({ subnet }) => subnet === prefix)
}

/** Edits the running configuration with `config-set`, without writing the file: what many tools do. */
export async function editRunning(server: SampleServer, edit: (config: JsonObject) => JsonObject): Promise<void> {
  const config = edit(await runningConfig(server))
  await keaCommandOk(server.controlSocket, 'config-set', { Dhcp4: config })
}

/** Replaces one subnet by what `edit` makes of it; `undefined` removes it. */
export function withSubnet(
  config: JsonObject,
  prefix: string,
  edit: (subnet: JsonObject) => JsonObject | undefined,
): JsonObject {
  const subnet4 = subnetsOf(config).flatMap((subnet) => {
    if (subnet.subnet !== prefix) return [subnet]
    const edited = edit(subnet)
    return edited === undefined ? [] : [edited]
  })
  return { ...config, subnet4 }
}

export function addReservation(subnet: JsonObject, reservation: JsonObject): JsonObject {
  return { ...subnet, reservations: [...((subnet.reservations ?? []) as readonly Json[]), reservation] }
}

export function hasReservation(subnet: JsonObject | undefined, address: string): boolean {
  return ((subnet?.reservations ?? []) as readonly JsonObject[]).some(
    (reservation) => reservation['ip-address'] === address,
  )
}

export function withOption(subnet: JsonObject, name: string, data: string): JsonObject {
  const options = ((subnet['option-data'] ?? []) as readonly JsonObject[]).filter((option) => option.name !== name)
  return { ...subnet, 'option-data': [...options, { name, data }] }
}
