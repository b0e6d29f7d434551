// What Twinscope may never do at a DHCP server, judged write by write from the servers' own logs.

import { isSurelyAlone, LASTING_MS } from './alone.ts'
import { authorityAt } from './authority.ts'
import type { Evidence, Relationship, Violation } from './evidence.ts'
import { type History, type ServerHistory, type Written, wasBetween } from './histories.ts'

export type Histories = ReadonlyMap<string, ServerHistory>

export type WriteVerdict = {
  readonly violations: readonly Violation[]
  /** Writes over what a person had edited in the moment between the gate's read and its write. */
  readonly inTheGap: number
}

export function judgeWrites(evidence: Evidence, histories: Histories): WriteVerdict {
  const violations: Violation[] = []
  let inTheGap = 0
  for (const [server, { written, needless, alone }] of histories) {
    const interruptions = interruptionsAt(evidence, server)
    for (const { atMs, afterWriteAtMs } of needless) {
      // Whoever was interrupted may not know the end of that write, and makes sure that the server serves.
      if (afterWriteAtMs !== undefined && interruptions.some((one) => one >= afterWriteAtMs && one <= atMs)) continue
      violations.push({ invariant: 'echo', message: `${server} was given at ${ms(atMs)} what it already had` })
    }
    for (const [index, write] of written.entries()) {
      const relationship = relationshipOf(evidence, server, write.scope)
      const what = `${write.scope} at ${server}, ${ms(write.atMs)}: ${short(write.before)} → ${short(write.after)}`
      if (relationship === undefined) {
        violations.push({ invariant: 'wrong-side', message: `${what}: no relationship has this scope here` })
        continue
      }
      const authority = authorityAt(evidence, relationship, write.atMs)
      if (server === authority) {
        violations.push({ invariant: 'wrong-side', message: `${what}: it is the authoritative side` })
        continue
      }
      if (write.isInterleaved) {
        violations.push({ invariant: 'interleaved', message: `${what}: something else was written since it was read` })
      }
      const other = server === relationship.authority ? relationship.partner : relationship.authority
      const source = histories.get(other)?.scopes.get(write.scope)
      const previous = written.slice(0, index).findLast(({ scope }) => scope === write.scope)
      const stale = staleness(write, previous, source)
      if (stale !== undefined) violations.push({ invariant: 'stale', message: `${what}: ${stale}` })
      const target = histories.get(server)?.scopes.get(write.scope)
      if (write.seen !== write.before) inTheGap++
      else if (
        isForeign(relationship, write, source, target) ||
        isMadeAlone(write, target, { alone, interruptions }) ||
        isUndoingUndone(relationship, write, previous, {
          source,
          target,
          interruptions,
        })
      ) {
        violations.push({ invariant: 'foreign-overwritten', message: `${what}: a person had made that edit there` })
      }
    }
  }
  return { violations, inTheGap }
}

export function relationshipOf(evidence: Evidence, server: string, scope: string): Relationship | undefined {
  return evidence.relationships.find(
    ({ authority, partner, scopes }) => (server === authority || server === partner) && scopes.includes(scope),
  )
}

/**
 * The source is read after the target was prepared, and a prepare voids the tickets before it. So what is written must
 * have been the source's content at some time since the write before.
 */
function staleness(write: Written, previous: Written | undefined, source: History | undefined): string | undefined {
  if (!wasBetween(source, write.after, Number.NEGATIVE_INFINITY, write.atMs)) return 'the source never had it'
  if (previous === undefined || wasBetween(source, write.after, previous.atMs, write.atMs)) return undefined
  return `the source had gone on before ${short(previous.after)} was written at ${ms(previous.atMs)}`
}

/** A person wrote it on the partner, the source never had it, and the policy does not let it be overwritten. */
function isForeign(
  { onForeignEdit, onConflict }: Relationship,
  write: Written,
  source: History | undefined,
  target: History | undefined,
): boolean {
  if (onForeignEdit === 'revert' && onConflict === 'authority-wins') return false
  const wasMadeHere = target?.some(
    ({ content, by, fromMs }) => by === 'operator' && content === write.before && fromMs <= write.atMs,
  )
  if (wasMadeHere !== true) return false
  // A scope that is not there is created again; whether somebody had deleted it cannot be told from that.
  if (write.before === undefined) return false
  return !wasBetween(source, write.before, Number.NEGATIVE_INFINITY, write.atMs)
}

/** What a person made while the server surely served alone is held, whatever the policy. */
function isMadeAlone(
  { atMs, before }: Written,
  target: History | undefined,
  known: Parameters<typeof isSurelyAlone>[1],
): boolean {
  const version = target?.findLast(({ fromMs }) => fromMs < atMs)
  return version?.by === 'operator' && version.content === before && isSurelyAlone(version, known)
}

/**
 * Twinscope had written this very content, a person then put something else there, the source has not changed since,
 * and yet it is written again: a commit was carried out twice. Only where nothing can have kept the first write from
 * being agreed on; otherwise what the person put there may rightly have been taken for what was there before.
 */
function isUndoingUndone(
  { onForeignEdit }: Relationship,
  write: Written,
  previous: Written | undefined,
  known: {
    readonly source: History | undefined
    readonly target: History | undefined
    readonly interruptions: readonly number[]
  },
): boolean {
  if (onForeignEdit === 'revert' || previous === undefined || previous.after !== write.after) return false
  const edit = known.target?.findLast(({ fromMs }) => fromMs < write.atMs)
  if (edit?.by !== 'operator' || edit.fromMs < previous.atMs + AGREED_AFTER_MS) return false
  const isSourceSame = !known.source?.some(({ fromMs }) => fromMs > previous.atMs && fromMs <= write.atMs)
  return isSourceSame && !known.interruptions.some((atMs) => atMs > previous.atMs - LASTING_MS && atMs <= write.atMs)
}

/** A write is read back and agreed on in this time where nothing disturbs it. Milliseconds. */
export const AGREED_AFTER_MS = 500
export function interruptionsAt({ interruptions }: Evidence, server: string): readonly number[] {
  return interruptions.filter((one) => one.server === server).map(({ atMs }) => atMs)
}

export function short(content: string | undefined): string {
  return content === undefined ? 'absent' : content.replace(/^v\d+:/, '').slice(0, 8)
}

export function ms(atMs: number): string {
  return `${atMs.toFixed(1)} ms`
}
