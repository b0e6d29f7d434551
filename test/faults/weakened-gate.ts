// The gate machine without one protection, in the place of the whole one: the one that a file names at this moment,
// or none.

import { readFileSync } from 'node:fs'
import { initialGate as wholeInitial, step as wholeStep } from '#protocol/gate.ts'
import { ALL_CHECKS, type GateChecks, type GateInput, type GateState, type GateStep } from '#protocol/gate-types.ts'
import { isProtection, weakenedLine } from './without.ts'

const file = process.env.FAULTS_WITHOUT_FILE
if (file === undefined) throw new Error('FAULTS_WITHOUT_FILE names no file')
let without = ''
let checks: GateChecks = ALL_CHECKS

/** Read at every step: it is the harness that says when a protection goes and comes back. */
function look(name: string): void {
  const now = readFileSync(name, 'utf8')
  if (now === without) return
  if (now !== '' && !isProtection(now)) throw new Error(`${name} names no protection: "${now}"`)
  without = now
  checks = isProtection(now) ? { ...ALL_CHECKS, [now]: false } : ALL_CHECKS
  // The harness looks for it: a protection that was never really off would prove nothing.
  process.stdout.write(`${weakenedLine(now)}\n`)
}

export const initialGate = wholeInitial

export function step(state: GateState, input: GateInput): GateStep {
  look(file as string)
  return wholeStep(state, input, checks)
}
