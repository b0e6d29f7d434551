// One run over a relationship's waiting jobs: performs the effects of the machine in libs/protocol/job.ts.
// Which effect comes when is decided there; here is only how.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { newJobId } from '#contracts/job-id.ts'
import type { Stage } from '#contracts/messages.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { Lock } from '#locks/lock.ts'
import { type GateClient, GateError } from '#messaging/gate-client.ts'
import type { Admission } from '#plan/admit.ts'
import { PlanInputChanged } from '#plan/plan.ts'
import { startRun, stepRun } from '#protocol/job.ts'
import { targetOf } from '#protocol/job-concerns.ts'
import type { Postponed, RunEffect, RunInput, RunState, ScopeVersion, SideFailure } from '#protocol/job-types.ts'
import type { Logger } from '#telemetry/logger.ts'
import { stageAndCommit } from './commit.ts'
import { cover } from './cover.ts'
import { verdictOf } from './disposition.ts'
import type { FleetView } from './fleet.ts'
import type { StoredJob } from './jobs.ts'
import { sideOf } from './manifests.ts'
import type { Permissions } from './permission.ts'
import { planRun } from './plan-run.ts'
import { recall } from './recall.ts'
import type { RejectionsView } from './rejections.ts'
import { againRecorded, type RecordedScope, recordedScope } from './report.ts'
import { agreeAt, prepareAt, readAuthority } from './sides.ts'

export type RunContext = {
  readonly policy: RelationshipPolicy
  readonly lock: Lock
  readonly fleet: FleetView
  readonly gateClient: GateClient
  readonly permissions: Permissions
  readonly rejections: RejectionsView
  readonly logger: Logger
  /** Called before anything is prepared: from here on the jobs must exist durably. */
  readonly onPrepare: () => Promise<void>
  /** Makes the coming commit known in the jobs' entries. */
  readonly onRecord: (commit: string, target: string, scopes: readonly RecordedScope[]) => Promise<void>
  readonly onStage: (stage: string, done: number, total: number) => void
}

/** Why all jobs of a run have to wait. */
export type RunWaiting = { readonly failure: SideFailure; readonly untilMs?: number }

/** What a run leaves for the report. */
export type RunReport = {
  readonly state: RunState
  /** Per job: the newest plan that was made for it, and what of it passed. */
  readonly plans: ReadonlyMap<string, Admission>
  readonly recorded: ReadonlyMap<string, RecordedScope>
  readonly stages: readonly Stage[]
  readonly wait?: RunWaiting
  /** What was left to a later run. */
  readonly postponed?: Postponed
  /** The commit in the target's journal, where anything was written. */
  readonly commit?: string
}

export async function performRun(jobs: readonly StoredJob[], context: RunContext): Promise<RunReport> {
  const { policy, lock, fleet, gateClient, logger } = context
  const plans = new Map<string, Admission>()
  const recorded = new Map<string, RecordedScope>()
  const stages: Stage[] = []
  let sourceContents: ReadonlyMap<string, ScopeContent | undefined> = new Map()
  let waiting: RunReport['wait']
  let left: Postponed | undefined

  for (const { job } of jobs) for (const scope of job.commit?.scopes ?? []) recorded.set(scope.scope, scope)

  async function compare(source: string, target: string, fresh: boolean): Promise<RunInput> {
    const read = async (server: string) => {
      const problem = fleet.problemAt(server, policy.name)
      if (problem !== undefined) throw new GateError('unknown-relationship', problem)
      return sideOf(await gateClient.readManifest(server, policy.name, fresh), policy)
    }
    const [ours, theirs] = await Promise.all([read(source), read(target)])
    const rejections = await context.rejections.standing(policy.name, ours.rows, theirs.rows)
    return { kind: 'compared', source: ours, target: theirs, nowMs: Date.now(), rejections }
  }

  async function prepare({ target, side, epoch }: Extract<RunEffect, { kind: 'prepare' }>): Promise<RunInput> {
    await context.onPrepare()
    return await prepareAt(gateClient, policy, target, { side, epoch, job: jobs[0]?.job.job ?? newJobId() })
  }

  async function plan(state: RunState, effect: Extract<RunEffect, { kind: 'plan' }>): Promise<RunInput> {
    const due = effect.scopes.map(({ scope }) => scope as ScopeKey)
    const planned = await planRun(gateClient, policy, jobs, state, due)
    sourceContents = planned.sourceContents
    for (const [job, admission] of planned.admitted.jobs) plans.set(job, admission)
    const written = new Set(state.results.flatMap(({ scope, result }) => (result === 'written' ? [scope] : [])))
    for (const scope of planned.admitted.safe) {
      const before = written.has(scope.scope) ? recorded.get(scope.scope) : undefined
      const now = recordedScope(scope)
      recorded.set(scope.scope, before === undefined ? now : againRecorded(before, now))
    }
    return { kind: 'planned', safe: planned.versions }
  }

  // One id until the jobs end: the gate's journal then has all that was ever written for them. It is the id of one
  // of them, a request before an automatic one, so that the journal names somebody whom the ledger knows.
  const first = jobs.find(({ job }) => !job.automatic) ?? jobs[0]
  const commitId = jobs.find(({ job }) => job.commit !== undefined)?.job.commit?.id ?? first?.job.job ?? newJobId()
  async function record(state: RunState, versions: readonly ScopeVersion[]): Promise<RunInput> {
    await context.onRecord(
      commitId,
      targetOf(state),
      versions.map(({ scope }) => recorded.get(scope)).filter((scope) => scope !== undefined),
    )
    return { kind: 'recorded' }
  }

  async function commit(state: RunState, effect: Extract<RunEffect, { kind: 'commit' }>): Promise<RunInput> {
    const answer = await stageAndCommit(gateClient, lock, {
      ...effect,
      relationship: policy.name,
      commit: commitId,
      contents: sourceContents,
      // The new base must outrank whatever the source's gate holds.
      serialAbove: Math.max(0, ...(state.sourceSide?.rows ?? []).map(({ baseSerial }) => baseSerial ?? 0)),
    })
    if (answer.kind === 'committed') stages.push(...answer.stages)
    return answer
  }

  async function perform(state: RunState, effect: RunEffect): Promise<RunInput | undefined> {
    switch (effect.kind) {
      case 'read-authority':
        return await readAuthority(fleet, policy)
      case 'recall':
        return { kind: 'recalled', results: await recall(gateClient, policy.name, effect.commits, effect.target) }
      case 'compare':
        return await compare(effect.source, effect.target, effect.fresh)
      case 'prepare':
        return await prepare(effect)
      case 'read-source':
        return {
          kind: 'source-read',
          source: sideOf(await gateClient.readManifest(effect.source, policy.name, true), policy),
        }
      case 'plan':
        return await plan(state, effect)
      case 'record':
        return await record(state, effect.versions)
      case 'commit':
        return await commit(state, effect)
      case 'permit':
        return { kind: 'permission', permission: await context.permissions.permissionOf(policy, Date.now()) }
      case 'cover':
      case 'uncover': {
        await cover(gateClient, policy.name, effect.server, commitId, effect.kind === 'cover')
        return effect.kind === 'cover' ? { kind: 'covered' } : undefined
      }
      case 'agree':
        return { kind: 'agreed', serial: await agreeAt(gateClient, policy, effect) }
      case 'wait':
        waiting = effect
        return undefined
      case 'finish':
        left = effect.postponed
        return undefined
      default:
        return effect satisfies never
    }
  }

  function failed(state: RunState, effect: RunEffect, error: unknown): RunInput | undefined {
    if (error instanceof PlanInputChanged) return { kind: 'outdated', why: 'input-changed' }
    const server =
      'server' in effect ? effect.server : 'target' in effect ? effect.target : (state.side ?? policy.authority)
    const verdict = verdictOf(error, server)
    if (verdict === undefined) throw error
    // It ends by itself.
    if (effect.kind === 'uncover') {
      logger.warn({ err: error, relationship: policy.name, server }, 'cover could not be ended; it ends by itself')
      return undefined
    }
    // Another write disturbs this server now, or it does not serve: ours would disturb both.
    if (effect.kind === 'cover' && verdict.kind === 'wait') {
      const waitFor = verdict.wait === 'partner-not-normal' ? 'covering' : verdict.wait
      return { kind: 'side-failed', failure: { server, wait: waitFor, message: verdict.message } }
    }
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
      ...(job.commit?.server === undefined ? {} : { commitAt: job.commit.server }),
      ...(job.noticedAt === undefined ? {} : { noticedAtMs: Date.parse(job.noticedAt) }),
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
    ...(left === undefined ? {} : { postponed: left }),
    ...(step.state.results.some(({ result }) => result === 'written') ? { commit: commitId } : {}),
  }
}
