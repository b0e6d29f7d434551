// The tables of a gate's journal. Contents are kept once, by fingerprint; NULL as a fingerprint is an absent scope.

export const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS authority (
  relationship TEXT PRIMARY KEY, epoch INTEGER NOT NULL, side TEXT NOT NULL, at TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS content (fingerprint TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commits (
  id INTEGER PRIMARY KEY, job TEXT NOT NULL, relationship TEXT NOT NULL, epoch INTEGER NOT NULL,
  stage TEXT NOT NULL CHECK (stage IN ('begin', 'written', 'persisted', 'end')),
  begun_at TEXT NOT NULL, ended_at TEXT, results TEXT NOT NULL, serial INTEGER, serial_above INTEGER, persist_message TEXT) STRICT;
CREATE INDEX IF NOT EXISTS commits_by_job ON commits (relationship, job);
CREATE TABLE IF NOT EXISTS commit_scope (
  commit_id INTEGER NOT NULL REFERENCES commits (id) ON DELETE CASCADE, scope TEXT NOT NULL,
  pre_image TEXT, wanted TEXT, PRIMARY KEY (commit_id, scope)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS base (
  relationship TEXT NOT NULL, scope TEXT NOT NULL, epoch INTEGER NOT NULL, serial INTEGER NOT NULL,
  fingerprint TEXT, at TEXT NOT NULL, PRIMARY KEY (relationship, scope)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS base_history (
  relationship TEXT NOT NULL, scope TEXT NOT NULL, epoch INTEGER NOT NULL, serial INTEGER NOT NULL,
  fingerprint TEXT, at TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS base_history_by_scope ON base_history (relationship, scope, fingerprint);
CREATE TABLE IF NOT EXISTS seen (
  scope TEXT PRIMARY KEY, fingerprint TEXT, since TEXT NOT NULL, revision INTEGER NOT NULL,
  after_restart INTEGER NOT NULL, alone INTEGER NOT NULL, published TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS seen_history (scope TEXT NOT NULL, fingerprint TEXT, at TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS seen_history_by_scope ON seen_history (scope, fingerprint);
CREATE TABLE IF NOT EXISTS dirty (
  relationship TEXT NOT NULL, scope TEXT NOT NULL, message TEXT NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (relationship, scope)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS commit_exception (
  commit_id INTEGER PRIMARY KEY REFERENCES commits (id) ON DELETE CASCADE,
  kind TEXT NOT NULL CHECK (kind IN ('adopt', 'restore')), approval TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS restored (
  relationship TEXT NOT NULL, scope TEXT NOT NULL, job TEXT NOT NULL, at TEXT NOT NULL,
  PRIMARY KEY (relationship, scope)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writer (
  scope TEXT PRIMARY KEY, job TEXT NOT NULL, revision INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

/** A text out of a row: SQL's NULL is an absent member. */
export function textIn<K extends string>(key: K, value: unknown): { readonly [P in K]?: string } {
  return (typeof value === 'string' ? { [key]: value } : {}) as { readonly [P in K]?: string }
}
