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
  /** Whether the scope was this before, as its base or as what a write replaced, and its base is something else now. */
  isEarlier(relationship: string, scope: string, fingerprint: string | undefined): boolean
  /** The highest serial of the relationship; 0 where there is none. */
  lastSerial(relationship: string): number
  /** Sets the base of scopes that are exactly so here and now. */
  agree(
    relationship: string,
    epoch: number,
    writes: readonly BaseWrite[],
    contents: ReadonlyMap<string, string>,
    at: string,
  ): Agreed
}

/** The same without transactions of its own and without the contents; the journal adds both. */
type BaseTables = Omit<Bases, 'agree'> & {
  agree(relationship: string, epoch: number, writes: readonly BaseWrite[], at: string): Agreed
  set(relationship: string, epoch: number, serial: number, writes: readonly BaseWrite[], at: string): void
  /** Remembers what a write replaced: a server that has it again after a restart has lost the write. */
  replaced(relationship: string, scope: string, fingerprint: string | undefined, at: string): void
  prune(before: string): void
}

/**
 * Whether a base says nothing any more: agreed so long ago that the scope is not there. By whole days (UTC), so that
 * both gates, which agreed within seconds, let it go together; if one still showed it, it would be agreed on anew.
 */
export function isForgotten({ fingerprint, at }: Pick<Base, 'fingerprint' | 'at'>, before: string): boolean {
  return fingerprint === undefined && at.slice(0, DATE_LENGTH) < before.slice(0, DATE_LENGTH)
}
const DATE_LENGTH = '2026-01-01'.length

export function openBases(database: DatabaseSync): BaseTables {
  const all = database.prepare('SELECT scope, epoch, serial, fingerprint, at FROM base WHERE relationship = ?')
  const one = database.prepare('SELECT epoch, serial, fingerprint FROM base WHERE relationship = ? AND scope = ?')
  const earlier = database.prepare(
    'SELECT 1 FROM base_history WHERE relationship = ? AND scope = ? AND fingerprint IS ? LIMIT 1',
  )
  const last = database.prepare('SELECT max(serial) AS serial FROM base WHERE relationship = ?')
  const put = database.prepare('INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?)')
  const remember = database.prepare('INSERT INTO base_history VALUES (?, ?, ?, ?, ?, ?)')
  const forget = database.prepare('DELETE FROM base_history WHERE relationship = ? AND scope = ? AND fingerprint IS ?')
  // The newest serial stays, whatever its age: the next one must be higher. So does what is there against the agreement.
  const pruneBases = database.prepare(
    `DELETE FROM base WHERE fingerprint IS NULL AND substr(at, 1, ${DATE_LENGTH}) < substr(?, 1, ${DATE_LENGTH})
       AND scope NOT IN (SELECT scope FROM seen WHERE fingerprint IS NOT NULL)
       AND serial < (SELECT max(serial) FROM base AS other WHERE other.relationship = base.relationship)`,
  )
  // Of each scope that has a base the base itself stays, and the newest content before it.
  const pruneHistory = database.prepare(
    `DELETE FROM base_history AS old WHERE at < ? AND (
       NOT EXISTS (SELECT 1 FROM base WHERE base.relationship = old.relationship AND base.scope = old.scope)
       OR EXISTS (
         SELECT 1 FROM base_history AS newer JOIN base USING (relationship, scope)
         WHERE newer.relationship = old.relationship AND newer.scope = old.scope AND newer.rowid > old.rowid
           AND (newer.fingerprint IS base.fingerprint) = (old.fingerprint IS base.fingerprint)))`,
  )
  /** A content counts from when it was last replaced, and is kept once. */
  const note = (
    relationship: string,
    scope: string,
    epoch: number,
    serial: number,
    fingerprint: string | null,
    at: string,
  ) => {
    forget.run(relationship, scope, fingerprint)
    remember.run(relationship, scope, epoch, serial, fingerprint, at)
  }

  const set: BaseTables['set'] = (relationship, epoch, serial, writes, at) => {
    for (const write of writes) {
      const fingerprint = write.fingerprint ?? null
      const known = one.get(relationship, write.scope)
      const values = [relationship, write.scope, epoch, write.serial ?? serial, fingerprint, at] as const
      put.run(...values)
      // The same content agreed on again is the same base, only newer.
      if (known?.fingerprint === fingerprint) continue
      if (known !== undefined) {
        const before = known.fingerprint as string | null
        note(relationship, write.scope, known.epoch as number, known.serial as number, before, at)
      }
      note(...values)
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
    replaced(relationship, scope, fingerprint, at) {
      note(relationship, scope, 0, 0, fingerprint ?? null, at)
    },
    prune(before) {
      pruneBases.run(before)
      pruneHistory.run(before)
    },
    agree(relationship, epoch, writes, at) {
      const next = lastSerial(relationship) + 1
      const numbered = writes.map((write) => {
        const known = one.get(relationship, write.scope)
        const serial = write.serial ?? next
        const isSame = known?.fingerprint === (write.fingerprint ?? null)
        // The gates count for themselves. The content is live here and now, so it is the newest base of this gate.
        const atLeast = known?.epoch === epoch ? (known.serial as number) + (isSame ? 0 : 1) : 0
        return { ...write, serial: Math.max(serial, atLeast) }
      })
      set(relationship, epoch, next, numbered, at)
      const serial = numbered.reduce((highest, write) => Math.max(highest, write.serial), 0)
      return { scopes: numbered.map(({ scope }) => scope), serial: numbered.length > 0 ? serial : next - 1 }
    },
  }
}
