// What the exit code says, in one place. Several results: the most severe of 1, 5, 4, 3.

import type { PlanAnswer, Relationship, RelationshipPlan, ReplicationDetail, RunStatus } from '#contracts/status-api.ts'

export const EXIT = {
  /** Replicated, or in sync already. */
  done: 0,
  /** Something failed, or the state is not known. */
  error: 1,
  /** The command line is wrong, or a question could not be asked. */
  usage: 2,
  /** The partners differ. */
  outOfSync: 3,
  /** Held, in conflict, or refused because the relationship is observed, paused or outside its window. */
  held: 4,
  /** The named server is not the authoritative side. */
  notAuthoritative: 5,
} as const
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Most severe first. */
const SEVERITY: readonly ExitCode[] = [EXIT.usage, EXIT.error, EXIT.notAuthoritative, EXIT.held, EXIT.outOfSync]

/** Refusals that stand for "not now, not in this mode" instead of "wrong". */
const NOT_NOW = new Set(['observed-only', 'manual', 'authority-unknown', 'paused', 'frozen', 'outside-window'])

export function mostSevere(codes: Iterable<ExitCode>): ExitCode {
  const all = new Set(codes)
  return SEVERITY.find((code) => all.has(code)) ?? EXIT.done
}

export function exitOfRefusal(code: string | undefined): ExitCode {
  if (code === 'not-authoritative') return EXIT.notAuthoritative
  return code !== undefined && NOT_NOW.has(code) ? EXIT.held : EXIT.error
}

export function exitOfStatus(status: RunStatus, code: string | undefined): ExitCode {
  switch (status) {
    case 'replicated':
    case 'already-in-sync':
    case 'done':
    case 'superseded':
    case 'pending':
    case 'running':
      return EXIT.done
    case 'held':
      return EXIT.held
    case 'refused':
      return exitOfRefusal(code)
    case 'failed':
      return EXIT.error
  }
}

type Outcome = Pick<ReplicationDetail, 'status' | 'code' | 'scopes' | 'refused'>

/** Over the job, its relationships and their scopes. */
export function exitOfReplication(replication: Outcome & { readonly children: readonly Outcome[] }): ExitCode {
  const parts: readonly Outcome[] = [replication, ...replication.children]
  return mostSevere(
    parts.flatMap((part) => [
      exitOfStatus(part.status, part.code),
      ...part.scopes.map((scope) => exitOfStatus(scope.status, scope.code)),
      ...(part.refused ?? []).map(({ code }) => exitOfRefusal(code)),
    ]),
  )
}

function exitOfRelationshipPlan(plan: Pick<RelationshipPlan, 'failure' | 'scopes' | 'shown'>): ExitCode {
  if (plan.failure !== undefined) return EXIT.error
  return plan.scopes.length + plan.shown.length > 0 ? EXIT.outOfSync : EXIT.done
}

/** What differs now, whether or not a request for it would be refused. */
export function exitOfDifference(plan: Pick<RelationshipPlan, 'failure' | 'sync' | 'scopes' | 'shown'>): ExitCode {
  return mostSevere([exitOfRelationshipPlan(plan), exitOfSync(plan.sync)])
}

/** What-if: differences are 3, what would be refused counts as in the replication itself. */
export function exitOfPlan(answer: Pick<PlanAnswer, 'plans' | 'refused'>): ExitCode {
  return mostSevere([
    ...answer.plans.map(exitOfRelationshipPlan),
    ...answer.plans.flatMap(({ refusal }) => (refusal === undefined ? [] : [exitOfRefusal(refusal.code)])),
    ...answer.refused.map(({ code }) => exitOfRefusal(code)),
  ])
}

export function exitOfSync(sync: Relationship['sync']): ExitCode {
  switch (sync) {
    case 'in-sync':
      return EXIT.done
    case 'out-of-sync':
      return EXIT.outOfSync
    case 'conflict':
      return EXIT.held
    case 'unknown':
      return EXIT.error
  }
}
