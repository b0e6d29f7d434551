// Performs an adoption or a restore: the effects of the machine in libs/protocol/correction.ts.
// Which effect comes when is decided there; here is only how.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Stage } from '#contracts/messages.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { Lock } from '#locks/lock.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import { PlanInputChanged, type PlannedScope } from '#plan/plan.ts'
import { startCorrection, stepCorrection } from '#protocol/correction.ts'
import { targetsOf } from '#protocol/correction-scopes.ts'
import type {
  CorrectionEffect,
  CorrectionInput,
  CorrectionRequest,
  CorrectionState,
} from '#protocol/correction-types.ts'
import type { CommittedScope } from '#protocol/job-types.ts'
import type { Logger } from '#telemetry/logger.ts'
import { stageAndCommit } from './commit.ts'
import { cover } from './cover.ts'
import { verdictOf } from './disposition.ts'
import type { FleetView } from './fleet.ts'
import type { Permissions } from './permission.ts'
import { planCorrection } from './plan-correction.ts'
import { readPreImages } from './pre-images.ts'
import { recall } from './recall.ts'
import { type RecordedScope, recordedScope } from './report.ts'
import type { RunWaiting } from './run.ts'
import { agreeAt, prepareAt, readAuthority } from './sides.ts'

export type CorrectionContext = {
  readonly policy: RelationshipPolicy
  readonly lock: Lock
  readonly fleet: FleetView
  readonly gateClient: GateClient
  readonly permissions: Permissions
  readonly logger: Logger
  readonly request: CorrectionRequest
  /** The digest that somebody approved. */
  readonly approvedPlan: string | undefined
  /** Restores: the commit whose pre-images are put back. */
  readonly commit: string | undefined
  /** Makes the coming commits known in the job's entry. */
  readonly onRecord: (scopes: readonly RecordedScope[]) => Promise<void>
}

export type CorrectionReport = {
  readonly state: CorrectionState
  /** Server → what of its plan was not approved. */
  readonly held: ReadonlyMap<string, readonly PlannedScope[]>
  readonly recorded: readonly RecordedScope[]
  /** Scope → why nothing is known that could be put back. */
  readonly missing: ReadonlyMap<string, string>
  readonly stages: readonly Stage[]
  readonly wait?: RunWaiting
}

export async function performCorrection(
  context: CorrectionContext,
  earlier: readonly RecordedScope[],
): Promise<CorrectionReport> {
  const { policy, lock, fleet, gateClient, logger, request } = context
  const { name: relationship } = policy
  const stages: Stage[] = []
  let held: ReadonlyMap<string, readonly PlannedScope[]> = new Map()
  let recorded = earlier
  let missing: ReadonlyMap<string, string> = new Map()
  let contents: ReadonlyMap<string, ScopeContent | undefined> = new Map()
  let waiting: RunWaiting | undefined

  async function prepare({ target, side, epoch, scopes }: Extract<CorrectionEffect, { kind: 'prepare' }>) {
    const exception = { kind: request.kind, approval: request.job, scopes: [...scopes] }
    return await prepareAt(gateClient, policy, target, { side, epoch, job: request.job, exception })
  }

  async function readWanted(server: string, scopes: readonly string[]): Promise<CorrectionInput> {
    if (request.kind === 'restore') {
      const found = await readPreImages(gateClient, relationship, server, context.commit as string, scopes)
      contents = found.contents
      missing = found.missing
    } else {
      contents = await gateClient.readContents(server, relationship, scopes as readonly ScopeKey[], 'live', true)
    }
    const wanted = [...contents].map(([scope, content]) => ({
      scope,
      ...(content === undefined ? {} : { fingerprint: content.fingerprint }),
    }))
    return { kind: 'wanted', wanted }
  }

  async function plan(state: CorrectionState, targets: readonly string[]): Promise<CorrectionInput> {
    const made = await planCorrection(gateClient, policy, {
      kind: request.kind,
      server: request.server,
      targets,
      wanted: contents,
      approvedPlan: context.approvedPlan,
      prepared: state.targetSide?.rows ?? [],
    })
    held = made.held
    recorded = [...made.safe].flatMap(([server, scopes]) =>
      scopes.map((scope) => ({ ...recordedScope(scope), server })),
    )
    const approved = [...made.safe].map(([server, scopes]) => [
      server,
      scopes.map(({ scope, expected, wanted }) => ({
        scope,
        ...(expected === undefined ? {} : { expected }),
        ...(wanted === undefined ? {} : { wanted }),
        approved: true,
      })),
    ])
    return { kind: 'planned', approved: Object.fromEntries(approved) }
  }

  async function recallAll(targets: readonly string[]): Promise<CorrectionInput> {
    const results: [string, readonly CommittedScope[]][] = []
    for (const target of targets) {
      results.push([target, await recall(gateClient, relationship, [request.job], target)])
    }
    return { kind: 'recalled', results: Object.fromEntries(results) }
  }

  async function perform(state: CorrectionState, effect: CorrectionEffect): Promise<CorrectionInput | undefined> {
    switch (effect.kind) {
      case 'read-authority':
        return await readAuthority(fleet, policy)
      case 'recall':
        return await recallAll(effect.targets)
      case 'permit':
        return { kind: 'permission', permission: await context.permissions.permissionOf(policy, Date.now()) }
      case 'prepare':
        return await prepare(effect)
      case 'read-wanted':
        return await readWanted(effect.server, effect.scopes)
      case 'plan':
        return await plan(state, effect.targets)
      case 'record':
        await context.onRecord(recorded)
        return { kind: 'recorded' }
      case 'cover':
        await cover(gateClient, relationship, effect.server, request.job, true)
        return { kind: 'covered' }
      case 'uncover':
        await cover(gateClient, relationship, effect.server, request.job, false)
        return undefined
      case 'commit': {
        const answer = await stageAndCommit(gateClient, lock, {
          ...effect,
          relationship,
          commit: request.job,
          contents,
        })
        if (answer.kind === 'committed') stages.push(...answer.stages)
        return answer
      }
      case 'agree':
        await agreeAt(gateClient, policy, effect)
        return { kind: 'agreed' }
      case 'wait':
        waiting = effect
        return undefined
      case 'finish':
        return undefined
      default:
        return effect satisfies never
    }
  }

  function failed(state: CorrectionState, effect: CorrectionEffect, error: unknown): CorrectionInput | undefined {
    if (error instanceof PlanInputChanged) return { kind: 'outdated', why: 'input-changed' }
    const server = 'server' in effect ? effect.server : 'target' in effect ? effect.target : targetsOf(state)[state.at]
    const verdict = verdictOf(error, server ?? request.server)
    if (verdict === undefined) throw error
    // The write is done and must be reported; the next tick finds both sides equal and agrees.
    if (effect.kind === 'agree' || effect.kind === 'uncover') {
      logger.warn({ err: error, relationship, server, effect: effect.kind }, 'not confirmed; it settles by itself')
      return effect.kind === 'agree' ? { kind: 'agreed' } : undefined
    }
    if (verdict.kind !== 'wait') return verdict
    const isBusy = effect.kind === 'cover' && verdict.wait === 'partner-not-normal'
    const wait = isBusy ? 'covering' : verdict.wait
    return { kind: 'side-failed', failure: { server: server ?? request.server, wait, message: verdict.message } }
  }

  let step = startCorrection(request)
  const queue: CorrectionEffect[] = [...step.effects]
  for (let effect = queue.shift(); effect !== undefined; effect = queue.shift()) {
    lock.lost.throwIfAborted()
    const startedAt = performance.now()
    let input: CorrectionInput | undefined
    try {
      input = await perform(step.state, effect)
    } catch (error) {
      input = failed(step.state, effect, error)
    }
    if (effect.kind !== 'finish' && effect.kind !== 'wait') {
      stages.push({ name: effect.kind, durationMs: performance.now() - startedAt })
    }
    if (input === undefined) continue
    step = stepCorrection(step.state, input)
    queue.push(...step.effects)
  }
  const left = waiting === undefined ? {} : { wait: waiting }
  return { state: step.state, held, recorded, missing, stages, ...left }
}
