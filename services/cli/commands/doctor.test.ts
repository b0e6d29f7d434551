import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answers, aProblem, aRelationship, twinscope } from '#cli/fake-service.ts'
import type { Server } from '#contracts/servers-api.ts'
import type { RelationshipDetail } from '#contracts/status-api.ts'

const AT = '2026-11-24T10:00:00.000Z'
const watcher = { host: 'admin1', startedAt: AT, renewedAt: AT }
const server = (name: string, more: Partial<Server> = {}): Server => ({
  name,
  reachable: true,
  product: 'kea',
  version: '2.2.0',
  watcher,
  relationships: [],
  ...more,
})
function service(more: {
  readonly ready?: boolean
  readonly servers?: readonly Server[]
  readonly relationships?: readonly RelationshipDetail[]
  readonly answers?: Answers
}): Answers {
  const { ready = true, servers = [server('dhcp1'), server('dhcp2')], relationships = [aRelationship()] } = more
  return {
    'GET /readyz': () =>
      ready ? { body: { ready, missing: [] } } : { status: 503, body: { ready, missing: ['NATS is not connected'] } },
    'GET /v1/servers': () => ({ body: { items: servers } }),
    'GET /v1/relationships': () => ({ body: { items: relationships } }),
    'GET /v1/pauses': () => ({ body: { items: [] } }),
    ...more.answers,
  }
}

test('all is well: every line ok, exit code 0', async () => {
  const ran = await twinscope(['doctor'], service({}))
  assert.equal(ran.exit, 0, ran.out)
  assert.match(ran.out, /ok {4}dhcp1: its watcher on admin1 reaches it \(kea 2\.2\.0\)/)
  assert.match(ran.out, /ok {4}dhcp1-dhcp2: 10 scopes in sync, mode automatic/)
  assert.match(ran.out, /5 ok, 0 warn, 0 bad$/)
})

test('each thing that is wrong says what to do', async () => {
  const partner = aRelationship().partners[0]
  const { watcher: _, ...unwatched } = server('dhcp2', { reachable: false })
  const [old] = [new Date(Date.now() - 600_000).toISOString()]
  const cases: readonly [Answers, 0 | 1, RegExp][] = [
    [service({ ready: false }), 1, /bad {3}status service: NATS is not connected\n {6}→ see whether nats-server runs/],
    [
      service({ servers: [unwatched] }),
      1,
      /bad {3}dhcp2: no watcher has reported.*\n {6}→ start a watcher beside dhcp2/,
    ],
    [
      service({ servers: [server('dhcp2', { reachable: false, problem: 'ECONNREFUSED' })] }),
      1,
      /bad {3}dhcp2: ECONNREFUSED\n.*log on admin1/,
    ],
    [
      service({ servers: [server('dhcp2', { reachable: false, problem: 'another installation writes to it' })] }),
      1,
      /→ stop the other installation, then: twinscope claim-server dhcp2/,
    ],
    [
      service({
        relationships: [aRelationship({ authorityProblem: { code: 'lost', message: 'the record is lost' } })],
      }),
      1,
      /bad {3}dhcp1-dhcp2: the record is lost\n {6}→ twinscope authority show dhcp1-dhcp2/,
    ],
    [
      service({ relationships: [aRelationship({ sync: 'unknown', reason: 'dhcp2 is silent' })] }),
      1,
      /bad {3}dhcp1-dhcp2: dhcp2 is silent/,
    ],
    [
      service({
        relationships: [
          aRelationship({
            pending: [
              { job: 'J', kind: 'ReplicateRelationship', automatic: true, running: false, createdAt: old ?? '' },
            ],
          }),
        ],
      }),
      1,
      /bad {3}dhcp1-dhcp2: 1 job waits, and no replicator has taken up any\n {6}→ start a replicator.*Redis/,
    ],
    [service({ relationships: [] }), 1, /bad {3}relationships: none is known/],
    [
      service({
        relationships: [
          aRelationship({ partners: partner === undefined ? [] : [{ ...partner, failoverState: 'partner-down' }] }),
        ],
      }),
      0,
      /warn {2}dhcp1\.example\.net: its failover state is partner-down/,
    ],
    [
      service({
        answers: {
          'GET /v1/pauses': () => ({ body: { items: [{ by: 'anna', at: AT, relationship: 'dhcp1-dhcp2' }] } }),
        },
      }),
      0,
      /warn {2}dhcp1-dhcp2: paused until.*\n {6}→ twinscope resume --relationship dhcp1-dhcp2/,
    ],
    [
      service({
        relationships: [aRelationship({ sync: 'conflict' })],
        answers: {
          'GET /v1/relationships/dhcp1-dhcp2/conflicts': () => ({
            body: { relationship: 'r', items: [{}, {}], sides: [] },
          }),
        },
      }),
      0,
      /warn {2}dhcp1-dhcp2: 2 scopes wait for a decision\n {6}→ twinscope conflicts dhcp1-dhcp2/,
    ],
    [
      service({
        relationships: [aRelationship({ sync: 'conflict' })],
        answers: {
          'GET /v1/relationships/dhcp1-dhcp2/conflicts': () => ({
            body: { relationship: 'r', items: [{}, { rejected: {} }], sides: [] },
          }),
        },
      }),
      0,
      /warn {2}dhcp1-dhcp2: 1 scope waits for a decision; 1 scope left different, as somebody rejected it\n/,
    ],
  ]
  for (const [answers, exit, expected] of cases) {
    const ran = await twinscope(['doctor'], answers)
    assert.match(ran.out, expected)
    assert.equal(ran.exit, exit, ran.out)
  }
})

test('a service that does not answer as it should is a finding, in JSON too', async () => {
  const ran = await twinscope(['doctor', '--json'], {
    'GET /readyz': () => ({ status: 401, body: aProblem(401, 'send a token', 'unauthorized') }),
  })
  assert.equal(ran.exit, 1)
  assert.deepEqual(JSON.parse(ran.out), {
    healthy: false,
    findings: [{ level: 'bad', about: 'status service', message: 'send a token' }],
  })
})
