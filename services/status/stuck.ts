// Why a scope that would be copied is not, and which replication held it: the newest outcome that held or failed
// exactly this content says it.

import type { Rejections } from '#contracts/control.ts'
import type { ScopeOutcome } from '#contracts/messages.ts'
import type { ComparedScope } from '#plan/compare.ts'
import type { Projection } from './projection.ts'

/** Outcomes that are looked through; a hold is told once, so the one that counts is among the newest. */
const NEWEST = 50

/** A row of the ledger, and the replication whose it is. */
export type StuckScope = ScopeOutcome & { readonly job: string }
/** Scope → the newest row that says why it was not written. */
export type StuckScopes = ReadonlyMap<string, StuckScope>

export function stuckScopes(projection: Pick<Projection, 'list'>, relationship: string): StuckScopes {
  const found = new Map<string, StuckScope>()
  const entries = (['held', 'failed'] as const)
    .flatMap((status) => projection.list({ relationship, status, limit: NEWEST }))
    .flatMap(({ final }) => (final === undefined ? [] : [final]))
    .sort((a, b) => (a.at < b.at ? 1 : -1))
  for (const { act = 'replicate', scopes = [], job } of entries) {
    // The contents of an adopt or a restore are those of another write; they would hide the hold that is decided about.
    if (act !== 'replicate') continue
    for (const row of scopes) {
      if ((row.status === 'held' || row.status === 'failed') && !found.has(row.scope)) {
        found.set(row.scope, { ...row, job })
      }
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
): StuckScope | undefined {
  const row = stuck.get(scope)
  return row !== undefined && row.after === source && row.before === target ? row : undefined
}

/** The rejection counts only for exactly the pair that it was made of. */
export function rejectedOf(
  rejections: Rejections | undefined,
  { scope, source, target }: Pick<ComparedScope, 'scope' | 'source' | 'target'>,
): { readonly rejected?: Rejections[string] } {
  const rejection = rejections?.[scope]
  return rejection !== undefined && rejection.source === source && rejection.target === target
    ? { rejected: rejection }
    : {}
}
