// The wall clock is set while NATS is away: the connection comes back as soon as NATS does.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '#harness/eventually.ts'
import { startNats } from '#harness/nats.ts'
import { connectMessaging } from '#messaging/connection.ts'
import { createLogger } from '#telemetry/logger.ts'

const HOUR_MS = 3_600_000

for (const [what, byMs] of [
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
] as const) {
  test(`the clock is set ${what} by an hour while NATS is down`, async (t) => {
    const nats = await startNats()
    const logger = createLogger({ service: 'test', level: 'silent' })
    const messaging = await connectMessaging({ url: nats.url, name: 'test', logger })
    t.after(async () => {
      await messaging.close()
      await nats.stop()
    })
    await nats.kill9()
    await eventually(() => !messaging.connected, { what: 'the loss' })
    const { now } = Date
    t.mock.method(Date, 'now', () => now() + byMs)
    await nats.restart()
    await messaging.whenConnected(AbortSignal.timeout(20_000))
    assert.ok(messaging.connected)
  })
}
