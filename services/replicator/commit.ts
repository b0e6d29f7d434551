// Stages contents at the target's gate and asks it to commit: the one place from which anything is written.

import type { CommitPurpose, CommitResult } from '#contracts/gate.ts'
import type { Stage } from '#contracts/messages.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { Lock } from '#locks/lock.ts'
import { type GateClient, GateError } from '#messaging/gate-client.ts'
import { PlanInputChanged } from '#plan/plan.ts'
import type { CommittedScope, ScopeVersion, SideFailure } from '#protocol/job-types.ts'
import { READ_TIMEOUT_MS } from './disposition.ts'
import { parts } from './parts.ts'

/** Longest wait for a commit's answer. The gate answers late where Kea loads ten thousand scopes. */
const COMMIT_TIMEOUT_MS = 120_000

/** While its answer is waited for, the gate is asked whether it is still there. Milliseconds. */
const ASK_EVERY_MS = 1_000
/** Times in a row that a gate may not know of a commit that runs: it reads its server before it begins. */
const MAX_UNKNOWN = 10

/**
 * Waits for a commit no longer than its gate lives: the answer of a watcher that died never comes, and the lock would
 * be held for nothing. What became of the commit is asked for by its id before anything else is done.
 */
async function whileGateLives<T>(
  gateClient: GateClient,
  { target, relationship, commit }: Pick<CommitOrder, 'target' | 'relationship' | 'commit'>,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const died = new AbortController()
  let unknown = 0
  const ask = async () => {
    const body = { relationship, job: commit }
    const code = await gateClient.request(target, 'result', body, { timeoutMs: ASK_EVERY_MS }).then(
      () => 'ended',
      (error: unknown) => (error instanceof GateError ? error.code : 'failed'),
    )
    unknown = code === 'unknown-job' || code === 'ended' ? unknown + 1 : 0
    if (code === 'no-responders' || unknown >= MAX_UNKNOWN) died.abort()
  }
  const timer = setInterval(ask, ASK_EVERY_MS)
  try {
    return await work(died.signal)
  } catch (error) {
    if (!died.signal.aborted) throw error
    const message = `the watcher of ${target} was lost in the middle of a write; what became of it is asked for when it is back`
    throw new GateError('timed-out', message, { cause: error })
  } finally {
    clearInterval(timer)
  }
}

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
  const answer: CommitResult = await whileGateLives(gateClient, order, (signal) =>
    gateClient.request(
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
      { timeoutMs: COMMIT_TIMEOUT_MS, signal },
    ),
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
