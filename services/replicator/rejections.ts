// Pairs of contents that somebody does not want to be proposed again, in the bucket `control`.

import type { Rejection, Rejections } from '#contracts/control.ts'
import type { Outcome } from '#contracts/messages.ts'
import { rejectedKey } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { SideRow } from '#plan/compare.ts'

export type Pair = Pick<Rejection, 'source' | 'target'>

export function pairOf(source: string | undefined, target: string | undefined): Pair {
  return { ...(source === undefined ? {} : { source }), ...(target === undefined ? {} : { target }) }
}

/** The pairs that an outcome showed; what the ledger had to cut, or only showed, has none. */
export function pairsShown({ scopes = [] }: Pick<Outcome, 'scopes'>): ReadonlyMap<string, Pair> {
  return new Map(
    scopes.flatMap(({ scope, before, after }): [string, Pair][] =>
      before === undefined && after === undefined ? [] : [[scope, pairOf(after, before)]],
    ),
  )
}

/** The rejections whose pair is there no more; of what cannot be read in full nobody knows. */
export function lapsed(
  rejections: Rejections,
  source: readonly SideRow[],
  target: readonly SideRow[],
): readonly string[] {
  const [ours, theirs] = [source, target].map((rows) => new Map(rows.map((row) => [row.scope, row])))
  return Object.entries(rejections).flatMap(([scope, pair]) => {
    const [own, other] = [ours?.get(scope), theirs?.get(scope)]
    const isUnclear = (own?.unreplicable ?? other?.unreplicable) !== undefined
    return isUnclear || (own?.live === pair.source && other?.live === pair.target) ? [] : [scope]
  })
}

export function createRejections(control: Bucket) {
  async function of(relationship: string): Promise<Rejections> {
    const entry = await control.get(rejectedKey(relationship))
    return entry === undefined ? {} : (JSON.parse(entry.value) as Rejections)
  }

  async function change(relationship: string, make: (known: Rejections) => Rejections): Promise<void> {
    const key = rejectedKey(relationship)
    for (;;) {
      const entry = await control.get(key)
      const value = JSON.stringify(make(entry === undefined ? {} : (JSON.parse(entry.value) as Rejections)))
      const stored =
        entry === undefined ? await control.create(key, value) : await control.update(key, value, entry.revision)
      if (stored !== undefined) return
    }
  }

  /** Adds to what is rejected; a newer rejection of a scope replaces the older one, whose pair is gone by then. */
  async function add(relationship: string, rejected: Rejections): Promise<void> {
    await change(relationship, (known) => ({ ...known, ...rejected }))
  }

  /**
   * What is rejected and still there. The rest is forgotten: once a side has changed the decision is over, and the same
   * pair, should it come back some day, is news again.
   */
  async function standing(
    relationship: string,
    source: readonly SideRow[],
    target: readonly SideRow[],
  ): Promise<Rejections> {
    const known = await of(relationship)
    const over = new Set(lapsed(known, source, target))
    if (over.size === 0) return known
    const without = (rejections: Rejections): Rejections =>
      Object.fromEntries(
        Object.entries(rejections).filter(([scope, { at }]) => !over.has(scope) || at !== known[scope]?.at),
      )
    await change(relationship, without)
    return without(known)
  }

  return { add, standing }
}
export type RejectionsView = ReturnType<typeof createRejections>
