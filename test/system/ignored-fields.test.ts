// Fields that each server keeps for itself, on a real pair of Kea servers: not compared, not copied, not lost.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
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
  withOption,
  withSubnet,
} from '#harness/system.ts'
import { SAMPLE_RELATIONSHIP, SAMPLE_SERVERS } from '#local/sample-pair.ts'
import { manySubnets } from '#local/sample-scopes.ts'

const [SOURCE] = SAMPLE_SERVERS
const SCOPE = '10.0.1.0/24'

let system: System
before(async () => {
  system = await startSystem({
    dhcp: { kind: 'kea', subnets: manySubnets(3), heartbeatMs: 100 },
    policy: { mode: 'manual', ignore: ['options.66', 'next-server'] },
  })
})
after(async () => await system?.stop())

/** Each side has a boot server of its own, one of them without an option for it at first. */
async function setBootServer(index: 0 | 1, address: string): Promise<void> {
  await editRunning(keaServer(system, index), (config) =>
    withSubnet(config, SCOPE, (subnet) => ({
      ...withOption(subnet, 'tftp-server-name', `boot${index}.example`),
      'next-server': address,
    })),
  )
}

test('a difference in ignored fields is none, and a copy leaves them as they are', async () => {
  await setBootServer(0, '192.0.2.1')
  await setBootServer(1, '192.0.2.2')
  const none = await system.replicate({ server: SOURCE, relationship: SAMPLE_RELATIONSHIP })
  assert.equal(none.status, 'already-in-sync', JSON.stringify(none.scopes))

  const reservation = { 'hw-address': '02:aa:00:00:00:03', 'ip-address': '10.0.1.77' }
  await editRunning(keaServer(system, 0), (config) =>
    withSubnet(config, SCOPE, (subnet) => addReservation(subnet, reservation)),
  )
  const copied = await system.replicate({ server: SOURCE, relationship: SAMPLE_RELATIONSHIP })
  assert.equal(copied.status, 'replicated', JSON.stringify(copied))

  const target = subnetOf(await runningConfig(keaServer(system, 1)), SCOPE)
  assert.ok(hasReservation(target, '10.0.1.77'))
  assert.equal(target?.['next-server'], '192.0.2.2')
  assert.match(JSON.stringify(target?.['option-data']), /boot1\.example/)
  assert.doesNotMatch(JSON.stringify(target?.['option-data']), /boot0\.example/)
  await waitAgreed(system)
})
