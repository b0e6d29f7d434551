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
}

export function openBases(database: DatabaseSync): BaseTables {
  const all = database.prepare('SELECT scope, epoch, serial, fingerprint, at FROM base WHERE relationship = ?')
  const one = database.prepare('SELECT epoch, serial, fingerprint FROM base WHERE relationship = ? AND scope = ?')
  const earlier = database.prepare(
    'SELECT 1 FROM base_history WHERE relationship = ? AND scope = ? AND fingerprint IS ? LIMIT 1',
  )
  const last = database.prepare('SELECT max(serial) AS serial FROM base WHERE relationship = ?')
  const put = database.prepare('INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?, ?, ?)')
  const remember = database.prepare('INSERT INTO base_history VALUES (?, ?, ?, ?, ?, ?)')

  const set: BaseTables['set'] = (relationship, epoch, serial, writes, at) => {
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
    replaced(relationship, scope, fingerprint, at) {
      if (earlier.get(relationship, scope, fingerprint ?? null) !== undefined) return
      remember.run(relationship, scope, 0, 0, fingerprint ?? null, at)
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
