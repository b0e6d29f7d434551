// The effects of a run that touch the gates on the way to a write, as services/replicator performs them.

import { step } from '#protocol/gate.ts'
import type { RunEffect, RunInput } from '#protocol/job-types.ts'
import { failed, give, got, type Run, send } from './worker-run.ts'
import {
  gateOf,
  type Next,
  RELATIONSHIP,
  type RequestBody,
  type Scenario,
  type Slot,
  serverOf,
  spend,
  type World,
  withGate,
  withWorker,
} from './world.ts'

/** Asks the partner's gate to cover, or no longer to; it answers at once. */
export function cover(
  world: World,
  scenario: Scenario,
  slot: Slot,
  run: Run,
  effect: Extract<RunEffect, { kind: 'cover' | 'uncover' }>,
): Next[] {
  const { server } = effect
  const on = effect.kind === 'cover'
  const gate = gateOf(world, server)
  const request = {
    op: 'cover',
    relationship: RELATIONSHIP,
    job: run.commitId,
    on,
    serves: serverOf(world, server).normal,
  } as const
  const next = step(gate.state, { kind: 'request', from: -1, request }, scenario.checks.gate)
  const [reply] = next.effects
  if (reply?.kind !== 'reply') throw new Error('the gate did not answer "cover" at once')
  const asked = withGate(world, server, { ...gate, state: next.state })
  const goOn = (after: World, input: RunInput): World =>
    on
      ? give(after, scenario, slot, run, input)
      : withWorker(after, slot, { ...after[slot], run: { ...run, effects: run.effects.slice(1) } })
  const refused = reply.answer.kind === 'refused' ? reply.answer.code : undefined
  const input = refused === undefined ? ({ kind: 'covered' } as const) : failed(effect, refused, server)
  const what = on ? `asks ${server} to cover` : `ends the cover of ${server}`
  const steps: Next[] = [
    { label: refused === undefined ? what : `${what}; refused: ${refused}`, world: goOn(asked, input) },
  ]
  if (world.budget.losses > 0) {
    const unanswered = failed(effect, 'timed-out', server)
    steps.push({ label: `${what}; the request is lost`, world: goOn(spend(world, 'losses'), unanswered) })
    steps.push({ label: `${what}; the answer is lost`, world: goOn(spend(asked, 'losses'), unanswered) })
  }
  return steps
}

/** Stages what will be written; the gate answers at once. */
export function stage(
  world: World,
  slot: Slot,
  run: Run,
  effect: Extract<RunEffect, { kind: 'commit' }>,
  scenario: Scenario,
) {
  const gate = gateOf(world, effect.target)
  const fingerprints = effect.versions.flatMap(({ wanted }) => (wanted === undefined ? [] : [wanted]))
  if (fingerprints.length === 0) return got(world, slot, run, { kind: 'staged' })
  const request = { op: 'stage', relationship: RELATIONSHIP, ticket: effect.ticket, fingerprints } as const
  const next = step(gate.state, { kind: 'request', from: -1, request }, scenario.checks.gate)
  const [reply] = next.effects
  if (reply?.kind !== 'reply') throw new Error('the gate did not answer "stage" at once')
  if (reply.answer.kind === 'refused')
    return give(world, scenario, slot, run, failed(effect, reply.answer.code, effect.target))
  return got(withGate(world, effect.target, { ...gate, state: next.state }), slot, run, { kind: 'staged' })
}

export function commit(
  world: World,
  slot: Slot,
  run: Run,
  effect: Extract<RunEffect, { kind: 'commit' }>,
  scenario: Scenario,
): Next[] {
  const { target, side, epoch, ticket, versions } = effect
  if (run.got?.kind !== 'staged') {
    const staged = stage(world, slot, run, effect, scenario)
    const next = staged[slot].run
    // What voids the ticket between the two refuses the second like the first, so they are one, except where fine.
    if (scenario.isFine === true || next?.got?.kind !== 'staged')
      return [{ label: `stages at ${target}`, world: staged }]
    return commit(staged, slot, next, effect, scenario)
  }
  const serials = (run.state.sourceSide?.rows ?? []).map(({ baseSerial }) => baseSerial ?? 0)
  const request: RequestBody = {
    op: 'commit',
    relationship: RELATIONSHIP,
    side,
    epoch,
    ticket,
    job: run.commitId,
    scopes: versions,
    serialAbove: Math.max(0, ...serials),
  }
  const text = versions.map(({ scope, expected, wanted }) => `${scope}: ${expected ?? '-'}→${wanted ?? '-'}`).join(' ')
  const steps: Next[] = [
    { label: `asks ${target} to commit ${run.commitId} (${text})`, world: send(world, slot, run, target, request) },
  ]
  // It looks at its lock in front of the write. Where it has lost it, it may see that, or see it too late.
  if (scenario.lock && !world[slot].holdsLock) {
    const failure = { server: target, wait: 'lock-held', message: 'lost' } as const
    const input: RunInput = { kind: 'side-failed', failure }
    steps.push({
      label: 'sees that its lock is lost and writes nothing',
      world: give(world, scenario, slot, run, input),
    })
  }
  return steps
}
