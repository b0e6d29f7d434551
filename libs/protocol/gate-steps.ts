// The small parts that every step of the gate machine is made of.

import type { GateErrorCode } from '#contracts/gate.ts'
import type { GateEffect, GateInput, GateState, GateStep, Queued, Running, ScopeResult } from './gate-types.ts'

/** The same object without one of its optional members. */
export function without<T extends object, K extends keyof T>(value: T, key: K): Omit<T, K> {
  const { [key]: _, ...rest } = value
  return rest
}

export function refused(queued: Pick<Queued, 'from'>, code: GateErrorCode, message: string): GateEffect {
  return { kind: 'reply', to: queued.from, answer: { kind: 'refused', code, message } }
}

/** Gives the mutex back. */
export function release(state: GateState, effects: readonly GateEffect[]): GateStep {
  return { state: without(state, 'running'), effects }
}

/** Takes the mutex for a request, with the effect it waits for. */
export function hold(
  state: GateState,
  phase: Extract<Running, { queued: Queued; work?: never }>['phase'],
  queued: Queued,
  effect: GateEffect,
): GateStep {
  return { state: { ...state, running: { phase, queued } }, effects: [effect] }
}

export function readLive(relationship: string, options: { toWrite?: boolean; recovering?: boolean } = {}): GateEffect {
  return { kind: 'readLive', relationship, toWrite: options.toWrite === true, recovering: options.recovering === true }
}

/** The result of one scope; `wanted` stays away where the scope is to be deleted. */
export function resultOf(
  intent: { readonly scope: string; readonly wanted?: string },
  result: ScopeResult['result'],
  more: Pick<ScopeResult, 'code' | 'message' | 'persisted'> = {},
): ScopeResult {
  return { scope: intent.scope, ...(intent.wanted === undefined ? {} : { wanted: intent.wanted }), result, ...more }
}

/** An input that answers nothing that was asked is a bug of the caller. */
export function unexpected(phase: string, input: GateInput): never {
  throw new Error(`the gate got "${input.kind}" in phase "${phase}"`)
}
