// The CLI as a real process against the real status service. A small player answers requests as a replicator would.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, before, test } from 'node:test'
import { COMMANDS } from '#cli/main.ts'
import { ReplicationRequested, type ScopeOutcome } from '#contracts/messages.ts'
import { STREAMS } from '#contracts/streams.ts'
import { eventually } from '#harness/eventually.ts'
import { freePort } from '#harness/free-port.ts'
import { orderedMessages } from '#messaging/last.ts'
import { decode } from '#messaging/received.ts'
import { playFleet } from '../console/sample-fleet.ts'
import { anOutcome, type StatusFixture, startStatus } from '../console/status-fixture.ts'

let system: StatusFixture
const stop = new AbortController()
const requests: ReplicationRequested[] = []

before(async () => {
  system = await startStatus()
  await playFleet(system)
  void orderedMessages(system.messaging, {
    stream: STREAMS.requests.name,
    onReset: () => {},
    onMessage: (message) => {
      const request = decode(ReplicationRequested, message).ok
      if (request === undefined) return
      requests.push(request)
      void answer(request)
    },
    signal: stop.signal,
  })
  await eventually(
    async () => (await system.get<{ items: { sync: string }[] }>('/v1/relationships')).items[0]?.sync === 'out-of-sync',
    { what: 'the fleet is seen' },
  )
})
after(async () => {
  stop.abort()
  await system?.stop()
})

async function answer(request: ReplicationRequested): Promise<void> {
  const common = {
    automatic: false,
    level: request.level,
    cause: { kind: 'request' as const, requester: request.requester },
  }
  const job = request.job ?? ''
  await system.publishOutcome(anOutcome(job, 'accepted', { ...common, status: 'pending' }))
  await system.publishOutcome(anOutcome(job, 'progress', { ...common, status: 'running' }))
  const scopes = (request.scopes ?? ['10.0.20.0', '10.0.50.0']).map(
    (address): ScopeOutcome => ({ scope: `${address}/24`, status: 'replicated', code: 'changed', message: 'written' }),
  )
  await system.publishOutcome(anOutcome(job, 'final', { ...common, status: 'replicated', scopes }))
}

type Ran = { readonly code: number | null; readonly out: string; readonly err: string }
function twinscope(args: readonly string[], url = system.url): Promise<Ran> {
  const main = new URL('../../services/cli/main.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, TWINSCOPE_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, err] = ['', '']
  child.stdout.on('data', (data) => {
    out += data
  })
  child.stderr.on('data', (data) => {
    err += data
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })))
}

test('a forced replication waits and prints only the replicated scope IDs on standard output', async () => {
  const ran = await twinscope(['replicate', '--server', 'dhcp1', '--relationship', 'dhcp1-dhcp2', '--force'])
  assert.deepEqual([ran.code, ran.out], [0, '10.0.20.0\n10.0.50.0\n'], ran.err)
})

test("the cmdlet's spelling does the same at scope level", async () => {
  const words = ['\u2013ComputerName', 'dhcp1', '-scopeid', '10.0.20.0,', '10.0.50.0', '-Force']
  const ran = await twinscope(['Invoke-DhcpServerv4FailoverReplication', ...words])
  assert.deepEqual([ran.code, ran.out], [0, '10.0.20.0\n10.0.50.0\n'], ran.err)
  assert.deepEqual(requests.at(-1)?.scopes, ['10.0.20.0', '10.0.50.0'])
})

test('a question without a terminal ends with 2 and requests nothing', async () => {
  const before = requests.length
  const ran = await twinscope(['replicate', '--server', 'dhcp1', '--relationship', 'dhcp1-dhcp2'])
  assert.equal(ran.code, 2)
  assert.match(ran.err, /option 3 \(routers\): 10\.0\.20\.1 → 10\.0\.20\.254/)
  assert.match(ran.err, /no terminal to ask on/)
  assert.equal(requests.length, before)
})

test('what-if shows the plan and ends with 3, or 5 where a relationship would be refused', async () => {
  const one = await twinscope(['replicate', '--server', 'dhcp1', '--relationship', 'dhcp1-dhcp2', '--what-if'])
  assert.deepEqual([one.code, /10\.0\.20\.0 {2}change \(changed/.test(one.out)], [3, true], one.out + one.err)
  const server = await twinscope(['Invoke-DhcpServerv4FailoverReplication', '-ComputerName', 'dhcp1', '-WhatIf'])
  assert.equal(server.code, 5)
  assert.match(server.out, /dhcp1-dhcp3: refused: .*dhcp3\.example\.net is/)
})

test('status, diff, history and show', async () => {
  const status = await twinscope(['status', '--why'])
  assert.equal(status.code, 1, 'one relationship is unknown')
  assert.match(status.out, /dhcp1-dhcp2 +out-of-sync +dhcp1\.example\.net/)
  assert.match(status.out, /10\.0\.20\.0 {2}out-of-sync since .*: it was changed on dhcp1\.example\.net/)
  assert.equal((await twinscope(['status', 'dhcp1-dhcp2'])).code, 3)
  assert.equal((await twinscope(['diff', 'dhcp1-dhcp2', '--scope', '10.0.10.0'])).code, 0)
  const history = await twinscope(['history', '--json'])
  const [newest] = (JSON.parse(history.out) as { items: { job: string }[] }).items
  const show = await twinscope(['show', newest?.job ?? ''])
  assert.deepEqual([show.code, show.out.includes(newest?.job ?? '?')], [0, true], show.err)
})

test('unknown names and words are answered with near ones', async () => {
  const server = await twinscope(['replicate', '--server', 'dhcpp1', '--force'])
  assert.equal(server.code, 1)
  assert.match(server.err, /no server "dhcpp1"; did you mean dhcp1\.example\.net/)
  const command = await twinscope(['replicat'])
  assert.deepEqual([command.code, /did you mean replicate\?/.test(command.err)], [2, true])
  assert.equal((await twinscope(['replicate', '--server', 'dhcp1', '--bogus'])).code, 2)
})

test('a service that is not there: what, where, what to do', async () => {
  const url = `http://127.0.0.1:${await freePort()}`
  const ran = await twinscope(['status'], url)
  assert.equal(ran.code, 1)
  assert.ok(ran.err.includes(url), ran.err)
  assert.match(ran.err, /cannot be reached .*ECONNREFUSED.*--url or TWINSCOPE_URL/)
})

test('the overview names every command, and each has its help', async () => {
  const overview = await twinscope(['--help'])
  assert.equal(overview.code, 0)
  for (const { name } of COMMANDS) assert.ok(overview.out.includes(name), name)
  const help = await twinscope(['help', 'approve'])
  assert.deepEqual([help.code, help.out.includes('Examples')], [0, true], help.err)
})
