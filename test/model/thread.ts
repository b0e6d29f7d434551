// A thread of the exploration: takes one piece of work after the other until none is left.

import { parentPort, workerData } from 'node:worker_threads'
import fc from 'fast-check'
import { Explorer } from './explore.ts'
import { EVERYTHING, SCENARIOS } from './scenarios.ts'
import type { Piece, ThreadData, WalkResult } from './threads.ts'
import { CHOICES, walk } from './walk.ts'

/** Choices of one walk. */
const LONGEST = 150

function walks(seed: number, count: number): WalkResult {
  const choices = fc.array(fc.nat({ max: CHOICES - 1 }), { minLength: 10, maxLength: LONGEST, size: 'max' })
  const isGood = (chosen: readonly number[]) => walk(EVERYTHING, chosen).problem === undefined
  const checked = fc.check(fc.property(choices, isGood), { seed, numRuns: count })
  const [worst] = checked.counterexample ?? []
  return {
    kind: 'walks',
    seed,
    count: checked.numRuns,
    ...(worst === undefined ? {} : { path: checked.counterexamplePath ?? '', found: walk(EVERYTHING, worst) }),
  }
}

const { pieces, next } = workerData as ThreadData
for (let index = Atomics.add(next, 0, 1); index < pieces.length; index = Atomics.add(next, 0, 1)) {
  const piece = pieces[index] as Piece
  if (piece.kind === 'walks') parentPort?.postMessage(walks(piece.seed, piece.count))
  else {
    const scenario = SCENARIOS[piece.scenario]
    if (scenario === undefined) throw new Error(`no scenario ${piece.scenario}`)
    parentPort?.postMessage({ kind: 'scenario', ...new Explorer(scenario).run() })
  }
}
