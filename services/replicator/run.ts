// One run over a relationship's waiting jobs: performs the effects of the machine in libs/protocol/job.ts.
// Which effect comes when is decided there; here is only how.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { CommitResult } from '#contracts/gate.ts'
import { newJobId } from '#contracts/job-id.ts'
import type { Stage } from '#contracts/messages.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { Lock } from '#locks/lock.ts'
import { type GateClient, GateError } from '#messaging/gate-client.ts'
import { admit } from '#plan/admit.ts'
import { makePlan, type Plan, PlanInputChanged, type PlannedScope } from '#plan/plan.ts'
import { effectiveJobs, startRun, stepRun } from '#protocol/job.ts'
import type { RunEffect, RunInput, RunState, ScopeVersion } from '#protocol/job-types.ts'
import type { Logger } from '#telemetry/logger.ts'
import { READ_TIMEOUT_MS, verdictOf } from './disposition.ts'
import type { FleetView } from './fleet.ts'
import type { StoredJob } from './jobs.ts'
import { allRows, sideOf } from './manifests.ts'
import { parts } from './parts.ts'
import { recall } from './recall.ts'
import { type RecordedScope, recordedScope } from './report.ts'

/** Longest wait for a commit's answer. The gate answers late where Kea loads ten thousand scopes. */
const COMMIT_TIMEOUT_MS = 120_000

export type RunContext = {
  readonly policy: RelationshipPolicy
  readonly lock: Lock
  readonly fleet: FleetView
  readonly gateClient: GateClient
  readonly logger: Logger
  /** Called before anything is prepared: from here on the jobs must exist durably. */
  readonly onPrepare: () => Promise<void>
  /** Makes the coming commit known in the jobs' entries. */
  readonly onRecord: (commit: string, scopes: readonly RecordedScope[]) => Promise<void>
  readonly onStage: (stage: string, done: number, total: number) => void
}

/** What a run leaves for the report. */
export type RunReport = {
  readonly state: RunState
  /** Per job: the newest plan that was made for it. */
  readonly plans: ReadonlyMap<string, Plan>
  readonly recorded: ReadonlyMap<string, RecordedScope>
  readonly stages: readonly Stage[]
  readonly wait?: Extract<RunEffect, { readonly kind: 'wait' }>
  /** Scopes that were not quiet yet are due then. Milliseconds since the epoch. */
  readonly postponedUntilMs?: number
}

export async function performRun(jobs: readonly StoredJob[], context: RunContext): Promise<RunReport> {
  const { policy, lock, fleet, gateClient, logger } = context
  const plans = new Map<string, Plan>()
  const recorded = new Map<string, RecordedScope>()
  const stages: Stage[] = []
  let sourceContents: ReadonlyMap<string, ScopeContent | undefined> = new Map()
  let waiting: RunReport['wait']
  let postponedUntilMs: number | undefined

  for (const { job } of jobs) for (const scope of job.commit?.scopes ?? []) recorded.set(scope.scope, scope)

  async function readAuthority(): Promise<RunInput> {
    const answer = await fleet.authorityOf(policy)
    return answer.kind === 'known'
      ? { kind: 'authority', side: answer.side, epoch: answer.epoch }
      : { kind: 'no-authority', message: answer.message }
  }

  async function compare(source: string, target: string, fresh: boolean): Promise<RunInput> {
    const read = async (server: string) => {
      const problem = fleet.problemAt(server, policy.name)
      if (problem !== undefined) throw new GateError('unknown-relationship', problem)
      return sideOf(await gateClient.readManifest(server, policy.name, fresh))
    }
    const [ours, theirs] = await Promise.all([read(source), read(target)])
    return { kind: 'compared', source: ours, target: theirs, nowMs: Date.now() }
  }

  async function prepare(effect: Extract<RunEffect, { kind: 'prepare' }>): Promise<RunInput> {
    await context.onPrepare()
    const { ticket, manifest } = await gateClient.request(
      effect.target,
      'prepare',
      { relationship: policy.name, side: effect.side, epoch: effect.epoch, job: jobs[0]?.job.job ?? newJobId() },
      { timeoutMs: READ_TIMEOUT_MS },
    )
    const rows = await allRows(gateClient, effect.target, policy.name, manifest)
    // Another read came in between: its pages do not belong to this manifest.
    if (rows === undefined) return { kind: 'outdated', why: 'input-changed' }
    return { kind: 'prepared', ticket, target: sideOf({ page: { ...manifest, rows } }) }
  }

  async function plan(state: RunState, effect: Extract<RunEffect, { kind: 'plan' }>): Promise<RunInput> {
    const source = state.side as string
    const target = policy.servers.find((server) => server !== source) as string
    const scopes = effect.scopes.map(({ scope }) => scope as ScopeKey)
    const [ours, theirs] = await Promise.all([
      gateClient.readContents(source, policy.name, scopes, 'live', false),
      gateClient.readContents(target, policy.name, scopes, 'live', false),
    ])
    sourceContents = ours
    const due = new Set<string>(scopes)
    const safe = new Map<string, PlannedScope>()
    for (const job of effectiveJobs(state)) {
      const made = makePlan({
        relationship: policy.name,
        source,
        target,
        comparison: { sync: 'out-of-sync', scopes: state.compared },
        sourceContents: ours,
        targetContents: theirs,
        limits: policy.limits,
        // Of an automatic job only what is due; a request's plan is the one that was shown, whatever else is due.
        ...(job.automatic ? { scopes: due } : job.scopes === undefined ? {} : { scopes: new Set(job.scopes) }),
      })
      plans.set(job.job, made)
      const approved = jobs.find((stored) => stored.job.job === job.job)?.job.approvedPlan
      for (const scope of admit(made, approved).safe) safe.set(scope.scope, scope)
    }
    for (const scope of safe.values()) recorded.set(scope.scope, recordedScope(scope))
    return {
      kind: 'planned',
      safe: [...safe.values()].map(({ scope, expected, wanted }) => ({
        scope,
        ...(expected === undefined ? {} : { expected }),
        ...(wanted === undefined ? {} : { wanted }),
      })),
    }
  }

  // One id until the jobs end: the gate's journal then has all that was ever written for them.
  const commitId = jobs.find(({ job }) => job.commit !== undefined)?.job.commit?.id ?? newJobId()
  async function record(versions: readonly ScopeVersion[]): Promise<RunInput> {
    await context.onRecord(
      commitId,
      versions.map(({ scope }) => recorded.get(scope)).filter((scope) => scope !== undefined),
    )
    return { kind: 'recorded' }
  }

  async function commit(state: RunState, effect: Extract<RunEffect, { kind: 'commit' }>): Promise<RunInput> {
    const contents = effect.versions.flatMap(({ scope, wanted }) => {
      if (wanted === undefined) return []
      const content = sourceContents.get(scope)
      if (content === undefined || content.fingerprint !== wanted) throw new PlanInputChanged(scope)
      return [{ scope, fingerprint: content.fingerprint, text: content.text }]
    })
    for (const part of parts(contents)) {
      await gateClient.request(
        effect.target,
        'stage',
        { relationship: policy.name, ticket: effect.ticket, contents: [...part] },
        { timeoutMs: READ_TIMEOUT_MS },
      )
    }
    if (!lock.mayWrite()) {
      return {
        kind: 'side-failed',
        failure: {
          server: effect.target,
          wait: 'lock-held',
          message: 'the lock of the relationship was lost before the write; nothing was written',
        },
      }
    }
    const answer: CommitResult = await gateClient.request(
      effect.target,
      'commit',
      {
        relationship: policy.name,
        side: effect.side,
        epoch: effect.epoch,
        ticket: effect.ticket,
        job: commitId,
        scopes: [...effect.versions],
        // The new base must outrank whatever the source's gate holds.
        serialAbove: Math.max(0, ...(state.sourceSide?.rows ?? []).map(({ baseSerial }) => baseSerial ?? 0)),
      },
      { timeoutMs: COMMIT_TIMEOUT_MS },
    )
    stages.push(...answer.stages.map(({ name, durationMs }) => ({ name: `gate.${name}`, durationMs })))
    const { persistMessage, results } = answer
    return {
      kind: 'committed',
      results: results.map((result) =>
        result.persisted === false && persistMessage !== undefined ? { ...result, message: persistMessage } : result,
      ),
    }
  }

  async function agree(effect: Extract<RunEffect, { kind: 'agree' }>): Promise<RunInput> {
    const { server, side, epoch, scopes } = effect
    const body = { relationship: policy.name, side, epoch, scopes: [...scopes] }
    const { serial } = await gateClient.request(server, 'agree', body, { timeoutMs: READ_TIMEOUT_MS })
    return { kind: 'agreed', serial }
  }

  async function perform(state: RunState, effect: RunEffect): Promise<RunInput | undefined> {
    switch (effect.kind) {
      case 'read-authority':
        return await readAuthority()
      case 'recall':
        return { kind: 'recalled', results: await recall(gateClient, policy.name, effect.commits, effect.target) }
      case 'compare':
        return await compare(effect.source, effect.target, effect.fresh)
      case 'prepare':
        return await prepare(effect)
      case 'read-source':
        return { kind: 'source-read', source: sideOf(await gateClient.readManifest(effect.source, policy.name, true)) }
      case 'plan':
        return await plan(state, effect)
      case 'record':
        return await record(effect.versions)
      case 'commit':
        return await commit(state, effect)
      case 'agree':
        return await agree(effect)
      case 'wait':
        waiting = effect
        return undefined
      case 'finish':
        postponedUntilMs = effect.postponedUntilMs
        return undefined
      default:
        return effect satisfies never
    }
  }

  function failed(state: RunState, effect: RunEffect, error: unknown): RunInput {
    if (error instanceof PlanInputChanged) return { kind: 'outdated', why: 'input-changed' }
    const server =
      'server' in effect ? effect.server : 'target' in effect ? effect.target : (state.side ?? policy.authority)
    const verdict = verdictOf(error, server)
    if (verdict === undefined) throw error
    // Both sides agree again at the next look; the write itself is done and must be reported.
    if (effect.kind === 'agree') {
      logger.warn(
        { err: error, relationship: policy.name, server: effect.server },
        'base could not be agreed; the next tick repeats it',
      )
      return { kind: 'agreed' }
    }
    if (verdict.kind === 'wait')
      return { kind: 'side-failed', failure: { server, wait: verdict.wait, message: verdict.message } }
    return verdict
  }

  let step = startRun(
    { ...policy, relationship: policy.name },
    jobs.map(({ job }) => ({
      job: job.job,
      automatic: job.automatic,
      source: job.source,
      ...(job.scopes === undefined ? {} : { scopes: job.scopes }),
      ...(job.commit === undefined ? {} : { commit: job.commit.id }),
    })),
  )
  const queue: RunEffect[] = [...step.effects]
  for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
    lock.lost.throwIfAborted()
    const startedAt = performance.now()
    context.onStage(effect.kind, 0, step.state.compared.length)
    let input: RunInput | undefined
    try {
      input = await perform(step.state, effect)
    } catch (error) {
      input = failed(step.state, effect, error)
    }
    if (effect.kind !== 'finish' && effect.kind !== 'wait')
      stages.push({ name: effect.kind, durationMs: performance.now() - startedAt })
    if (input === undefined) continue
    step = stepRun(step.state, input)
    queue.push(...step.effects)
  }
  return {
    state: step.state,
    plans,
    recorded,
    stages,
    ...(waiting === undefined ? {} : { wait: waiting }),
    ...(postponedUntilMs === undefined ? {} : { postponedUntilMs }),
  }
}
