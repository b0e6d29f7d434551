// A run in the world: inputs to its machine, requests on their way, and what a refusal means to it.

import { GateError, type GateFailureCode } from '#messaging/gate-client.ts'
import { stepRun } from '#protocol/job.ts'
import type { RunEffect, RunInput, RunPolicy } from '#protocol/job-types.ts'
import { type GateVerdict, verdictOf } from '#replicator/disposition.ts'
import { newRequest } from './names.ts'
import {
  type Got,
  RELATIONSHIP,
  type RequestBody,
  type Scenario,
  type ServerName,
  type Slot,
  type Worker,
  type World,
  withWorker,
} from './world.ts'

export type Run = NonNullable<Worker['run']>

export const IDLE: Worker = { holdsLock: false }

const policies = new WeakMap<Scenario, RunPolicy>()

export function policyOf(scenario: Scenario): RunPolicy {
  let policy = policies.get(scenario)
  if (policy === undefined) {
    const { onForeignEdit, onConflict, prune } = scenario.policy
    policy = {
      relationship: RELATIONSHIP,
      servers: ['a', 'b'],
      mode: 'automatic',
      quietPeriodMs: 0,
      soakDelayMs: 0,
      onForeignEdit,
      onConflict,
      prune,
    }
    policies.set(scenario, policy)
  }
  return policy
}

const verdicts = new Map<string, GateVerdict>()
/** The replicator's own reading of a gate's refusal. */
export function verdictFor(code: GateFailureCode, server: string): GateVerdict {
  const key = `${code} ${server}`
  let verdict = verdicts.get(key)
  if (verdict === undefined) {
    verdict = verdictOf(new GateError(code, code), server)
    if (verdict === undefined) throw new Error(`the replicator has no verdict for ${code}`)
    verdicts.set(key, verdict)
  }
  return verdict
}

/** What a refusal, or no answer, is to the run; as in services/replicator/run.ts. */
export function failed(effect: RunEffect, code: GateFailureCode, server: string): RunInput {
  // The write itself is done; both sides agree again at the next look.
  if (effect.kind === 'agree') return { kind: 'agreed' }
  const verdict = verdictFor(code, server)
  if (verdict.kind === 'wait') {
    const wait = effect.kind === 'cover' && verdict.wait === 'partner-not-normal' ? 'covering' : verdict.wait
    return { kind: 'side-failed', failure: { server, wait, message: verdict.message } }
  }
  return verdict
}

export function give(world: World, scenario: Scenario, slot: Slot, run: Run, input: RunInput): World {
  let { state, effects } = stepRun(run.state, input, scenario.checks.run)
  if (effects[0]?.kind === 'permit' && world.budget.pauses === 0 && scenario.isFine !== true) {
    // Nobody can say no, so nothing can come in between that would matter.
    ;({ state, effects } = stepRun(state, { kind: 'permission', permission: { kind: 'open' } }, scenario.checks.run))
  }
  if (effects.length === 0) throw new Error(`the run ignored "${input.kind}" in phase "${run.state.phase}"`)
  const { waitsFor: _, got: __, ...rest } = run
  return withWorker(world, slot, { ...world[slot], run: { ...rest, state, effects } })
}

export function got(world: World, slot: Slot, run: Run, what: Got): World {
  return withWorker(world, slot, { ...world[slot], run: { ...run, got: what } })
}

export function send(world: World, slot: Slot, run: Run, to: string, request: RequestBody): World {
  const from = newRequest(world)
  const net = [...world.net, { from, to: to as ServerName, request }].sort((one, other) => one.from - other.from)
  return withWorker({ ...world, net }, slot, { ...world[slot], run: { ...run, waitsFor: from } })
}
