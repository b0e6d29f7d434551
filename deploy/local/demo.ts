// `npm run demo`: one change on one Kea server, and how it arrives at its partner. It edits and looks through
// Kea's own control channel and files, so that what it says does not rest on what Twinscope says of itself.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { ReplicationDetail, ReplicationList } from '#contracts/status-api.ts'
import { isJsonObject, type Json, type JsonObject, parseJson } from '#dhcp/json.ts'
import { watchAncestors } from './ancestors.ts'
import { keaCommandOk } from './kea-control.ts'
import { say } from './output.ts'
import { prepare } from './prepare.ts'
import type { SampleServer } from './sample-pair.ts'
import { type LocalSystem, startLocal } from './system.ts'

const USAGE = `Usage: npm run demo [-- --json]

Starts everything on ports of its own, adds a reservation on the first Kea server, waits until the
partner runs it and has it in its file, and stops everything again.

  --json   the last line is one JSON object with what was measured`

const SCOPE = '10.0.10.0/24'
const RESERVATION = { 'hw-address': '02:00:00:0a:00:77', 'ip-address': '10.0.10.77', hostname: 'demo' }
/** Longer, and the demo has failed. Milliseconds. */
const WITHIN_MS = 30_000
const LOOK_EVERY_MS = 5

/** What `--json` prints; times in milliseconds. */
type Result = {
  readonly scope: string
  readonly replicated: boolean
  /** Read at the partner itself: it runs the reservation and has it in its file. */
  readonly verified: boolean
  /** From the command being sent to the first server until the watcher noticed. */
  readonly editToEventMs: number
  /** From there until the partner ran it. */
  readonly eventToWriteMs: number
  /** From the command until the partner ran it and had it in its file. */
  readonly editToPartnerMs: number
  readonly outcome: ReplicationDetail
}

function subnetOf(dhcp4: Json | undefined): JsonObject | undefined {
  if (!isJsonObject(dhcp4)) return undefined
  return (dhcp4.subnet4 as readonly JsonObject[] | undefined)?.find(({ subnet }) => subnet === SCOPE)
}

function hasReservation(dhcp4: Json | undefined): boolean {
  const reservations = (subnetOf(dhcp4)?.reservations ?? []) as readonly JsonObject[]
  return reservations.some(
    (one) => one['hw-address'] === RESERVATION['hw-address'] && one['ip-address'] === RESERVATION['ip-address'],
  )
}

/** What an administrator's script does: read, add, set, write. */
async function addReservation({ controlSocket }: SampleServer): Promise<void> {
  const { Dhcp4 } = await keaCommandOk(controlSocket, 'config-get')
  if (!isJsonObject(Dhcp4)) throw new Error('config-get gave no Dhcp4')
  const subnet4 = (Dhcp4.subnet4 as readonly JsonObject[]).map((subnet) =>
    subnet.subnet === SCOPE
      ? { ...subnet, reservations: [...(subnet.reservations as readonly Json[]), RESERVATION] }
      : subnet,
  )
  await keaCommandOk(controlSocket, 'config-set', { Dhcp4: { ...Dhcp4, subnet4 } })
  await keaCommandOk(controlSocket, 'config-write')
}

async function runsReservation({ controlSocket }: SampleServer): Promise<boolean> {
  return hasReservation((await keaCommandOk(controlSocket, 'config-get')).Dhcp4)
}

async function fileHasReservation({ configFile }: SampleServer): Promise<boolean> {
  try {
    const parsed = parseJson(readFileSync(configFile, 'latin1'))
    return isJsonObject(parsed) && hasReservation(parsed.Dhcp4)
  } catch {
    return false // Kea is just writing it
  }
}

async function until(what: string, isTrue: () => Promise<boolean>): Promise<number> {
  const endsAt = performance.now() + WITHIN_MS
  while (performance.now() < endsAt) {
    if (await isTrue()) return Date.now()
    await delay(LOOK_EVERY_MS)
  }
  throw new Error(`${what}: not within ${WITHIN_MS / 1000} s`)
}

async function ask<T>(system: LocalSystem, path: string): Promise<T> {
  const response = await fetch(new URL(path, system.console))
  if (!response.ok) throw new Error(`GET ${path}: ${response.status}`)
  return (await response.json()) as T
}

async function finalOutcome(system: LocalSystem, sinceMs: number): Promise<ReplicationDetail> {
  let job: string | undefined
  await until('the outcome in the ledger', async () => {
    const { items } = await ask<ReplicationList>(system, '/v1/replications?limit=20')
    job = items.find(
      ({ finishedAt, scopeIds }) =>
        finishedAt !== undefined && Date.parse(finishedAt) >= sinceMs && scopeIds.some((id) => SCOPE.startsWith(id)),
    )?.job
    return job !== undefined
  })
  return await ask<ReplicationDetail>(system, `/v1/replications/${job}`)
}

async function demonstrate(system: LocalSystem): Promise<Result> {
  const [first, second] = system.dhcp.kea
  if (first === undefined || second === undefined) throw new Error('there is no sample pair')
  await system.agreed()
  await system.dhcp.steady()
  say(`✓ ${first.name} and ${second.name} have the same scopes; Twinscope knows them\n`)

  const editedAtMs = Date.now()
  const narrate = (at: number, line: string) => say(`${`+${at - editedAtMs} ms`.padStart(9)}  ${line}`)
  narrate(
    editedAtMs,
    `an administrator adds ${RESERVATION['ip-address']} for ${RESERVATION['hw-address']} to ${SCOPE} on ${first.name} (config-set)`,
  )
  const edited = addReservation(first).then(() =>
    narrate(Date.now(), `${first.name} has taken it and written its file (config-write)`),
  )
  const [runsAt, inFileAt] = await Promise.all([
    until(`${second.name} running the reservation`, () => runsReservation(second)),
    until(`the reservation in ${second.configFile}`, () => fileHasReservation(second)),
    edited,
  ])
  const outcome = await finalOutcome(system, editedAtMs)
  const noticedAt = Date.parse(outcome.noticedAt ?? outcome.createdAt)
  narrate(noticedAt, 'the watcher noticed, and published ScopeChanged')
  narrate(runsAt, `${second.name} runs it (config-get at its own socket)`)
  narrate(inFileAt, `${second.name} has it in its file, ${second.configFile}`)
  const [written] = outcome.scopes
  const what = written?.plan?.join('; ') ?? outcome.message ?? ''
  narrate(Date.parse(outcome.finishedAt ?? outcome.updatedAt), `outcome ${outcome.status}: ${what}`)
  for (const { name, durationMs } of outcome.stages) say(`${''.padStart(13)}${name} ${durationMs.toFixed(0)} ms`)
  return {
    scope: SCOPE,
    replicated: outcome.status === 'replicated',
    verified: (await runsReservation(second)) && (await fileHasReservation(second)),
    editToEventMs: noticedAt - editedAtMs,
    eventToWriteMs: runsAt - noticedAt,
    editToPartnerMs: Math.max(runsAt, inFileAt) - editedAtMs,
    outcome,
  }
}

async function main(): Promise<number> {
  let json = false
  try {
    const { values } = parseArgs({
      options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    })
    if (values.help) {
      process.stdout.write(`${USAGE}\n`)
      return 0
    }
    json = values.json
  } catch (error) {
    say(`✗ ${(error as Error).message}\n\n${USAGE}`)
    return 2
  }
  const prepared = await prepare({ nats: true, redis: true, kea: true })
  if (prepared.kind !== 'ready') {
    say(`✗ ${prepared.kind === 'impossible' ? prepared.message : `Kea cannot be installed here: ${prepared.reason}`}`)
    return prepared.kind === 'impossible' ? prepared.exitCode : 1
  }

  const ending = new AbortController()
  const dataDir = mkdtempSync(join(tmpdir(), 'twinscope-demo-'))
  let system: LocalSystem | undefined
  const end = () => {
    ending.abort(new Error('stopped before its end'))
    void system?.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
  watchAncestors(end)
  try {
    system = await startLocal({
      dataDir,
      dhcp: { kind: 'kea' },
      // The change should not wait for further ones that will not come.
      policy: { 'quiet-period': '0s' },
      signal: ending.signal,
      onProgress: say,
      onNotice: (notice) => say(`! ${notice}`),
    })
    const result = await demonstrate(system)
    await system.stop()
    rmSync(dataDir, { recursive: true, force: true })
    const good = result.replicated && result.verified
    say(`\n${good ? '✓' : '✗'} edit to partner: ${result.editToPartnerMs} ms; everything is stopped again`)
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`)
    return good ? 0 : 1
  } catch (error) {
    await system?.stop()
    say(`✗ ${(error as Error).message}`)
    if (ending.signal.aborted) rmSync(dataDir, { recursive: true, force: true })
    else say(`  logs: ${join(dataDir, 'logs')}`)
    return 1
  }
}

process.exitCode = await main()
process.exit()
