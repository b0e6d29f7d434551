// One watcher per DHCP server. On one host a file lock decides; between hosts the entry in the
// bucket `gates`, which a live watcher renews every few seconds.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RegisteredGate } from '#contracts/registry.ts'
import { gateKey } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'

/** Who holds a gate; part of {@link RegisteredGate}. */
export type Holder = Pick<RegisteredGate, 'holder' | 'host' | 'pid' | 'startedAt'>

/** Another watcher already guards this server. The message says which. */
export class AlreadyGuardedError extends Error {
  constructor(server: string, by: Partial<Holder> | undefined, where: string) {
    const who =
      by?.pid === undefined
        ? 'another watcher'
        : `the watcher with process id ${by.pid} on ${by.host}, started ${by.startedAt},`
    super(
      `${server} is already guarded: ${who} holds ${where}. Stop it first, or take ${server} out of TWINSCOPE_SERVERS here.`,
    )
    this.name = 'AlreadyGuardedError'
  }
}

export type ServerLock = { release(): void }

/**
 * Takes the lock of a server in `directory` for the life of this process. The operating system gives it
 * back when the process ends, however it ends, so a lock that is held has a live holder.
 */
export function lockServer(server: string, directory: string, own: Holder): ServerLock {
  mkdirSync(directory, { recursive: true })
  const lockFile = join(directory, 'lock')
  const holderFile = join(directory, 'holder.json')
  // An exclusive transaction of SQLite is a lock on the file that Node itself has no call for. Nothing is ever
  // written in it, so a killed holder leaves nothing to repair. Nobody else in this process may open the file:
  // closing it anywhere would give the lock up.
  const database = new DatabaseSync(lockFile, { timeout: 0 })
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (!/locked/.test((error as Error).message)) throw error
    throw new AlreadyGuardedError(server, readHolder(holderFile), lockFile)
  }
  writeFileSync(holderFile, `${JSON.stringify(own)}\n`)
  return { release: () => database.close() }
}

function readHolder(file: string): Partial<Holder> | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined // it only improves a message
  }
}

/** A registration that was not renewed for this long belongs to a watcher that is gone. Milliseconds. */
export const REGISTRATION_EXPIRES_MS = 20_000

export type RegistrationWait = {
  readonly bucket: Pick<Bucket, 'get'>
  readonly server: string
  readonly own: Holder
  /** Called once where it has to wait for an older registration to run out. */
  readonly onWait: (other: RegisteredGate) => void
  readonly signal: AbortSignal
  /** Milliseconds. Default 20000. */
  readonly expiresMs?: number
}

/**
 * Makes sure that no watcher on another host, or with another state directory, guards the server. Waits until
 * a registration that nobody renews has run out; throws {@link AlreadyGuardedError} where it is renewed.
 * Resolves with the revision of the entry that may be replaced, `undefined` where there is none. Two watchers
 * may both come so far: who replaces it first has the server. Call it with the file lock held.
 */
export async function awaitRegistration(options: RegistrationWait): Promise<number | undefined> {
  const { bucket, server, own, onWait, signal, expiresMs = REGISTRATION_EXPIRES_MS } = options
  const key = gateKey(server)
  const first = await bucket.get(key)
  if (first === undefined) return undefined
  const other = parseRegistered(first.value)
  if (other === undefined || other.holder === own.holder) return first.revision
  if (isGone(other, own, expiresMs)) return first.revision
  onWait(other)
  // Watched by its revision and not by its time: the clocks of two hosts may differ.
  const until = performance.now() + expiresMs
  while (performance.now() < until) {
    await sleep(Math.min(1_000, expiresMs / 10), undefined, { signal })
    const now = await bucket.get(key)
    if (now === undefined) return undefined
    if (now.revision !== first.revision)
      throw new AlreadyGuardedError(server, parseRegistered(now.value), `its registration (${key})`)
  }
  return first.revision
}

/** Whether the watcher of a registration has let it run out, or has ended on this host. */
export function isGone(other: RegisteredGate, own: Holder, expiresMs = REGISTRATION_EXPIRES_MS): boolean {
  if (Date.now() - Date.parse(other.renewedAt) > expiresMs) return true
  return other.host === own.host && !isAlive(other.pid)
}

function isAlive(pid: number): boolean {
  // The same number as ours in another life of a container: it cannot be somebody else now.
  if (pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

export function parseRegistered(text: string): RegisteredGate | undefined {
  try {
    return JSON.parse(text) as RegisteredGate
  } catch {
    return undefined // whatever it was, it is no registration
  }
}
