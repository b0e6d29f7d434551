// What a relationship was last said to be stuck on. A tick that finds the same as the last one publishes
// nothing, and an ordinary change does not repeat an old hold: it is told once, not every minute.

import { createHash } from 'node:crypto'
import type { Outcome, ScopeOutcome } from '#contracts/messages.ts'
import { escapeName } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'
import { heldDigest, summary } from './report.ts'

/** A failure that has not changed is told again, and by then tried again many times, after this long. */
const REPEAT_AFTER_MS = 15 * 60_000

/** Scope, or `*` for the relationship as a whole → digest of what was told; of a failure with `@` and when. */
type Stuck = { readonly [scope: string]: string }

const WHOLE = '*'

function key(relationship: string): string {
  return `settled.${escapeName(relationship)}`
}

function digestOf(row: Pick<ScopeOutcome, 'status' | 'code' | 'before' | 'after'>): string {
  return createHash('sha256')
    .update(JSON.stringify([row.status, row.code, row.before, row.after]))
    .digest('base64')
    .slice(0, DIGEST_LENGTH)
}

/** Enough to tell what is news; ten thousand scopes have to fit one message. */
const DIGEST_LENGTH = 12

function isOld(told: string | undefined, digest: string, status: ScopeOutcome['status']): boolean {
  // An entry of another form is told once more.
  if (typeof told !== 'string' || !told.startsWith(digest)) return false
  return status !== 'failed' || Date.now() - Date.parse(told.slice(digest.length + 1)) < REPEAT_AFTER_MS
}

function isStuck({ status }: Pick<ScopeOutcome, 'status'>): boolean {
  return status === 'held' || status === 'failed' || status === 'refused'
}

/** Somebody decided that it is not proposed again; that decision has an outcome of its own. */
function isDecided({ status, code }: Pick<ScopeOutcome, 'status' | 'code'>): boolean {
  return status === 'held' && code === 'rejected'
}

/** The digest names what is shown: an approval of what was told before would be one of another plan. */
function withRows({ planDigest: _, ...outcome }: Outcome, rows: readonly ScopeOutcome[]): Outcome {
  const digest = outcome.target === undefined ? undefined : heldDigest(outcome.source, outcome.target, rows)
  return { ...outcome, ...summary(rows), scopes: [...rows], ...(digest === undefined ? {} : { planDigest: digest }) }
}

export function createSettled(control: Bucket) {
  async function read(relationship: string): Promise<Stuck> {
    const entry = await control.get(key(relationship))
    return entry === undefined ? {} : (JSON.parse(entry.value) as Stuck)
  }

  /** What of an automatic outcome is news, and how to remember all of it once it is told; `undefined`: nothing is. */
  async function newsOf(
    relationship: string,
    outcome: Outcome,
  ): Promise<{ readonly outcome: Outcome | undefined; remember(): Promise<void> }> {
    const last = await read(relationship)
    const at = new Date().toISOString()
    const next: Record<string, string> = {}
    const isNews = (scope: string, row: Parameters<typeof digestOf>[0]): boolean => {
      if (!isStuck(row)) return true
      const digest = digestOf(row)
      const told = last[scope]
      const isRepeated = isOld(told, digest, row.status)
      next[scope] = isRepeated && told !== undefined ? told : row.status === 'failed' ? `${digest}@${at}` : digest
      return !isRepeated && !isDecided(row)
    }
    const rows = outcome.scopes
    let news: Outcome | undefined
    if (rows === undefined) {
      if (isNews(WHOLE, { status: 'refused', code: outcome.code ?? '' })) news = outcome
    } else {
      const fresh = rows.filter((row) => isNews(row.scope, row))
      if (fresh.length > 0) news = withRows(outcome, fresh)
    }
    const remember = async () => {
      if (JSON.stringify(next) !== JSON.stringify(last)) await control.put(key(relationship), JSON.stringify(next))
    }
    return { outcome: news, remember }
  }

  /** All is equal again: the same hold, should it come back, is news. */
  async function forget(relationship: string): Promise<void> {
    if ((await control.get(key(relationship))) !== undefined) await control.delete(key(relationship))
  }

  return { newsOf, forget }
}
