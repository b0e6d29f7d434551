// The two gates' processes: inputs to their machines, effects one after the other, deaths.

import { initialGate, step } from '#protocol/gate.ts'
import type { GateInput, GateReply } from '#protocol/gate-types.ts'
import { type Performed, performed } from './gate-effects.ts'
import { noteReleased } from './invariants.ts'
import {
  type AnsweredEffect,
  EMPTY_JOURNAL,
  gateOf,
  journalOf,
  type Next,
  RELATIONSHIP,
  type Scenario,
  type ServerName,
  serverOf,
  spend,
  type World,
  withGate,
  withJournal,
} from './world.ts'

/** Takes a gate's answer to whoever waits for it. */
export type Receive = (world: World, from: number, reply: GateReply, server: ServerName) => World

/**
 * Effects that nothing else in the world can come in front of, because only this gate sees what they change and a
 * death before them leaves the same as one after: they are performed together with what led to them.
 */
function isAlone(world: World, scenario: Scenario, server: ServerName, effect: AnsweredEffect): boolean {
  const { gateKills, journalFailures, persistFailures, losses } = world.budget
  if (scenario.isFine === true) return false
  switch (effect.kind) {
    case 'lookUp':
      return true
    case 'journalBegin':
      return journalFailures === 0
    case 'persist':
      return persistFailures === 0 && serverOf(world, server).saved === undefined
    case 'journalEnd':
    case 'storeBases':
    case 'storeEpoch':
      return journalFailures === 0 && gateKills === 0 && losses === 0
    default:
      return false
  }
}

/** Gives the machine an input; `done` is the effect that it answers. */
export function feed(
  world: World,
  scenario: Scenario,
  server: ServerName,
  input: GateInput,
  receive: Receive,
  done?: AnsweredEffect,
): Next {
  const gate = gateOf(world, server)
  const next = step(gate.state, input, scenario.checks.gate)
  const effects = gate.effects.filter((effect) => effect !== done)
  const replies: { to: number; answer: GateReply }[] = []
  for (const effect of next.effects) {
    if (effect.kind === 'reply') replies.push(effect)
    else effects.push(effect)
  }
  let reached = withGate(world, server, { state: next.state, effects })
  const { running } = next.state
  if (gate.state.running !== undefined && !(running !== undefined && 'work' in running)) {
    reached = noteReleased(reached, server)
  }
  for (const { to, answer } of replies) reached = receive(reached, to, answer, server)
  const alone = effects.find((effect) => isAlone(reached, scenario, server, effect))
  if (alone === undefined) return { label: '', world: reached }
  const [only] = performed(reached, scenario, server, alone) as [Performed]
  return after(only, feed(only.world, scenario, server, only.input, receive, alone))
}

/** One step after the other as one. */
function after(first: { readonly label: string; readonly problem?: string }, then: Next): Next {
  const problem = first.problem ?? then.problem
  const label = then.label === '' ? first.label : `${first.label}, ${then.label}`
  return { label, world: then.world, ...(problem === undefined ? {} : { problem }) }
}

/** The process dies and is started again: what it has is in its journal. */
function restart(world: World, server: ServerName): World {
  const { authority, open, restored } = journalOf(world, server)
  const state = initialGate({
    server,
    ...(authority === undefined ? {} : { authorities: { [RELATIONSHIP]: authority } }),
    ...(open === undefined ? {} : { open }),
    ...(Object.keys(restored).length === 0 ? {} : { restored: { [RELATIONSHIP]: restored } }),
  })
  return noteReleased(withGate(world, server, { state, effects: [] }), server)
}

/** What comes of one effect under way. */
function effectSteps(
  world: World,
  scenario: Scenario,
  server: ServerName,
  receive: Receive,
  effect: AnsweredEffect,
): Next[] {
  const lose: Receive = (reached) => reached
  return performed(world, scenario, server, effect).flatMap((one) => {
    const { world: reached, input } = one
    const fed = feed(reached, scenario, server, input, receive, effect)
    const steps: Next[] = [after(one, fed)]
    if (reached.budget.losses > 0) {
      const lost = feed(reached, scenario, server, input, lose, effect)
      const isAnswered = (['w0', 'w1', 'mover', 'corrector'] as const).some(
        (part) => lost.world[part] !== fed.world[part],
      )
      if (isAnswered) {
        const { label, ...rest } = after(one, lost)
        steps.push({ ...rest, label: `${label}; its answer is lost`, world: spend(lost.world, 'losses') })
      }
    }
    // A death before the effect is a death in front of this step; this one is between it and what follows.
    if (reached.budget.gateKills > 0 && effect.kind !== 'readLive' && effect.kind !== 'lookUp') {
      const died = { label: 'dies', world: restart(spend(reached, 'gateKills'), server) }
      steps.push(after(one, died))
    }
    return steps
  })
}

/** Everything that may happen next at one gate. */
export function gateSteps(world: World, scenario: Scenario, server: ServerName, receive: Receive): Next[] {
  const gate = gateOf(world, server)
  const steps = gate.effects.flatMap((effect) => effectSteps(world, scenario, server, receive, effect))
  if (gate.state.open !== undefined && gate.state.running === undefined) {
    const recovering = feed(world, scenario, server, { kind: 'recover' }, receive)
    steps.push({ ...recovering, label: 'begins to recover' })
  }
  const covered = gate.state.covering[RELATIONSHIP]
  if (covered !== undefined && scenario.doCoversLast !== true) {
    const expired: GateInput = { kind: 'coverExpired', relationship: RELATIONSHIP, job: covered }
    steps.push({ ...feed(world, scenario, server, expired, receive), label: 'covers no longer: its time is over' })
  }
  if (world.budget.journalLosses > 0 && world.w0.run === undefined && world.w1.run === undefined) {
    const lost = withJournal(spend(world, 'journalLosses'), server, EMPTY_JOURNAL)
    steps.push({ label: 'begins again with an empty journal', world: restart(lost, server) })
  }
  if (world.budget.gateKills > 0 && (gate.effects.length > 0 || Object.keys(gate.state.tickets).length > 0))
    steps.push({ label: 'dies and restarts', world: restart(spend(world, 'gateKills'), server) })
  return steps
}
