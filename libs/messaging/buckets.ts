// Key-value buckets with compare-and-set. Written on the stream itself instead of the client's
// `kv` view, which answers "no such key" where in truth the whole bucket was lost.

import { setTimeout as sleep } from 'node:timers/promises'
import { headers, type StoredMsg } from 'nats'
import type { BucketDefinition } from '#contracts/streams.ts'
import type { Messaging } from './connection.ts'
import { isMessageNotFound, isRefusal, isStreamMissing, MessagingError, messageOf } from './errors.ts'
import { follow } from './follow.ts'
import { bucketStream, provisionAgain } from './provision.ts'
import { publishUntilAcknowledged } from './publish.ts'

export type BucketEntry = {
  readonly key: string
  readonly value: string
  /** Sequence of the write; what {@link Bucket.update} compares. */
  readonly revision: number
}

export type BucketEvent =
  | (BucketEntry & { readonly deleted?: undefined })
  | { readonly key: string; readonly deleted: true }

export interface Bucket {
  get(key: string): Promise<{ readonly value: string; readonly revision: number } | undefined>
  /** The revision, or `undefined` where the key exists. */
  create(key: string, value: string): Promise<number | undefined>
  /** The new revision, or `undefined` where the key has another revision (or none) by now. */
  update(key: string, value: string, revision: number): Promise<number | undefined>
  put(key: string, value: string): Promise<number>
  /** False where `revision` is given and the key has another one by now. */
  delete(key: string, revision?: number): Promise<boolean>
  /** Keys, optionally only those matching `a.*` or `a.>`. */
  keys(filter?: string): Promise<readonly string[]>
  list(filter?: string): Promise<readonly BucketEntry[]>
  /**
   * Calls back with every entry there is and then with every change, until the signal is aborted.
   * After a reconnect entries may be told again; deletions that were missed are told. `onCaughtUp` follows the
   * last entry that was there at the (re)start.
   */
  watch(
    filter: string | undefined,
    callback: (event: BucketEvent) => void,
    signal: AbortSignal,
    onCaughtUp?: () => void,
  ): Promise<void>
}

/** The mark of a deleted key, as in every NATS tool. */
const OPERATION = 'KV-Operation'
/** Milliseconds for which the mark of a deleted key stays, so that whoever watches can see it. */
const MARK_KEPT_MS = 60_000
const RETRY_MS = 200
/** A read that has failed for so long is told to the operator. Milliseconds. */
const UNTIL_SAID_MS = 3_000
const PARALLEL_READS = 64
/** Milliseconds without a message after which a watch has caught up, whatever the server says is pending. */
const IDLE_MS = 500

function isMark(message: { readonly header: StoredMsg['header'] | undefined }): boolean {
  return (message.header?.get(OPERATION) ?? '') !== ''
}

/** Opens a bucket; it exists from `provision` on. Every call waits while NATS is away. */
export async function openBucket(messaging: Messaging, definition: BucketDefinition): Promise<Bucket> {
  const stream = bucketStream(definition)
  const prefix = `$KV.${definition.name}.`

  /** Repeats what only reads until NATS answers. */
  async function read<T>(request: () => Promise<T>): Promise<T> {
    const beganAt = performance.now()
    let isSaid = false
    for (;;) {
      await messaging.whenConnected()
      try {
        return await messaging.untilLost(request())
      } catch (error) {
        const missing = isStreamMissing(error)
        if (isRefusal(error) && !missing) throw error
        if (messaging.closing.aborted) throw new MessagingError('aborted', `reading ${definition.name} was stopped`)
        const fields = { bucket: definition.name, reason: messageOf(error) }
        if (!isSaid && performance.now() - beganAt > UNTIL_SAID_MS) {
          isSaid = true
          messaging.logger.warn(fields, 'bucket cannot be read; tried again until it can')
        } else messaging.logger.debug(fields, 'read will be repeated')
        if (missing && messaging.connected) await provisionAgain(messaging).catch(() => {})
      }
      await sleep(RETRY_MS)
    }
  }

  async function newest(key: string): Promise<StoredMsg | undefined> {
    try {
      return await read(() => messaging.manager.streams.getMessage(stream, { last_by_subj: prefix + key }))
    } catch (error) {
      if (isMessageNotFound(error)) return undefined
      throw error
    }
  }

  /**
   * `undefined`: the expectation does not hold. A write whose answer was lost is told from
   * somebody else's by its message id, so a repeated one is never taken for a conflict.
   */
  async function write(
    key: string,
    body: string,
    options: { readonly expected?: number; readonly mark?: boolean },
  ): Promise<number | undefined> {
    const attributes = headers()
    attributes.set('Nats-Msg-Id', crypto.randomUUID())
    if (options.mark === true) attributes.set(OPERATION, 'DEL')
    if (options.expected !== undefined) {
      attributes.set('Nats-Expected-Last-Subject-Sequence', String(options.expected))
    }
    const acknowledged = await publishUntilAcknowledged(messaging, { subject: prefix + key, body, headers: attributes })
    return typeof acknowledged === 'string' ? undefined : acknowledged.seq
  }

  /** A mark is removed once nobody can be waiting for it; otherwise each job ever done would stay a key. */
  function forget(sequence: number): void {
    messaging.manager.streams.deleteMessage(stream, sequence, false).catch(() => {})
  }

  async function subjects(filter: string): Promise<readonly string[]> {
    const info = await read(() => messaging.manager.streams.info(stream, { subjects_filter: prefix + filter }))
    return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(prefix.length))
  }

  async function list(filter = '>'): Promise<readonly BucketEntry[]> {
    const keys = (await subjects(filter)).toSorted()
    const entries: BucketEntry[] = []
    for (let index = 0; index < keys.length; index += PARALLEL_READS) {
      const part = keys.slice(index, index + PARALLEL_READS)
      const messages = await Promise.all(part.map(newest))
      part.forEach((key, place) => {
        const message = messages[place]
        if (message === undefined) return
        if (!isMark(message)) entries.push({ key, value: message.string(), revision: message.seq })
        else if (Date.now() - message.time.getTime() > MARK_KEPT_MS) forget(message.seq)
      })
    }
    return entries
  }

  return {
    async get(key) {
      const message = await newest(key)
      if (message === undefined || isMark(message)) return undefined
      return { value: message.string(), revision: message.seq }
    },
    async create(key, value) {
      const first = await write(key, value, { expected: 0 })
      if (first !== undefined) return first
      const message = await newest(key)
      if (message !== undefined && !isMark(message)) return undefined
      return write(key, value, { expected: message?.seq ?? 0 })
    },
    update: (key, value, revision) => write(key, value, { expected: revision }),
    async put(key, value) {
      const revision = await write(key, value, {})
      if (revision === undefined) throw new Error(`a write without condition on ${key} was refused`)
      return revision
    },
    async delete(key, revision) {
      const mark = await write(key, '', { mark: true, ...(revision === undefined ? {} : { expected: revision }) })
      return mark !== undefined
    },
    keys: async (filter) => (await list(filter)).map((entry) => entry.key),
    list,
    async watch(filter, callback, signal, onCaughtUp) {
      let known = new Set<string>()
      let seen: Set<string> | undefined
      let expected = 0
      let idle: NodeJS.Timeout | undefined
      const caughtUp = () => {
        clearTimeout(idle)
        for (const key of known) if (seen !== undefined && !seen.has(key)) callback({ key, deleted: true })
        known = seen ?? known
        seen = undefined
        onCaughtUp?.()
      }
      const waitForMore = () => {
        clearTimeout(idle)
        idle = setTimeout(() => seen !== undefined && !signal.aborted && caughtUp(), IDLE_MS)
      }
      await follow(messaging, {
        stream,
        filter: prefix + (filter ?? '>'),
        from: () => ({ kind: 'last-per-subject' }),
        onStart: ({ pending }) => {
          seen = new Set()
          expected = pending
          if (pending === 0) return caughtUp()
          waitForMore()
        },
        onMessage: (received, place) => {
          const key = received.subject.slice(prefix.length)
          const current = seen ?? known
          if (received.headers[OPERATION] !== undefined) {
            const told = known.has(key) || current.has(key)
            known.delete(key)
            current.delete(key)
            if (told) callback({ key, deleted: true })
          } else {
            current.add(key)
            callback({ key, value: received.body, revision: received.sequence })
          }
          if (seen === undefined) return
          expected--
          // nats-server 2.9 may count entries as pending that were replaced or removed meanwhile and never come.
          if (place.pending === 0 || expected <= 0) return caughtUp()
          waitForMore()
        },
        signal,
      })
    },
  }
}
