// kill -9 of every part in the middle of a change: the change arrives, and no content is written twice.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { eventually } from '#harness/eventually.ts'
import {
  addReservation,
  editRunning,
  hasReservation,
  keaServer,
  runningConfig,
  type System,
  startSystem,
  subnetOf,
  waitAgreed,
  withSubnet,
} from '#harness/system.ts'
import { keaCommandOk } from '#local/kea-control.ts'
import type { Part } from '#local/processes.ts'
import { SAMPLE_SERVERS } from '#local/sample-pair.ts'
import { manySubnets } from '#local/sample-scopes.ts'

const SCOPE = '10.0.1.0/24'
/** Milliseconds after the edit: before it is noticed, while it is planned, while it is written, just after. */
const MOMENTS = [0, 80, 180]

let system: System
before(async () => {
  system = await startSystem({ dhcp: { kind: 'kea', subnets: manySubnets(4, 40), heartbeatMs: 100 }, replicators: 1 })
})
after(async () => await system?.stop())

/**
 * How many configurations the target was given since it was started; its own log says it. Its HA service begins
 * again with each, and once at the start.
 */
function configurationsTaken(): number {
  const log = readFileSync(keaServer(system, 1).dhcp4.logFile, 'latin1')
  return log.split('HA_SERVICE_STARTED').length - 1
}

type Victim = { readonly name: string; readonly part: () => Part; readonly isTarget?: boolean }

const VICTIMS: readonly Victim[] = [
  { name: 'the watcher of the source', part: () => system.local.watchers.get(SAMPLE_SERVERS[0]) as Part },
  { name: 'the watcher of the target', part: () => system.local.watchers.get(SAMPLE_SERVERS[1]) as Part },
  { name: 'the replicator', part: () => system.local.replicators[0] as Part },
  { name: 'the status service', part: () => system.local.status },
  { name: 'NATS', part: () => system.local.nats as Part },
  { name: 'Redis', part: () => system.local.redis as Part },
  { name: 'the Kea of the target', part: () => keaServer(system, 1).dhcp4, isTarget: true },
  { name: 'the Kea of the source', part: () => keaServer(system, 0).dhcp4 },
]

let host = 100
for (const { name, part, isTarget = false } of VICTIMS) {
  for (const moment of MOMENTS) {
    test(`${name} is killed ${moment} ms after the edit`, async () => {
      await waitAgreed(system)
      const before = configurationsTaken()
      const last = host++
      const address = `10.0.1.${last}`
      await editRunning(keaServer(system, 0), (config) =>
        withSubnet(config, SCOPE, (subnet) =>
          addReservation(subnet, {
            'hw-address': `02:cc:00:00:00:${last.toString(16)}`,
            'ip-address': address,
            hostname: `k${last}`,
          }),
        ),
      )
      await keaCommandOk(keaServer(system, 0).controlSocket, 'config-write')
      await delay(moment)
      const victim = part()
      await victim.kill()
      await victim.ready()

      await eventually(
        async () => assert.ok(hasReservation(subnetOf(await runningConfig(keaServer(system, 1)), SCOPE), address)),
        { timeoutMs: 40_000, what: `reservation ${address} on the partner` },
      )
      await waitAgreed(system)
      // What was not yet persistent when it died has to be written again; its log begins anew then.
      if (isTarget) return
      // Kea's log tells of a configuration when its HA state machine has begun anew.
      await eventually(async () => assert.ok(configurationsTaken() > before), {
        timeoutMs: 10_000,
        what: "the configuration in Kea's log",
      })
      await waitAgreed(system)
      const writes = configurationsTaken() - before
      assert.equal(writes, 1, `the target was given ${writes} configurations for one change`)
    })
  }
}

test('every job that was begun has exactly one final outcome, and none is left', async () => {
  await eventually(
    async () => {
      const replications = await system.replications()
      assert.ok(
        replications.filter(({ status }) => status === 'replicated').length >= VICTIMS.length * MOMENTS.length - 2,
      )
      const open = replications.filter(({ status }) => status === 'pending' || status === 'running')
      assert.deepEqual(open, [])
    },
    { timeoutMs: 20_000, what: 'all jobs to end' },
  )
})
