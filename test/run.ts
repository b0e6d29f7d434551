// `npm test`: installs what is missing as `npm start` does, runs every test, and looks for processes that a
// test has left behind. `npm test -- FILE…` runs some of them.

import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { watchAncestors } from '#local/ancestors.ts'
import { say, sayLoudly } from '#local/output.ts'
import { prepare } from '#local/prepare.ts'
import { ROOT } from '#local/source.ts'
import { findEngine } from './containers/engine.ts'

const FILES = ['libs/**/*.test.ts', 'services/**/*.test.ts', 'deploy/**/*.test.ts', 'test/**/*.test.ts']
/** They use every processor by themselves, and come one after the other when the rest is done. */
const ALONE = ['test/model/*.test.ts', 'test/faults/*.test.ts']

/** Every process that a test starts inherits this, however often it changes its parent. */
const MARK = 'TWINSCOPE_TEST_RUN'

/** Most tests wait for servers more than they compute, but real Kea pairs share the processor. */
const CONCURRENCY = 2
/** No single test may take longer. Milliseconds. */
const TEST_TIMEOUT_MS = 300_000

async function main(): Promise<number> {
  const prepared = await prepare({ nats: true, redis: true, kea: true })
  if (prepared.kind === 'impossible') {
    say(`✗ ${prepared.message}`)
    return prepared.exitCode
  }
  if (prepared.kind === 'without-kea') {
    sayLoudly(
      'Kea cannot be installed here: the tests that need it will FAIL.',
      ...prepared.reason.split('\n').slice(0, 3),
    )
  }
  const engine = await findEngine()
  if (engine.kind === 'absent') sayLoudly('The container test does NOT run:', engine.reason)

  const mark = randomUUID()
  // The tests start their own.
  const { NATS_URL: _nats, REDIS_URL: _redis, ...environment } = process.env
  const given = process.argv.slice(2)
  const named = given.filter((argument) => !argument.startsWith('-'))
  const files = (named.length === 0 ? FILES : named).flatMap((pattern) => globSync(pattern, { cwd: ROOT })).sort()
  const alone = new Set(ALONE.flatMap((pattern) => globSync(pattern, { cwd: ROOT })))
  const rounds = [
    { concurrency: CONCURRENCY, files: files.filter((file) => !alone.has(file)) },
    { concurrency: 1, files: files.filter((file) => alone.has(file)) },
  ].filter((round) => round.files.length > 0)
  if (rounds.length === 0) {
    say(`✗ no test file matches ${given.join(' ')}`)
    return 1
  }

  let child: ChildProcess | undefined
  const end = (signal: NodeJS.Signals) => {
    if (child?.pid !== undefined) process.kill(-child.pid, signal)
  }
  let isStopped = false
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      isStopped = true
      end('SIGTERM')
    })
  }
  watchAncestors(() => end('SIGKILL'))
  let code = 0
  for (const { concurrency, files: ofRound } of rounds) {
    if (isStopped) break
    const options = [`--test-concurrency=${concurrency}`, `--test-timeout=${TEST_TIMEOUT_MS}`]
    const running = spawn(
      process.execPath,
      ['--test', ...options, ...given.filter((argument) => argument.startsWith('-')), ...ofRound],
      { cwd: ROOT, stdio: 'inherit', detached: true, env: { ...environment, [MARK]: mark } },
    )
    child = running
    const roundCode = await new Promise<number>((resolve) => {
      running.once('error', () => resolve(1))
      running.once('exit', (exitCode) => resolve(exitCode ?? 1))
    })
    code = code === 0 ? roundCode : code
  }
  if (isStopped && code === 0) code = 1

  const left = processesWith(`${MARK}=${mark}`)
  for (const { pid } of left) process.kill(pid, 'SIGKILL')
  if (left.length === 0) return code
  say(
    `✗ the tests left processes behind (ended now):\n${left.map(({ pid, title }) => `    ${pid} ${title}`).join('\n')}`,
  )
  return code === 0 ? 1 : code
}

function processesWith(variable: string): { readonly pid: number; readonly title: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        if (!readFileSync(`/proc/${name}/environ`, 'latin1').split('\0').includes(variable)) return []
        return [{ pid: Number(name), title: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') }]
      } catch {
        return [] // gone meanwhile, or somebody else's
      }
    })
    .filter(({ title }) => title !== '') // a zombie
}

process.exit(await main())
