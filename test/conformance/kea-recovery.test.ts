// A watcher dies in the middle of a write, and the next one finds what it left: real servers, the gate and
// its journal.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { DEFAULT_POLICY, type RelationshipPolicy } from '#contracts/configuration.ts'
import type { GateAnswer, GateRequests, GateResponses } from '#contracts/gate.ts'
import { matchRelationships } from '#contracts/relationships.ts'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { openKea } from '#drivers/kea/driver.ts'
import { createGate, type Gate } from '#gate/gate.ts'
import { openJournal } from '#gate/journal.ts'
import type { KeaServer } from '#harness/kea.ts'
import { startKeaProxy } from '#harness/kea-proxy.ts'
import { aServingPair, losesFailedSet, neededDirectory } from '#harness/kea-serving.ts'

const SCOPE = '10.0.0.0/24' as ScopeKey
const policy: RelationshipPolicy = {
  ...DEFAULT_POLICY,
  name: 'server1-server2',
  servers: ['server1', 'server2'],
  authority: 'server2',
  mode: 'automatic',
  quietPeriodMs: 0,
}

/** A gate of the first server as a process of its own would have it. */
async function aGate(server: KeaServer, control: string, directory: string) {
  const driver = await openKea({ name: 'server1', control, configFile: server.configFile })
  const journal = openJournal(path.join(directory, 'journal.sqlite'))
  const gate: Gate = createGate({
    server: 'server1',
    driver,
    journal,
    installation: 'test',
    exclusive: false,
    logger: { info() {}, warn() {}, error() {} },
    relationships: () => matchRelationships('server1', [policy], gate.latest()?.relationships ?? []),
  })
  return {
    gate,
    async end() {
      await driver.close()
      journal.close()
    },
  }
}

async function aDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'kea-recovery-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

async function ask<K extends keyof GateRequests>(gate: Gate, operation: K, request: GateRequests[K]) {
  return (await gate.handle(operation, request)) as GateAnswer<GateResponses[K]>
}

for (const version of ['2.2', '3.x'] as const) {
  test(`Kea ${version}: a server left without service in the middle of a write serves after the recovery`, async (t) => {
    const { pair, serves, offer } = await aServingPair(t, { version, ownHooks: version === '2.2' })
    const [server] = pair.servers
    const proxy = await startKeaProxy(server.socket, losesFailedSet(neededDirectory(pair, version)))
    t.after(() => proxy.close())
    const directory = await aDirectory(t)
    await serves()

    const first = await aGate(server, proxy.control, directory)
    const live = (await first.gate.observe(AbortSignal.timeout(10_000))).snapshot.scopes.get(SCOPE) as Scope
    const wanted = contentOf({ ...live, properties: { ...live.properties, 'renew-timer': 900 } })
    const side = 'server2'
    const relationship = policy.name
    const prepared = await ask(first.gate, 'prepare', { relationship, side, epoch: 1, job: 'job' })
    assert.ok('ok' in prepared, JSON.stringify(prepared))
    const { ticket } = prepared.ok
    await ask(first.gate, 'stage', { relationship, ticket, contents: [{ scope: SCOPE, ...wanted }] })
    const scopes = [{ scope: SCOPE, expected: contentOf(live).fingerprint, wanted: wanted.fingerprint }]
    const committed = await ask(first.gate, 'commit', {
      relationship,
      side,
      epoch: 1,
      ticket,
      job: 'job',
      scopes,
    })
    assert.ok('error' in committed, JSON.stringify(committed))
    assert.equal(committed.error.code, 'uncertain')
    await first.end()
    assert.equal(await offer(), undefined, 'the server says that it is as before, and serves nobody')

    const second = await aGate(server, `unix:${server.socket}`, directory)
    t.after(() => second.end())
    await second.gate.recover(AbortSignal.timeout(20_000))

    assert.match(await serves(), /^10\.0\.0\./)
    const result = await ask(second.gate, 'result', { relationship, job: 'job' })
    assert.ok('ok' in result)
    assert.deepEqual(
      result.ok.results.map((one) => [one.scope, one.result, one.code]),
      [[SCOPE, 'target-changed', 'interrupted']],
    )
  })
}
