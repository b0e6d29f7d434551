// A pair of servers with one scope for every decision, and a player who carries out what is requested as a replicator
// would: it compares what was approved with what is there, and writes into the played servers.

import type { Outcome, ScopeOutcome } from '#contracts/messages.ts'
import { ReplicationRequested } from '#contracts/messages.ts'
import type { PlanAnswer } from '#contracts/status-api.ts'
import { STREAMS } from '#contracts/streams.ts'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Scope } from '#dhcp/scope.ts'
import { orderedMessages } from '#messaging/last.ts'
import { decode } from '#messaging/received.ts'
import { anOutcome, aScope, type PlayedGate, type PlayedScope, type StatusFixture } from './status-fixture.ts'

export const DHCP1 = 'dhcp1.example.net'
export const DHCP2 = 'dhcp2.example.net'
export const RELATIONSHIP = 'dhcp1-dhcp2'
export const TOKEN = 'a-token-of-the-test'

/** Present on both sides in what `live` gives; `base` absent: they never agreed. */
type Pair = { readonly ours: Scope; readonly theirs: Scope; readonly base?: Scope }

function key(third: number): string {
  return `10.0.${third}.0/24`
}

function pairs(): ReadonlyMap<string, Pair> {
  const agreed = (third: number) => aScope(key(third), { reservations: 2 })
  const rerouted = (third: number, last: number) =>
    aScope(key(third), { reservations: 2, routers: `10.0.${third}.${last}` })
  return new Map<string, Pair>([
    [key(10), { ours: agreed(10), theirs: agreed(10), base: agreed(10) }],
    [key(20), { ours: agreed(20), theirs: rerouted(20, 254), base: agreed(20) }],
    [key(30), { ours: rerouted(30, 251), theirs: rerouted(30, 252), base: agreed(30) }],
    [
      key(40),
      {
        ours: aScope(key(40), { reservations: 6 }),
        theirs: aScope(key(40), { reservations: 10 }),
        base: aScope(key(40), { reservations: 10 }),
      },
    ],
    [key(50), { ours: agreed(50), theirs: rerouted(50, 253) }],
    [key(60), { ours: agreed(60), theirs: rerouted(60, 254), base: agreed(60) }],
  ])
}

export type DecidingFleet = {
  readonly ours: PlayedGate
  readonly theirs: PlayedGate
  /** Everything that was requested, in its order. */
  readonly requests: readonly ReplicationRequested[]
  stop(): void
}

function heldRow(scope: string, pair: Pair, code: string, decision: string, message: string): ScopeOutcome {
  return {
    scope,
    status: 'held',
    code,
    decision,
    message,
    before: contentOf(pair.theirs).fingerprint,
    after: contentOf(pair.ours).fingerprint,
  }
}

export async function playDecidingFleet(system: StatusFixture): Promise<DecidingFleet> {
  const all = pairs()
  const side = (pick: (pair: Pair) => Scope) =>
    new Map(
      [...all].map(([scope, pair]): [string, PlayedScope] => [
        scope,
        { live: pick(pair), ...(pair.base === undefined ? {} : { base: pair.base }) },
      ]),
    )
  const common = { relationship: RELATIONSHIP, failoverState: 'normal' }
  const ours: PlayedGate = { ...common, server: DHCP1, partner: DHCP2, scopes: side((pair) => pair.ours) }
  const before = aScope(key(10), { reservations: 2, routers: '10.0.10.77' })
  const theirs: PlayedGate = {
    ...common,
    server: DHCP2,
    partner: DHCP1,
    scopes: side((pair) => pair.theirs),
    preImages: new Map([[`WROTE10 ${key(10)}`, before]]),
  }
  await system.playGate(ours)
  await system.playGate(theirs)
  await system.setAuthority(RELATIONSHIP, DHCP1)
  const pairOf = (scope: string) => all.get(scope) as Pair
  const held = (job: string, rows: readonly ScopeOutcome[]) =>
    system.publishOutcome(
      anOutcome(job, 'final', {
        createdAt: new Date().toISOString(),
        at: new Date().toISOString(),
        status: 'held',
        code: rows[0]?.code ?? '',
        message: rows[0]?.message ?? '',
        scopes: [...rows],
      }),
    )
  const foreign = 'it was edited on the partner, which is not the authoritative side'
  await held('HELD1', [
    heldRow(key(20), pairOf(key(20)), 'foreign-edit', 'foreign-edit', foreign),
    heldRow(key(30), pairOf(key(30)), 'conflict', 'conflict', 'both sides changed since they last agreed'),
    heldRow(key(50), pairOf(key(50)), 'first-contact', 'first-contact', 'the partners differ and have never agreed'),
  ])
  await held('HELD40', [
    heldRow(key(40), pairOf(key(40)), 'too-many-deletes', 'changed', '4 of 10 reservations would be deleted'),
  ])
  await held('HELD60', [heldRow(key(60), pairOf(key(60)), 'foreign-edit', 'foreign-edit', foreign)])
  await system.publishOutcome(
    anOutcome('WROTE10', 'final', {
      createdAt: new Date().toISOString(),
      at: new Date().toISOString(),
      status: 'replicated',
      message: '1 of 1 scopes replicated',
      scopes: [{ scope: key(10), status: 'replicated', code: 'changed', message: 'written and read back' }],
    }),
  )

  const requests: ReplicationRequested[] = []
  const stop = new AbortController()

  function write(scope: string, from: PlayedGate, to: PlayedGate): void {
    const live = from.scopes.get(scope)?.live
    const row: PlayedScope = live === undefined ? {} : { live, base: live }
    from.scopes.set(scope, row)
    to.scopes.set(scope, row)
  }

  /** What an ordinary request would write now; an approval is one of exactly that. */
  async function presentPlan(request: ReplicationRequested) {
    const response = await system.post('/v1/plans', {
      server: request.server,
      ...(request.scopes === undefined ? { relationship: RELATIONSHIP } : { scopes: request.scopes }),
    })
    return ((await response.json()) as PlanAnswer).plans[0]
  }

  async function outcomeOf(request: ReplicationRequested): Promise<Partial<Outcome>> {
    const { act } = request
    const isAdopt = act?.kind === 'adopt'
    const [from, to] = isAdopt ? [theirs, ours] : [ours, theirs]
    const ends = { source: from.server, target: to.server }
    if (act?.kind === 'reject') return { ...ends, act: 'reject', status: 'done', message: 'rejected' }
    if (act?.kind === 'move-authority') {
      await system.setAuthority(RELATIONSHIP, request.server, 2)
      return { ...ends, act: 'move-authority', status: 'done', message: `${request.server} is the authoritative side` }
    }
    if (act?.kind === 'restore')
      return { ...ends, act: 'restore', of: act.of, status: 'replicated', message: 'restored' }
    const plan = isAdopt ? undefined : await presentPlan(request)
    if (plan !== undefined && plan.digest !== request.approvedPlan) {
      return { ...ends, status: 'held', message: 'the approved plan is not the present one any more' }
    }
    const scopes = plan?.scopes.map(({ scope }) => scope) ?? request.scopes ?? []
    for (const scope of scopes) write(scope, from, to)
    return {
      ...ends,
      ...(isAdopt ? { act: 'adopt' as const } : {}),
      status: 'replicated',
      message: `${scopes.length} of ${scopes.length} scopes replicated`,
      scopes: scopes.map((scope) => ({ scope, status: 'replicated', code: 'approved', message: 'written' })),
    }
  }

  async function carryOut(request: ReplicationRequested): Promise<void> {
    const times = { createdAt: new Date().toISOString(), at: new Date().toISOString() }
    const cause = {
      kind: 'request' as const,
      requester: request.requester,
      ...(request.actor === undefined ? {} : { actor: request.actor }),
    }
    const outcome = { ...times, cause, automatic: false, level: request.level, ...(await outcomeOf(request)) }
    await system.publishOutcome(anOutcome(request.job ?? '', 'final', outcome))
  }

  const failures: unknown[] = []
  void orderedMessages(system.messaging, {
    stream: STREAMS.requests.name,
    onReset: () => {},
    onMessage: (message) => {
      const request = decode(ReplicationRequested, message).ok
      if (request === undefined) return
      requests.push(request)
      carryOut(request).catch((error) => failures.push(error))
    },
    signal: stop.signal,
  })
  return {
    ours,
    theirs,
    requests,
    stop: () => {
      stop.abort()
      if (failures.length > 0) throw failures[0]
    },
  }
}
