// Real processes for tests. They die with the test, even where the test is killed.

import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

export type ProcessExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null }

export type ProcessOptions = {
  /** For messages. Default: the command. */
  readonly name?: string
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
  /** Resolves (or answers true for a line of output) when the process can be used. Default: at once. */
  readonly readyWhen?: ((line: string) => boolean) | (() => Promise<unknown>)
  /** Milliseconds for becoming ready. Default 10,000. */
  readonly readyTimeoutMs?: number
  /** Output is appended here. */
  readonly logFile?: string
}

export interface TestProcess {
  readonly name: string
  readonly pid: number
  readonly running: boolean
  /** Resolves when the present run ends. */
  readonly exited: Promise<ProcessExit>
  /** Standard output and error so far, of all runs. */
  readonly output: string
  /** Sends a signal; resolves when the process is gone, at once for SIGSTOP and SIGCONT. Default SIGTERM. */
  kill(signal?: NodeJS.Signals): Promise<ProcessExit | undefined>
  /** Ends the present run (SIGTERM) where there is one, and starts the same again. */
  restart(): Promise<void>
}

const started = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL')
})

/** Milliseconds after SIGTERM until SIGKILL. */
const TERM_MS = 5_000
/** Characters of output that are kept. */
const MAX_OUTPUT = 1_000_000

export async function startProcess(
  command: string,
  args: readonly string[],
  options: ProcessOptions = {},
): Promise<TestProcess> {
  const name = options.name ?? command
  const log = options.logFile === undefined ? undefined : createWriteStream(options.logFile, { flags: 'a' })
  let output = ''
  let child: ChildProcess
  let exited: Promise<ProcessExit>
  let running = false

  async function start(): Promise<void> {
    // The child gets SIGKILL when this process dies, however it dies.
    child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', command, ...args], {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const own = child
    started.add(own)
    running = true
    const ready = Promise.withResolvers<void>()
    let rest = ''
    const onData = (data: Buffer) => {
      output = (output + data).slice(-MAX_OUTPUT)
      log?.write(data)
      if (typeof options.readyWhen !== 'function' || options.readyWhen.length === 0) return
      const lines = (rest + data).split('\n')
      rest = lines.pop() ?? ''
      const isReady = options.readyWhen as (line: string) => boolean
      if (lines.some((line) => isReady(line))) ready.resolve()
    }
    own.stdout?.on('data', onData)
    own.stderr?.on('data', onData)
    exited = new Promise((resolve) => {
      own.once('error', (error) => {
        output += `${error}\n`
        resolve({ code: null, signal: null })
      })
      own.once('close', (code, signal) => resolve({ code, signal }))
    })
    exited.then((exit) => {
      started.delete(own)
      if (own === child) running = false
      ready.reject(
        new Error(`${name} ended (${exit.signal ?? exit.code}) before it was ready:\n${output.slice(-2_000)}`),
      )
    })
    ready.promise.catch(() => {})
    if (options.readyWhen === undefined) ready.resolve()
    else if (options.readyWhen.length === 0) {
      ;(options.readyWhen as () => Promise<unknown>)().then(() => ready.resolve(), ready.reject)
    }
    const timeoutMs = options.readyTimeoutMs ?? 10_000
    const timer = setTimeout(() => {
      ready.reject(new Error(`${name} was not ready within ${timeoutMs} ms:\n${output.slice(-2_000)}`))
    }, timeoutMs)
    try {
      await ready.promise
    } catch (error) {
      own.kill('SIGKILL')
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async function kill(signal: NodeJS.Signals = 'SIGTERM'): Promise<ProcessExit | undefined> {
    if (!running) return exited
    child.kill(signal)
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') return undefined
    const over = new AbortController()
    sleep(TERM_MS, undefined, { signal: over.signal }).then(
      () => child.kill('SIGKILL'),
      () => {},
    )
    try {
      return await exited
    } finally {
      over.abort()
    }
  }

  await start()
  return {
    name,
    get pid() {
      return child.pid ?? 0
    },
    get running() {
      return running
    },
    get exited() {
      return exited
    },
    get output() {
      return output
    },
    kill,
    async restart() {
      await kill()
      await start()
    },
  }
}
