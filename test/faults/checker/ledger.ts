// What the ledger must say: one end for each request, and an outcome for each write.

import type { Entry, Evidence, Violation } from './evidence.ts'
import type { Histories } from './writes.ts'
import { short } from './writes.ts'

export type LedgerVerdict = {
  readonly violations: readonly Violation[]
  /** Requests that were accepted before NATS was wiped, and went with it. */
  readonly lostInWipes: number
}

export function judgeLedger(evidence: Evidence, histories: Histories): LedgerVerdict {
  const outcomes = judgeRequests(evidence)
  return { violations: [...outcomes.violations, ...unreported(evidence, histories)], lostInWipes: outcomes.lostInWipes }
}

function finals(evidence: Evidence): readonly Entry[] {
  return evidence.ledger.filter(({ kind }) => kind === 'final')
}

function judgeRequests(evidence: Evidence): LedgerVerdict {
  const violations: Violation[] = []
  let lostInWipes = 0
  const byJob = Map.groupBy(finals(evidence), ({ job }) => job)
  for (const [job, ends] of byJob) {
    // History begins anew after a wipe: what was delivered again to an empty ledger ends again.
    for (const [incarnation, same] of Map.groupBy(ends, (entry) => entry.incarnation)) {
      if (same.length > 1) {
        const message = `${job} ended ${same.length} times (incarnation ${incarnation}): ${same.map(({ status }) => status).join(', ')}`
        violations.push({ invariant: 'outcomes', message })
      }
    }
  }
  for (const { job, acknowledgedAtMs } of evidence.requests) {
    if (byJob.has(job)) continue
    if (evidence.wipes.some(({ endedAtMs }) => endedAtMs >= acknowledgedAtMs)) lostInWipes++
    else violations.push({ invariant: 'outcomes', message: `request ${job} was acknowledged and has no end` })
  }
  return { violations, lostInWipes }
}

/** Every write was planned by a job, and the job's end says what was written. */
function unreported(evidence: Evidence, histories: Histories): readonly Violation[] {
  const told = new Set(
    finals(evidence).flatMap(({ rows }) =>
      rows.flatMap(({ scope, after, earlier = [] }) => [
        `${scope} ${after ?? 'absent'}`,
        ...earlier.map((write) => `${scope} ${write.after ?? 'absent'}`),
      ]),
    ),
  )
  const violations: Violation[] = []
  for (const [server, { written }] of histories) {
    for (const { scope, after, atMs } of written) {
      if (told.has(`${scope} ${after ?? 'absent'}`)) continue
      // Its job, or its outcome, went with NATS.
      if (evidence.wipes.some(({ endedAtMs }) => endedAtMs >= atMs - WIPE_MARGIN_MS)) continue
      const message = `${scope} at ${server} was given ${short(after)}, and no outcome says so`
      violations.push({ invariant: 'unreported', message })
    }
  }
  return violations
}

/** A run that had begun before the wipe may write after it; its job is gone then. Milliseconds. */
const WIPE_MARGIN_MS = 5_000
