// `npm start` as it is typed, up to what is left after it is gone.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ROOT } from './source.ts'

const dir = mkdtempSync(join(tmpdir(), 'twinscope-start-'))
after(() => rmSync(dir, { recursive: true, force: true }))

type Started = {
  readonly npm: ChildProcess
  readonly mark: string
  output(): string
  readonly ended: Promise<number | null>
}

/** npm in a group of its own, as in a terminal; everything below it carries the mark. */
function npmStart(...options: string[]): Started {
  const mark = `TWINSCOPE_START_TEST=${randomUUID()}`
  const [name = '', value = ''] = mark.split('=')
  const { NATS_URL: _nats, REDIS_URL: _redis, ...env } = process.env
  const npm = spawn('npm', ['start', '--', '--port', '0', ...options], {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, [name]: value },
  })
  let text = ''
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', (chunk) => (text += String(chunk)))
  const ended = new Promise<number | null>((resolve) => npm.once('close', resolve))
  return { npm, mark, output: () => text, ended }
}

async function until(what: string, isTrue: () => boolean, timeoutMs = 90_000): Promise<void> {
  const endsAt = performance.now() + timeoutMs
  while (!isTrue()) {
    if (performance.now() > endsAt) throw new Error(`${what}: not within ${timeoutMs / 1000} s`)
    await delay(20)
  }
}

function left(mark: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const carries = readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0').includes(mark)
        return carries ? [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')] : []
      } catch {
        return []
      }
    })
    .filter((title) => title !== '')
}

async function runs(started: Started): Promise<string> {
  await until(`npm start\n${started.output()}`, () => /Ctrl-C stops everything|✗/.test(started.output()))
  const address = /Console and API: (\S+)\//.exec(started.output())?.[1]
  assert.ok(address, started.output())
  assert.equal((await fetch(`${address}/livez`)).status, 200)
  return address
}

async function nothingIsLeft({ mark }: Started): Promise<void> {
  await until('the end of every process', () => left(mark).length === 0, 10_000).catch(() => {})
  assert.deepEqual(left(mark), [])
}

test('Ctrl-C stops everything, and a second start goes on with the same data', async () => {
  const options = ['--data-dir', join(dir, 'kea')]
  const first = npmStart(...options)
  await runs(first)
  assert.match(first.output(), /kill -HUP/)

  const second = npmStart(...options)
  await second.ended
  assert.match(second.output(), /already runs with the data directory/)

  // Ctrl-C reaches the whole group of the terminal.
  process.kill(-(first.npm.pid ?? 0), 'SIGINT')
  await first.ended
  assert.match(first.output(), /nothing is left running/)
  await nothingIsLeft(first)

  const again = npmStart(...options)
  await runs(again)
  again.npm.kill('SIGTERM')
  await nothingIsLeft(again)
  assert.equal(existsSync(join(dir, 'kea', 'kea', 'running.json')), false)
})

test('when npm is killed, everything stops', async () => {
  const started = npmStart('--simulate', '--data-dir', join(dir, 'simulated'))
  await runs(started)
  started.npm.kill('SIGKILL')
  await nothingIsLeft(started)
})

test('when the start program itself is killed, nothing that it started goes on', async () => {
  const started = npmStart('--simulate', '--data-dir', join(dir, 'killed'))
  await runs(started)
  const { pid } = JSON.parse(readFileSync(join(dir, 'killed', 'simulated', 'running.json'), 'utf8')) as { pid: number }
  process.kill(pid, 'SIGKILL')
  await nothingIsLeft(started)
})

test('options that make no sense are explained with exit code 2', async () => {
  for (const [options, problem] of [
    [['--simulate', '--config', 'x.yaml'], /exclude each other/],
    [['--nonsense'], /Unknown option/],
  ] as const) {
    const started = npmStart(...options)
    assert.equal(await started.ended, 2)
    assert.match(started.output(), problem)
    assert.match(started.output(), /Usage: npm start/)
  }
})
