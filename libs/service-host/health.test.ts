import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jobsByStatus, METRICS, replicationDuration } from '#telemetry/instruments.ts'
import { createLogger } from '#telemetry/logger.ts'
import { registerTelemetry } from '#telemetry/register.ts'
import { startHealth } from './health.ts'

test('alive, ready and what it measures', async () => {
  const telemetry = registerTelemetry({ service: 'test' })
  let ready = false
  const logger = createLogger({ service: 'test', level: 'silent' })
  const health = await startHealth({ telemetry, isReady: () => ready, logger })
  const get = async (path: string) => {
    const response = await fetch(health.address + path)
    return { status: response.status, text: await response.text() }
  }
  try {
    assert.deepEqual(await get('/livez'), { status: 200, text: 'alive\n' })
    assert.equal((await get('/readyz')).status, 503)
    ready = true
    assert.equal((await get('/readyz')).status, 200)
    assert.equal((await get('/other')).status, 404)

    jobsByStatus.add(2, { status: 'replicated', automatic: true })
    replicationDuration.record(0.3, { status: 'replicated' })
    const { status, text } = await get('/metrics')
    assert.equal(status, 200)
    assert.match(text, /^# HELP twinscope_jobs_total Jobs that ended/m)
    assert.match(text, /^twinscope_jobs_total\{.*status="replicated".*\} 2$/m)
    assert.match(text, /^# TYPE twinscope_replication_duration_seconds histogram$/m)
    assert.match(text, /twinscope_replication_duration_seconds_bucket\{.*le="0\.25".*\} 0$/m)
    assert.match(text, /twinscope_replication_duration_seconds_bucket\{.*le="0\.5".*\} 1$/m)
  } finally {
    await health.close()
    await telemetry.shutdown()
  }
  await assert.rejects(fetch(`${health.address}/livez`))
})

test('every metric is ours, has words for people, and no scope as a label', () => {
  const names = Object.values(METRICS).map((metric) => metric.name)
  assert.equal(new Set(names).size, names.length)
  for (const metric of Object.values(METRICS)) {
    assert.match(metric.name, /^twinscope_[a-z_]+$/)
    assert.ok(metric.description.length > 10)
    assert.equal((metric.labels as readonly string[]).includes('scope'), false)
  }
})
