// Asking and serving a gate over a real NATS.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { GateAnswer, GateRequests, ManifestPage } from '#contracts/gate.ts'
import { gateSubject } from '#contracts/subjects.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { type NatsServer, startNats } from '#harness/nats.ts'
import { connectMessaging, type Messaging } from '#messaging/connection.ts'
import { createGateClient, type GateClient, GateError, type GateFailureCode } from '#messaging/gate-client.ts'
import { serveGate } from '#messaging/gate-server.ts'
import { createLogger } from '#telemetry/logger.ts'

const logger = createLogger({ service: 'test', level: 'silent' })
const SERVER = 'dhcp1.example.net'
const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const FENCE = { relationship: 'a-b', side: 'a', epoch: 1 }

let nats: NatsServer
let watcher: Messaging
let replicator: Messaging
let client: GateClient

before(async () => {
  nats = await startNats()
  watcher = await connectMessaging({ url: nats.url, name: 'watcher', logger })
  replicator = await connectMessaging({ url: nats.url, name: 'replicator', logger })
  client = createGateClient(replicator)
})
after(async () => {
  await watcher.close()
  await replicator.close()
  await nats.stop()
})

type Asked = { operation: string; request: unknown; traceparent: string | undefined }
/** Serves a gate that answers with `answer`, for the time of `fn`. */
async function withGate(answer: (asked: Asked) => unknown, fn: (asked: readonly Asked[]) => Promise<void>) {
  const asked: Asked[] = []
  const gate = await serveGate(watcher, SERVER, async (operation, request, traceparent) => {
    const one = { operation, request, traceparent }
    asked.push(one)
    return (await answer(one)) as GateAnswer<unknown>
  })
  try {
    await fn(asked)
  } finally {
    await gate.stop()
  }
}

function failsWith(code: GateFailureCode, message?: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof GateError, String(error))
    assert.equal(error.code, code)
    if (message !== undefined) assert.match(error.message, message)
    return true
  }
}

function page(rows: readonly string[], revision: number, next?: string): ManifestPage {
  return {
    server: SERVER,
    revision,
    readAt: '2026-01-01T00:00:00Z',
    version: 'Kea 2.2.0',
    failover: { state: 'normal', nativeState: 'hot-standby' },
    rows: rows.map((scope) => ({ scope })),
    ...(next === undefined ? {} : { next }),
  }
}

test('a request reaches the gate with its trace, and its answer comes back', async () => {
  await withGate(
    () => ({ ok: { epoch: 2, side: 'a' } }),
    async (asked) => {
      const answer = await client.request(SERVER, 'fence', FENCE, { timeoutMs: 2_000, traceparent: TRACE })
      assert.deepEqual(answer, { epoch: 2, side: 'a' })
      assert.deepEqual(asked, [{ operation: 'fence', request: FENCE, traceparent: TRACE }])
    },
  )
})

test("a gate's refusal is thrown with its code", async () => {
  await withGate(
    () => ({ error: { code: 'stale-epoch', message: 'the epoch is 3' } }),
    async () => {
      const asking = client.request(SERVER, 'fence', FENCE, { timeoutMs: 2_000 })
      await assert.rejects(asking, failsWith('stale-epoch', /the epoch is 3/))
    },
  )
})

test('what does not fit its schema never reaches the gate', async () => {
  await withGate(
    () => ({ ok: {} }),
    async (asked) => {
      const bad = { ...FENCE, epoch: 0 }
      await assert.rejects(client.request(SERVER, 'fence', bad, { timeoutMs: 2_000 }), failsWith('malformed', /epoch/))
      for (const text of ['{', '[]', '"x"']) {
        const answer = await replicator.connection.request(gateSubject(SERVER, 'fence'), text, { timeout: 2_000 })
        assert.equal(answer.json<{ error: { code: string } }>().error.code, 'malformed')
      }
      assert.equal(asked.length, 0)
    },
  )
})

test('an answer that does not fit its schema, or a gate that fails, is internal', async () => {
  await withGate(
    () => ({ ok: { epoch: 'two' } }),
    async () => {
      const asking = client.request(SERVER, 'fence', FENCE, { timeoutMs: 2_000 })
      await assert.rejects(asking, failsWith('internal', /epoch/))
    },
  )
  await withGate(
    () => {
      throw new Error('a bug')
    },
    async () => {
      const asking = client.request(SERVER, 'fence', FENCE, { timeoutMs: 2_000 })
      await assert.rejects(asking, failsWith('internal', /a bug/))
    },
  )
})

test('nobody there, too slow, and given up are told apart', async () => {
  await assert.rejects(
    client.request(SERVER, 'fence', FENCE, { timeoutMs: 2_000 }),
    failsWith('no-responders', /dhcp1/),
  )
  const slow = Promise.withResolvers<unknown>()
  await withGate(
    () => slow.promise,
    async (asked) => {
      await assert.rejects(client.request(SERVER, 'fence', FENCE, { timeoutMs: 100 }), failsWith('timed-out'))
      const asking = client.request(SERVER, 'fence', FENCE, { timeoutMs: 5_000, signal: AbortSignal.timeout(50) })
      await assert.rejects(asking, failsWith('timed-out', /given up/))
      assert.equal(asked.length, 2, 'requests are handled at the same time')
      slow.resolve({ ok: { epoch: 1, side: 'a' } })
    },
  )
})

test('a manifest of several pages is one; a read in between begins it again', async () => {
  let reads = 0
  const pages: Record<string, ManifestPage> = {
    '': page(['10.0.1.0/24'], 1, 'p2'),
    p2: page(['10.0.2.0/24'], 1, 'p3'),
    p3: page(['10.0.3.0/24'], 1),
  }
  await withGate(
    ({ request }) => {
      const { cursor, fresh } = request as { cursor?: string; fresh: boolean }
      if (fresh) reads += 1
      const found = pages[cursor ?? ''] as ManifestPage
      if (cursor === 'p2' && reads === 1) {
        reads += 1
        for (const [key, one] of Object.entries(pages)) pages[key] = { ...one, revision: 2 }
        return { ok: pages.p2 }
      }
      return { ok: found }
    },
    async () => {
      const { page: whole } = await client.readManifest(SERVER, 'a-b', true)
      assert.deepEqual(
        whole.rows.map((row) => row.scope),
        ['10.0.1.0/24', '10.0.2.0/24', '10.0.3.0/24'],
      )
      assert.equal(whole.revision, 2)
      assert.equal(whole.next, undefined)
      assert.equal(reads, 2)
    },
  )
})

test('contents of several pages come together; a scope that is not there is undefined', async () => {
  const scopes = ['10.0.1.0/24', '10.0.2.0/24'] as unknown as readonly ScopeKey[]
  const content = { fingerprint: `v1:${'0'.repeat(64)}`, text: '{"big":12345678901234567890}' }
  await withGate(
    ({ request }) =>
      (request as { cursor?: string }).cursor === undefined
        ? { ok: { revision: 1, contents: [{ scope: scopes[0], content }], next: '1' } }
        : { ok: { revision: 1, contents: [{ scope: scopes[1] }] } },
    async () => {
      const contents = await client.readContents(SERVER, 'a-b', scopes, 'live', true)
      assert.deepEqual(
        [...contents],
        [
          [scopes[0], content],
          [scopes[1], undefined],
        ],
      )
      assert.equal((await client.readContents(SERVER, 'a-b', [], 'live', true)).size, 0)
    },
  )
})

test('while NATS is away nothing is sent; afterwards the gate is served as before', { timeout: 30_000 }, async () => {
  const slow = Promise.withResolvers<unknown>()
  let first = true
  await withGate(
    () => {
      if (!first) return { ok: { epoch: 5, side: 'a' } }
      first = false
      return slow.promise
    },
    async (asked) => {
      const asking = client.request(SERVER, 'fence', FENCE, { timeoutMs: 20_000 })
      const failing = assert.rejects(asking, failsWith('timed-out', /lost/))
      await eventually(() => asked.length === 1)
      await nats.kill9()
      await failing
      await assert.rejects(client.request(SERVER, 'fence', FENCE, { timeoutMs: 1_000 }), failsWith('no-responders'))
      slow.resolve({ ok: { epoch: 4, side: 'a' } })
      await nats.restart()
      const answer = await eventually(() => client.request(SERVER, 'fence', FENCE, { timeoutMs: 1_000 }))
      assert.equal(answer.epoch, 5)
      assert.equal(asked.length, 2, 'what was refused while away was never sent')
    },
  )
})

test('an agreement names its side: no gate knows an epoch without knowing whose it is', async () => {
  await withGate(
    () => ({ ok: { agreed: [], serial: 0 } }),
    async (asked) => {
      const request = { relationship: 'a', epoch: 3, scopes: [] } as unknown as GateRequests['agree']
      await assert.rejects(
        client.request(SERVER, 'agree', request, { timeoutMs: 5_000 }),
        failsWith('malformed', /side/),
      )
      assert.deepEqual(asked, [])
    },
  )
})
