import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import type { RegisteredGate } from '#contracts/registry.ts'
import { AlreadyGuardedError, awaitRegistration, type Holder, lockServer } from './single-instance.ts'

const own: Holder = { holder: 'own', host: 'host-1', pid: process.pid, startedAt: '2026-01-01T00:00:00.000Z' }
let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'twinscope-lock-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

/** Another process that holds the lock until it is killed. */
async function aHolder() {
  const script = `
    import { lockServer } from ${JSON.stringify(new URL('./single-instance.ts', import.meta.url).href)}
    lockServer('dhcp1', ${JSON.stringify(directory)}, { holder: 'other', host: 'host-1', pid: process.pid, startedAt: '2026-01-01T00:00:00.000Z' })
    console.log('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
}

test('a second watcher of a server is refused and told who holds it', async () => {
  const holder = await aHolder()
  try {
    assert.throws(
      () => lockServer('dhcp1', directory, own),
      (error: Error) =>
        error instanceof AlreadyGuardedError && error.message.includes(`process id ${holder.pid} on host-1`),
    )
  } finally {
    holder.kill('SIGKILL')
    await once(holder, 'exit')
  }
})

test('a holder that was killed leaves no lock', async () => {
  const holder = await aHolder()
  holder.kill('SIGKILL')
  await once(holder, 'exit')

  lockServer('dhcp1', directory, own).release()
})

test('a lock is held against the same process too, and given back', () => {
  const lock = lockServer('dhcp1', directory, own)
  assert.throws(() => lockServer('dhcp1', directory, own), AlreadyGuardedError)
  lock.release()

  lockServer('dhcp1', directory, own).release()
})

function aRegistration(other: Partial<RegisteredGate>): RegisteredGate {
  return {
    ...own,
    holder: 'other',
    host: 'host-2',
    server: 'dhcp1',
    product: 'simulated',
    reachable: true,
    relationships: [],
    renewedAt: new Date().toISOString(),
    ...other,
  }
}

/** How the wait for a registration ends; the entry's revision rises with every look where `renewed`. */
async function waitFor(registration: RegisteredGate | undefined, renewed = false) {
  let revision = 1
  let waits = 0
  const replaces = await awaitRegistration({
    bucket: {
      async get() {
        if (registration === undefined) return undefined
        return { value: JSON.stringify(registration), revision: renewed ? revision++ : revision }
      },
    },
    server: 'dhcp1',
    own,
    onWait: () => waits++,
    signal: new AbortController().signal,
    expiresMs: 100,
  })
  return { waits, replaces }
}

test('a watcher elsewhere that renews its registration refuses us', async () => {
  await assert.rejects(waitFor(aRegistration({}), true), AlreadyGuardedError)
})

test('a registration that nobody renews runs out', async () => {
  assert.deepEqual(await waitFor(aRegistration({})), { waits: 1, replaces: 1 })
})

test('an old registration, one of a dead process on this host, and none are no reason to wait', async () => {
  assert.deepEqual(await waitFor(undefined), { waits: 0, replaces: undefined })
  const old = await waitFor(aRegistration({ renewedAt: '2020-01-01T00:00:00.000Z' }))
  assert.deepEqual(old, { waits: 0, replaces: 1 })
  const dead = spawn(process.execPath, ['--version'], { stdio: 'ignore' })
  await once(dead, 'exit')
  const left = await waitFor(aRegistration({ host: 'host-1', pid: dead.pid as number }))
  assert.deepEqual(left, { waits: 0, replaces: 1 })
})
