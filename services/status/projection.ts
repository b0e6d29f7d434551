// The ledger as a SQLite view: one row per job, made only of TWINSCOPE_OUTCOMES.
// It may be deleted at any time; it is then rebuilt from the stream. Applying an
// entry twice changes nothing.

import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import type { Outcome } from '#contracts/messages.ts'

/** Raised when the tables change; an older file is emptied and rebuilt. */
const SCHEMA_VERSION = 1

/** Where in which stream the view is. A stream that was created anew is another one. */
export type Position = { readonly streamCreatedAt: string; readonly sequence: number }

/** What the ledger says of one job so far. */
export type LedgerEntry = {
  readonly job: string
  /** Sequence of the newest entry. */
  readonly sequence: number
  readonly accepted?: Outcome
  readonly progress?: Outcome
  readonly final?: Outcome
}

export type EntryFilter = {
  readonly relationship?: string
  /** As source or target. */
  readonly server?: string
  readonly status?: string
  readonly automatic?: boolean
  readonly since?: string
  /** False: without the children of server jobs. */
  readonly children?: boolean
  readonly limit: number
  /** The last entry of the page before. */
  readonly after?: { readonly createdAt: string; readonly job: string }
}

export interface Projection {
  position(): Position | undefined
  /** Empties the view: it now follows this stream, from its beginning. */
  restart(streamCreatedAt: string): void
  /** True where the entry changed something. */
  apply(sequence: number, outcome: Outcome): boolean
  /** Goes past a message that is no outcome. */
  skip(sequence: number): void
  list(filter: EntryFilter): readonly LedgerEntry[]
  get(job: string): LedgerEntry | undefined
  /** The replication whose final outcome names this commit; of several that shared it, the first. */
  ofCommit(commit: string): LedgerEntry | undefined
  childrenOf(job: string): readonly LedgerEntry[]
  /** Entries that changed after a sequence, oldest first. */
  changedSince(sequence: number, limit: number): readonly LedgerEntry[]
  close(): void
}

const TABLES = `
  create table if not exists position (
    id integer primary key check (id = 1), stream_created_at text not null, sequence integer not null
  ) strict;
  create table if not exists entries (
    job text primary key, sequence integer not null, created_at text not null,
    relationship text, source text not null, target text, automatic integer not null, status text not null,
    parent text, accepted text, progress text, final text,
    progress_sequence integer not null default 0
  ) strict;
  create index if not exists entries_by_time on entries (created_at desc, job desc);
  create index if not exists entries_by_parent on entries (parent) where parent is not null;
  create index if not exists entries_by_commit on entries (json_extract(final, '$.commit')) where final is not null;
  create index if not exists entries_by_sequence on entries (sequence);
`

type Row = {
  readonly job: string
  readonly sequence: number
  readonly accepted: string | null
  readonly progress: string | null
  readonly final: string | null
}

function entryOf(row: Row): LedgerEntry {
  const outcome = (text: string | null) => (text === null ? undefined : (JSON.parse(text) as Outcome))
  const [accepted, progress, final] = [outcome(row.accepted), outcome(row.progress), outcome(row.final)]
  return {
    job: row.job,
    sequence: row.sequence,
    ...(accepted === undefined ? {} : { accepted }),
    ...(progress === undefined ? {} : { progress }),
    ...(final === undefined ? {} : { final }),
  }
}

function statusOf(outcome: Outcome): string {
  if (outcome.status !== undefined) return outcome.status
  return outcome.kind === 'final' ? 'failed' : outcome.kind === 'progress' ? 'running' : 'pending'
}

function open(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  // Losing the last transactions costs a replay of a few messages, nothing else.
  database.exec('pragma journal_mode = wal; pragma synchronous = normal; pragma busy_timeout = 5000')
  const version = (database.prepare('pragma user_version').get() as { user_version: number }).user_version
  if (version !== SCHEMA_VERSION) database.exec('drop table if exists entries; drop table if exists position')
  database.exec(TABLES)
  database.exec(`pragma user_version = ${SCHEMA_VERSION}`)
  return database
}

/** `path` may be `:memory:`. */
export function openProjection(path: string): Projection {
  const database = open(path)
  const columns = 'job, sequence, accepted, progress, final'
  const readPosition = database.prepare('select stream_created_at, sequence from position')
  const move = database.prepare('update position set sequence = max(sequence, ?)')
  const read = database.prepare(`select ${columns} from entries where job = ?`)
  const readCommit = database.prepare(
    `select ${columns} from entries where final is not null and json_extract(final, '$.commit') = ? order by created_at limit 1`,
  )
  const readChildren = database.prepare(`select ${columns} from entries where parent = ? order by relationship, job`)
  const readChanged = database.prepare(`select ${columns} from entries where sequence > ? order by sequence limit ?`)
  const readState = database.prepare(
    'select progress_sequence, final is not null as is_final from entries where job = ?',
  )
  const insert = database.prepare(`
    insert into entries (job, sequence, created_at, source, automatic, status)
    values (?, ?, ?, ?, ?, 'pending') on conflict (job) do nothing`)
  const common = `
    update entries set sequence = max(sequence, :sequence), relationship = coalesce(:relationship, relationship),
      source = :source, target = coalesce(:target, target), parent = coalesce(:parent, parent)`
  const updates = {
    accepted: database.prepare(
      `${common}, accepted = :text, status = case when final is null and progress is null then :status else status end where job = :job`,
    ),
    progress: database.prepare(
      `${common}, progress = :text, progress_sequence = :sequence, status = case when final is null then :status else status end where job = :job`,
    ),
    final: database.prepare(`${common}, final = :text, status = :status where job = :job`),
  }

  function write(sequence: number, outcome: Outcome): boolean {
    const state = readState.get(outcome.job) as { progress_sequence: number; is_final: number } | undefined
    // The first final is the only one; an older progress never replaces a newer one.
    if (outcome.kind === 'final' && state?.is_final === 1) return false
    if (outcome.kind === 'progress' && state !== undefined && state.progress_sequence >= sequence) return false
    insert.run(outcome.job, sequence, outcome.createdAt, outcome.source, outcome.automatic ? 1 : 0)
    updates[outcome.kind].run({
      ':job': outcome.job,
      ':sequence': sequence,
      ':relationship': outcome.relationship ?? null,
      ':source': outcome.source,
      ':target': outcome.target ?? null,
      ':parent': outcome.parent?.job ?? null,
      ':status': statusOf(outcome),
      ':text': JSON.stringify(outcome),
    })
    return true
  }

  return {
    position() {
      const row = readPosition.get() as { stream_created_at: string; sequence: number } | undefined
      return row === undefined ? undefined : { streamCreatedAt: row.stream_created_at, sequence: row.sequence }
    },
    restart(streamCreatedAt) {
      database.exec('begin; delete from entries; delete from position')
      database.prepare('insert into position (id, stream_created_at, sequence) values (1, ?, 0)').run(streamCreatedAt)
      database.exec('commit')
    },
    apply(sequence, outcome) {
      // The entry and the position move together, so a crash repeats an entry or does not.
      database.exec('begin')
      try {
        const changed = write(sequence, outcome)
        move.run(sequence)
        database.exec('commit')
        return changed
      } catch (error) {
        database.exec('rollback')
        throw error
      }
    },
    skip(sequence) {
      move.run(sequence)
    },
    list(filter) {
      const conditions: string[] = []
      const values: SQLInputValue[] = []
      const where = (condition: string, ...parameters: SQLInputValue[]) => {
        conditions.push(condition)
        values.push(...parameters)
      }
      if (filter.relationship !== undefined) where('relationship = ?', filter.relationship)
      if (filter.server !== undefined) where('(source = ? or target = ?)', filter.server, filter.server)
      if (filter.status !== undefined) where('status = ?', filter.status)
      if (filter.automatic !== undefined) where('automatic = ?', filter.automatic ? 1 : 0)
      if (filter.since !== undefined) where('created_at >= ?', filter.since)
      if (filter.children === false) where('parent is null')
      if (filter.after !== undefined) where('(created_at, job) < (?, ?)', filter.after.createdAt, filter.after.job)
      const rows = database
        .prepare(
          `select ${columns} from entries ${conditions.length === 0 ? '' : `where ${conditions.join(' and ')}`}
           order by created_at desc, job desc limit ?`,
        )
        .all(...values, filter.limit)
      return (rows as Row[]).map(entryOf)
    },
    get(job) {
      const row = read.get(job) as Row | undefined
      return row === undefined ? undefined : entryOf(row)
    },
    ofCommit(commit) {
      const row = readCommit.get(commit) as Row | undefined
      return row === undefined ? undefined : entryOf(row)
    },
    childrenOf: (job) => (readChildren.all(job) as Row[]).map(entryOf),
    changedSince: (sequence, limit) => (readChanged.all(sequence, limit) as Row[]).map(entryOf),
    close: () => database.close(),
  }
}

/** The replication behind a commit that a gate names: by the commit, or, where it is one, by the job. */
export function jobOf(projection: Pick<Projection, 'get' | 'ofCommit'>, writtenBy: string): LedgerEntry | undefined {
  return projection.ofCommit(writtenBy) ?? projection.get(writtenBy)
}

/** Who is behind a write of ours, as far as the ledger goes back. */
export function authorOf(projection: Pick<Projection, 'get' | 'ofCommit'>, writtenBy: string): string {
  const entry = jobOf(projection, writtenBy)
  const cause = (entry?.final ?? entry?.accepted)?.cause
  const job = `replication ${entry?.job ?? writtenBy}`
  return cause?.actor === undefined ? job : `${cause.actor} (${job})`
}
