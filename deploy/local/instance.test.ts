import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { AlreadyRunning, takeInstance } from './instance.ts'

const dir = mkdtempSync(join(tmpdir(), 'twinscope-instance-'))
after(() => rmSync(dir, { recursive: true, force: true }))

const RUNNING = {
  pid: 4711,
  console: 'http://127.0.0.1:8420',
  natsUrl: 'nats://127.0.0.1:4222',
  redisUrl: 'redis://127.0.0.1:6379',
  configFile: '/tmp/twinscope.yaml',
}

test('a data directory has one system, and the second one is told where the first is', () => {
  const first = takeInstance(dir)
  first.announce(RUNNING)

  assert.throws(
    () => takeInstance(dir),
    (error) => error instanceof AlreadyRunning && /process 4711, console http:\/\/127.0.0.1:8420/.test(error.message),
  )

  first.release()
  assert.equal(existsSync(join(dir, 'running.json')), false)
  takeInstance(dir).release()
})
