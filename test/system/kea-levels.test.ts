// The three levels on a real Kea pair, and what must not happen.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { canonicalJson, formatJson, type JsonObject } from '#dhcp/json.ts'
import { eventually } from '#harness/eventually.ts'
import {
  addReservation,
  editRunning,
  fileConfig,
  hasReservation,
  keaServer,
  type Replication,
  runningConfig,
  type System,
  startSystem,
  subnetOf,
  subnetsOf,
  waitAgreed,
  withOption,
  withSubnet,
} from '#harness/system.ts'
import { SAMPLE_RELATIONSHIP, SAMPLE_SERVERS } from '#local/sample-pair.ts'
import { manySubnets } from '#local/sample-scopes.ts'

const SCOPES = 20
const [SOURCE, TARGET] = SAMPLE_SERVERS
const prefix = (index: number) => `10.0.${index}.0/24`
const address = (index: number) => `10.0.${index}.0`

let system: System
before(async () => {
  system = await startSystem({
    dhcp: { kind: 'kea', subnets: manySubnets(SCOPES), heartbeatMs: 100 },
    policy: { mode: 'manual' },
  })
})
after(async () => await system?.stop())

const source = () => keaServer(system, 0)
const target = () => keaServer(system, 1)

/** Everything that is not a subnet, as text. */
function outside(config: JsonObject): string {
  const { subnet4: _, ...rest } = config
  return canonicalJson(rest)
}

function statuses(replication: Replication): Record<string, string> {
  return Object.fromEntries((replication.scopes ?? []).map(({ scope, status }) => [scope, status]))
}

function withLifetime(lifetime: number) {
  return (subnet: JsonObject): JsonObject => ({
    ...subnet,
    'valid-lifetime': lifetime,
    'min-valid-lifetime': lifetime,
    'max-valid-lifetime': lifetime,
  })
}

test('a scope-level request changes that scope only', async () => {
  await editRunning(source(), (config) =>
    withSubnet(
      withSubnet(config, prefix(3), (subnet) =>
        addReservation(subnet, {
          'hw-address': '02:aa:00:00:00:03',
          'ip-address': '10.0.3.77',
          hostname: 'drei-ü'.replace('ü', 'u'),
        }),
      ),
      prefix(4),
      (subnet) =>
        addReservation(subnet, { 'hw-address': '02:aa:00:00:00:04', 'ip-address': '10.0.4.77', hostname: 'vier' }),
    ),
  )
  const before = await runningConfig(target())

  const replication = await system.replicate({ server: SOURCE, scopes: [address(3)] })

  assert.equal(replication.status, 'replicated')
  assert.deepEqual(statuses(replication), { [prefix(3)]: 'replicated' })
  const now = await runningConfig(target())
  assert.ok(hasReservation(subnetOf(now, prefix(3)), '10.0.3.77'))
  assert.equal(outside(now), outside(before))
  for (const subnet of subnetsOf(before)) {
    if (subnet.subnet === prefix(3)) continue
    assert.equal(canonicalJson(subnetOf(now, subnet.subnet as string) ?? null), canonicalJson(subnet))
  }
  assert.ok(hasReservation(subnetOf(await fileConfig(target()), prefix(3)), '10.0.3.77'))
})

test('a relationship-level request replicates every differing scope, a second one writes nothing', async () => {
  const first = await system.replicate({ server: SOURCE, relationship: SAMPLE_RELATIONSHIP })
  assert.equal(first.status, 'replicated')
  assert.equal(statuses(first)[prefix(4)], 'replicated')
  assert.equal(statuses(first)[prefix(3)], 'already-in-sync')
  assert.equal(Object.keys(statuses(first)).length, SCOPES)

  const reloadBefore = await runningConfig(target())
  const second = await system.replicate({ server: SOURCE, relationship: SAMPLE_RELATIONSHIP })
  assert.equal(second.status, 'already-in-sync')
  assert.ok(
    (second.stages ?? []).every(({ name }) => name !== 'commit'),
    'nothing was sent to the gate',
  )
  assert.equal(canonicalJson(await runningConfig(target())), canonicalJson(reloadBefore))
})

test('a server-level request ends with its relationships', async () => {
  await editRunning(source(), (config) =>
    withSubnet(config, prefix(6), (subnet) => withOption(subnet, 'domain-name', 'sechs.example.net')),
  )
  const replication = await system.replicate({ server: SOURCE })
  assert.equal(replication.status, 'replicated')
  assert.equal(replication.level, 'server')
  assert.equal(statuses(replication)[prefix(6)], 'replicated')
  assert.equal((await system.replicate({ server: SOURCE })).status, 'already-in-sync')
})

test('a request from the side that is not authoritative is refused', async () => {
  const replication = await system.replicate({
    server: TARGET,
    relationship: SAMPLE_RELATIONSHIP,
  })
  assert.equal(replication.status, 'refused')
  assert.equal(replication.code, 'not-authoritative')
  assert.match(replication.message ?? '', new RegExp(SOURCE))
})

test('an edit on the wrong side is held, shown, and copied nowhere', async () => {
  await editRunning(target(), (config) =>
    withSubnet(config, prefix(8), (subnet) => withOption(subnet, 'domain-name', 'foreign.example.net')),
  )
  const name = async (server: ReturnType<typeof source>) =>
    JSON.stringify(subnetOf(await runningConfig(server), prefix(8))?.['option-data'])

  const replication = await system.replicate({ server: SOURCE, scopes: [address(8)] })

  assert.equal(replication.status, 'held')
  assert.equal(replication.scopes?.[0]?.code, 'foreign-edit')
  assert.match(await name(target()), /foreign/)
  assert.doesNotMatch(await name(source()), /foreign/)
  await eventually(
    async () => {
      const scope = (await system.relationship(SAMPLE_RELATIONSHIP)).scopes.find((one) => one.scope === prefix(8))
      assert.equal(scope?.code, 'foreign-edit')
    },
    { timeoutMs: 10_000, what: 'the foreign edit in the status' },
  )

  const digest = replication.planDigest
  const approved = await system.replicate({
    server: SOURCE,
    scopes: [address(8)],
    approvedPlans: { [SAMPLE_RELATIONSHIP]: digest },
  })
  assert.equal(approved.status, 'replicated')
  assert.doesNotMatch(await name(target()), /foreign/)
})

test('a change undone by hand is an ordinary change', async () => {
  await waitAgreed(system)
  const original = subnetOf(await runningConfig(source()), prefix(9))
  assert.ok(original)
  await editRunning(source(), (config) =>
    withSubnet(config, prefix(9), (subnet) => withOption(subnet, 'domain-name', 'x.example.net')),
  )
  assert.equal((await system.replicate({ server: SOURCE, scopes: [address(9)] })).status, 'replicated')
  await editRunning(source(), (config) => withSubnet(config, prefix(9), () => original))
  const undone = await system.replicate({ server: SOURCE, scopes: [address(9)] })
  assert.equal(undone.status, 'replicated')
  assert.equal(undone.scopes?.[0]?.code, 'changed')
})

test('what the other scopes inherited, they still inherit: also after a restart from the written file', async () => {
  await waitAgreed(system)
  const lifetime = async (index: number) => subnetOf(await runningConfig(target()), prefix(index))?.['valid-lifetime']
  await editRunning(source(), (config) => withSubnet(config, prefix(5), withLifetime(7_777)))
  assert.equal((await system.replicate({ server: SOURCE, scopes: [address(5)] })).status, 'replicated')
  assert.equal(await lifetime(5), 7_777)

  const file = await fileConfig(target())
  await writeFile(target().configFile, formatJson({ Dhcp4: { ...file, 'valid-lifetime': 5_555 } }, 2), 'latin1')
  await target().dhcp4.kill()
  await target().dhcp4.ready()

  assert.equal(await lifetime(5), 7_777)
  assert.equal(await lifetime(10), 5_555)
})
