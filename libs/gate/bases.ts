// What both sides of a relationship last agreed on, per scope, and what they agreed on before.

import type { DatabaseSync } from 'node:sqlite'

/** A base; `fingerprint` absent: agreed that the scope is not there. */
export type Base = {
  readonly epoch: number
  readonly serial: number
  readonly fingerprint?: string
  readonly at: string
}

/** `serial` absent: the next one of this gate. */
export type BaseWrite = { readonly scope: string; readonly fingerprint?: string; readonly serial?: number }

export type Agreed = { readonly scopes: readonly string[]; readonly serial: number }

export type Bases = {
  of(relationship: string): ReadonlyMap<string, Base>
  /** Whether the scope's base was this before, and is something else now. */
  isEarlier(relationship: string, scope: string, fingerprint: string | undefined): boolean
  /** The highest serial of the relationship; 0 where there is none. */
  lastSerial(relationship: string): number
  /**
   * Sets the bases that the other side repeats. A scope whose base is newer already is left out:
   * an agreement that arrives late must not undo a later one.
   */
  agree(
    relationship: string,
    epoch: number,
    writes: readonly BaseWrite[],
    contents: ReadonlyMap<string, string>,
    at: string,
  ): Agreed
}

type BasesInTransaction = Bases & {
  /** To be called inside a transaction. */
  set(relationship: string, epoch: number, serial: number, writes: readonly BaseWrite[], at: string): void
}

/** `agree` runs inside the caller's transaction, which also keeps the contents. */
export function openBases(database: DatabaseSync): BasesInTransaction {
  const all = database.prepare('SELECT scope, epoch, serial, fingerprint, at FROM base WHERE relationship = ?')
  const one = database.prepare('SELECT epoch, serial, fingerprint FROM base WHERE relationship = ? AND scope = ?')
  const earlier = database.prepare(
    'SELECT 1 FROM base_history WHERE relationship = ? AND scope = ? AND fingerprint IS ? LIMIT 1',
  )
  const last = database.prepare('SELECT max(serial) AS serial FROM base WHERE relationship = ?')
  const put = database.prepare('INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?)')
  const remember = database.prepare('INSERT INTO base_history VALUES (?, ?, ?, ?, ?, ?)')

  const set: BasesInTransaction['set'] = (relationship, epoch, serial, writes, at) => {
    for (const write of writes) {
      const fingerprint = write.fingerprint ?? null
      const known = one.get(relationship, write.scope)
      const values = [relationship, write.scope, epoch, write.serial ?? serial, fingerprint, at] as const
      put.run(...values)
      // The same content agreed on again is the same base, only newer.
      if (known === undefined || known.fingerprint !== fingerprint) remember.run(...values)
    }
  }
  const lastSerial: Bases['lastSerial'] = (relationship) => (last.get(relationship)?.serial as number | null) ?? 0

  return {
    set,
    lastSerial,
    of(relationship) {
      const entries = all.all(relationship).map((row): [string, Base] => {
        const content = row.fingerprint === null ? {} : { fingerprint: row.fingerprint as string }
        return [
          row.scope as string,
          { epoch: row.epoch as number, serial: row.serial as number, ...content, at: row.at as string },
        ]
      })
      return new Map(entries)
    },
    isEarlier(relationship, scope, fingerprint) {
      const wanted = fingerprint ?? null
      const now = one.get(relationship, scope)
      if (now === undefined || now.fingerprint === wanted) return false
      return earlier.get(relationship, scope, wanted) !== undefined
    },
    agree(relationship, epoch, writes, _contents, at) {
      const next = lastSerial(relationship) + 1
      const newer = writes.filter((write) => {
        const known = one.get(relationship, write.scope)
        if (known === undefined) return true
        if (epoch !== known.epoch) return epoch > (known.epoch as number)
        return (write.serial ?? next) >= (known.serial as number)
      })
      set(relationship, epoch, next, newer, at)
      const serial = newer.reduce((highest, write) => Math.max(highest, write.serial ?? next), 0)
      return { scopes: newer.map((write) => write.scope), serial: newer.length > 0 ? serial : lastSerial(relationship) }
    },
  }
}
