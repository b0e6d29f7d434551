// The gate machine without one protection, in the place of the whole one.

import { initialGate as wholeInitial, step as wholeStep } from '#protocol/gate.ts'
import { ALL_CHECKS, type GateInput, type GateState, type GateStep } from '#protocol/gate-types.ts'
import { isProtection } from './without.ts'

const without = process.env.FAULTS_WITHOUT ?? ''
if (!isProtection(without)) throw new Error(`FAULTS_WITHOUT names no protection: "${without}"`)
const checks = { ...ALL_CHECKS, [without]: false }

export const initialGate = wholeInitial

export function step(state: GateState, input: GateInput): GateStep {
  return wholeStep(state, input, checks)
}
