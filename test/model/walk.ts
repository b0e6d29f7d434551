// One long way through a world, chosen by numbers: what fast-check generates, shrinks and prints.

import { goOn, isCalm, problemAtRest } from './settle.ts'
import { initialWorld, steps } from './steps.ts'
import { NO_ACCIDENTS, type Scenario, type World } from './world.ts'

/** Choices are below this. */
export const CHOICES = 1_000

export type Walk = { readonly problem?: string; readonly trace: readonly string[] }

/** Each number chooses one of the steps that may come next; small ones rather what the programs do. */
export function walk(scenario: Scenario, choices: readonly number[]): Walk {
  let world = initialWorld(scenario)
  const trace: string[] = []
  for (const choice of choices) {
    const next = steps(world, scenario)
    const one = next[Math.floor((choice / CHOICES) ** 1.5 * next.length)]
    if (one === undefined) break
    trace.push(one.label)
    if (one.problem !== undefined) return { problem: one.problem, trace }
    world = one.world
  }
  const problem = problemInTheEnd(world, scenario)
  return { trace, ...(problem === undefined ? {} : { problem }) }
}

/** Whatever is under way ends by itself, and then all must be well. */
function problemInTheEnd(world: World, scenario: Scenario): string | undefined {
  const rested = goOn({ ...world, budget: NO_ACCIDENTS }, { ...scenario, moves: [] })
  if (rested.problem !== undefined) return rested.problem
  if (!isCalm(rested.world)) return 'what was under way does not end'
  return problemAtRest(rested.world, scenario)
}
