// What the journal knows of a job afterwards: its results over all its commits, and what was there before it wrote.

import type { DatabaseSync } from 'node:sqlite'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { ScopeResult } from '#protocol/gate-types.ts'
import type { JournalledResult, PreImage } from './journal.ts'
import { textIn } from './journal-schema.ts'

export function readResult(
  database: DatabaseSync,
  relationship: string,
  job: string,
): JournalledResult | 'open' | undefined {
  const rows = database
    .prepare(
      `SELECT epoch, serial, ended_at, results, persist_message, kind FROM commits
       LEFT JOIN commit_exception ON commit_id = id WHERE relationship = ? AND job = ? ORDER BY id`,
    )
    .all(relationship, job)
  if (rows.length === 0) return undefined
  if (rows.some((row) => row.ended_at === null)) return 'open'
  const merged = new Map<string, ScopeResult>()
  for (const row of rows) {
    for (const result of JSON.parse(row.results as string) as ScopeResult[]) {
      const isBased = row.kind !== 'restore' && (result.result === 'written' || result.result === 'unchanged')
      const known = merged.get(result.scope)
      // What this job wrote before, and finds written now, it wrote.
      if (result.result === 'unchanged' && known?.result === 'written' && known.wanted === result.wanted) continue
      const base = isBased ? { baseEpoch: row.epoch as number, baseSerial: row.serial as number } : {}
      merged.set(result.scope, { ...result, ...base })
    }
  }
  return { results: [...merged.values()], ...textIn('persistMessage', rows.at(-1)?.persist_message) }
}

/**
 * What the job's first write of the scope replaced, and what its last one put there. A job may have begun several
 * times, and not every time come to write: only where it never did, its first beginning counts.
 */
export function readPreImage(
  database: DatabaseSync,
  relationship: string,
  job: string,
  scope: string,
): PreImage | undefined {
  const rows = database
    .prepare(
      `SELECT pre_image, wanted, begun_at, results, text FROM commits JOIN commit_scope ON commit_id = id
       LEFT JOIN content ON fingerprint = pre_image
       WHERE relationship = ? AND job = ? AND scope = ? ORDER BY id`,
    )
    .all(relationship, job, scope)
  const wrote = rows.filter(({ results }) =>
    (JSON.parse(results as string) as ScopeResult[]).some((one) => one.scope === scope && one.result === 'written'),
  )
  const first = wrote[0] ?? rows[0]
  if (first === undefined) return undefined
  const content =
    typeof first.text === 'string'
      ? { content: { fingerprint: first.pre_image as ScopeContent['fingerprint'], text: first.text } }
      : {}
  return { ...content, ...textIn('wanted', (wrote.at(-1) ?? first).wanted), at: first.begun_at as string }
}
