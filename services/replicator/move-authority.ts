// Moves, confirms or settles the authority of a relationship: the effects of the machine in libs/protocol/takeover.ts.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Lock } from '#locks/lock.ts'
import { type GateClient, GateError } from '#messaging/gate-client.ts'
import {
  type KnownAtGate,
  startTakeover,
  stepTakeover,
  type TakeoverEffect,
  type TakeoverInput,
  type TakeoverRequest,
  type TakeoverResult,
} from '#protocol/takeover.ts'
import type { Authorities } from './authority.ts'

/** Milliseconds for a fence: it waits for a running commit. */
const FENCE_TIMEOUT_MS = 60_000

export type MoveOrder = Pick<TakeoverRequest, 'to' | 'force' | 'expectedEpoch'> & {
  readonly by: string
  readonly job: string
}

export async function moveAuthority(
  { authorities, gateClient, lock }: { authorities: Authorities; gateClient: GateClient; lock: Lock },
  policy: RelationshipPolicy,
  { by, ...order }: MoveOrder,
): Promise<TakeoverResult> {
  const { name: relationship, servers } = policy

  async function knownAt(server: string): Promise<readonly [string, KnownAtGate]> {
    try {
      const known = await authorities.atGate(relationship, server)
      return [server, known === undefined ? { kind: 'knows-nothing' } : { kind: 'knows', ...known }]
    } catch (error) {
      if (!(error instanceof GateError)) throw error
      return [server, { kind: 'unreachable', message: error.message }]
    }
  }

  async function fence(effect: Extract<TakeoverEffect, { kind: 'fence' | 'inform' }>): Promise<TakeoverInput> {
    const { server, side, epoch } = effect
    try {
      const body = { relationship, side, epoch }
      const now = await gateClient.request(server, 'fence', body, { timeoutMs: FENCE_TIMEOUT_MS })
      if (now.epoch !== epoch || now.side !== side) return { kind: 'outdated' }
      return effect.kind === 'fence' ? { kind: 'fenced' } : { kind: 'informed' }
    } catch (error) {
      if (!(error instanceof GateError)) throw error
      return error.code === 'stale-epoch' ? { kind: 'outdated' } : { kind: 'unreachable', message: error.message }
    }
  }

  async function perform(effect: Exclude<TakeoverEffect, { kind: 'finish' }>): Promise<TakeoverInput> {
    switch (effect.kind) {
      case 'read-authority': {
        const record = await authorities.record(relationship)
        return { kind: 'authority', ...(record === undefined ? {} : { record }) }
      }
      case 'read-gates':
        return { kind: 'gates', gates: Object.fromEntries(await Promise.all(effect.servers.map(knownAt))) }
      case 'fence':
      case 'inform':
        return await fence(effect)
      case 'publish': {
        const { side, epoch, revision } = effect
        const authority = {
          relationship,
          side,
          epoch,
          changedAt: new Date().toISOString(),
          changedBy: by,
          job: order.job,
        }
        return { kind: (await authorities.publish(authority, revision)) ? 'published' : 'outdated' }
      }
    }
  }

  let step = startTakeover({ ...order, relationship, servers })
  for (;;) {
    lock.lost.throwIfAborted()
    const [effect] = step.effects
    if (effect === undefined) throw new Error(`the takeover stands still in phase ${step.state.phase}`)
    if (effect.kind === 'finish') return effect.result
    step = stepTakeover(step.state, await perform(effect))
  }
}
