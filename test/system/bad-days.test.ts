// Bad input and bad days, on real servers: said, waited for, and nothing is lost.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { connect, type NatsConnection } from 'nats'
import { canonicalJson, type Json, type JsonObject } from '#dhcp/json.ts'
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
  withSubnet,
} from '#harness/system.ts'
import { keaCommandOk } from '#local/kea-control.ts'
import { SAMPLE_RELATIONSHIP, SAMPLE_SERVERS } from '#local/sample-pair.ts'
import { manySubnets } from '#local/sample-scopes.ts'

const [SOURCE] = SAMPLE_SERVERS
const SCOPE = '10.0.1.0/24'

let system: System
let nats: NatsConnection
before(async () => {
  system = await startSystem({ dhcp: { kind: 'kea', subnets: manySubnets(4, 40), heartbeatMs: 100 } })
  nats = await connect({ servers: system.local.natsUrl, reconnect: true, maxReconnectAttempts: -1 })
})
after(async () => {
  await nats?.close()
  await system?.stop()
})

const source = () => keaServer(system, 0)
const target = () => keaServer(system, 1)

async function reserve(last: number): Promise<string> {
  const address = `10.0.1.${last}`
  await editRunning(source(), (config) =>
    withSubnet(config, SCOPE, (subnet) =>
      addReservation(subnet, {
        'hw-address': `02:dd:00:00:00:${last.toString(16).padStart(2, '0')}`,
        'ip-address': address,
        hostname: `b${last}`,
      }),
    ),
  )
  return address
}

async function arrives(address: string): Promise<void> {
  await eventually(async () => assert.ok(hasReservation(subnetOf(await runningConfig(target()), SCOPE), address)), {
    timeoutMs: 40_000,
    what: `reservation ${address} on the partner`,
  })
}

test('unknown names are refused by the API, naming the known ones near them', async () => {
  const server = await system.post('/v1/replications', { server: 'keo1.example.net' })
  assert.equal(server.status, 404)
  assert.match(JSON.stringify(server.body), new RegExp(SOURCE))
  const relationship = await system.post('/v1/replications', {
    server: SOURCE,
    relationship: `${SAMPLE_RELATIONSHIP}x`,
  })
  assert.equal(relationship.status, 404)
  assert.match(JSON.stringify(relationship.body), new RegExp(SAMPLE_RELATIONSHIP))
  const scope = await system.post('/v1/replications', { server: SOURCE, scopes: ['10.0.9.0'] })
  assert.equal(scope.status, 404)
  assert.match(JSON.stringify(scope.body), /10\.0\.[0-3]\.0/)
})

test('unknown names published to NATS end as refused, naming the known ones', async () => {
  const job = `UNKNOWN${Date.now()}`
  await nats
    .jetstream()
    .publish(
      'twinscope.replication.requested.server.monitoring',
      JSON.stringify({ level: 'server', server: 'nosuch', requester: 'monitoring', job }),
    )
  const replication = await system.waitFinal(job)
  assert.equal(replication.status, 'refused')
  assert.equal(replication.code, 'unknown-server')
  assert.match(replication.message ?? '', new RegExp(SOURCE))
})

test('a malformed request is dead-lettered with its reason and blocks nothing', async () => {
  const jetstream = nats.jetstream()
  const count = async () =>
    (await (await jetstream.jetstreamManager()).streams.info('TWINSCOPE_DEADLETTER')).state.messages
  const before = await count()
  await jetstream.publish('twinscope.replication.requested.server.monitoring', 'not json')
  await jetstream.publish(
    'twinscope.replication.requested.scope.monitoring',
    JSON.stringify({ level: 'scope', server: 7 }),
  )
  await jetstream.publish(
    'twinscope.replication.requested.planet.monitoring',
    JSON.stringify({ level: 'server', server: SOURCE, requester: 'x' }),
  )
  await eventually(async () => assert.equal(await count(), before + 3), {
    timeoutMs: 10_000,
    what: 'three dead letters',
  })
  const letter = await (await jetstream.jetstreamManager()).streams.getMessage('TWINSCOPE_DEADLETTER', {
    last_by_subj: 'twinscope.deadletter.TWINSCOPE=5FREQUESTS',
  })
  const body = letter.json<{ reason: string; body: string }>()
  assert.match(body.reason, /level|planet/)
  assert.equal((await system.replicate({ server: SOURCE })).status, 'already-in-sync')
})

test('a request published to NATS is a request', async () => {
  const job = `PUBLISHED${Date.now()}`
  await nats.jetstream().publish(
    'twinscope.replication.requested.relationship.monitoring',
    JSON.stringify({
      level: 'relationship',
      server: SOURCE,
      relationship: SAMPLE_RELATIONSHIP,
      requester: 'monitoring',
      job,
    }),
  )
  assert.equal((await system.waitFinal(job)).status, 'already-in-sync')
})

test('the target is down: state unknown and shown, and the change arrives when it is back', async () => {
  await waitAgreed(system)
  await target().dhcp4.stop('SIGKILL')
  const address = await reserve(60)
  await eventually(
    async () => {
      const { sync, partners } = await system.relationship(SAMPLE_RELATIONSHIP)
      assert.equal(sync, 'unknown')
      assert.equal(partners.find(({ server }) => server === SAMPLE_SERVERS[1])?.reachable, false)
    },
    { timeoutMs: 20_000, what: 'the state unknown' },
  )
  assert.ok(hasReservation(subnetOf(await runningConfig(source()), SCOPE), address))
  await target().dhcp4.start()
  await arrives(address)
})

test('the source is down: nothing is taken for an empty configuration', async () => {
  await waitAgreed(system)
  await keaCommandOk(source().controlSocket, 'config-write')
  const before = subnetsOf(await runningConfig(target())).length
  await source().dhcp4.stop('SIGKILL')
  await eventually(async () => assert.equal((await system.relationship(SAMPLE_RELATIONSHIP)).sync, 'unknown'), {
    timeoutMs: 20_000,
    what: 'the state unknown',
  })
  assert.equal(subnetsOf(await runningConfig(target())).length, before)
  await source().dhcp4.start()
  await waitAgreed(system)
  assert.equal(subnetsOf(await runningConfig(target())).length, before)
})

for (const name of ['nats', 'redis'] as const) {
  test(`${name} is down while something changes: the services wait and go on`, async () => {
    await waitAgreed(system)
    const part = system.local[name]
    assert.ok(part)
    await part.stop('SIGKILL')
    const address = await reserve(name === 'nats' ? 61 : 62)
    const ready = async () => (await fetch(new URL('/readyz', system.local.console))).status
    if (name === 'nats')
      await eventually(async () => assert.equal(await ready(), 503), { timeoutMs: 15_000, what: 'not ready' })
    await part.start()
    await arrives(address)
    assert.equal(
      await eventually(
        async () => {
          const status = await ready()
          assert.equal(status, 200)
          return status
        },
        { timeoutMs: 15_000, what: 'ready' },
      ),
      200,
    )
  })
}

test('Kea refuses the configuration: the job fails in its words, the partner is as before and serves', async () => {
  await waitAgreed(system)
  const before = await runningConfig(target())
  // Allowed on the source by a global setting, which is no part of a scope and differs on the target.
  await editRunning(source(), (config) => ({
    ...withSubnet(config, SCOPE, (subnet) => {
      const twice = { 'ip-address': '10.0.1.70', hostname: 'twice' }
      return addReservation(addReservation(subnet, { ...twice, 'hw-address': '02:ee:00:00:00:01' }), {
        ...twice,
        'hw-address': '02:ee:00:00:00:02',
      })
    }),
    'ip-reservations-unique': false,
  }))
  const replication = await system.replicate({ server: SOURCE, scopes: ['10.0.1.0'] })
  assert.equal(replication.status, 'failed')
  assert.match(replication.message ?? '', /10\.0\.1\.70|reserv|host/i)
  assert.equal(canonicalJson(await runningConfig(target())), canonicalJson(before))
  const status = (await keaCommandOk(target().controlSocket, 'status-get')) as {
    'high-availability'?: readonly JsonObject[]
  }
  assert.match(JSON.stringify(status['high-availability'] as unknown as Json), /"load-balancing"|"hot-standby"/)

  // Mended on the source, it is an ordinary change again.
  await editRunning(source(), (config) => ({
    ...withSubnet(config, SCOPE, (subnet) => ({
      ...subnet,
      reservations: ((subnet.reservations ?? []) as readonly JsonObject[]).filter(
        (one) => one['hw-address'] !== '02:ee:00:00:00:02',
      ),
    })),
    'ip-reservations-unique': true,
  }))
  await arrives('10.0.1.70')
})

test('a read-only file: the change runs, and the outcome says that it is not persisted', async () => {
  await waitAgreed(system)
  const file = target().configFile
  execFileSync('chattr', ['+i', file])
  try {
    const address = await reserve(63)
    await arrives(address)
    // The reservation runs before its outcome is out.
    const row = await eventually(
      async () => {
        const [newest] = (await system.replications()).filter(({ status }) => status === 'replicated')
        const detail = newest && (await system.get<Replication>(`/v1/replications/${newest.job}`))
        return detail?.scopes?.find(({ scope, persisted }) => scope === SCOPE && persisted === false) ?? false
      },
      { timeoutMs: 15_000, what: 'an outcome that is not persisted' },
    )
    assert.match(row.message, /not persisted: .*(chown|copy|may not write)/)
    assert.ok(!hasReservation(subnetOf(await fileConfig(target()), SCOPE), address))
  } finally {
    execFileSync('chattr', ['-i', file])
  }
})
