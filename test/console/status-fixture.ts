// The status service as a real process on a real NATS, with the gates played by the test:
// what they hold and what the ledger says is then known exactly.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { GateAnswer, ManifestPage, ManifestRow } from '#contracts/gate.ts'
import type { Outcome } from '#contracts/messages.ts'
import type { RegisteredGate } from '#contracts/registry.ts'
import { BUCKETS } from '#contracts/streams.ts'
import { authorityKey, gateKey, outcomeSubject } from '#contracts/subjects.ts'
import { contentOf, type ScopeContent } from '#dhcp/fingerprint.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { freePort } from '#harness/free-port.ts'
import { type NatsServer, startNats } from '#harness/nats.ts'
import { startProcess, type TestProcess } from '#harness/processes.ts'
import { openBucket } from '#messaging/buckets.ts'
import { connectMessaging, type Messaging } from '#messaging/connection.ts'
import { serveGate } from '#messaging/gate-server.ts'
import { provision } from '#messaging/provision.ts'
import { publishEvent } from '#messaging/publish.ts'
import { createLogger } from '#telemetry/logger.ts'

export function aScope(
  key: string,
  options: { readonly routers?: string; readonly reservations?: number } = {},
): Scope {
  const network = key.slice(0, key.lastIndexOf('.'))
  return {
    key: key as ScopeKey,
    properties: { 'valid-lifetime': 3600 },
    ranges: [{ start: `${network}.10`, end: `${network}.200`, properties: {}, options: [] }],
    exclusions: [],
    reservations: Array.from({ length: options.reservations ?? 0 }, (_, index) => ({
      identifierType: 'hw-address',
      identifier: `aa:bb:cc:00:00:${String(index + 10)}`,
      address: `${network}.${210 + index}`,
      name: `printer${index + 1}`,
      properties: {},
      options: [],
    })),
    options: [{ space: 'dhcp4', code: 3, data: options.routers ?? `${network}.1`, properties: {} }],
    policies: [],
  }
}

/** What a played gate holds: live and base content per scope. */
export type PlayedScope = {
  readonly live?: Scope
  readonly base?: Scope
  /** What else its row of the manifest says. */
  readonly row?: Partial<ManifestRow>
}
export type PlayedGate = {
  readonly server: string
  readonly relationship: string
  readonly partner: string
  readonly scopes: Map<string, PlayedScope>
  /** Null: `reachable: false` in the registry, with this reason. */
  problem?: string | undefined
  failoverState: string
  /** What it has made durable; `null`: nothing. Default: dhcp1 in epoch 1. */
  authority?: { readonly side: string; readonly epoch: number } | null
  /** `COMMIT SCOPE` → what was there before that commit. */
  readonly preImages?: ReadonlyMap<string, Scope | undefined>
  /** Whose mark a claim replaces; `null`: it is refused. */
  readonly claimedFrom?: string | null
  /** Active leases outside of whatever is asked. Default: it cannot say. */
  readonly leases?: number
}

function rowOf(scope: string, { live, base, row }: PlayedScope): ManifestRow {
  return {
    scope,
    ...(live === undefined ? {} : { live: contentOf(live).fingerprint, since: '2026-11-24T10:00:00.000Z' }),
    ...(base === undefined ? {} : { base: contentOf(base).fingerprint, baseEpoch: 1, baseSerial: 1 }),
    ...row,
  }
}

function answer(gate: PlayedGate, operation: string, request: unknown): GateAnswer<unknown> {
  if (operation === 'manifest') {
    const page: ManifestPage = {
      server: gate.server,
      revision: 1,
      readAt: new Date().toISOString(),
      version: 'Kea 2.2.0',
      failover: {
        state: gate.failoverState,
        nativeState: gate.failoverState === 'normal' ? 'hot-standby' : gate.failoverState,
      },
      ...(gate.authority === null ? {} : { authority: gate.authority ?? { side: 'dhcp1.example.net', epoch: 1 } }),
      rows: [...gate.scopes].map(([scope, played]) => rowOf(scope, played)),
    }
    return { ok: page }
  }
  if (operation === 'read') {
    const { scopes, of } = request as { readonly scopes: readonly string[]; readonly of: 'live' | 'base' }
    const contents = scopes.map((scope) => {
      const found = gate.scopes.get(scope)?.[of]
      const content: ScopeContent | undefined = found === undefined ? undefined : contentOf(found)
      return { scope, ...(content === undefined ? {} : { content }) }
    })
    return { ok: { revision: 1, contents } }
  }
  if (operation === 'preimage') {
    const { job, scope } = request as { readonly job: string; readonly scope: string }
    const key = `${job} ${scope}`
    if (gate.preImages?.has(key) !== true) {
      return { error: { code: 'unknown-job', message: `no commit ${job} is in the journal` } }
    }
    const before = gate.preImages.get(key)
    return { ok: { at: at(0), ...(before === undefined ? {} : { content: contentOf(before) }) } }
  }
  if (operation === 'leases') {
    return { ok: { supported: gate.leases !== undefined, count: gate.leases ?? 0, examples: [] } }
  }
  if (operation === 'claim') {
    if (gate.claimedFrom === null) return { error: { code: 'server-error', message: 'its file cannot be written' } }
    return { ok: gate.claimedFrom === undefined ? {} : { previous: gate.claimedFrom } }
  }
  return { error: { code: 'internal', message: `${operation} is not played here` } }
}

export const CONFIGURATION = `
servers:
  - name: dhcp1.example.net
    kind: simulated
    control: http://127.0.0.1:1/
    exclusive: true
  - name: dhcp2.example.net
    kind: simulated
    control: http://127.0.0.1:2/
    exclusive: true
  - name: dhcp3.example.net
    kind: simulated
    control: http://127.0.0.1:3/
    exclusive: true
relationships:
  - name: dhcp1-dhcp2
    servers: [dhcp1.example.net, dhcp2.example.net]
    authority: dhcp1.example.net
    mode: automatic
  - name: dhcp1-dhcp3
    servers: [dhcp1.example.net, dhcp3.example.net]
    authority: dhcp3.example.net
    mode: manual
`

export type StatusFixture = {
  readonly nats: NatsServer
  readonly status: TestProcess
  readonly messaging: Messaging
  readonly directory: string
  /** Where the service listens. */
  readonly url: string
  /** Plays a gate until `stop`. */
  playGate(gate: PlayedGate): Promise<{ readonly stop: () => Promise<void>; readonly renew: () => Promise<void> }>
  setAuthority(relationship: string, side: string, epoch?: number): Promise<void>
  /** As NATS would have lost it. */
  loseAuthority(relationship: string): Promise<void>
  publishOutcome(outcome: Outcome): Promise<number>
  get<T>(path: string): Promise<T>
  post(path: string, body: unknown, headers?: Record<string, string>): Promise<Response>
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
  restartStatus(): Promise<void>
  stop(): Promise<void>
}

export function addressIn(output: string): string {
  const address = [...output.matchAll(/"address":"(http:[^"]+)"/g)].at(-1)?.[1]
  if (address === undefined) throw new Error(`the status service printed no address:\n${output}`)
  return address
}

export async function startStatus(options: { readonly env?: Record<string, string> } = {}): Promise<StatusFixture> {
  const directory = await mkdtemp(join(tmpdir(), 'twinscope-status-'))
  await writeFile(join(directory, 'twinscope.yaml'), CONFIGURATION)
  const nats = await startNats()
  const logger = createLogger({ service: 'test', level: 'silent' })
  const messaging = await connectMessaging({ url: nats.url, name: 'test', logger })
  await provision(messaging)
  const main = new URL('../../services/status/main.ts', import.meta.url).pathname
  const status = await startProcess(process.execPath, [main], {
    name: 'status',
    env: {
      NATS_URL: nats.url,
      TWINSCOPE_CONFIG: join(directory, 'twinscope.yaml'),
      TWINSCOPE_STATE_DIR: directory,
      TWINSCOPE_HTTP_HOST: '127.0.0.1',
      // One port for all its starts, so that a browser finds it again.
      TWINSCOPE_HTTP_PORT: String(await freePort()),
      ...options.env,
    },
    readyWhen: (line: string) => line.includes('"msg":"ready"'),
    // Where other tests run beside it, a start alone may take long.
    readyTimeoutMs: 40_000,
  }).catch(async (error: unknown) => {
    // What was started before it must not outlive a start that failed.
    await messaging.close()
    await nats.stop()
    await rm(directory, { recursive: true, force: true })
    throw error
  })
  const gatesBucket = await openBucket(messaging, BUCKETS.gates)
  const authorityBucket = await openBucket(messaging, BUCKETS.authority)
  const stops: (() => Promise<void>)[] = []

  const fixture: StatusFixture = {
    nats,
    status,
    messaging,
    directory,
    get url() {
      return addressIn(status.output)
    },
    async playGate(gate) {
      const served = await serveGate(messaging, gate.server, async (operation, request) =>
        answer(gate, operation, request),
      )
      const renew = async () => {
        const entry: RegisteredGate = {
          server: gate.server,
          product: 'simulated',
          version: 'Kea 2.2.0',
          holder: `holder of ${gate.server}`,
          host: 'host1',
          pid: 1,
          startedAt: '2026-11-24T09:00:00.000Z',
          renewedAt: new Date().toISOString(),
          reachable: gate.problem === undefined,
          ...(gate.problem === undefined ? {} : { problem: gate.problem }),
          relationships: [
            {
              name: gate.relationship,
              configured: true,
              partner: gate.partner,
              mode: 'hot-standby',
              state: gate.failoverState,
              nativeState: 'hot-standby',
              scopeCount: gate.scopes.size,
            },
          ],
        }
        await gatesBucket.put(gateKey(gate.server), JSON.stringify(entry))
      }
      await renew()
      const timer = setInterval(() => void renew().catch(() => {}), 5_000)
      const stop = async () => {
        clearInterval(timer)
        await served.stop()
      }
      stops.push(stop)
      return { stop, renew }
    },
    async setAuthority(relationship, side, epoch = 1) {
      const record = { relationship, side, epoch, changedAt: '2026-11-24T09:00:00.000Z', changedBy: 'test' }
      await authorityBucket.put(authorityKey(relationship), JSON.stringify(record))
    },
    async loseAuthority(relationship) {
      await authorityBucket.delete(authorityKey(relationship))
    },
    async publishOutcome(outcome) {
      const published = await publishEvent(messaging, {
        type: 'dev.twinscope.outcome.v1',
        source: 'test',
        id: crypto.randomUUID(),
        subject: outcomeSubject(outcome.slot, outcome.job, outcome.kind),
        data: outcome,
      })
      if (published.kind !== undefined) throw new Error('published without a condition')
      return published.sequence
    },
    async get<T>(path: string) {
      const response = await fetch(`${fixture.url}${path}`)
      return (await response.json()) as T
    },
    post: (path, body, headers = {}) => fixture.send('POST', path, body, headers),
    send: (method, path, body, headers = {}) =>
      fetch(`${fixture.url}${path}`, {
        method,
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    restartStatus: () => status.restart(),
    async stop() {
      for (const stop of stops) await stop().catch(() => {})
      await status.kill()
      await messaging.close()
      await nats.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
  await eventually(async () => (await fetch(`${fixture.url}/livez`)).ok, { what: 'the status service answers' })
  return fixture
}

const T0 = Date.parse('2026-11-24T10:00:00.000Z')
export function at(seconds: number): string {
  return new Date(T0 + seconds * 1_000).toISOString()
}

/** An outcome of one job of `dhcp1-dhcp2`, to be varied. */
export function anOutcome(job: string, kind: Outcome['kind'], more: Partial<Outcome> = {}): Outcome {
  return {
    job,
    kind,
    level: 'relationship',
    automatic: true,
    slot: 'dhcp1-dhcp2',
    relationship: 'dhcp1-dhcp2',
    source: 'dhcp1.example.net',
    target: 'dhcp2.example.net',
    cause: { kind: 'change', requester: 'watcher dhcp1.example.net' },
    createdAt: at(0),
    at: at(1),
    ...more,
  }
}
