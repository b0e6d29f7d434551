// Whoever moves the authority: what the effects of the takeover machine do in the world.

import type { GateReply } from '#protocol/gate-types.ts'
import {
  type KnownAtGate,
  startTakeover,
  stepTakeover,
  type TakeoverEffect,
  type TakeoverInput,
  type TakeoverRequest,
} from '#protocol/takeover.ts'
import { isUnderWay, newAuthorityRevision, newRequest } from './names.ts'
import {
  gateOf,
  type Mover,
  type Next,
  RELATIONSHIP,
  type Scenario,
  type ServerName,
  spend,
  type World,
} from './world.ts'

type Run = NonNullable<Mover['run']>

function give(world: World, scenario: Scenario, run: Run, input: TakeoverInput): World {
  const { state, effects } = stepTakeover(run.state, input, scenario.checks.takeover)
  const [effect] = effects
  if (effect === undefined) throw new Error(`the move ignored "${input.kind}" in phase "${run.state.phase}"`)
  return { ...world, mover: { run: { state, effect } } }
}

/** A gate's answer to a fence; `undefined` where the mover does not wait for it. */
export function receiveMove(world: World, scenario: Scenario, from: number, reply: GateReply): World | undefined {
  const { run } = world.mover
  if (run?.waitsFor !== from) return undefined
  const isInform = run.effect.kind === 'inform'
  if (reply.kind === 'fenced') return give(world, scenario, run, { kind: isInform ? 'informed' : 'fenced' })
  const code = reply.kind === 'refused' ? reply.code : reply.kind
  const input: TakeoverInput = code === 'stale-epoch' ? { kind: 'outdated' } : { kind: 'unreachable', message: code }
  return give(world, scenario, run, input)
}

function knownAt(world: World, server: string): KnownAtGate {
  const known = gateOf(world, server).state.authorities[RELATIONSHIP]
  return known === undefined ? { kind: 'knows-nothing' } : { kind: 'knows', side: known.side, epoch: known.epoch }
}

function perform(world: World, scenario: Scenario, run: Run): Next[] {
  const { effect } = run
  switch (effect.kind) {
    case 'read-authority': {
      const known = world.kv.authority
      // A revision of NATS is a number; here its name's.
      const record = known && { side: known.side, epoch: known.epoch, revision: Number(known.revision.slice(1)) }
      const input: TakeoverInput = { kind: 'authority', ...(record === undefined ? {} : { record }) }
      return [{ label: 'reads the authority', world: give(world, scenario, run, input) }]
    }
    case 'read-gates': {
      const gates: Record<string, KnownAtGate> = { a: knownAt(world, 'a'), b: knownAt(world, 'b') }
      const steps: Next[] = [{ label: 'asks both gates', world: give(world, scenario, run, { kind: 'gates', gates }) }]
      if (world.budget.losses > 0) {
        const partner = run.state.request.to === 'a' ? 'b' : 'a'
        const without = { ...gates, [partner]: { kind: 'unreachable', message: 'no answer' } as const }
        const input: TakeoverInput = { kind: 'gates', gates: without }
        steps.push({
          label: `asks both gates; ${partner} does not answer`,
          world: give(spend(world, 'losses'), scenario, run, input),
        })
      }
      return steps
    }
    case 'fence':
    case 'inform': {
      const { server, side, epoch } = effect
      const from = newRequest(world)
      const request = { op: 'fence', relationship: RELATIONSHIP, side, epoch } as const
      const net = [...world.net, { from, to: server as ServerName, request }].sort(
        (one, other) => one.from - other.from,
      )
      const waiting = { ...world, net, mover: { run: { ...run, waitsFor: from } } }
      return [{ label: `tells ${server} of epoch ${epoch} of ${side}`, world: waiting }]
    }
    case 'publish': {
      const known = world.kv.authority
      const isSame = known === undefined ? effect.revision === undefined : known.revision === `R${effect.revision}`
      const isAllowed = isSame || !scenario.checks.takeover.compareAndSet
      const { side, epoch } = effect
      if (!isAllowed)
        return [{ label: 'finds another record', world: give(world, scenario, run, { kind: 'outdated' }) }]
      const authority = { side: side as ServerName, epoch, revision: newAuthorityRevision(world) }
      const published = { ...world, kv: { ...world.kv, authority } }
      const label = `publishes epoch ${epoch} of ${side}`
      return [{ label, world: give(published, scenario, run, { kind: 'published' }) }]
    }
    case 'finish':
      return [{ label: `is done: ${effect.result.kind}`, world: { ...world, mover: {} } }]
    default:
      return effect satisfies never
  }
}

function start(world: World, scenario: Scenario): Next[] {
  const moves = scenario.moves ?? []
  const to = moves[moves.length - world.budget.moves]
  if (to === undefined) return []
  const request: TakeoverRequest = {
    relationship: RELATIONSHIP,
    servers: ['a', 'b'],
    to,
    force: scenario.force === true,
  }
  const { state, effects } = startTakeover(request)
  const run: Run = { state, effect: effects[0] as TakeoverEffect }
  return [{ label: `begins to move the authority to ${to}`, world: { ...spend(world, 'moves'), mover: { run } } }]
}

/** Everything that may happen next to whoever moves the authority. */
export function moverSteps(world: World, scenario: Scenario): Next[] {
  const { run } = world.mover
  if (run === undefined) return world.budget.moves > 0 ? start(world, scenario) : []
  const steps: Next[] = []
  if (run.waitsFor === undefined) steps.push(...perform(world, scenario, run))
  else {
    const isAnswerPossible = isUnderWay(world, run.waitsFor)
    if (!isAnswerPossible || world.budget.losses > 0) {
      const after = isAnswerPossible ? spend(world, 'losses') : world
      const input: TakeoverInput = { kind: 'unreachable', message: 'no answer' }
      steps.push({ label: 'waits no longer for an answer', world: give(after, scenario, run, input) })
    }
  }
  if (world.budget.moverKills > 0) steps.push({ label: 'dies', world: { ...spend(world, 'moverKills'), mover: {} } })
  return steps
}
