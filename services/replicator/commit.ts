// Stages contents at the target's gate and asks it to commit: the one place from which anything is written.

import type { CommitPurpose, CommitResult } from '#contracts/gate.ts'
import type { Stage } from '#contracts/messages.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { Lock } from '#locks/lock.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import { PlanInputChanged } from '#plan/plan.ts'
import type { CommittedScope, ScopeVersion, SideFailure } from '#protocol/job-types.ts'
import { READ_TIMEOUT_MS } from './disposition.ts'
import { parts } from './parts.ts'

/** Longest wait for a commit's answer. The gate answers late where Kea loads ten thousand scopes. */
const COMMIT_TIMEOUT_MS = 120_000

export type CommitOrder = {
  readonly relationship: string
  readonly target: string
  readonly side: string
  readonly epoch: number
  readonly ticket: string
  /** Its id in the gate's journal. */
  readonly commit: string
  readonly versions: readonly ScopeVersion[]
  readonly contents: ReadonlyMap<string, ScopeContent | undefined>
  readonly purpose?: CommitPurpose
  /** The highest base serial that the other side has: a new base must outrank it. */
  readonly serialAbove?: number
}

export type CommitAnswer =
  | { readonly kind: 'committed'; readonly results: readonly CommittedScope[]; readonly stages: readonly Stage[] }
  | { readonly kind: 'side-failed'; readonly failure: SideFailure }

/** Throws `GateError`, and `PlanInputChanged` where a content that was planned is not there. */
export async function stageAndCommit(gateClient: GateClient, lock: Lock, order: CommitOrder): Promise<CommitAnswer> {
  const { relationship, target, ticket } = order
  const contents = order.versions.flatMap(({ scope, wanted }) => {
    if (wanted === undefined) return []
    const content = order.contents.get(scope)
    if (content === undefined || content.fingerprint !== wanted) throw new PlanInputChanged(scope)
    return [{ scope, fingerprint: content.fingerprint, text: content.text }]
  })
  for (const part of parts(contents)) {
    const body = { relationship, ticket, contents: [...part] }
    await gateClient.request(target, 'stage', body, { timeoutMs: READ_TIMEOUT_MS })
  }
  if (!lock.mayWrite()) {
    const message = 'the lock of the relationship was lost before the write; nothing was written'
    return { kind: 'side-failed', failure: { server: target, wait: 'lock-held', message } }
  }
  const answer: CommitResult = await gateClient.request(
    target,
    'commit',
    {
      relationship,
      side: order.side,
      epoch: order.epoch,
      ticket,
      job: order.commit,
      scopes: [...order.versions],
      ...(order.purpose === undefined ? {} : { purpose: order.purpose }),
      ...(order.serialAbove === undefined ? {} : { serialAbove: order.serialAbove }),
    },
    { timeoutMs: COMMIT_TIMEOUT_MS },
  )
  const { persistMessage, results } = answer
  return {
    kind: 'committed',
    stages: answer.stages.map(({ name, durationMs }) => ({ name: `gate.${name}`, durationMs })),
    results: results.map((result) =>
      result.persisted === false && persistMessage !== undefined && result.code === undefined
        ? { ...result, message: persistMessage }
        : result,
    ),
  }
}
