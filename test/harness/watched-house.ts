// NATS, a simulated pair and a watcher beside its first server, with everything that is published.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { ScopeChanged } from '#contracts/messages.ts'
import type { RegisteredGate } from '#contracts/registry.ts'
import { BUCKETS, STREAMS } from '#contracts/streams.ts'
import { gateKey } from '#contracts/subjects.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { openBucket } from '#messaging/buckets.ts'
import { connectMessaging, type Messaging } from '#messaging/connection.ts'
import { orderedMessages } from '#messaging/last.ts'
import { provision } from '#messaging/provision.ts'
import { type ServerDescription, samplePair } from '#simulator/description.ts'
import { createLogger } from '#telemetry/logger.ts'
import { eventually } from './eventually.ts'
import { type NatsServer, startNats } from './nats.ts'
import { startProcess, type TestProcess } from './processes.ts'
import { type Simulator, startSimulator } from './simulator.ts'

/** The server that is watched. */
export const SERVER = 'sim1.example.net'
export const SCOPES = 4
/** For machines on which everything else runs too. */
export const PATIENCE_MS = 30_000
const WATCHER = new URL('../../services/watcher/main.ts', import.meta.url).pathname

export type House = {
  readonly nats: NatsServer
  /** Path of the configuration. */
  readonly config: string
  readonly simulator: Simulator
  readonly events: ScopeChanged[]
  readonly messaging: Messaging
  startWatcher(options?: { stateDir?: string; env?: Record<string, string>; wait?: boolean }): Promise<TestProcess>
  registered(): Promise<RegisteredGate | undefined>
  /** Waits for an event of the scope. The first read of a server publishes nothing. */
  event(scope: ScopeKey): Promise<ScopeChanged>
}

/** NATS, a simulated pair, and everything that is published, until the test ends. */
export async function aHouse(
  t: TestContext,
  change: (server: ServerDescription) => ServerDescription = (server) => server,
): Promise<House> {
  const directory = await mkdtemp(join(tmpdir(), 'twinscope-watcher-'))
  const nats = await startNats()
  const simulator = await startSimulator({ servers: samplePair({ scopes: SCOPES }).servers.map(change) })
  const config = join(directory, 'twinscope.yaml')
  await writeFile(
    config,
    `servers:
  - { name: sim1.example.net, kind: simulated, control: "${simulator.control('sim1.example.net')}" }
  - { name: sim2.example.net, kind: simulated, control: "${simulator.control('sim2.example.net')}" }
relationships:
  - { name: sim1-sim2, servers: [sim1.example.net, sim2.example.net], authority: sim1.example.net, mode: automatic }
`,
  )
  const messaging = await connectMessaging({
    url: nats.url,
    name: 'test',
    logger: createLogger({ service: 'test', level: 'silent' }),
  })
  await provision(messaging)
  const events: ScopeChanged[] = []
  const stop = new AbortController()
  const following = orderedMessages(messaging, {
    stream: STREAMS.changes.name,
    onMessage: (message) => events.push(JSON.parse(message.body)),
    onReset: () => events.splice(0),
    signal: stop.signal,
  })
  const gates = await openBucket(messaging, BUCKETS.gates)
  const watchers: TestProcess[] = []
  t.after(async () => {
    for (const watcher of watchers) await watcher.kill()
    stop.abort()
    await messaging.close()
    await following.catch(() => undefined)
    await simulator.stop()
    await nats.stop()
    await rm(directory, { recursive: true, force: true })
  })
  return {
    nats,
    config,
    simulator,
    events,
    messaging,
    async startWatcher({ stateDir = join(directory, 'state'), env = {}, wait = true } = {}) {
      const watcher = await startProcess(process.execPath, [WATCHER], {
        name: 'watcher',
        env: {
          NATS_URL: nats.url,
          TWINSCOPE_CONFIG: config,
          TWINSCOPE_STATE_DIR: stateDir,
          TWINSCOPE_SERVERS: 'sim1',
          TWINSCOPE_LOG_LEVEL: 'debug',
          TWINSCOPE_PROBE_MS: '100',
          ...env,
        },
        readyTimeoutMs: PATIENCE_MS,
        ...(wait && { readyWhen: (line: string) => line.includes('"msg":"ready"') }),
      })
      watchers.push(watcher)
      return watcher
    },
    async registered() {
      const entry = await gates.get(gateKey(SERVER))
      return entry && JSON.parse(entry.value)
    },
    event: (scope) =>
      eventually(() => events.find((event) => event.scope === scope) ?? false, {
        timeoutMs: PATIENCE_MS,
        what: `an event of ${scope}`,
      }),
  }
}
