// Judges a run. Imports nothing of Twinscope: a mistake there must not be repeated here.

import { asItEnded } from './authority.ts'
import { type Evidence, type Relationship, TWINSCOPE, type Violation } from './evidence.ts'
import { type Expected, expectedOf } from './expectation.ts'
import { historyOf, lastOf } from './histories.ts'
import { judgeLedger } from './ledger.ts'
import { type Histories, interruptionsAt, judgeWrites, ms, short } from './writes.ts'

export type Verdict = {
  readonly violations: readonly Violation[]
  readonly writes: number
  readonly inTheGap: number
  readonly lostInWipes: number
  /** Scopes that ended differing and rightly held. */
  readonly held: number
}

/** Share of a reconcile period after which both sides that were alike are certain to have agreed on it. */
const CERTAIN_AFTER_PERIODS = 3

export function check(evidence: Evidence, periodMs: number): Verdict {
  const histories = historiesOf(evidence)
  const writes = judgeWrites(evidence, histories)
  const ledger = judgeLedger(evidence, histories)
  const end = stateAtEnd(evidence, histories, periodMs)
  return {
    violations: [...writes.violations, ...ledger.violations, ...end.unsettled, ...silence(evidence, histories)],
    writes: [...histories.values()].reduce((sum, { written }) => sum + written.length, 0),
    inTheGap: writes.inTheGap,
    lostInWipes: ledger.lostInWipes,
    held: end.held,
  }
}

/** What still differs that should not, or is held for another reason than it should be. Empty: settled. */
export function unsettled(evidence: Evidence, periodMs: number): readonly Violation[] {
  const histories = historiesOf(evidence)
  return [
    ...stateAtEnd(evidence, histories, periodMs).unsettled,
    // What was written is told a moment later.
    ...judgeLedger(evidence, histories).violations,
  ]
}

function historiesOf(evidence: Evidence): Histories {
  return new Map(Object.entries(evidence.logs).map(([server, log]) => [server, historyOf(log)]))
}

function stateAtEnd(evidence: Evidence, histories: Histories, periodMs: number) {
  const found: Violation[] = []
  let held = 0
  for (const configured of evidence.relationships) {
    const relationship = asItEnded(evidence, configured)
    const isLost = isAuthorityLost(evidence, relationship)
    if (isLost && !isToldLost(evidence, relationship)) {
      const message = `NATS has lost the authority of ${relationship.name}, and no outcome says that it waits for an operator`
      found.push({ invariant: 'wrong-reason', message })
    }
    for (const scope of relationship.scopes) {
      const ours = histories.get(relationship.authority)?.scopes.get(scope)
      const theirs = histories.get(relationship.partner)?.scopes.get(scope)
      const certainty = {
        certainAfterMs: CERTAIN_AFTER_PERIODS * periodMs,
        nowMs: evidence.endedAtMs,
        alone: histories.get(relationship.partner)?.alone ?? [],
        interruptions: interruptionsAt(evidence, relationship.partner),
      }
      const expected = expectedOf(relationship, ours, theirs, certainty)
      if (expected.has('converged')) continue
      held++
      if (isLost) continue
      const differs = `${scope} of ${relationship.name} is ${short(lastOf(ours)?.content)} / ${short(lastOf(theirs)?.content)}`
      const code = heldCode(evidence, relationship, scope)
      const isRight =
        code !== undefined &&
        (expected.has(code as Expected) || (code === 'dirty' && mayBeDirty(evidence, relationship, theirs)))
      if (isRight) continue
      const due = [...expected].join(' or ')
      if (expected.size === 1 && expected.has('replicate')) {
        found.push({
          invariant: 'lost',
          message: `${differs}, and should have been replicated; the ledger says ${code ?? 'nothing'}`,
        })
      } else if (code === undefined) {
        found.push({
          invariant: 'not-converged',
          message: `${differs}, expected ${due}; the ledger says nothing of it`,
        })
      } else {
        found.push({ invariant: 'wrong-reason', message: `${differs}, expected ${due}; the ledger says ${code}` })
      }
    }
  }
  return { unsettled: found, held }
}

/** NATS was wiped, the policy says to wait for an operator, and nobody has confirmed it since. */
function isAuthorityLost(evidence: Evidence, { name, onAuthorityLoss }: Relationship): boolean {
  const last = evidence.wipes.at(-1)
  if (onAuthorityLoss === 'agree' || last === undefined) return false
  return !evidence.confirmations.some(({ relationship, atMs }) => relationship === name && atMs > last.endedAtMs)
}

function isToldLost(evidence: Evidence, { name }: Relationship): boolean {
  return evidence.ledger.some(
    ({ incarnation, slot, kind, code }) =>
      incarnation === evidence.wipes.length && slot === name && kind === 'final' && code === 'authority-unknown',
  )
}

/** Why the newest outcome that speaks of the scope says it is held. */
function heldCode(evidence: Evidence, { name }: Relationship, scope: string): string | undefined {
  const rows = evidence.ledger
    .filter(({ slot, kind }) => slot === name && kind === 'final')
    .flatMap(({ rows: all }) => all.filter((row) => row.scope === scope))
  const last = rows.at(-1)
  return last?.status === 'held' ? last.code : last === undefined ? undefined : `${last.status} ${last.code}`
}

/** A write was interrupted, and a person edited the scope before it could be found out what became of it. */
function mayBeDirty(evidence: Evidence, { partner }: Relationship, theirs: Parameters<typeof lastOf>[0]): boolean {
  const last = lastOf(theirs)
  if (last === undefined || last.by === 'twinscope') return false
  return evidence.interruptions.some(({ server, atMs }) => server === partner && atMs < evidence.healedAtMs)
}

/** When Twinscope last wrote something, or said something that nobody had asked for. */
export function lastActivityMs(evidence: Evidence): number {
  return Math.max(0, ...activity(evidence, historiesOf(evidence)).map(({ atMs }) => atMs))
}

function activity(evidence: Evidence, histories: Histories) {
  const written = [...histories].flatMap(([server, { written: writes }]) =>
    writes.map(({ scope, atMs }) => ({ atMs, what: `${TWINSCOPE} wrote ${scope} at ${server}` })),
  )
  const said = evidence.ledger
    .filter(({ kind, automatic }) => kind === 'final' && automatic)
    .map(({ job, slot, status, code, storedAtMs }) => ({
      atMs: storedAtMs,
      what: `job ${job} of ${slot} ended ${status} (${code})`,
    }))
  return [...written, ...said]
}

/** Once settled, nothing more is written, and nothing more is said that nobody asked for. */
function silence(evidence: Evidence, histories: Histories): readonly Violation[] {
  const { settledAtMs } = evidence
  if (settledAtMs === undefined) return []
  return activity(evidence, histories)
    .filter(({ atMs }) => atMs > settledAtMs)
    .map(({ atMs, what }): Violation => {
      return {
        invariant: 'not-silent',
        message: `${what} ${ms(atMs - settledAtMs)} after all should have been settled`,
      }
    })
}
