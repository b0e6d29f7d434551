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
  type Move,
  type Next,
  RELATIONSHIP,
  type Scenario,
  type ServerName,
  spend,
  type World,
} from './world.ts'

/** `to` absent: the move is over. */
function replaced(world: World, run: Move, to?: Move): World {
  const others = world.mover.moves.filter((one) => one !== run)
  return { ...world, mover: { moves: to === undefined ? others : [...others, to] } }
}

function give(world: World, scenario: Scenario, run: Move, input: TakeoverInput): World {
  const { state, effects } = stepTakeover(run.state, input, scenario.checks.takeover)
  const [effect] = effects
  if (effect === undefined) throw new Error(`the move ignored "${input.kind}" in phase "${run.state.phase}"`)
  return replaced(world, run, { state, effect })
}

/** A gate's answer to a fence; `undefined` where the mover does not wait for it. */
export function receiveMove(world: World, scenario: Scenario, from: number, reply: GateReply): World | undefined {
  const run = world.mover.moves.find(({ waitsFor }) => waitsFor === from)
  if (run === undefined) return undefined
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

function perform(world: World, scenario: Scenario, run: Move): Next[] {
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
      const waiting = replaced({ ...world, net }, run, { ...run, waitsFor: from })
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
      const after = give(published, scenario, run, { kind: 'published' })
      const isBack = known !== undefined && known.epoch >= epoch
      return [
        {
          label,
          world: after,
          ...(isBack ? { problem: `the record went from epoch ${known.epoch} to ${epoch}` } : {}),
        },
      ]
    }
    case 'finish':
      return [{ label: `is done: ${effect.result.kind}`, world: replaced(world, run) }]
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
  const move: Move = { state, effect: effects[0] as TakeoverEffect }
  const begun = { ...spend(world, 'moves'), mover: { moves: [...world.mover.moves, move] } }
  return [{ label: `somebody begins to move the authority to ${to}`, world: begun }]
}

function moveSteps(world: World, scenario: Scenario, run: Move): Next[] {
  const to = run.state.request.to
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
  if (world.budget.moverKills > 0) steps.push({ label: 'dies', world: replaced(spend(world, 'moverKills'), run) })
  return steps.map((one) => ({ ...one, label: `the move to ${to} ${one.label}` }))
}

/** Everything that may happen next to whoever moves the authority. */
export function moverSteps(world: World, scenario: Scenario): Next[] {
  const { moves } = world.mover
  const mayBegin = world.budget.moves > 0 && (moves.length === 0 || scenario.areMovesTogether === true)
  return [...moves.flatMap((run) => moveSteps(world, scenario, run)), ...(mayBegin ? start(world, scenario) : [])]
}
