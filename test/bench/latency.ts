// Edit to verified partner on a real Kea pair, next to what Kea itself needs for it, in the same run.
//
// Kea's own wait is measured apart: after any config-set its HA state machine begins again and the server
// is steady only one heartbeat later; a write to the partner before that could leave both not serving.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isJsonObject, type JsonObject } from '#dhcp/json.ts'
import { keaCommandOk } from '#local/kea-control.ts'
import type { SampleServer } from '#local/sample-pair.ts'
import { manySubnets } from '#local/sample-scopes.ts'
import { type LocalSystem, startLocal } from '#local/system.ts'
import { percentile } from './statistics.ts'

export type LatencyOptions = {
  /** Measured changes. Default 50. */
  readonly changes?: number
  /** Scopes of the pair. Default 20. */
  readonly scopes?: number
  readonly onProgress?: (line: string) => void
}

export type LatencyRow = {
  readonly name: string
  readonly p50Ms: number
  readonly p95Ms: number
  readonly note: string
}

const HEARTBEAT_MS = 200
const SCOPE = '10.0.0.0/24'

async function running(server: SampleServer): Promise<JsonObject> {
  const { Dhcp4 } = await keaCommandOk(server.controlSocket, 'config-get')
  if (!isJsonObject(Dhcp4)) throw new Error('config-get gave no Dhcp4')
  return Dhcp4
}

function reservations(config: JsonObject): readonly JsonObject[] {
  const subnet = (config.subnet4 as readonly JsonObject[]).find((one) => one.subnet === SCOPE)
  return (subnet?.reservations ?? []) as readonly JsonObject[]
}

function withReservation(config: JsonObject, address: string, hardware: string): JsonObject {
  const subnet4 = (config.subnet4 as readonly JsonObject[]).map((subnet) =>
    subnet.subnet === SCOPE
      ? {
          ...subnet,
          reservations: [
            // Addresses come round again after sixty changes.
            ...((subnet.reservations ?? []) as readonly JsonObject[]).filter((one) => one['ip-address'] !== address),
            { 'hw-address': hardware, 'ip-address': address },
          ],
        }
      : subnet,
  )
  return { ...config, subnet4 }
}

async function isSteady(server: SampleServer): Promise<boolean> {
  const status = await keaCommandOk(server.controlSocket, 'status-get')
  return /"state":"?(load-balancing|hot-standby)/.test(JSON.stringify(status['high-availability']))
}

async function untilSteady(servers: readonly SampleServer[]): Promise<number> {
  const startedAt = performance.now()
  while (!(await Promise.all(servers.map(isSteady))).every(Boolean)) await delay(2)
  return performance.now() - startedAt
}

/** The raw calls that no replication can avoid: read both, test, set, write, read back. Milliseconds of each. */
async function rawCalls(source: SampleServer, target: SampleServer): Promise<Record<string, number>> {
  const costs: Record<string, number> = {}
  const timed = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
    const startedAt = performance.now()
    const value = await call()
    costs[name] = performance.now() - startedAt
    return value
  }
  await timed('config-get source', () => running(source))
  const config = await timed('config-get target', () => running(target))
  await timed('config-test target', () => keaCommandOk(target.controlSocket, 'config-test', { Dhcp4: config }))
  await timed('config-set target', () => keaCommandOk(target.controlSocket, 'config-set', { Dhcp4: config }))
  await timed('config-write target', () => keaCommandOk(target.controlSocket, 'config-write'))
  await timed('config-get read back', () => running(target))
  return costs
}

async function oneChange(system: LocalSystem, source: SampleServer, target: SampleServer, index: number) {
  await untilSteady([source, target])
  const address = `10.0.0.${30 + (index % 60)}`
  const hardware = `02:be:00:00:${Math.floor(index / 256)
    .toString(16)
    .padStart(2, '0')}:${(index % 256).toString(16).padStart(2, '0')}`
  const wanted = withReservation(await running(source), address, hardware)
  const editedAtMs = Date.now()
  const startedAt = performance.now()
  await keaCommandOk(source.controlSocket, 'config-set', { Dhcp4: wanted })
  const haWait = untilSteady([source])
  const arrived = (async () => {
    while (!reservations(await running(target)).some((one) => one['hw-address'] === hardware)) await delay(5)
    return performance.now() - startedAt
  })()
  const [haWaitMs, runningMs] = await Promise.all([haWait, arrived])
  const outcome = await verified(system, editedAtMs)
  return {
    haWaitMs,
    runningMs,
    verifiedMs: Date.parse(outcome.finishedAt ?? '') - editedAtMs,
    eventMs: Date.parse(outcome.noticedAt ?? outcome.createdAt) - editedAtMs,
  }
}

/** The final outcome that reports the write as persisted and read back. */
async function verified(system: LocalSystem, sinceMs: number) {
  type Row = {
    readonly status: string
    readonly finishedAt?: string
    readonly createdAt: string
    readonly noticedAt?: string
    readonly scopes?: readonly { readonly persisted?: boolean }[]
  }
  for (let attempt = 0; attempt < 2_000; attempt++) {
    const response = await fetch(new URL('/v1/replications?limit=5', system.console))
    const { items } = (await response.json()) as { items: readonly Row[] }
    const found = items.find(
      ({ status, finishedAt }) => status === 'replicated' && Date.parse(finishedAt ?? '') >= sinceMs,
    )
    if (found !== undefined) return found
    await delay(5)
  }
  throw new Error('the change was not reported as replicated')
}

export async function benchLatency({
  changes = 50,
  scopes = 20,
  onProgress = () => {},
}: LatencyOptions = {}): Promise<readonly LatencyRow[]> {
  const dataDir = await mkdtemp(join(tmpdir(), 'twinscope-bench-'))
  const system = await startLocal({
    dataDir,
    dhcp: { kind: 'kea', subnets: manySubnets(scopes), heartbeatMs: HEARTBEAT_MS },
    policy: { 'quiet-period': '0s' },
  })
  try {
    const [source, target] = system.dhcp.kea as readonly [SampleServer, SampleServer]
    await system.agreed()
    const raw: Record<string, number>[] = []
    for (let round = 0; round < 10; round++) {
      await untilSteady([source, target])
      raw.push(await rawCalls(source, target))
    }
    const measured: Awaited<ReturnType<typeof oneChange>>[] = []
    for (let index = 0; index < changes; index++) {
      measured.push(await oneChange(system, source, target, index))
      if ((index + 1) % 10 === 0) onProgress(`${index + 1} of ${changes} changes`)
    }
    const sums = raw.map((costs) => Object.values(costs).reduce((sum, cost) => sum + cost, 0))
    const row = (name: string, values: readonly number[], note: string): LatencyRow => ({
      name,
      p50Ms: percentile(values, 0.5),
      p95Ms: percentile(values, 0.95),
      note,
    })
    const own = measured.map(({ verifiedMs, haWaitMs }) => Math.max(0, verifiedMs - haWaitMs))
    const floor = percentile(sums, 0.5)
    return [
      row(
        'edit → event',
        measured.map(({ eventMs }) => eventMs),
        'the watcher has seen it',
      ),
      row(
        'edit → runs on partner',
        measured.map(({ runningMs }) => runningMs),
        'seen by a raw client',
      ),
      row(
        'edit → verified partner',
        measured.map(({ verifiedMs }) => verifiedMs),
        'persisted, read back, outcome published',
      ),
      row(
        'of which HA wait of the source',
        measured.map(({ haWaitMs }) => haWaitMs),
        `Kea's own, heartbeat ${HEARTBEAT_MS} ms`,
      ),
      row('without HA wait', own, `${(percentile(own, 0.5) / floor).toFixed(1)} × the raw calls`),
      row('raw Kea calls, sum', sums, Object.keys(raw[0] ?? {}).join(', ')),
    ]
  } finally {
    await system.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}
