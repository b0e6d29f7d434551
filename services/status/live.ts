// Live updates by server-sent events. An id is the ledger's creation time and a sequence:
// a client that comes back with one gets what it missed; one of another ledger gets a reset and a snapshot.

import type { ServerResponse } from 'node:http'
import type { Relationship, RelationshipDetail, Replication } from '#contracts/status-api.ts'
import type { LedgerEntry, Position, Projection } from './projection.ts'
import { summaryOf } from './relationships.ts'
import { replicationOf } from './replications.ts'

export type LiveSnapshot = {
  readonly relationships: readonly Relationship[]
  readonly replications: readonly Replication[]
}

/** Milliseconds between comments that keep proxies from closing a quiet connection. */
const KEEP_ALIVE_MS = 15_000
/** Milliseconds a browser waits before it connects again. */
const RETRY_MS = 1_000
const SNAPSHOT_REPLICATIONS = 50
/** More missed entries than this are answered with a snapshot instead. */
const MAX_MISSED = 500
/** A client that does not read this many bytes is closed; it comes back and catches up. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024

export function eventId(position: Position | undefined): string {
  return `${Buffer.from(position?.streamCreatedAt ?? '').toString('base64url')}-${position?.sequence ?? 0}`
}

export function parseEventId(text: string): Position | undefined {
  const match = /^([\w-]*)-(\d+)$/.exec(text)
  if (match === null) return undefined
  return { streamCreatedAt: Buffer.from(match[1] as string, 'base64url').toString(), sequence: Number(match[2]) }
}

export type SseConnection = {
  send(event: string, data: unknown, id?: string): void
  close(): void
  onClose(callback: () => void): void
}

/** Turns an HTTP response into a stream of events. */
export function openEventStream(response: ServerResponse): SseConnection {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
    connection: 'keep-alive',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  })
  response.write(`retry: ${RETRY_MS}\n\n`)
  const keepAlive = setInterval(() => response.write(': still here\n\n'), KEEP_ALIVE_MS)
  response.on('close', () => clearInterval(keepAlive))
  return {
    send(event, data, id) {
      if (response.destroyed) return
      if (response.writableLength > MAX_UNREAD_BYTES) return void response.destroy()
      response.write(`${id === undefined ? '' : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)
    },
    close: () => response.end(),
    onClose: (callback) => void response.on('close', callback),
  }
}

export type Live = {
  /** Serves the whole view; `lastEventId` is where the client was. */
  follow(connection: SseConnection, lastEventId: string | undefined): void
  /** Calls back when the job or one of its children changed. Returns how to stop. */
  onJob(job: string, callback: () => void): () => void
  /** The ledger has something new of a job. */
  outcome(job: string, parent: string | undefined): void
  relationshipsChanged(): void
  /** Looks whether the service became ready, or is no longer. */
  checkReadiness(): void
  /** The ledger is another one. */
  reset(): void
  closeAll(): void
}

export function createLive(options: {
  readonly projection: Projection
  readonly relationships: () => ReadonlyMap<string, RelationshipDetail>
  /** What the service lacks to be ready; shown in the console. */
  readonly missing: () => readonly string[]
}): Live {
  const { projection } = options
  const connections = new Set<SseConnection>()
  const jobListeners = new Map<string, Set<() => void>>()
  let told: readonly string[] = []
  const here = () => eventId(projection.position())
  const relationships = () => [...options.relationships().values()].map(summaryOf)
  const snapshot = (): LiveSnapshot => ({
    relationships: relationships(),
    replications: projection.list({ limit: SNAPSHOT_REPLICATIONS }).map(replicationOf),
  })

  /** Everybody is told what was told last, so that nobody misses a change. */
  function checkReadiness(): void {
    const missing = options.missing()
    if (missing.join() === told.join()) return
    told = missing
    for (const connection of connections) connection.send('readiness', { missing })
  }

  /** What the client missed, where that can be told. */
  function missed(lastEventId: string): readonly LedgerEntry[] | undefined {
    const last = parseEventId(lastEventId)
    const position = projection.position()
    if (last === undefined || position === undefined) return undefined
    if (last.streamCreatedAt !== position.streamCreatedAt || last.sequence > position.sequence) return undefined
    const entries = projection.changedSince(last.sequence, MAX_MISSED + 1)
    return entries.length > MAX_MISSED ? undefined : entries
  }

  return {
    follow(connection, lastEventId) {
      const entries = lastEventId === undefined ? undefined : missed(lastEventId)
      if (entries === undefined) {
        if (lastEventId !== undefined) connection.send('reset', {})
        connection.send('snapshot', snapshot(), here())
      } else {
        for (const entry of entries) connection.send('replication', replicationOf(entry))
        connection.send('relationships', relationships(), here())
      }
      checkReadiness()
      connection.send('readiness', { missing: told })
      connections.add(connection)
      connection.onClose(() => connections.delete(connection))
    },
    onJob(job, callback) {
      const listeners = jobListeners.get(job) ?? new Set()
      jobListeners.set(job, listeners.add(callback))
      return () => {
        listeners.delete(callback)
        if (listeners.size === 0) jobListeners.delete(job)
      }
    },
    outcome(job, parent) {
      const entry = projection.get(job)
      if (entry === undefined) return
      const id = here()
      if (connections.size > 0) {
        const replication = replicationOf(entry)
        for (const connection of connections) connection.send('replication', replication, id)
      }
      for (const name of [job, parent]) {
        if (name !== undefined) for (const listener of [...(jobListeners.get(name) ?? [])]) listener()
      }
    },
    checkReadiness,
    relationshipsChanged() {
      if (connections.size === 0) return
      const items = relationships()
      for (const connection of connections) connection.send('relationships', items, here())
    },
    reset() {
      for (const connection of connections) {
        connection.send('reset', {})
        connection.send('snapshot', snapshot(), here())
      }
    },
    closeAll() {
      for (const connection of connections) connection.close()
      connections.clear()
    },
  }
}
