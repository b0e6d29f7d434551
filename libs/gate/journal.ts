// The durable memory of one gate: one SQLite file per DHCP server. What is written here is on the
// disk before the call returns, because the order "journal, then server" is what recovery rests on.

import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { GateAuthority, OpenCommit, ScopeResult } from '#protocol/gate-types.ts'
import { type Bases, type BaseWrite, openBases } from './bases.ts'
import { SCHEMA, textIn } from './journal-schema.ts'
import { type Marks, openMarks } from './marks.ts'
import { readPreImage, readResult } from './results.ts'
import { openSeen, type Seen } from './seen.ts'

/** How long results, pre-images and what is known of scopes that are gone are kept by default. Milliseconds. */
export const DEFAULT_RETENTION_MS = 90 * 24 * 3_600_000

export type PreImage = {
  /** Absent: the scope was not there. */
  readonly content?: ScopeContent
  /** Fingerprint of what was to be written; absent: the scope was to be deleted. */
  readonly wanted?: string
  readonly at: string
}

/** What is journalled at the end of a commit. */
export type JournalledEnd = Pick<OpenCommit, 'job' | 'relationship' | 'epoch' | 'serialAbove' | 'exception'> &
  JournalledResult & {
    /** Scopes that get the mark `restored`. Default none. */
    readonly restored?: readonly string[]
  }

export type JournalledResult = { readonly results: readonly ScopeResult[]; readonly persistMessage?: string }

export type Journal = {
  readonly bases: Bases
  readonly seen: Seen
  readonly marks: Marks
  authorities(): Readonly<Record<string, GateAuthority>>
  storeAuthority(relationship: string, authority: GateAuthority, at: string): void
  /** The commit that was begun and not ended. */
  openCommit(): OpenCommit | undefined
  /** `contents` has the text of every pre-image and wanted fingerprint. */
  begin(commit: OpenCommit, contents: ReadonlyMap<string, string>, at: string): void
  /** How far the open commit came, for whoever reads the journal after an accident. */
  mark(stage: 'written' | 'persisted'): void
  /** Ends the open commit of this job, or records one that had nothing to write. Returns the serial of the bases. */
  end(commit: JournalledEnd, bases: readonly BaseWrite[], contents: ReadonlyMap<string, string>, at: string): number
  /** `open`: begun, not ended. `undefined`: never begun here. */
  result(relationship: string, job: string): JournalledResult | 'open' | undefined
  preImage(relationship: string, job: string, scope: string): PreImage | undefined
  /** Text by fingerprint, as long as a base or a kept commit refers to it. */
  content(fingerprint: string): string | undefined
  /** What runs but would not survive a restart of the server; the reason. */
  unpersisted(): string | undefined
  setUnpersisted(message: string | undefined): void
  /**
   * Removes what is older than `before`: results and pre-images, earlier contents (the newest of each scope is kept),
   * scopes that are gone; and contents that nothing refers to any more.
   */
  prune(before: string): void
  close(): void
}

/** Runs `work` in one transaction: all of it is durable when it returns, or none of it when it throws. */
export type Transaction = <T>(work: () => T) => T

/** Opens or creates the journal of one server, with its directory. */
export function openJournal(path: string): Journal {
  mkdirSync(dirname(path), { recursive: true })
  const database = new DatabaseSync(path)
  // FULL: an acknowledged epoch or pre-image must survive a power cut too, not only a killed process.
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;')
  database.exec(SCHEMA)
  const transaction: Transaction = (work) => {
    database.exec('BEGIN IMMEDIATE')
    try {
      const value = work()
      database.exec('COMMIT')
      return value
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  }
  const run = (sql: string, ...values: SQLInputValue[]) => database.prepare(sql).run(...values)
  const bases = openBases(database)
  const contentOf = database.prepare('SELECT text FROM content WHERE fingerprint = ?')
  const keepContent = database.prepare('INSERT OR IGNORE INTO content VALUES (?, ?)')
  const keep = (fingerprint: string | undefined, contents: ReadonlyMap<string, string>) => {
    if (fingerprint === undefined) return
    const text = contents.get(fingerprint)
    if (text !== undefined) keepContent.run(fingerprint, text)
    else if (contentOf.get(fingerprint) === undefined) throw new Error(`the journal lacks the content ${fingerprint}`)
  }
  const seen = openSeen(database, transaction)
  const marks = openMarks(database)
  const exceptionOf = database.prepare('SELECT kind, approval FROM commit_exception WHERE commit_id = ?')
  const scopesOf = database.prepare('SELECT * FROM commit_scope WHERE commit_id = ? ORDER BY scope')
  const intentsOf = (commit: number) => scopesOf.all(commit)
  const endCommit = database.prepare(
    `UPDATE commits SET stage = 'end', ended_at = ?, results = ?, serial = ?, persist_message = ? WHERE id = ?`,
  )
  const addEnded = database.prepare(
    `INSERT INTO commits (job, relationship, epoch, stage, begun_at, ended_at, results, serial, persist_message)
     VALUES (?, ?, ?, 'end', ?, ?, ?, ?, ?)`,
  )
  const putException = database.prepare('INSERT INTO commit_exception VALUES (?, ?, ?)')
  const open = () => database.prepare('SELECT * FROM commits WHERE ended_at IS NULL ORDER BY id LIMIT 1').get()

  return {
    bases: {
      ...bases,
      agree: (relationship, epoch, writes, contents, at) =>
        transaction(() => {
          for (const { fingerprint } of writes) keep(fingerprint, contents)
          const agreed = bases.agree(relationship, epoch, writes, at)
          marks.clear(relationship, agreed.scopes)
          return agreed
        }),
    },
    seen,
    marks,
    authorities() {
      const rows = database.prepare('SELECT relationship, epoch, side FROM authority').all()
      return Object.fromEntries(
        rows.map((row) => [row.relationship as string, { epoch: row.epoch as number, side: row.side as string }]),
      )
    },
    storeAuthority(relationship, { epoch, side }, at) {
      run('INSERT OR REPLACE INTO authority VALUES (?, ?, ?, ?)', relationship, epoch, side, at)
    },
    openCommit() {
      const row = open()
      if (row === undefined) return undefined
      const scopes = intentsOf(row.id as number)
      const exception = exceptionOf.get(row.id as number)
      return {
        job: row.job as string,
        relationship: row.relationship as string,
        epoch: row.epoch as number,
        settled: JSON.parse(row.results as string) as ScopeResult[],
        ...(row.serial_above === null ? {} : { serialAbove: row.serial_above as number }),
        ...(exception === undefined
          ? {}
          : { exception: { kind: exception.kind as 'adopt' | 'restore', approval: exception.approval as string } }),
        intents: scopes.map((scope) => ({
          scope: scope.scope as string,
          ...textIn('preImage', scope.pre_image),
          ...textIn('wanted', scope.wanted),
        })),
      }
    },
    begin({ job, relationship, epoch, intents, settled, serialAbove, exception }, contents, at) {
      transaction(() => {
        const { lastInsertRowid } = run(
          `INSERT INTO commits (job, relationship, epoch, stage, begun_at, results, serial_above) VALUES (?, ?, ?, 'begin', ?, ?, ?)`,
          job,
          relationship,
          epoch,
          at,
          JSON.stringify(settled),
          serialAbove ?? null,
        )
        if (exception !== undefined) putException.run(lastInsertRowid, exception.kind, exception.approval)
        for (const { scope, preImage, wanted } of intents) {
          keep(preImage, contents)
          keep(wanted, contents)
          run('INSERT INTO commit_scope VALUES (?, ?, ?, ?)', lastInsertRowid, scope, preImage ?? null, wanted ?? null)
        }
      })
    },
    mark(stage) {
      run('UPDATE commits SET stage = ? WHERE ended_at IS NULL', stage)
    },
    end(ended, writes, contents, at) {
      const { job, relationship, epoch, results, persistMessage, serialAbove = 0, exception, restored = [] } = ended
      return transaction(() => {
        for (const { fingerprint } of writes) keep(fingerprint, contents)
        const serial = Math.max(bases.lastSerial(relationship), serialAbove) + 1
        bases.set(relationship, epoch, serial, writes, at)
        const row = open()
        const written = new Map(
          results.filter(({ result }) => result === 'written').map(({ scope, wanted }) => [scope, wanted]),
        )
        for (const intent of row === undefined ? [] : intentsOf(row.id as number)) {
          const scope = intent.scope as string
          if (written.has(scope)) bases.replaced(relationship, scope, textIn('is', intent.pre_image).is, at)
        }
        for (const [scope, wanted] of written) {
          const now = seen.of(scope)
          marks.wrote(scope, job, now?.fingerprint === wanted ? now?.revision : undefined)
        }
        const values = [JSON.stringify(results), serial, persistMessage ?? null] as const
        if (row?.job === job && row.relationship === relationship) {
          endCommit.run(at, ...values, row.id as number)
        } else {
          const { lastInsertRowid } = addEnded.run(job, relationship, epoch, at, at, ...values)
          if (exception !== undefined) putException.run(lastInsertRowid, exception.kind, exception.approval)
        }
        marks.clear(
          relationship,
          writes.map(({ scope }) => scope),
        )
        marks.markRestored(relationship, restored, { job: exception?.approval ?? job, at })
        marks.markDirty(relationship, results, at)
        return serial
      })
    },
    result: (relationship, job) => readResult(database, relationship, job),
    preImage: (relationship, job, scope) => readPreImage(database, relationship, job, scope),
    content(fingerprint) {
      return contentOf.get(fingerprint)?.text as string | undefined
    },
    unpersisted() {
      return database.prepare(`SELECT value FROM meta WHERE key = 'unpersisted'`).get()?.value as string | undefined
    },
    setUnpersisted(message) {
      if (message === undefined) run(`DELETE FROM meta WHERE key = 'unpersisted'`)
      else run(`INSERT OR REPLACE INTO meta VALUES ('unpersisted', ?)`, message)
    },
    prune(before) {
      transaction(() => {
        run('DELETE FROM commits WHERE ended_at IS NOT NULL AND begun_at < ?', before)
        bases.prune(before)
        seen.prune(before)
        marks.prune()
        run(
          `DELETE FROM content WHERE fingerprint NOT IN (
             SELECT fingerprint FROM base WHERE fingerprint IS NOT NULL
             UNION SELECT pre_image FROM commit_scope WHERE pre_image IS NOT NULL
             UNION SELECT wanted FROM commit_scope WHERE wanted IS NOT NULL)`,
        )
      })
    },
    close() {
      database.close()
    },
  }
}
