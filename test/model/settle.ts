// What must be so once the accidents are over: the programs run on, and then both sides are equal, or the difference
// is held for a reason that the past explains.

import type { ComparedScope } from '#plan/compare.ts'
import type { RunState } from '#protocol/job-types.ts'
import { steps } from './steps.ts'
import { NO_ACCIDENTS, partnerOf, type Scenario, type ServerName, serverOf, type World } from './world.ts'

/** Runs that it may take: the first may have to recover, recall or give way, the last finds nothing to do. */
const RUNS = 6
const STEPS = 400

/** Nobody has anything under way. */
export function isCalm({ w0, w1, ga, gb, net, mover, corrector }: World): boolean {
  const isIdle =
    w0.run === undefined &&
    w1.run === undefined &&
    mover.moves.length === 0 &&
    corrector.run === undefined &&
    net.length === 0
  return isIdle && [ga, gb].every(({ state }) => state.running === undefined && state.queue.length === 0)
}

/** Operators and accidents rest; one worker runs as often as it takes. */
function quiet(world: World, scenario: Scenario): { readonly world: World; readonly scenario: Scenario } {
  return {
    world: {
      ...world,
      budget: { ...NO_ACCIDENTS, runs: RUNS, corrections: RUNS },
      sa: { ...world.sa, normal: true },
      sb: { ...world.sb, normal: true },
    },
    scenario: { ...scenario, lock: false, workers: 1 },
  }
}

/** Why a difference that stays is not explained; `undefined` where it is. */
function unexplained(world: World, scenario: Scenario, run: RunState, compared: ComparedScope): string | undefined {
  const { scope, decision } = compared
  if (decision.kind === 'converged') return undefined
  const target = partnerOf(run.side ?? 'a')
  const { accidents, edits } = scenario
  const isEdited = (server: ServerName) => world.ghost.own[server][scope] !== undefined
  const isDeleted = edits.a.concat(edits.b).some((edit) => edit.scope === scope && edit.content === undefined)
  const text = `${scope} stays ${compared.source ?? '-'} and ${compared.target ?? '-'}: ${decision.kind} ${decision.code}`
  if (decision.kind === 'replicate') return text
  switch (decision.code) {
    case 'foreign-edit':
    case 'conflict': {
      const isRaced = world.ghost.raced.includes(scope) || (accidents.restarts ?? 0) > 0
      // A run that has read the source and lost its lock may write while an adoption makes the source another one.
      const isCrossed = scenario.correction?.kind === 'adopt'
      return isEdited(target) || isRaced || isCrossed ? undefined : text
    }
    case 'restored':
      return scenario.correction?.kind === 'restore' ? undefined : text
    case 'regressed':
      return (accidents.restarts ?? 0) > 0 ? undefined : text
    case 'dirty':
      return (accidents.badWrites ?? 0) > 0 || (accidents.restarts ?? 0) > 0 || isEdited(target) ? undefined : text
    case 'deleted':
    case 'only-on-partner':
      return isDeleted ? undefined : text
    default:
      return text
  }
}

function isAuthorityUnclear(world: World, scenario: Scenario): boolean {
  const gates = [world.ja.authority, world.jb.authority]
  const record = world.kv.authority
  if (record === undefined) return (scenario.accidents.kvLosses ?? 0) > 0
  return gates.some((known) => known !== undefined && known.epoch >= record.epoch && known.side !== record.side)
}

export type GoneOn = {
  readonly world: World
  /** The last run as it ended. */
  readonly last?: RunState
  readonly problem?: string
}

/** The programs run on until they have nothing to do; operators rest. */
export function goOn(from: World, scenario: Scenario): GoneOn {
  let world = from
  let last: RunState | undefined
  for (let count = 0; count < STEPS; count++) {
    for (const { run } of [world.w0, world.w1]) {
      const [effect] = run?.effects ?? []
      if (effect?.kind === 'finish' || effect?.kind === 'wait') last = run?.state
    }
    // The first step is the programs' own; operators come last.
    const [next] = steps(world, scenario)
    if (next === undefined || next.label.startsWith('an operator')) break
    if (next.problem !== undefined) return { world, problem: `once all is quiet: ${next.problem}` }
    world = next.world
  }
  return { world, ...(last === undefined ? {} : { last }) }
}

/** Runs on from a calm world, and says what is wrong in the end. */
export function problemAtRest(from: World, given: Scenario): string | undefined {
  const start = quiet(from, given)
  const { world, last, problem } = goOn(start.world, { ...start.scenario, moves: [] })
  if (problem !== undefined) return problem
  if (!isCalm(world) || last === undefined) return 'the programs do not come to rest'
  if (last.refusal !== undefined) {
    return isAuthorityUnclear(world, given) ? undefined : `nothing goes on: ${last.refusal.code}`
  }
  for (const compared of last.compared) {
    const problem = unexplained(world, given, last, compared)
    if (problem !== undefined) return `once all is quiet ${problem}`
  }
  const isCompared = given.scopes.every(
    (scope) =>
      last.compared.some((one) => one.scope === scope) ||
      (serverOf(world, 'a').live[scope] ?? serverOf(world, 'b').live[scope]) === undefined,
  )
  return isCompared ? undefined : 'a scope is not compared any more'
}
