// Supervised child processes: started so that they cannot outlive us, watched, restarted with a
// growing pause when they crash, stopped in order.

import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync, mkdirSync, renameSync, type WriteStream } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'

export type PartOptions = {
  /** What it is called in messages: `nats-server`, `watcher(dhcp1.example.net)`. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Its stdout and stderr go here; the file of the run before is kept as `….1`. */
  readonly logFile: string
  /** Ready when this finds what it looks for in a line of output. What it returns becomes {@link Part.ready}. */
  readonly readyLine?: (line: string) => ReadyFields | undefined
  /** Ready when this answers true; asked every 20 ms. Used where no output says so. */
  readonly isReady?: () => Promise<boolean>
  /** How long it may take to become ready. Milliseconds, default 30000. */
  readonly readyWithinMs?: number
  /** How long it has between SIGTERM and SIGKILL. Milliseconds, default 3000. */
  readonly graceMs?: number
  /** Says what happens by itself: crashes, restarts. */
  readonly onNotice?: (notice: string) => void
}

export type ReadyFields = Readonly<Record<string, unknown>>

/** One supervised process. */
export interface Part {
  readonly name: string
  readonly logFile: string
  /** Process id; absent while it does not run. */
  readonly pid: number | undefined
  /** How often it came up again after it had ended by itself. */
  readonly crashes: number
  /** Resolves when the present, or the next, process is ready; rejects when it cannot be. */
  ready(): Promise<ReadyFields>
  /**
   * Starts it, for the first time or after {@link stop}; resolves when it is ready. Rejects, and starts it
   * no more, where it ends or takes too long before it was ready even once: that will not get better.
   */
  start(): Promise<ReadyFields>
  /** Sends a signal: SIGSTOP, SIGCONT, SIGHUP. */
  signal(signal: NodeJS.Signals): void
  /** SIGKILL, resolving when it is gone. The supervision brings it back: await {@link ready}. */
  kill(): Promise<void>
  /** Ends it for good: the signal, then SIGKILL. Default SIGTERM. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

const READY_WITHIN_MS = 30_000
const GRACE_MS = 3_000
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 10_000
/** Having run for so long, a crash counts as the first one again. */
const SETTLED_MS = 30_000

/**
 * The child dies with us, also when we are killed (`--pdeathsig`). The shell closes the gap before that
 * takes effect: where we are gone already it has another parent and does not begin. `exec` leaves one process.
 */
function diesWithUs(command: string, args: readonly string[]): readonly [string, ...string[]] {
  const guard = '[ "$PPID" = "$0" ] || exit 125; exec "$@"'
  return ['setpriv', '--pdeathsig', 'KILL', '--', '/bin/sh', '-c', guard, String(process.pid), command, ...args]
}

export function openPart(options: PartOptions): Part {
  const { name, logFile, onNotice = () => {}, readyWithinMs = READY_WITHIN_MS, graceMs = GRACE_MS } = options
  let child: ChildProcess | undefined
  let exited: Promise<void> = Promise.resolve()
  let wanted = false
  let wasReady = false
  let crashes = 0
  let pauseMs = FIRST_PAUSE_MS
  let readiness = Promise.withResolvers<ReadyFields>()
  readiness.promise.catch(() => {})
  let pausing = new AbortController()
  mkdirSync(dirname(logFile), { recursive: true })
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.1`)

  function spawnOnce(): void {
    const log = createWriteStream(logFile, { flags: 'a' })
    const [command, ...args] = diesWithUs(options.command, options.args)
    const startedAt = Date.now()
    const running = spawn(command, args, {
      // A group of its own: Ctrl-C in the terminal reaches us alone, and we stop the parts in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    })
    child = running
    const tail = follow(running, log, (line) => {
      const fields = options.readyLine?.(line)
      if (fields !== undefined) becomeReady(fields)
    })
    if (options.isReady !== undefined) void pollReady(running, options.isReady)
    const giveUp = setTimeout(() => {
      if (wasReady) return
      fail(`${name} was not ready after ${readyWithinMs / 1000} s; see ${logFile}`)
      signalGroup('SIGKILL')
    }, readyWithinMs)
    giveUp.unref()
    exited = new Promise((resolve) => {
      const end = (how: string) => {
        clearTimeout(giveUp)
        log.end()
        if (child === running) child = undefined
        if (wanted && !wasReady) fail(`${name} ended (${how}) before it was ready; see ${logFile}\n${tail()}`)
        else if (wanted) void comeBack(how, startedAt)
        resolve()
      }
      running.once('error', (error) => end(error.message))
      running.once('exit', () => {
        // What it may have started itself goes with it.
        if (running.pid !== undefined) signalGroupOf(running.pid, 'SIGKILL')
      })
      running.once('close', (code, signal) => end(signal ?? `exit code ${code}`))
    })
  }

  async function pollReady(running: ChildProcess, isReady: () => Promise<boolean>): Promise<void> {
    while (child === running) {
      if (await isReady().catch(() => false)) {
        becomeReady({})
        return
      }
      await delay(20)
    }
  }

  function becomeReady(fields: ReadyFields): void {
    wasReady = true
    readiness.resolve(fields)
  }

  function fail(message: string): void {
    wanted = false
    readiness.reject(new Error(message))
  }

  function renewReadiness(): void {
    readiness = Promise.withResolvers<ReadyFields>()
    readiness.promise.catch(() => {}) // whoever waits hears of it; nobody has to wait
  }

  async function comeBack(how: string, startedAt: number): Promise<void> {
    crashes += 1
    if (Date.now() - startedAt > SETTLED_MS) pauseMs = FIRST_PAUSE_MS
    renewReadiness()
    onNotice(`${name} ended (${how}); starting it again in ${pauseMs / 1000} s. Its log: ${logFile}`)
    const again = await delay(pauseMs, true, { signal: pausing.signal }).catch(() => false)
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    if (!again || !wanted) return
    spawnOnce()
    readiness.promise.then(
      () => onNotice(`${name} runs again`),
      () => {},
    )
  }

  function signalGroup(signal: NodeJS.Signals): void {
    if (child?.pid !== undefined) signalGroupOf(child.pid, signal)
  }

  return {
    name,
    logFile,
    get pid() {
      return child?.pid
    },
    get crashes() {
      return crashes
    },
    ready: () => readiness.promise,
    async start() {
      if (!wanted) {
        wanted = true
        pausing = new AbortController()
        pauseMs = FIRST_PAUSE_MS
        wasReady = false
        renewReadiness()
        spawnOnce()
      }
      return readiness.promise
    },
    signal: signalGroup,
    async kill() {
      signalGroup('SIGKILL')
      await exited
    },
    async stop(signal = 'SIGTERM') {
      wanted = false
      pausing.abort()
      readiness.reject(new Error(`${name} was stopped`))
      signalGroup(signal)
      const late = setTimeout(() => {
        onNotice(`${name} did not stop within ${graceMs / 1000} s; killing it`)
        signalGroup('SIGKILL')
      }, graceMs)
      await exited
      clearTimeout(late)
    },
  }
}

function signalGroupOf(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal)
  } catch {
    // Nobody is left in it.
  }
}

/** Copies a child's output to its log, shows each line to `onLine`, and remembers the last lines for an error. */
function follow(child: ChildProcess, log: WriteStream, onLine: (line: string) => void): () => string {
  const last: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue
    createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', (line) => {
      if (!log.writableEnded) log.write(`${line}\n`)
      last.push(line)
      if (last.length > 5) last.shift()
      onLine(line)
    })
  }
  return () => last.map((line) => `    ${line}`).join('\n')
}
