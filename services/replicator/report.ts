// Outcomes: what the ledger says of a job, per scope and as a whole.

import type { Job } from '#contracts/job.ts'
import type { Outcome, ReplicationStatus, ScopeOutcome } from '#contracts/messages.ts'
import { MAX_PART_BYTES } from '#contracts/streams.ts'
import type { ComparedScope } from '#plan/compare.ts'
import type { Decision } from '#plan/decide.ts'
import { digestOf, type PlannedScope } from '#plan/plan.ts'
import { countChanges, renderScope } from '#plan/render.ts'
import { explain, heldMessage, type Place, whatHappened } from '#plan/why.ts'
import type { CommittedScope } from '#protocol/job-types.ts'

/** Most severe first: a job is as bad as its worst scope. */
const SEVERITY: readonly ReplicationStatus[] = [
  'failed',
  'refused',
  'held',
  'replicated',
  'done',
  'superseded',
  'already-in-sync',
]

export function worstStatus(statuses: Iterable<ReplicationStatus>): ReplicationStatus {
  const seen = new Set(statuses)
  return SEVERITY.find((status) => seen.has(status)) ?? 'already-in-sync'
}

export function levelOf(job: Job): Outcome['level'] {
  switch (job.kind) {
    case 'ReplicateServer':
      return 'server'
    case 'ReplicateRelationship':
    case 'MoveAuthority':
      return 'relationship'
    case 'ReplicateScope':
      return 'scope'
  }
}

/** What every outcome of a job says alike. */
export function outcomeOf(job: Job, kind: Outcome['kind'], at: string): Outcome {
  const of = (job.act !== undefined && 'of' in job.act ? job.act.of : undefined) ?? job.cause.approves
  return {
    job: job.job,
    kind,
    ...(job.act === undefined ? {} : { act: job.act.kind }),
    ...(of === undefined ? {} : { of }),
    level: levelOf(job),
    automatic: job.automatic,
    slot: job.slot,
    ...(job.relationship === undefined ? {} : { relationship: job.relationship }),
    source: job.source,
    ...(job.scopes === undefined ? {} : { requestedScopes: job.scopes }),
    cause: job.cause,
    ...(job.parent === undefined ? {} : { parent: job.parent }),
    ...(job.children === undefined
      ? {}
      : { children: job.children.map((child) => ({ slot: child.slot, job: child.job })) }),
    createdAt: job.createdAt,
    ...(job.noticedAt === undefined ? {} : { noticedAt: job.noticedAt }),
    at,
  }
}

const REPLICATED_MESSAGES: Record<string, string> = {
  changed: 'the change was copied to the partner',
  created: 'the scope was created on the partner',
  'target-lost-write': 'the partner had come up with an older configuration; it was copied again',
  deleted: 'the scope was deleted on the partner',
  reverted: "the partner's own edit was overwritten (on-foreign-edit: revert)",
  adopted: "the partner's content was written onto the authoritative side, as approved",
  'restored-preimage':
    'what was there before was put back, as approved; it is held there until somebody approves something else',
  'authority-wins': 'both sides had changed; the authoritative side was copied (on-conflict: authority-wins)',
}

/** What is recorded beside the commit, so that an interrupted run can still report it. */
export type RecordedScope = NonNullable<Job['commit']>['scopes'][number]

export function recordedScope(scope: PlannedScope): RecordedScope {
  return {
    scope: scope.scope,
    code: scope.code,
    counts: countChanges(scope.changes),
    plan: [...renderScope(scope, 20)],
    ...(scope.expected === undefined ? {} : { before: scope.expected }),
    ...(scope.wanted === undefined ? {} : { after: scope.wanted }),
  }
}

/** The same scope is written once more for the same job: what it wrote before is part of its story. */
export function againRecorded(before: RecordedScope, now: RecordedScope): RecordedScope {
  // Recorded before and not carried out: the same write, and not its own past.
  if (before.before === now.before && before.after === now.after)
    return before.earlier === undefined ? now : { ...now, earlier: before.earlier }
  const written = {
    ...(before.before === undefined ? {} : { before: before.before }),
    ...(before.after === undefined ? {} : { after: before.after }),
  }
  return { ...now, earlier: [...(before.earlier ?? []), written] }
}

export function committedRow(result: CommittedScope, recorded: RecordedScope | undefined): ScopeOutcome {
  const details = {
    scope: result.scope,
    ...(recorded === undefined
      ? {}
      : {
          counts: recorded.counts,
          plan: recorded.plan,
          ...(recorded.before === undefined ? {} : { before: recorded.before }),
          ...(recorded.after === undefined ? {} : { after: recorded.after }),
          ...(recorded.earlier === undefined ? {} : { earlier: recorded.earlier }),
        }),
  }
  const code = recorded?.code ?? 'changed'
  switch (result.result) {
    case 'written': {
      const message = REPLICATED_MESSAGES[code] ?? 'the authoritative side was copied to the partner, as approved'
      const isPersisted = result.persisted !== false
      if (result.code === 'overwrote-edit') {
        const edit = result.message ?? 'somebody edited the scope there in the same moment, and that edit is gone'
        return {
          ...details,
          status: 'replicated',
          code: result.code,
          message: `${message}. ${edit}`,
          persisted: isPersisted,
        }
      }
      return {
        ...details,
        status: 'replicated',
        code,
        message: isPersisted
          ? message
          : `${message}; it runs there but is not persisted: ${result.message ?? 'the server could not save it'}`,
        persisted: isPersisted,
      }
    }
    case 'unchanged':
      return {
        ...details,
        status: 'already-in-sync',
        code: 'equal',
        message: 'the partner already had exactly this content',
      }
    case 'target-changed':
      return {
        ...details,
        status: 'failed',
        code: 'target-changed',
        message: 'the partner was edited while it was about to be written; nothing was written',
      }
    case 'rejected':
      return {
        ...details,
        status: 'failed',
        code: result.code ?? 'rejected',
        message: result.message ?? 'the DHCP server refused the configuration',
      }
    case 'held':
      return {
        ...details,
        status: 'held',
        code: result.code ?? 'held',
        message: result.message ?? 'the DHCP server cannot be written for now',
        decision: code,
      }
  }
}

export function heldRow(scope: PlannedScope, place: Place = {}): ScopeOutcome {
  const [first] = scope.obstacles
  return {
    scope: scope.scope,
    status: 'held',
    code: first?.code ?? 'held',
    message: heldMessage(scope, place),
    counts: countChanges(scope.changes),
    plan: [...renderScope(scope, 20)],
    ...(scope.expected === undefined ? {} : { before: scope.expected }),
    ...(scope.wanted === undefined ? {} : { after: scope.wanted }),
    decision: scope.code,
  }
}

/** The row of a difference that is held or only shown, where no plan says more of it. */
export function comparedRow(
  { scope, decision, source, target }: ComparedScope,
  place: Place,
): ScopeOutcome | undefined {
  if (decision.kind !== 'hold' && decision.kind !== 'show') return undefined
  return {
    scope,
    status: 'held',
    code: decision.code,
    message: explain(decision, place),
    ...(target === undefined ? {} : { before: target }),
    ...(source === undefined ? {} : { after: source }),
    ...(decision.kind === 'hold' ? { decision: decision.code } : {}),
  }
}

/** Nothing was to be written, and why: it is equal, or our own write of an earlier job. */
export function equalRow(scope: string, decision: Extract<Decision, { readonly kind: 'converged' }>): ScopeOutcome {
  return { scope, status: 'already-in-sync', code: decision.code, message: whatHappened(decision) }
}

/** Names exactly the held rows of a plan, so that an approval of these scopes names the same; `undefined`: none are. */
export function heldDigest(source: string, target: string, rows: readonly ScopeOutcome[]): string | undefined {
  const held = rows.flatMap(({ scope, status, decision, before, after }) =>
    status !== 'held' || decision === undefined
      ? []
      : [
          {
            scope,
            code: decision,
            ...(before === undefined ? {} : { expected: before }),
            ...(after === undefined ? {} : { wanted: after }),
          },
        ],
  )
  return held.length === 0 ? undefined : digestOf({ source, target, scopes: held })
}

/** Cuts an outcome to what fits one message: plan lines first, then scopes that needed nothing. `scopeCount` keeps the truth. */
export function fitted(outcome: Outcome): Outcome {
  const scopes = outcome.scopes
  if (scopes === undefined) return outcome
  const counted = { ...outcome, scopeCount: outcome.scopeCount ?? scopes.length }
  const fits = (candidate: Outcome) => Buffer.byteLength(JSON.stringify(candidate)) <= MAX_PART_BYTES
  if (fits(counted)) return counted
  const bare = scopes.map(({ plan: _, ...scope }) => scope)
  if (fits({ ...counted, scopes: bare })) return { ...counted, scopes: bare }
  const important = bare
    .filter(({ status }) => status !== 'already-in-sync')
    .map(({ before: _, after: __, ...scope }) => scope)
  let kept = important
  while (kept.length > 0 && !fits({ ...counted, scopes: kept })) kept = kept.slice(0, Math.floor(kept.length / 2))
  return { ...counted, scopes: kept }
}

/** Status, code and message of the whole from its rows. */
export function summary(rows: readonly ScopeOutcome[]): {
  readonly status: ReplicationStatus
  readonly code: string
  readonly message: string
} {
  const status = worstStatus(rows.map((row) => row.status))
  const worst = rows.find((row) => row.status === status)
  const count = (of: ReplicationStatus) => rows.filter((row) => row.status === of).length
  const parts = SEVERITY.filter((of) => count(of) > 0).map((of) => `${count(of)} ${of}`)
  return {
    status,
    code: worst?.code ?? 'equal',
    message:
      rows.length === 1 && worst !== undefined
        ? worst.message
        : `${rows.length} scopes: ${parts.join(', ') || 'nothing to do'}`,
  }
}

/** Whether every scope that `outcome` reports is reported by `other`. */
export function covers(other: Outcome, outcome: Outcome): boolean {
  const scopes = new Set(other.scopes?.map(({ scope }) => scope))
  return outcome.scopes?.every(({ scope }) => scopes.has(scope)) ?? false
}

/** An automatic job whose every scope another job of the same run reports says so instead of repeating it. */
export function superseded(outcome: Outcome, reported: readonly Outcome[]): Outcome {
  const by = outcome.automatic ? reported.find((other) => covers(other, outcome)) : undefined
  if (by === undefined) return outcome
  const { scopes: _, planDigest: __, ...rest } = outcome
  return {
    ...rest,
    status: 'superseded',
    code: 'superseded',
    message: `job ${by.job} handled the same scopes in the same run`,
  }
}
