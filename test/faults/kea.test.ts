// Random faults at the whole system with a real pair of Kea servers, one run for each version; and the record of what
// is written to Kea, by which such runs are judged.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { JsonObject } from '#dhcp/json.ts'
import { openKea } from '#drivers/kea/driver.ts'
import { eventually } from '#harness/eventually.ts'
import { startKeaPair } from '#harness/kea.ts'
import { startKeaRecorder } from '#harness/kea-recorder.ts'
import type { KeaVersion } from '#harness/kea-versions.ts'
import { campaign, describeRun } from './campaign.ts'
import type { LogLine } from './checker/evidence.ts'
import { keaFleet } from './kea-fleet.ts'
import { makeSchedule } from './schedule.ts'

const VERSIONS: readonly KeaVersion[] = ['2.2', '3.x']
/** Repeatable: `npm run faults -- --kea-version … --runs 1 --seed` with the number that a failure names. */
const SEED = 4
const SCALE = 20
/** Half of what a run has otherwise. Milliseconds, before it is divided. */
const LENGTH_MS = 200_000

for (const version of VERSIONS) {
  test(`random faults with a pair of Kea ${version} show no violation`, { timeout: 240_000 }, async (t) => {
    const summary = await campaign({
      fleetOf: (seed) => keaFleet(seed, version),
      runs: 1,
      seed: SEED,
      scale: SCALE,
      lengthMs: LENGTH_MS,
      parallel: 1,
      onRun: (result) => t.diagnostic(describeRun(result)),
    })
    assert.equal(summary.violations, 0)
    assert.equal(summary.failed, 0)
    assert.ok(summary.faults >= 20)
    assert.ok(summary.writes > 0, 'a run in which nothing was written shows nothing')
  })

  test(`what is written to Kea ${version} is recorded, with its author and what that had read`, async (t) => {
    const { recorder, pair, who } = await aRecorded(t, version)
    const driver = await openKea({ name: 'server1', control: `http://127.0.0.1:${recorder.port}/` })
    t.after(() => driver.close())
    const before = await driver.read(AbortSignal.timeout(10_000))
    const [scope, other] = [...before.scopes.values()]
    assert.ok(scope !== undefined && other !== undefined)
    const wanted = { ...scope, reservations: scope.reservations.slice(1) }
    const token = tokenOf(recorder.lines)

    assert.deepEqual(await driver.apply(before, [{ scope: scope.key, wanted }]), { kind: 'applied', changed: true })
    const ours = writesIn(recorder.lines).at(-1)
    assert.deepEqual(
      [ours?.who, ours?.scope, ours?.readToken, ours?.before === ours?.after],
      [who, scope.key, token, false],
    )

    // A person's script: it has not read what came between.
    const { Dhcp4 } = (await recorder.send('operator 1', 'config-get')) as { Dhcp4: JsonObject }
    const read = tokenOf(recorder.lines)
    await driver.apply(await driver.read(AbortSignal.timeout(10_000)), [{ scope: scope.key, wanted: scope }])
    await recorder.send('operator 1', 'config-set', { Dhcp4 })
    const theirs = writesIn(recorder.lines).at(-1)
    assert.deepEqual(
      [theirs?.who, theirs?.scope, theirs?.readToken, theirs?.after],
      ['operator 1', scope.key, read, ours?.after],
    )

    await recorder.send('operator 2', 'config-get')
    await recorder.send('operator 2', 'config-set', { Dhcp4 })
    await eventually(() => recorder.lines.some((line) => line.kind === 'unchanged' && line.who === 'operator 2'), {
      timeoutMs: 5_000,
      what: 'a line of what changed nothing',
    })

    // Swallowed, it has taken effect; lost, it has not; refused, neither. Each time nobody knows but the record.
    for (const trouble of ['swallow', 'lose', 'refuse'] as const) {
      const snapshot = await driver.read(AbortSignal.timeout(10_000))
      const changed = { ...other, properties: { ...other.properties, 'boot-file-name': trouble } }
      const count = writesIn(recorder.lines).length
      recorder.trouble = trouble
      const result = driver.apply(snapshot, [{ scope: other.key, wanted: changed }])
      if (trouble === 'refuse') assert.equal((await result).kind, 'rejected')
      else await assert.rejects(result)
      assert.equal(writesIn(recorder.lines).length - count, trouble === 'swallow' ? 1 : 0, trouble)
      assert.ok(recorder.lines.findLastIndex(({ kind }) => kind === 'unanswered') > 0)
      assert.equal(recorder.trouble, undefined)
    }

    // Another process, with the file that it had at first.
    const [server] = pair.servers
    await server.stop('SIGKILL')
    await assert.rejects(recorder.send('operator 3', 'config-get'))
    await server.start()
    await recorder.send('operator 3', 'status-get')
    const started = recorder.lines.findLast((line) => line.kind === 'start')
    const [first] = recorder.lines
    assert.ok(first?.kind === 'start' && started?.kind === 'start' && started !== first)
    assert.deepEqual(started.scopes, first.scopes)
    await eventually(
      () => recorder.lines.slice(recorder.lines.indexOf(started)).some((line) => line.kind === 'state'),
      { timeoutMs: 5_000, what: 'its failover state' },
    )
  })
}

/** The first server of a pair, and what stands before it. */
async function aRecorded(t: TestContext, version: KeaVersion) {
  const directory = await mkdtemp(join(tmpdir(), 'kea-recorded-'))
  const control = version === '2.2' ? 'ctrl-agent' : 'http'
  const pair = await startKeaPair({ version, control, heartbeatDelayMs: 100 })
  const [server] = pair.servers
  assert.ok(server.http !== undefined)
  const who = 'the client'
  const instance = () => (server.pid() === 0 ? undefined : String(server.pid()))
  const file = join(directory, 'writes.jsonl')
  const recorder = await startKeaRecorder({ client: who, socket: server.socket, http: server.http, instance, file })
  t.after(async () => {
    await recorder.close()
    await pair.close()
    await rm(directory, { recursive: true, force: true })
  })
  return { recorder, pair, who }
}

function writesIn(lines: readonly LogLine[]) {
  return lines.flatMap((line) => (line.kind === 'write' ? [line] : []))
}

function tokenOf(lines: readonly LogLine[]): string | undefined {
  return lines.at(-1)?.token
}

test('the seed says which Kea it is, and which ends of the policies; schedules of it are the same each time', () => {
  const fleets = Array.from({ length: 16 }, (_, seed) => keaFleet(seed))
  const titles = new Set(fleets.map(({ title }) => title))
  assert.equal(titles.size, 16)
  for (const what of ['Kea 2.2', 'Kea 3.x'])
    assert.equal([...titles].filter((title) => title.startsWith(what)).length, 8)
  const timing = { scale: SCALE, lengthMs: LENGTH_MS }
  assert.deepEqual(makeSchedule(SEED, timing, keaFleet(SEED)), makeSchedule(SEED, timing, keaFleet(SEED)))
  const kinds = new Set<string>()
  for (let seed = 0; seed < 200; seed++)
    for (const { act } of makeSchedule(seed, timing, keaFleet(seed)).steps) kinds.add(act.kind)
  assert.equal(kinds.size, 15)
})
