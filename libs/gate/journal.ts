// The durable memory of one gate: one SQLite file per DHCP server. What is written here is on the
// disk before the call returns, because the order "journal, then server" is what recovery rests on.

import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { GateAuthority, OpenCommit, ScopeResult } from '#protocol/gate-types.ts'
import { type Bases, type BaseWrite, openBases } from './bases.ts'
import { SCHEMA } from './journal-schema.ts'
import { openSeen, type Seen } from './seen.ts'

/** How long results, pre-images and what is known of scopes that are gone are kept. Milliseconds. */
export const RETENTION_MS = 90 * 24 * 3_600_000

export type PreImage = {
  /** Absent: the scope was not there. */
  readonly content?: ScopeContent
  /** Fingerprint of what was to be written; absent: the scope was to be deleted. */
  readonly wanted?: string
  readonly at: string
}

export type JournalledResult = { readonly results: readonly ScopeResult[]; readonly persistMessage?: string }

export type Journal = {
  readonly bases: Bases
  readonly seen: Seen
  authorities(): Readonly<Record<string, GateAuthority>>
  storeAuthority(relationship: string, authority: GateAuthority, at: string): void
  /** The commit that was begun and not ended. */
  openCommit(): OpenCommit | undefined
  /** `contents` has the text of every pre-image and wanted fingerprint. */
  begin(commit: OpenCommit, contents: ReadonlyMap<string, string>, at: string): void
  /** How far the open commit came, for whoever reads the journal after an accident. */
  mark(stage: 'written' | 'persisted'): void
  /** Ends the open commit of this job, or records one that had nothing to write. Returns the serial of the bases. */
  end(
    commit: Pick<OpenCommit, 'job' | 'relationship' | 'epoch' | 'serialAbove'> & JournalledResult,
    bases: readonly BaseWrite[],
    contents: ReadonlyMap<string, string>,
    at: string,
  ): number
  /** `open`: begun, not ended. `undefined`: never begun here. */
  result(relationship: string, job: string): JournalledResult | 'open' | undefined
  preImage(relationship: string, job: string, scope: string): PreImage | undefined
  /** Text by fingerprint, as long as a base or a kept commit refers to it. */
  content(fingerprint: string): string | undefined
  /** Scopes that a recovery had to leave as they were found, until a base is set for them. */
  dirty(relationship: string): ReadonlyMap<string, string>
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

/** A text out of a row: SQL's NULL is an absent member. */
export function textIn<K extends string>(key: K, value: unknown): { readonly [P in K]?: string } {
  return (typeof value === 'string' ? { [key]: value } : {}) as { readonly [P in K]?: string }
}

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
  const open = () => database.prepare('SELECT * FROM commits WHERE ended_at IS NULL ORDER BY id LIMIT 1').get()

  return {
    bases: {
      ...bases,
      agree: (relationship, epoch, writes, contents, at) =>
        transaction(() => {
          for (const { fingerprint } of writes) keep(fingerprint, contents)
          const agreed = bases.agree(relationship, epoch, writes, at)
          for (const scope of agreed.scopes)
            run('DELETE FROM dirty WHERE relationship = ? AND scope = ?', relationship, scope)
          return agreed
        }),
    },
    seen,
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
      const scopes = database
        .prepare('SELECT * FROM commit_scope WHERE commit_id = ? ORDER BY scope')
        .all(row.id as number)
      return {
        job: row.job as string,
        relationship: row.relationship as string,
        epoch: row.epoch as number,
        settled: JSON.parse(row.results as string) as ScopeResult[],
        ...(row.serial_above === null ? {} : { serialAbove: row.serial_above as number }),
        intents: scopes.map((scope) => ({
          scope: scope.scope as string,
          ...textIn('preImage', scope.pre_image),
          ...textIn('wanted', scope.wanted),
        })),
      }
    },
    begin({ job, relationship, epoch, intents, settled, serialAbove }, contents, at) {
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
    end({ job, relationship, epoch, results, persistMessage, serialAbove = 0 }, writes, contents, at) {
      return transaction(() => {
        for (const { fingerprint } of writes) keep(fingerprint, contents)
        const serial = Math.max(bases.lastSerial(relationship), serialAbove) + 1
        bases.set(relationship, epoch, serial, writes, at)
        const text = JSON.stringify(results)
        const row = open()
        if (row !== undefined) {
          const written = new Set(results.filter(({ result }) => result === 'written').map(({ scope }) => scope))
          const intents = database
            .prepare('SELECT scope, pre_image FROM commit_scope WHERE commit_id = ?')
            .all(row.id as number)
          for (const { scope, pre_image } of intents) {
            if (!written.has(scope as string)) continue
            bases.replaced(relationship, scope as string, (pre_image as string | null) ?? undefined, at)
          }
        }
        if (row?.job === job && row.relationship === relationship) {
          run(
            `UPDATE commits SET stage = 'end', ended_at = ?, results = ?, serial = ?, persist_message = ? WHERE id = ?`,
            at,
            text,
            serial,
            persistMessage ?? null,
            row.id as number,
          )
        } else {
          run(
            `INSERT INTO commits (job, relationship, epoch, stage, begun_at, ended_at, results, serial, persist_message)
             VALUES (?, ?, ?, 'end', ?, ?, ?, ?, ?)`,
            job,
            relationship,
            epoch,
            at,
            at,
            text,
            serial,
            persistMessage ?? null,
          )
        }
        for (const { scope } of writes)
          run('DELETE FROM dirty WHERE relationship = ? AND scope = ?', relationship, scope)
        for (const { scope, code, message } of results) {
          if (code === 'dirty')
            run('INSERT OR REPLACE INTO dirty VALUES (?, ?, ?, ?)', relationship, scope, message ?? '', at)
        }
        return serial
      })
    },
    result(relationship, job) {
      const rows = database
        .prepare(
          'SELECT epoch, serial, ended_at, results, persist_message FROM commits WHERE relationship = ? AND job = ? ORDER BY id',
        )
        .all(relationship, job)
      if (rows.length === 0) return undefined
      if (rows.some((row) => row.ended_at === null)) return 'open'
      const merged = new Map<string, ScopeResult>()
      for (const row of rows) {
        for (const result of JSON.parse(row.results as string) as ScopeResult[]) {
          const based = result.result === 'written' || result.result === 'unchanged'
          const known = merged.get(result.scope)
          // What this job wrote before, and finds written now, it wrote.
          if (result.result === 'unchanged' && known?.result === 'written' && known.wanted === result.wanted) continue
          const base = based ? { baseEpoch: row.epoch as number, baseSerial: row.serial as number } : {}
          merged.set(result.scope, { ...result, ...base })
        }
      }
      return { results: [...merged.values()], ...textIn('persistMessage', rows.at(-1)?.persist_message) }
    },
    preImage(relationship, job, scope) {
      const row = database
        .prepare(
          `SELECT pre_image, wanted, begun_at, text FROM commits JOIN commit_scope ON commit_id = id
           LEFT JOIN content ON fingerprint = pre_image
           WHERE relationship = ? AND job = ? AND scope = ? ORDER BY id LIMIT 1`,
        )
        .get(relationship, job, scope)
      if (row === undefined) return undefined
      const content =
        typeof row.text === 'string'
          ? { content: { fingerprint: row.pre_image as ScopeContent['fingerprint'], text: row.text } }
          : {}
      return { ...content, ...textIn('wanted', row.wanted), at: row.begun_at as string }
    },
    content(fingerprint) {
      return contentOf.get(fingerprint)?.text as string | undefined
    },
    dirty(relationship) {
      const rows = database.prepare('SELECT scope, message FROM dirty WHERE relationship = ?').all(relationship)
      return new Map(rows.map((row) => [row.scope as string, row.message as string]))
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
