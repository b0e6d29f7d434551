// What a relationship was last said to be stuck on. A tick that finds the same as the last one
// publishes nothing: a hold is told once, not every minute.

import { createHash } from 'node:crypto'
import type { Outcome } from '#contracts/messages.ts'
import { escapeName } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'

/** A failed plan that has not changed is told again, and by then tried again many times, after this long. */
const REPEAT_AFTER_MS = 15 * 60_000

type Settled = { readonly digest: string; readonly at: string }

function key(relationship: string): string {
  return `settled.${escapeName(relationship)}`
}

function digestOf(outcome: Outcome): string {
  // What was written meanwhile does not make an old hold a new one.
  const stuck = (outcome.scopes ?? []).filter(({ status }) => status !== 'replicated' && status !== 'already-in-sync')
  const rows = stuck.map(({ scope, status, code, before, after }) => [scope, status, code, before, after])
  return createHash('sha256')
    .update(JSON.stringify(rows.length > 0 ? rows : [outcome.status, outcome.code]))
    .digest('hex')
}

export function createSettled(control: Bucket) {
  /** Whether an automatic outcome only repeats what the ledger already says. One that wrote something never does. */
  async function isRepeated(relationship: string, outcome: Outcome): Promise<boolean> {
    if (outcome.scopes?.some(({ status }) => status === 'replicated')) return false
    const entry = await control.get(key(relationship))
    if (entry === undefined) return false
    const last = JSON.parse(entry.value) as Settled
    if (last.digest !== digestOf(outcome)) return false
    return outcome.status !== 'failed' || Date.now() - Date.parse(last.at) < REPEAT_AFTER_MS
  }

  async function remember(relationship: string, outcome: Outcome): Promise<void> {
    const settled: Settled = { digest: digestOf(outcome), at: new Date().toISOString() }
    await control.put(key(relationship), JSON.stringify(settled))
  }

  /** All is equal again: the same hold, should it come back, is news. */
  async function forget(relationship: string): Promise<void> {
    if ((await control.get(key(relationship))) !== undefined) await control.delete(key(relationship))
  }

  return { isRepeated, remember, forget }
}
