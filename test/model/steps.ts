// Everything that may happen next in a world: the machines' effects, messages that arrive, and accidents.

import { initialGate } from '#protocol/gate.ts'
import { ALL_CHECKS } from '#protocol/gate-types.ts'
import { ALL_RUN_CHECKS } from '#protocol/job-types.ts'
import { ALL_TAKEOVER_CHECKS } from '#protocol/takeover.ts'
import { correctorSteps, receiveCorrection } from './corrector.ts'
import { feed, gateSteps, type Receive } from './gates.ts'
import { initialGhost, noteEdit, noteLive } from './invariants.ts'
import { moverSteps, receiveMove } from './mover.ts'
import { forgetResults, newTicket } from './names.ts'
import { receive, workerSteps } from './workers.ts'
import {
  type Checks,
  type Journal,
  type Next,
  NO_ACCIDENTS,
  RELATIONSHIP,
  type Scenario,
  serverOf,
  spend,
  type World,
  withServer,
} from './world.ts'

export const ALL: Checks = { gate: ALL_CHECKS, run: ALL_RUN_CHECKS, takeover: ALL_TAKEOVER_CHECKS }

/** Nobody waits for the answer to a stray request. */
const FIRST_STRAY = 90

/** Both sides are equal and agreed on it, and `a` is authoritative in epoch 1. */
export function initialWorld(scenario: Scenario): World {
  const live = Object.fromEntries(scenario.scopes.map((scope) => [scope, '0']))
  const doesRestart = (scenario.accidents.restarts ?? 0) > 0
  const server = { live, rebooted: false, normal: true, edits: 0, ...(doesRestart ? { saved: live } : {}) }
  const authority = { epoch: 1, side: 'a' }
  const journal: Journal = {
    authority,
    results: {},
    bases: Object.fromEntries(scenario.scopes.map((scope) => [scope, { epoch: 1, serial: 1, content: '0' }])),
    dirty: [],
    restored: {},
    earlier: doesRestart ? Object.fromEntries(scenario.scopes.map((scope) => [scope, ['0']])) : {},
    seen: doesRestart
      ? Object.fromEntries(scenario.scopes.map((scope) => [scope, { content: '0', afterRestart: false, before: [] }]))
      : {},
  }
  const gate = (name: 'a' | 'b') => ({
    state: initialGate({ server: name, authorities: { [RELATIONSHIP]: authority } }),
    effects: [],
  })
  return {
    w0: { holdsLock: false },
    w1: { holdsLock: false },
    ga: gate('a'),
    gb: gate('b'),
    ja: journal,
    jb: journal,
    sa: server,
    sb: server,
    net: (scenario.strayMessages ?? []).map((message, index) => ({ ...message, from: FIRST_STRAY + index })),
    kv: {
      authority: { side: 'a', epoch: 1, revision: 'R0' },
      jobs: (scenario.requests ?? []).map((job, index) => ({ ...job, revision: `R${index + 1}`, stored: true })),
    },
    mover: { moves: [] },
    corrector: { isAsked: scenario.correction !== undefined },
    budget: { ...NO_ACCIDENTS, ...scenario.accidents, moves: scenario.moves?.length ?? 0 },
    ghost: initialGhost(scenario.scopes, '0'),
  }
}

function receiveIn(scenario: Scenario): Receive {
  return (world, from, reply, server) =>
    receive(world, scenario, from, reply, server) ??
    receiveMove(world, scenario, from, reply) ??
    receiveCorrection(world, from, reply, server) ??
    world
}

function messages(world: World, scenario: Scenario, onReply: Receive): Next[] {
  return world.net.flatMap((message, index) => {
    const { from, to, request } = message
    if (index > 0 && JSON.stringify(world.net[index - 1]) === JSON.stringify(message)) return []
    const arrived =
      request.op === 'prepare' && request.ticket === '' ? { ...request, ticket: newTicket(world) } : request
    const taken = { ...world, net: world.net.filter((_, other) => other !== index) }
    const input = { kind: 'request', from, request: arrived } as const
    const text = `${request.op} (request ${from})`
    const here = feed(taken, scenario, to, input, onReply)
    const steps: Next[] = [{ ...here, label: `${text} arrives at gate ${to}` }]
    if (world.budget.duplicates > 0) {
      const again = feed(spend(world, 'duplicates'), scenario, to, input, onReply)
      steps.push({ ...again, label: `${text} arrives at gate ${to}, and will once more` })
    }
    if (world.budget.losses > 0) steps.push({ label: `${text} is lost`, world: spend(taken, 'losses') })
    return steps
  })
}

function operators(world: World, scenario: Scenario): Next[] {
  const steps: Next[] = []
  for (const server of ['a', 'b'] as const) {
    const dhcp = serverOf(world, server)
    const edit = scenario.edits[server][dhcp.edits]
    const isTime = scenario.areEditsAtRest !== true || (world.w0.run === undefined && world.w1.run === undefined)
    if (edit !== undefined && isTime) {
      const { [edit.scope]: _, ...rest } = dhcp.live
      const live = edit.content === undefined ? rest : { ...dhcp.live, [edit.scope]: edit.content }
      const noted = noteEdit(world, server, edit.scope, edit.content)
      const saved = edit.save === true ? { saved: live } : {}
      const edited = withServer(noted, server, { ...dhcp, live, edits: dhcp.edits + 1, ...saved })
      steps.push({
        label: `an operator makes ${edit.scope} of ${server} ${edit.content ?? 'absent'}`,
        world: noteLive(edited, [edit.scope]),
      })
    }
    if (world.budget.restarts > 0 && dhcp.saved !== undefined) {
      const restarted = withServer(spend(world, 'restarts'), server, { ...dhcp, live: dhcp.saved, rebooted: true })
      steps.push({ label: `server ${server} restarts with its file`, world: noteLive(restarted, scenario.scopes) })
    }
    if (world.budget.stateChanges > 0) {
      const changed = withServer(spend(world, 'stateChanges'), server, { ...dhcp, normal: !dhcp.normal })
      steps.push({ label: `server ${server} is ${dhcp.normal ? 'no longer' : 'again'} normal`, world: changed })
    }
  }
  if (world.budget.kvLosses > 0) {
    steps.push({ label: 'NATS is wiped', world: { ...spend(world, 'kvLosses'), kv: { jobs: [] } } })
  }
  return steps
}

/** All steps that may come next, in a fixed order; what the programs do comes before accidents. */
export function steps(world: World, scenario: Scenario): Next[] {
  const onReply = receiveIn(scenario)
  const named = (who: string, some: Next[]) => some.map((one) => ({ ...one, label: `${who} ${one.label}` }))
  const found = [
    ...named('gate a', gateSteps(world, scenario, 'a', onReply)),
    ...named('gate b', gateSteps(world, scenario, 'b', onReply)),
    ...messages(world, scenario, onReply),
    ...correctorSteps(world, scenario),
    ...named('worker w0', workerSteps(world, scenario, 'w0')),
    ...(scenario.workers === 2 ? named('worker w1', workerSteps(world, scenario, 'w1')) : []),
    ...moverSteps(world, scenario),
    ...operators(world, scenario),
  ]
  return found.map((one) => ({ ...one, world: forgetResults(one.world) }))
}
