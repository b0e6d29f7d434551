// What a person's decision about a held replication asks for: exactly the rows that the ledger has, under the digest
// that they had there. Pure; nothing is read. What was held may have changed since: the job finds out, and shows it.

import type { ApproveBody, RejectBody } from '#contracts/decisions-api.ts'
import type { Outcome, ScopeOutcome } from '#contracts/messages.ts'
import { scopesNamed } from '#contracts/scope-ids.ts'
import { digestOf } from '#plan/plan.ts'
import { ProblemError } from './problems.ts'
import type { LedgerEntry } from './projection.ts'
import type { Ask } from './requests.ts'

/** Obstacles that no approval removes; the row's message says what does. */
const NEVER_APPROVABLE: ReadonlySet<string> = new Set(['dirty', 'unreplicable', 'empty-source'])

/** A row that can be released: it belongs to a plan, and the ledger has its contents' fingerprints. */
type Releasable = ScopeOutcome & { readonly decision: string }

/** What one relationship's outcome held. */
export type HeldPart = {
  readonly outcome: Outcome
  readonly relationship: string
  readonly source: string
  readonly target: string
  readonly rows: readonly ScopeOutcome[]
}

function isReleasable(row: ScopeOutcome): row is Releasable {
  return row.decision !== undefined && !NEVER_APPROVABLE.has(row.code)
}

function isCut(row: ScopeOutcome): boolean {
  return row.decision !== undefined && row.before === undefined && row.after === undefined
}

function finalOf(entry: LedgerEntry): Outcome {
  if (entry.final !== undefined) return entry.final
  throw new ProblemError(
    'not-finished',
    `replication ${entry.job} is not finished, so nothing of it can be decided yet; look again when it is`,
  )
}

/** The held rows of a replication and its children; with `scopes` only those. Throws where there are none. */
export function heldParts(
  entry: LedgerEntry,
  children: readonly LedgerEntry[],
  scopes: readonly string[] | undefined,
): readonly HeldPart[] {
  const finals = children.length === 0 ? [finalOf(entry)] : children.flatMap(({ final }) => final ?? [])
  const held = finals.flatMap((outcome): readonly HeldPart[] => {
    const rows = (outcome.scopes ?? []).filter(({ status }) => status === 'held')
    const { relationship, source, target } = outcome
    if (rows.length === 0 || relationship === undefined || target === undefined) return []
    return [{ outcome, relationship, source, target, rows }]
  })
  if (held.length === 0) {
    const own = finalOf(entry)
    if (finals.some(({ status, scopes: rows = [], scopeCount = 0 }) => status === 'held' && rows.length < scopeCount)) {
      throw cut(entry.job)
    }
    throw new ProblemError(
      'nothing-held',
      `replication ${entry.job} ended as ${own.status ?? 'failed'} and holds nothing: ${own.message ?? 'see its scopes'}`,
    )
  }
  if (scopes === undefined) return held
  const known = held.flatMap(({ rows }) => rows.map(({ scope }) => scope))
  const named = new Set(scopes.flatMap((text) => namedOne(text, known, entry.job)))
  return held.flatMap((part) => {
    const rows = part.rows.filter(({ scope }) => named.has(scope))
    return rows.length === 0 ? [] : [{ ...part, rows }]
  })
}

function namedOne(text: string, known: readonly string[], job: string): readonly string[] {
  const found = [...new Set(scopesNamed(text, known))]
  if (found.length > 1) {
    throw new ProblemError('ambiguous-scope', `"${text}" stands for ${found.join(' and ')}; add the prefix length`, {
      near: found,
    })
  }
  if (found.length === 1) return found
  const shown = known.slice(0, 10)
  const more = known.length > shown.length ? `, and ${known.length - shown.length} more` : ''
  throw new ProblemError(
    'nothing-held',
    `replication ${job} does not hold ${text}; it holds ${shown.join(', ')}${more}`,
    {
      near: shown,
    },
  )
}

function cut(job: string): ProblemError {
  return new ProblemError(
    'plan-cut',
    `replication ${job} holds more scopes than the ledger keeps the contents of. Decide from the present state instead: GET /v1/relationships/NAME/conflicts, or answer yes to twinscope replicate`,
  )
}

/** The rows that an approval releases. What was named must all be approvable; of the rest only what is. */
function releasable(part: HeldPart, areNamed: boolean): readonly Releasable[] {
  const rows = part.rows.filter(isReleasable)
  const others = part.rows.filter((row) => !isReleasable(row))
  if (rows.length === 0 || (areNamed && others.length > 0)) {
    const reasons = others.map(({ scope, code, message }) => `${scope} (${code}): ${message}`)
    throw new ProblemError('not-approvable', reasons.join('; '))
  }
  if (rows.some(isCut)) throw cut(part.outcome.job)
  return rows
}

/** The digest of exactly these rows of a plan; the replicator computes the same one. */
export function digestOfRows(part: Pick<HeldPart, 'source' | 'target'>, rows: readonly Releasable[]): string {
  return digestOf({
    source: part.source,
    target: part.target,
    scopes: rows.map(({ scope, before, after, decision }) => ({
      scope,
      ...(before === undefined ? {} : { expected: before }),
      ...(after === undefined ? {} : { wanted: after }),
      code: decision,
    })),
  })
}

function who({ actor, reason }: { readonly actor?: string; readonly reason?: string }) {
  return { ...(actor === undefined ? {} : { actor }), ...(reason === undefined ? {} : { reason }) }
}

/** What somebody looked at and picked: this side's content, in these scopes, as this plan writes it. */
type Picked = {
  readonly side: string
  readonly relationship: string
  readonly scopes: readonly string[]
  readonly digest: string
}

/** The authoritative side is picked: the plan that was shown is released. */
export function keepAsk(picked: Picked, by: Parameters<typeof who>[0], approves?: string): Ask {
  return {
    level: 'scope',
    server: picked.side,
    relationship: picked.relationship,
    scopes: [...picked.scopes],
    approvedPlan: picked.digest,
    ...(approves === undefined ? {} : { approves }),
    ...who(by),
  }
}

/** A scope of the partner is picked: its content is written onto the authoritative side, once. */
export function adoptAsk(picked: Picked, by: Parameters<typeof who>[0], of?: string): Ask {
  return { ...keepAsk(picked, by, of), act: { kind: 'adopt', ...(of === undefined ? {} : { of }) } }
}

/** `side`: the resolved server of the body, where it names one. */
export function approveAsk(
  entry: LedgerEntry,
  children: readonly LedgerEntry[],
  body: ApproveBody,
  side: string | undefined,
): Ask {
  const parts = heldParts(entry, children, body.scopes)
  const areNamed = body.scopes !== undefined
  const [first, ...others] = parts as readonly [HeldPart, ...HeldPart[]]
  const { job } = entry
  if (others.length > 0) {
    if (side !== undefined || body.planDigest !== undefined) throw several(job, parts)
    return approveSeveral(job, first.source, parts, areNamed, body)
  }
  const rows = releasable(first, areNamed)
  const scopes = rows.map(({ scope }) => scope)
  const { relationship, source, target, outcome } = first
  const { act } = outcome
  if (act === 'restore') {
    throw new ProblemError(
      'not-approvable',
      `replication ${job} is a restore whose plan changed before it was written; look at the present one and restore ${outcome.of ?? 'it'} again`,
    )
  }
  if (side !== undefined && side !== source && side !== target) {
    throw new ProblemError('not-in-relationship', `${side} is not in ${relationship}; pick ${source} or ${target}`, {
      near: [source, target],
    })
  }
  if (side === target) {
    if (body.planDigest === undefined) {
      throw new ProblemError(
        'approval-required',
        `keeping ${side} writes its settings onto ${source}; look at that plan (GET /v1/relationships/${relationship}/conflicts) and send its digest as planDigest`,
      )
    }
    return adoptAsk({ side, relationship, scopes, digest: body.planDigest }, body, job)
  }
  const picked = { side: source, relationship, scopes, digest: body.planDigest ?? digestOfRows(first, rows) }
  return act === 'adopt' ? adoptAsk(picked, body, job) : keepAsk(picked, body, job)
}

/** A server job whose relationships held something: one request, a digest for each. */
function approveSeveral(
  job: string,
  server: string,
  parts: readonly HeldPart[],
  areNamed: boolean,
  body: ApproveBody,
): Ask {
  const open = parts.filter((part) => areNamed || part.rows.some(isReleasable))
  const [first] = parts as readonly [HeldPart, ...HeldPart[]]
  if (open.length === 0) return releasable(first, areNamed) as never
  const released = open.map((part) => ({ part, rows: releasable(part, areNamed) }))
  return {
    level: 'scope',
    server,
    scopes: released.flatMap(({ rows }) => rows.map(({ scope }) => scope)),
    approvedPlans: Object.fromEntries(released.map(({ part, rows }) => [part.relationship, digestOfRows(part, rows)])),
    approves: job,
    ...who(body),
  }
}

function several(job: string, parts: readonly HeldPart[]): ProblemError {
  const jobs = parts.map(({ outcome, relationship }) => `${outcome.job} (${relationship})`)
  return new ProblemError(
    'several-relationships',
    `replication ${job} held scopes of several relationships; decide for each: ${jobs.join(', ')}`,
    { near: parts.map(({ outcome }) => outcome.job) },
  )
}

export function rejectAsk(entry: LedgerEntry, children: readonly LedgerEntry[], body: RejectBody): Ask {
  const parts = heldParts(entry, children, body.scopes)
  const [first, ...others] = parts as readonly [HeldPart, ...HeldPart[]]
  if (others.length > 0) throw several(entry.job, parts)
  const { act } = first.outcome
  const rows = first.rows.filter(({ decision }) => decision !== undefined)
  if (rows.length === 0 || act === 'adopt' || act === 'restore') {
    const message = `nothing that replication ${first.outcome.job} holds is proposed again by itself, so there is nothing to reject`
    throw new ProblemError('nothing-held', message)
  }
  // Only what was shown can be rejected.
  if (rows.some(isCut)) throw cut(first.outcome.job)
  return {
    level: 'scope',
    server: first.source,
    relationship: first.relationship,
    scopes: rows.map(({ scope }) => scope),
    act: { kind: 'reject', of: first.outcome.job },
    ...who(body),
  }
}
