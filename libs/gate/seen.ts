// What was seen of each scope at the server: since when, and under which circumstances.
// From it come the changes to publish, "unchanged since", "first seen after a restart"
// and "changed while it served alone".

import type { DatabaseSync } from 'node:sqlite'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { Transaction } from './journal.ts'
import { isAlone, type Observation, relationshipsOf, servesAlone } from './observation.ts'

export type SeenScope = {
  /** Absent: the scope is gone. */
  readonly fingerprint?: string
  /** When this content was first seen. */
  readonly since: string
  /** The read in which it was first seen. */
  readonly revision: number
  /** It was first seen in the first read after a restart of the server. */
  readonly afterRestart: boolean
  /** It was made while the server served without its partner, or may have been: it was seen in the first read after. */
  readonly alone: boolean
  /** What was last published; absent: nothing, or that the scope is gone. */
  readonly published?: string
}

/** The failover state of a relationship as it was last seen; `alone`: the server served without its partner. */
type SeenState = { readonly state: string; readonly since: string; readonly alone?: boolean }

export type Seen = {
  of(scope: string): SeenScope | undefined
  entries(): Iterable<[ScopeKey, SeenScope]>
  /** The last read that is recorded, 0 before the first. */
  lastRevision(): number
  /** Whether a scope was seen like this before, and then as something else. */
  wasBefore(scope: string, fingerprint: string | undefined): boolean
  /** Records a read: scopes that are not as they were last seen. */
  record(observation: Observation): void
  published(scope: ScopeKey, fingerprint: string | undefined): void
  /** Removes scopes that were gone before, and published as gone. */
  prune(before: string): void
  /** Since when the failover state of a relationship (by its name at the server) is what it is. */
  stateSince(relationship: string): string | undefined
}

export function openSeen(database: DatabaseSync, transaction: Transaction): Seen {
  const meta = database.prepare('SELECT value FROM meta WHERE key = ?')
  const setMeta = database.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)')
  const put = database.prepare('INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?, ?, ?)')
  const remove = database.prepare('DELETE FROM seen WHERE scope = ?')
  const before = database.prepare('SELECT 1 FROM seen_history WHERE scope = ? AND fingerprint IS ? LIMIT 1')
  const forget = database.prepare('DELETE FROM seen_history WHERE scope = ? AND fingerprint IS ?')
  const remember = database.prepare('INSERT INTO seen_history VALUES (?, ?, ?)')
  // The newest of each scope stays: a file may be older than what is kept.
  const pruneHistory = database.prepare(
    `DELETE FROM seen_history AS old WHERE at < ?
       AND EXISTS (SELECT 1 FROM seen_history AS newer WHERE newer.scope = old.scope AND newer.rowid > old.rowid)`,
  )
  /** A content counts from when it was last replaced, and is kept once. */
  const replaced = (scope: ScopeKey, fingerprint: string | null, at: string) => {
    forget.run(scope, fingerprint)
    remember.run(scope, fingerprint, at)
  }
  const value = (key: string) => meta.get(key)?.value as string | undefined
  const scopes = new Map<ScopeKey, SeenScope>()
  for (const row of database.prepare('SELECT * FROM seen ORDER BY scope').all()) {
    scopes.set(row.scope as ScopeKey, {
      ...(row.fingerprint === null ? {} : { fingerprint: row.fingerprint as string }),
      since: row.since as string,
      revision: row.revision as number,
      afterRestart: row.after_restart === 1,
      alone: row.alone === 1,
      ...(row.published === null ? {} : { published: row.published as string }),
    })
  }
  let instance = value('instance')
  let revision = Number(value('revision') ?? 0)
  const states = new Map<string, SeenState>(JSON.parse(value('states') ?? '[]') as [string, SeenState][])

  const store = (scope: ScopeKey, entry: SeenScope) => {
    const { fingerprint = null, since, afterRestart, alone, published = null } = entry
    put.run(scope, fingerprint, since, entry.revision, afterRestart ? 1 : 0, alone ? 1 : 0, published)
    scopes.set(scope, entry)
  }

  function changedScopes(observation: Observation): ReadonlyMap<ScopeKey, string | undefined> {
    const changed = new Map<ScopeKey, string | undefined>()
    for (const [scope, content] of observation.contents) {
      if (scopes.get(scope)?.fingerprint !== content.fingerprint) changed.set(scope, content.fingerprint)
    }
    for (const [scope, entry] of scopes) {
      // What cannot be read faithfully is not gone.
      const gone = !observation.contents.has(scope) && !observation.unreplicable.has(scope)
      if (gone && entry.fingerprint !== undefined) changed.set(scope, undefined)
    }
    return changed
  }

  function recordStates(observation: Observation): boolean {
    let changed = false
    for (const { name, nativeState, state } of observation.relationships) {
      if (states.get(name)?.state === nativeState) continue
      states.set(name, { state: nativeState, since: observation.readAt, alone: isAlone(state) })
      changed = true
    }
    return changed
  }

  return {
    of: (scope) => scopes.get(scope as ScopeKey),
    entries: () => scopes.entries(),
    lastRevision: () => revision,
    stateSince: (relationship) => states.get(relationship)?.since,
    wasBefore: (scope, fingerprint) => before.get(scope, fingerprint ?? null) !== undefined,
    record(observation) {
      // Reads may overlap; one that was begun before what is recorded would look like a change back.
      if (observation.revision < revision) return
      revision = observation.revision
      const firstContact = instance === undefined
      const afterRestart = !firstContact && instance !== observation.instance
      const changed = changedScopes(observation)
      // What is found now was made since the last read: also where the server served alone only until a moment ago.
      const wasAlone = (scope: ScopeKey) =>
        relationshipsOf(observation, scope).some(({ name }) => states.get(name)?.alone)
      const madeAlone = new Set(
        [...changed.keys()].filter((scope) => servesAlone(observation, scope) || wasAlone(scope)),
      )
      const statesChanged = recordStates(observation)
      if (changed.size === 0 && !afterRestart && !firstContact && !statesChanged) return
      transaction(() => {
        for (const [scope, fingerprint] of changed) {
          const known = scopes.get(scope)
          const { published = undefined } = known ?? {}
          if (!firstContact) replaced(scope, known?.fingerprint ?? null, observation.readAt)
          // At the first contact there is nothing that a scope could have changed from; the reconcile tick compares it.
          const said = firstContact ? fingerprint : published
          store(scope, {
            ...(fingerprint === undefined ? {} : { fingerprint }),
            since: observation.readAt,
            revision: observation.revision,
            afterRestart,
            alone: !firstContact && madeAlone.has(scope),
            ...(said === undefined ? {} : { published: said }),
          })
        }
        setMeta.run('instance', observation.instance)
        setMeta.run('revision', String(observation.revision))
        setMeta.run('states', JSON.stringify([...states]))
      })
      instance = observation.instance
    },
    prune(earliest) {
      pruneHistory.run(earliest)
      for (const [scope, { fingerprint, published, since }] of scopes) {
        if (fingerprint !== undefined || published !== undefined || since >= earliest) continue
        remove.run(scope)
        scopes.delete(scope)
      }
    },
    published(scope, fingerprint) {
      const entry = scopes.get(scope)
      if (entry === undefined) return
      const { published: _, ...rest } = entry
      store(scope, { ...rest, ...(fingerprint === undefined ? {} : { published: fingerprint }) })
    },
  }
}
