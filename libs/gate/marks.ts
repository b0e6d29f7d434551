// What is noted of a scope beside its base: that a recovery left it dirty, that a restore put it back,
// and which job wrote what is there.

import type { DatabaseSync } from 'node:sqlite'
import type { RestoredMarks, ScopeResult } from '#protocol/gate-types.ts'

export type RestoredMark = {
  /** The job that carried the approval of the restore. */
  readonly job: string
  readonly at: string
}

export type Marks = {
  /** Scopes that a recovery had to leave as they were found, until a base is set for them or a restore writes them. */
  dirty(relationship: string): ReadonlyMap<string, string>
  /** Scopes that a restore wrote and nobody has approved a change of since. */
  restored(relationship: string): ReadonlyMap<string, RestoredMark>
  /** The same of all relationships, as the gate machine starts with it. */
  allRestored(): RestoredMarks
  /** The job that wrote a scope last, and the read in which its content was first seen. */
  writer(scope: string): { readonly job: string; readonly revision: number } | undefined
}

type MarkTables = Marks & {
  /** A base was set for these scopes. */
  clear(relationship: string, scopes: readonly string[]): void
  markRestored(relationship: string, scopes: readonly string[], mark: RestoredMark): void
  markDirty(relationship: string, results: readonly ScopeResult[], at: string): void
  /** `revision` absent: what was written is not there any more. */
  wrote(scope: string, job: string, revision: number | undefined): void
  prune(): void
}

export function openMarks(database: DatabaseSync): MarkTables {
  const dirtyOf = database.prepare('SELECT scope, message FROM dirty WHERE relationship = ?')
  const putDirty = database.prepare('INSERT OR REPLACE INTO dirty VALUES (?, ?, ?, ?)')
  const clearDirty = database.prepare('DELETE FROM dirty WHERE relationship = ? AND scope = ?')
  const restoredOf = database.prepare('SELECT scope, job, at FROM restored WHERE relationship = ?')
  const restored = database.prepare('SELECT relationship, scope, job FROM restored ORDER BY relationship, scope')
  const putRestored = database.prepare('INSERT OR REPLACE INTO restored VALUES (?, ?, ?, ?)')
  const clearRestored = database.prepare('DELETE FROM restored WHERE relationship = ? AND scope = ?')
  const writerOf = database.prepare('SELECT job, revision FROM writer WHERE scope = ?')
  const putWriter = database.prepare('INSERT OR REPLACE INTO writer VALUES (?, ?, ?)')
  const forgetWriter = database.prepare('DELETE FROM writer WHERE scope = ?')
  const pruneWriters = database.prepare('DELETE FROM writer WHERE scope NOT IN (SELECT scope FROM seen)')

  return {
    dirty: (relationship) =>
      new Map(dirtyOf.all(relationship).map((row) => [row.scope as string, row.message as string])),
    restored: (relationship) =>
      new Map(
        restoredOf
          .all(relationship)
          .map((row) => [row.scope as string, { job: row.job as string, at: row.at as string }]),
      ),
    allRestored() {
      const marks: Record<string, Record<string, string>> = {}
      for (const row of restored.all()) {
        const relationship = row.relationship as string
        marks[relationship] = { ...marks[relationship], [row.scope as string]: row.job as string }
      }
      return marks
    },
    writer(scope) {
      const row = writerOf.get(scope)
      return row && { job: row.job as string, revision: row.revision as number }
    },
    clear(relationship, scopes) {
      for (const scope of scopes) {
        clearDirty.run(relationship, scope)
        clearRestored.run(relationship, scope)
      }
    },
    markRestored(relationship, scopes, { job, at }) {
      for (const scope of scopes) {
        // It is whole again: what a recovery had left there is gone.
        clearDirty.run(relationship, scope)
        putRestored.run(relationship, scope, job, at)
      }
    },
    markDirty(relationship, results, at) {
      for (const { scope, code, message } of results)
        if (code === 'dirty') putDirty.run(relationship, scope, message ?? '', at)
    },
    wrote(scope, job, revision) {
      if (revision === undefined) forgetWriter.run(scope)
      else putWriter.run(scope, job, revision)
    },
    prune() {
      pruneWriters.run()
    },
  }
}
