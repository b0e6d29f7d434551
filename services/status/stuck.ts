// Why a scope that would be copied is not: the newest outcome that held or failed exactly this content says it.

import type { ScopeOutcome } from '#contracts/messages.ts'
import type { Projection } from './projection.ts'

/** Outcomes that are looked through; a hold is told once, so the one that counts is among the newest. */
const NEWEST = 50

/** Scope → the newest row that says why it was not written. */
export type StuckScopes = ReadonlyMap<string, ScopeOutcome>

export function stuckScopes(projection: Pick<Projection, 'list'>, relationship: string): StuckScopes {
  const found = new Map<string, ScopeOutcome>()
  const entries = (['held', 'failed'] as const)
    .flatMap((status) => projection.list({ relationship, status, limit: NEWEST }))
    .flatMap(({ final }) => (final === undefined ? [] : [final]))
    .sort((a, b) => (a.at < b.at ? 1 : -1))
  for (const { scopes = [] } of entries) {
    for (const row of scopes) {
      if ((row.status === 'held' || row.status === 'failed') && !found.has(row.scope)) found.set(row.scope, row)
    }
  }
  return found
}

/** The row that speaks of exactly these contents; an older one says nothing of what is there now. */
export function stuckAt(
  stuck: StuckScopes,
  scope: string,
  source: string | undefined,
  target: string | undefined,
): ScopeOutcome | undefined {
  const row = stuck.get(scope)
  return row !== undefined && row.after === source && row.before === target ? row : undefined
}
