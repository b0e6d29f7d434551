// Plays targeted schedules one after the other in one calm world, and lets the checker judge.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { check } from './checker/check.ts'
import type { Evidence, Violation } from './checker/evidence.ts'
import type { Server } from './fleet.ts'
import { gatherer } from './gather.ts'
import { startLagMeter } from './lag.ts'
import { connectPast, createLedgerReader } from './ledger-reader.ts'
import { createOperator } from './operate.ts'
import { agreed, settle, startWorldAgain } from './run.ts'
import { newScope, simulatedFleet } from './simulated-fleet.ts'
import { PLAYED_ON, type Stage, TARGETED, type Targeted } from './targeted.ts'
import type { Protection } from './without.ts'
import { monotonicMs } from './world.ts'

type ManifestRow = { readonly scope: string; readonly live?: string; readonly base?: string }

export type Played = {
  readonly protection: Protection
  /** What the checker found of the scope that was played with. */
  readonly violations: readonly Violation[]
  readonly isAsExpected: boolean
}

export type PlayOptions = {
  /** The schedules of these protections. */
  readonly of: readonly Protection[]
  /** True: each is played without its protection, and its violation is expected; false: none is. */
  readonly weakened: boolean
}

export type Play = {
  readonly played: readonly Played[]
  /** Of scopes with which nothing was played. */
  readonly others: readonly Violation[]
  readonly directory?: string
}

const SCALE = 20
/** Nothing runs out while a message is held: it is the schedule that says what happens next. Milliseconds. */
const CALM = {
  TWINSCOPE_LOCK_TTL_MS: '300000',
  TWINSCOPE_GATE_TIMEOUT_MS: '120000',
  TWINSCOPE_ACK_WAIT_MS: '30000',
  TWINSCOPE_REGISTRATION_MS: '20000',
  TWINSCOPE_COVER_MS: '30000',
}
/** After the last schedule, until everything is as it should be. Milliseconds. */
const SETTLE_MS = 20_000

export function targetedOf(protection: Protection): readonly Targeted[] {
  return TARGETED.filter((one) => one.protection === protection)
}

export async function play(options: PlayOptions): Promise<Play> {
  // The order of the list: what moves the authority comes last.
  const schedules = TARGETED.filter(({ protection }) => options.of.includes(protection))
  const directory = await mkdtemp(join(tmpdir(), 'twinscope-targeted-'))
  const world = await startWorldAgain({
    fleet: simulatedFleet(),
    seed: 0,
    directory,
    scale: SCALE,
    without: '',
    env: CALM,
  })
  const nats = await connectPast(world.natsUrl)
  let isGood = false
  try {
    await agreed(world)
    const operator = createOperator({ world, nats })
    const ledger = createLedgerReader()
    const moves: NonNullable<Evidence['moves']>[number][] = []
    const { relationship, source, target } = PLAYED_ON
    const free = (world.fleet.relationships.find(({ name }) => name === relationship)?.scopes ??
      []) as readonly ScopeKey[]
    const present = new Set((await world.dhcp.admin(source).scopes(source)).map(({ key }) => key))
    const stageOf = (scope: ScopeKey): Stage => ({
      world,
      nats,
      relationship,
      scope,
      source,
      target,
      async moveAuthority(side) {
        const beganAtMs = monotonicMs()
        const asked = operator.requests.length
        await operator.confirm(relationship, side)
        const { job } = operator.requests[asked] ?? { job: '' }
        await eventually(
          async () => {
            await ledger.read(nats)
            return ledger.entries.some(
              (entry) => entry.job === job && entry.kind === 'final' && entry.status === 'done',
            )
          },
          { timeoutMs: 30_000, everyMs: 50, what: `the move of ${relationship} to ${side}` },
        )
        moves.push({ relationship, side, beganAtMs, endedAtMs: monotonicMs() })
      },
      async agreed() {
        const rowAt = async (server: Server) => {
          const body = JSON.stringify({ relationship, fresh: true })
          const answer = await nats.request(`twinscope.gate.${server}.manifest`, body, { timeout: 10_000 })
          const { ok } = answer.json<{ readonly ok?: { readonly rows: readonly ManifestRow[] } }>()
          if (ok === undefined) throw new Error(`the gate of ${server} gives no manifest: ${answer.string()}`)
          return ok.rows.find((row) => row.scope === scope)
        }
        await eventually(
          async () => {
            const rows = await Promise.all([source, target].map((server) => rowAt(server)))
            const [ours, theirs] = rows
            return ours?.live === theirs?.live && rows.every((row) => row?.base === row?.live)
          },
          { timeoutMs: 30_000, everyMs: 50, what: `agreement on ${scope}` },
        )
      },
    })

    const played: { readonly schedule: Targeted; readonly scope: ScopeKey }[] = []
    for (const [index, schedule] of schedules.entries()) {
      const scope = free[index]
      if (scope === undefined) throw new Error('there are more schedules than scopes')
      const { protection } = schedule
      const stage = stageOf(scope)
      if (!present.has(scope))
        await world.dhcp.admin(source).putScope(source, newScope(scope, 'new'), { who: 'operator new' })
      await stage.agreed()
      world.weaken(options.weakened ? protection : '')
      await schedule.play(stage)
      if (options.weakened && world.weakened(protection).length === 0)
        throw new Error(`no gate ran without ${protection}: nothing is shown`)
      world.weaken('')
      played.push({ schedule, scope })
    }

    const healedAtMs = monotonicMs()
    const evidence = gatherer({ world, operator, ledger, nats }, () => ({
      wipes: [],
      confirmations: [],
      moves,
      interruptions: [],
      healedAtMs,
    }))
    // What a missing protection has done does not settle.
    const dueMs = healedAtMs + (options.weakened ? 0 : SETTLE_MS)
    const lag = startLagMeter()
    const settledAtMs = await settle(evidence, { dueMs, lag, periodMs: world.periodMs }).finally(() => lag.stop())
    const whole = await evidence(options.weakened ? undefined : settledAtMs)
    const { violations } = check(whole, world.periodMs)
    const of = (scope: string) => violations.filter(({ message }) => message.includes(`${scope} `))
    const results = played.map(({ schedule: { protection, expects }, scope }): Played => {
      const own = of(scope)
      const isAsExpected = options.weakened
        ? own.some(({ invariant }) => invariant === expects)
        : own.length === 0 && settledAtMs !== undefined
      return { protection, violations: own, isAsExpected }
    })
    const told = new Set(played.flatMap(({ scope }) => of(scope)))
    const others = violations.filter((violation) => !told.has(violation))
    isGood = results.every(({ isAsExpected }) => isAsExpected) && (options.weakened || others.length === 0)
    if (!isGood) await writeFile(join(directory, 'evidence.json'), JSON.stringify(whole, undefined, 1))
    return { played: results, others, ...(isGood ? {} : { directory }) }
  } finally {
    await nats.close()
    await world.stop()
    if (isGood) await rm(directory, { recursive: true, force: true })
  }
}
