// A process of the system under test: started, killed, stopped, and started again by its supervisor after a while.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { eventually } from '#harness/eventually.ts'

export type PartOptions = {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly logFile: string
  readonly isReady: (line: string) => boolean
}

export type Part = {
  readonly name: string
  readonly isReady: boolean
  readonly isRunning: boolean
  /** How often it ended without being told to. */
  readonly crashes: number
  start(): void
  /** `kill -9`; resolves when it is gone. It stays away until it is started. */
  kill(): Promise<void>
  /** SIGTERM, and SIGKILL where that does not help. */
  end(): Promise<void>
  pause(): void
  resume(): void
  ready(timeoutMs: number): Promise<void>
}

/** Milliseconds before a supervisor starts again what has ended by itself. */
export const RESTART_MS = 200
const TERM_MS = 3_000
/** Whoever ends so often before it is ready will not become ready. */
const MAX_CRASHES = 5

const started = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of started) child.kill('SIGKILL')
})

export function createPart(options: PartOptions): Part {
  const log = createWriteStream(options.logFile, { flags: 'a' })
  let child: ChildProcess | undefined
  let isReady = false
  let isWanted = false
  let crashes = 0

  function start(): void {
    isWanted = true
    isReady = false
    const own = spawn('setpriv', ['--pdeathsig', 'KILL', '--', options.command, ...options.args], {
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = own
    started.add(own)
    let rest = ''
    const onData = (data: Buffer) => {
      if (!log.writableEnded) log.write(data)
      const lines = (rest + data).split('\n')
      rest = lines.pop() ?? ''
      if (child === own && lines.some((line) => options.isReady(line))) isReady = true
    }
    own.stdout?.on('data', onData)
    own.stderr?.on('data', onData)
    own.on('exit', (code, signal) => {
      started.delete(own)
      if (child !== own) return
      child = undefined
      isReady = false
      if (!isWanted) return
      crashes++
      log.write(`{"msg":"ended by itself (${signal ?? code}), started again"}\n`)
      setTimeout(() => {
        if (isWanted && child === undefined) start()
      }, RESTART_MS)
    })
  }

  async function stop(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    isWanted = false
    const own = child
    if (own === undefined || own.exitCode !== null || own.signalCode !== null) return
    const gone = once(own, 'exit')
    own.kill(signal)
    if (signal === 'SIGTERM') {
      const timer = setTimeout(() => own.kill('SIGKILL'), TERM_MS)
      await gone
      clearTimeout(timer)
    } else await gone
  }

  return {
    name: options.name,
    get isReady() {
      return isReady
    },
    get isRunning() {
      return isWanted
    },
    get crashes() {
      return crashes
    },
    start,
    kill: () => stop('SIGKILL'),
    async end() {
      child?.kill('SIGCONT')
      await stop('SIGTERM')
      log.end()
    },
    pause() {
      child?.kill('SIGSTOP')
    },
    resume() {
      child?.kill('SIGCONT')
    },
    async ready(timeoutMs) {
      const before = crashes
      await eventually(
        () => {
          if (crashes - before > MAX_CRASHES) return true
          return isReady
        },
        { timeoutMs, what: `${options.name} to be ready` },
      )
      if (!isReady) throw new Error(`${options.name} ends again and again; see ${options.logFile}`)
    },
  }
}
