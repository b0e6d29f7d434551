// Bytes that are larger than one message, in parts (contracts/gate-parts.ts): splitting, and keeping what
// is not complete or not fetched yet.

import { randomUUID } from 'node:crypto'
import { MAX_PARTS, type PartName } from '#contracts/gate-parts.ts'
import { MAX_MESSAGE_BYTES, MAX_PART_BYTES } from '#contracts/streams.ts'

/** How long parts are kept for somebody who does not go on. Milliseconds. */
const KEPT_MS = 60_000

/** What is kept at most; the oldest goes first. Bytes. */
const KEPT_BYTES = 192 * 1024 * 1024

/** One part where it fits a message. `undefined`: too large for any number of parts. */
export function splitInParts(bytes: Buffer): readonly Buffer[] | undefined {
  if (bytes.length <= MAX_MESSAGE_BYTES) return [bytes]
  const count = Math.ceil(bytes.length / MAX_PART_BYTES)
  if (count > MAX_PARTS) return undefined
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * MAX_PART_BYTES, (at + 1) * MAX_PART_BYTES))
}

export function newPartId(): string {
  return randomUUID()
}

type Kept = { readonly parts: (Uint8Array | undefined)[]; bytes: number; touchedAt: number }

export type PartStore = {
  /** Takes a part that is not the last. */
  add(name: PartName, bytes: Uint8Array): void
  /** The whole, with its last part; `undefined` where others are missing. */
  complete(name: PartName, last: Uint8Array): Buffer | undefined
  /** Keeps parts that will be fetched. */
  keep(id: string, parts: readonly Uint8Array[]): void
  /** One of the kept parts; with the last one all are forgotten. */
  take(name: PartName): Uint8Array | undefined
}

export function createPartStore({ keptMs = KEPT_MS, keptBytes = KEPT_BYTES } = {}): PartStore {
  // In the order of their last use.
  const kept = new Map<string, Kept>()
  let total = 0

  function forget(id: string): void {
    total -= kept.get(id)?.bytes ?? 0
    kept.delete(id)
  }

  function touch(id: string, one: Kept): void {
    forget(id)
    kept.set(id, { ...one, touchedAt: performance.now() })
    total += one.bytes
    for (const [oldest, { touchedAt }] of kept) {
      if (oldest === id || (total <= keptBytes && performance.now() - touchedAt <= keptMs)) break
      forget(oldest)
    }
  }

  function found({ id, count }: PartName): Kept | undefined {
    const one = kept.get(id)
    return one?.parts.length === count ? one : undefined
  }

  return {
    add(name, bytes) {
      const { id, index, count } = name
      const one = found(name) ?? { parts: Array.from({ length: count }), bytes: 0, touchedAt: 0 }
      const size = one.bytes + bytes.length - (one.parts[index - 1]?.length ?? 0)
      touch(id, { ...one, parts: one.parts.with(index - 1, bytes), bytes: size })
    },
    complete(name, last) {
      const before =
        found(name)
          ?.parts.slice(0, -1)
          .filter((part) => part !== undefined) ?? []
      forget(name.id)
      return before.length === name.count - 1 ? Buffer.concat([...before, last]) : undefined
    },
    keep(id, parts) {
      const bytes = parts.reduce((sum, part) => sum + part.length, 0)
      touch(id, { parts: [...parts], bytes, touchedAt: 0 })
    },
    take(name) {
      const one = found(name)
      const part = one?.parts[name.index - 1]
      if (one === undefined) return undefined
      if (name.index === name.count) forget(name.id)
      else touch(name.id, one)
      return part
    },
  }
}
