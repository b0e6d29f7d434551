// What must become of a scope, from the histories of both sides alone: the decision table, derived a second time.
// Where the histories leave open what Twinscope had seen (both sides were equal for a moment while its watcher was
// down, say), every decision that fits is expected.

import { isSurelyAlone, mayBeAlone } from './alone.ts'
import type { Relationship } from './evidence.ts'
import { type Alone, type Content, type History, lastOf, type Version } from './histories.ts'

export type Expected =
  | 'converged'
  /** A write is due: the scope may not stay as it is. */
  | 'replicate'
  | 'regressed'
  | 'conflict'
  | 'foreign-edit'
  | 'first-contact'
  | 'deleted'
  | 'only-on-partner'

/** What both sides agreed on; `unknown`: they never did. */
type Base = 'unknown' | { readonly content: Content }

/** Milliseconds for which both sides must have been alike before it is certain that both gates know it. */
export type Certainty = {
  readonly certainAfterMs: number
  readonly nowMs: number
  /** When the partner served alone, and when Twinscope may have been kept from looking at it. Absent: never. */
  readonly alone?: readonly Alone[]
  readonly interruptions?: readonly number[]
}

type Alike = {
  readonly content: Content
  readonly fromMs: number
  readonly toMs: number
  /** Since the start, which waits until both sides have agreed. */
  readonly isFirst: boolean
}

/** Every span in which both sides had the same. */
function alikes(ours: History, theirs: History, nowMs: number): readonly Alike[] {
  const times = [...new Set([...ours, ...theirs].map(({ fromMs }) => fromMs))].toSorted((a, b) => a - b)
  const spans: Alike[] = []
  for (const [index, fromMs] of times.entries()) {
    const [a, b] = [at(ours, fromMs), at(theirs, fromMs)]
    if (a?.content !== b?.content) continue
    // That a scope is not there before anybody made it is no agreement.
    if (a?.content === undefined && wasNeverThere(ours, fromMs) && wasNeverThere(theirs, fromMs)) continue
    const toMs = times[index + 1] ?? nowMs
    const last = spans.at(-1)
    if (last !== undefined && last.content === a?.content && last.toMs === fromMs)
      spans[spans.length - 1] = { ...last, toMs }
    else spans.push({ content: a?.content, fromMs, toMs, isFirst: a?.by === 'start' && b?.by === 'start' })
  }
  return spans
}

function wasNeverThere(history: History, untilMs: number): boolean {
  return !history.some(({ content, fromMs }) => content !== undefined && fromMs <= untilMs)
}

function at(history: History, atMs: number): Version | undefined {
  return history.findLast(({ fromMs }) => fromMs <= atMs)
}

/**
 * Bases that the gates may have, the newest last, and everything that may have been one before. A write of
 * Twinscope sets the base even where the source has gone on since.
 */
function basesOf(ours: History, theirs: History, certainty: Certainty) {
  const { certainAfterMs, nowMs } = certainty
  const events = [
    ...alikes(ours, theirs, nowMs).map((alike) => ({
      content: alike.content,
      atMs: alike.fromMs,
      isCertain: isCertainly(alike, certainAfterMs),
    })),
    ...theirs.flatMap(({ by, content, fromMs }, index) => {
      if (by !== 'twinscope') return []
      const endsAtMs = theirs[index + 1]?.fromMs ?? nowMs
      // It is read back after the write; who edits in that moment keeps it from becoming the base.
      return [{ content, atMs: fromMs, isCertain: endsAtMs - fromMs >= certainAfterMs }]
    }),
  ].toSorted((a, b) => a.atMs - b.atMs)
  const from = Math.max(
    0,
    events.findLastIndex(({ isCertain }) => isCertain),
  )
  const candidates: Base[] = events.slice(from).map(({ content }) => ({ content }))
  const hasExisted = [...ours, ...theirs].some(({ content }) => content !== undefined)
  const isCertain = events.some((event) => event.isCertain && event.content !== undefined)
  if (!hasExisted || !isCertain) candidates.unshift('unknown')
  return { candidates, agreed: new Set(events.map(({ content }) => content)) }
}

/** Everything that may rightly become of the scope. */
export function expectedOf(
  relationship: Relationship,
  ours: History | undefined,
  theirs: History | undefined,
  certainty: Certainty,
): ReadonlySet<Expected> {
  const [a, b] = [ours ?? [], theirs ?? []]
  const [auth, other] = [lastOf(a), lastOf(b)]
  if (auth?.content === other?.content) return new Set(['converged'])
  const { candidates, agreed } = basesOf(a, b, certainty)
  // What a write replaced counts as an earlier content too.
  const replaced = new Set(
    b.flatMap(({ by }, index) => (by === 'twinscope' && index > 0 ? [b[index - 1]?.content] : [])),
  )
  /** A server that comes up with what it had before has lost what came after it, agreed on or not. */
  const had = new Set(a.slice(0, -1).map(({ content }) => content))
  const isEarlier = (version: Version | undefined, more: ReadonlySet<Content>, base: Content) =>
    version?.by === 'restart' && version.content !== base && (agreed.has(version.content) || more.has(version.content))
  if (isSurelyEarlier(auth, a, b, certainty) || isSurelyGone(a, b, certainty)) return new Set(['regressed'])
  const isLost = isSurelyEarlier(other, a, b, certainty) && auth?.content !== undefined
  const { alone = [], interruptions = [] } = certainty
  const isMadeAlone = other !== undefined && isSurelyAlone(other, { alone, interruptions })
  const mayBeMadeAlone = other !== undefined && mayBeAlone(other, alone, certainty.certainAfterMs)
  const expected = new Set<Expected>()
  for (const base of candidates) {
    const baseContent = base === 'unknown' ? undefined : base.content
    // Its gate may not have seen what was there between: then it is no way back to it.
    if (base !== 'unknown' && isEarlier(auth, had, baseContent)) expected.add('regressed')
    if (isLost) {
      expected.add('replicate')
      continue
    }
    // Both may be right then; the table asks for nothing else.
    if (isMadeAlone || mayBeMadeAlone) expected.add('conflict')
    if (isMadeAlone) continue
    const mayHaveLost = isEarlier(other, replaced, baseContent)
    for (const decision of decisions(relationship, auth?.content, other?.content, base, mayHaveLost))
      expected.add(decision)
  }
  return expected
}

function isCertainly({ fromMs, toMs, isFirst }: Alike, certainAfterMs: number): boolean {
  return isFirst || toMs - fromMs >= certainAfterMs
}

/** The server came up with what had certainly been agreed, and something newer had certainly been agreed since. */
function isSurelyEarlier(version: Version | undefined, ours: History, theirs: History, certainty: Certainty): boolean {
  if (version?.by !== 'restart') return false
  const certain = alikes(ours, theirs, certainty.nowMs).filter((alike) => isCertainly(alike, certainty.certainAfterMs))
  const earlier = certain.findIndex(({ content }) => content === version.content)
  return earlier >= 0 && certain.slice(earlier + 1).some(({ content }) => content !== version.content)
}

/** The server came up without what both sides had certainly agreed on, as before the scope was made. */
function isSurelyGone(ours: History, theirs: History, certainty: Certainty): boolean {
  const last = lastOf(ours)
  if (last?.by !== 'restart' || last.content !== undefined || ours[0]?.content !== undefined) return false
  return alikes(ours, theirs, certainty.nowMs).some(
    (alike) => alike.content !== undefined && isCertainly(alike, certainty.certainAfterMs),
  )
}

/** The table of DESIGN section 5 below its two rows on restarts. */
function decisions(
  { onForeignEdit, onConflict, prune }: Relationship,
  auth: Content,
  other: Content,
  base: Base,
  mayHaveLost: boolean,
): readonly Expected[] {
  const lost: readonly Expected[] = mayHaveLost && auth !== undefined ? ['replicate'] : []
  const foreign: Expected = onForeignEdit === 'revert' ? 'replicate' : 'foreign-edit'
  const baseContent = base === 'unknown' ? undefined : base.content
  if (other === undefined) return [...lost, baseContent === undefined ? 'replicate' : foreign]
  if (auth === undefined) {
    if (base === 'unknown' || baseContent !== other) return ['only-on-partner']
    return [prune === 'on' ? 'replicate' : 'deleted']
  }
  if (base === 'unknown') return [...lost, 'first-contact']
  if (other === baseContent) return ['replicate']
  if (auth === baseContent) return [...lost, foreign]
  return [...lost, onConflict === 'authority-wins' ? 'replicate' : 'conflict']
}
