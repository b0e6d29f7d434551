// One system per data directory: the lock, and what others may know of the system that holds it.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** What `running.json` in the data directory says while a system runs. */
export type Running = {
  readonly pid: number
  readonly console: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly configFile: string
}

export class AlreadyRunning extends Error {
  constructor(dataDir: string, running: Running | undefined) {
    const who = running === undefined ? '' : ` (process ${running.pid}, console ${running.console})`
    super(
      `Twinscope already runs with the data directory ${dataDir}${who}. ` +
        'Stop it first with Ctrl-C where it runs, or give this one another: npm start -- --data-dir DIR',
    )
    this.name = 'AlreadyRunning'
  }
}

export interface Instance {
  /** Publishes where the parts are; an earlier, killed run's file is overwritten. */
  announce(running: Running): void
  release(): void
}

/** Takes the data directory for this process. Throws {@link AlreadyRunning}. The lock goes with the process, however it ends. */
export function takeInstance(dataDir: string): Instance {
  mkdirSync(dataDir, { recursive: true, mode: 0o750 })
  const file = join(dataDir, 'running.json')
  // SQLite's exclusive lock is a lock of the kernel's; Node itself offers none.
  const lock = new DatabaseSync(join(dataDir, 'lock.sqlite'))
  try {
    lock.exec('PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch {
    lock.close()
    throw new AlreadyRunning(dataDir, readRunning(file))
  }
  return {
    announce: (running) => writeFileSync(file, `${JSON.stringify(running, undefined, 2)}\n`),
    release() {
      rmSync(file, { force: true })
      lock.close()
    },
  }
}

function readRunning(file: string): Running | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Running
  } catch {
    return undefined // it is still starting
  }
}
