import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prepare } from './prepare.ts'
import type { ensurePrograms, InstallResult, Program } from './programs.ts'
import { findProgram, manualCommands } from './programs.ts'

const EVERYTHING = { nats: true, redis: true, kea: true }

/** Installs nothing; answers for each request in turn and remembers what was asked for. */
function answering(...answers: InstallResult[]): { ensure: typeof ensurePrograms; asked: Program[][] } {
  const asked: Program[][] = []
  return {
    asked,
    async ensure(programs) {
      asked.push([...programs])
      return answers.shift() ?? { kind: 'present' }
    },
  }
}

test('without root the exact commands are shown and the exit code is 2', async () => {
  const { ensure } = answering({
    kind: 'not-allowed',
    missing: ['kea-dhcp4', 'kea-ctrl-agent'],
    commands: manualCommands(['kea-dhcp4-server', 'kea-ctrl-agent']),
  })

  const prepared = await prepare(EVERYTHING, ensure)

  assert.equal(prepared.kind, 'impossible')
  assert.equal(prepared.exitCode, 2)
  assert.match(prepared.message, /sudo apt-get install --no-install-recommends kea-dhcp4-server kea-ctrl-agent\n/)
  assert.match(prepared.message, /npm start -- --simulate/)
})

test('where only Kea cannot be had, the rest is installed without it', async () => {
  const { ensure, asked } = answering(
    { kind: 'unavailable', missing: ['kea-dhcp4'], reason: 'no such package' },
    { kind: 'installed', packages: ['nats-server'] },
  )

  assert.deepEqual(await prepare(EVERYTHING, ensure), { kind: 'without-kea', reason: 'no such package' })
  assert.deepEqual(asked[1], ['nats-server', 'redis-server'])
})

test('where NATS cannot be had, nothing starts and running servers are named as a way out', async () => {
  const failed = { kind: 'unavailable', missing: ['nats-server'], reason: 'no network' } as const
  const { ensure } = answering(failed, failed)

  const prepared = await prepare(EVERYTHING, ensure)

  assert.equal(prepared.kind, 'impossible')
  assert.equal(prepared.exitCode, 1)
  assert.match(prepared.message, /no network[\s\S]*NATS_URL/)
})

test('simulated servers need no Kea, given servers nothing at all', async () => {
  const { ensure, asked } = answering()
  await prepare({ nats: true, redis: true, kea: false }, ensure)
  await prepare({ nats: false, redis: false, kea: false }, ensure)
  assert.deepEqual(asked, [['nats-server', 'redis-server'], []])
})

test('a daemon is found where an ordinary PATH does not lead', () => {
  const before = process.env.PATH
  process.env.PATH = '/nowhere'
  try {
    assert.match(findProgram('nats-server') ?? '', /nats-server$/)
    assert.equal(findProgram('no-such-program'), undefined)
  } finally {
    process.env.PATH = before
  }
})
