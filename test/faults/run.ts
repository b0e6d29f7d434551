// One run: a world, a schedule, and then the checker's judgement.

import { createWriteStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '#harness/eventually.ts'
import { check, lastActivityMs, unsettled, type Verdict } from './checker/check.ts'
import type { Evidence } from './checker/evidence.ts'
import { createDisturbance, type Notes } from './disturb.ts'
import type { Fleet, RunningFleet } from './fleet.ts'
import { gatherer } from './gather.ts'
import { type LagMeter, startLagMeter } from './lag.ts'
import { connectPast, createLedgerReader } from './ledger-reader.ts'
import { createOperator, type Operator } from './operate.ts'
import { createRandom } from './random.ts'
import { describeAct, type Schedule, type Step } from './schedule.ts'
import { monotonicMs, startWorld, type World, type WorldOptions } from './world.ts'

export type RunOptions = {
  readonly fleet: Fleet
  readonly schedule: Schedule
  readonly scale: number
  /** Directory for compiled modules, shared by many runs. */
  readonly compiled?: string
  /** The protection that the watchers run without. */
  readonly without?: string
  /** The directory stays also where there was no violation. */
  readonly keep?: boolean
}

export type RunResult = Verdict & {
  readonly seed: number
  /** What the servers were. */
  readonly title: string
  readonly scale: number
  readonly faults: number
  readonly requests: number
  readonly wallMs: number
  readonly settledAfterMs?: number
  /** Where the logs of a run are that was not removed. */
  readonly directory?: string
}

/** Reconcile periods after healing within which everything must be as it should be. */
const PERIODS = 2
/** The services are many, and are held up more than the harness, which is one. */
const SLACK_OF_LAG = 3
/** A tick is spread over a quarter of its period, and its run takes a while. Milliseconds. */
const SLACK_MS = 2_000
/** Where the machine does much else, everything takes longer: this share of the time that the world took to start. */
const SLACK_OF_START = 0.25

export async function run(options: RunOptions): Promise<RunResult> {
  const { schedule, scale, fleet } = options
  const startedAt = performance.now()
  const directory = await mkdtemp(join(tmpdir(), `twinscope-faults-${schedule.seed}-`))
  const log = createWriteStream(join(directory, 'run.log'))
  const say = (text: string) => log.write(`${new Date().toISOString()} ${monotonicMs().toFixed(1)} ${text}\n`)
  say(`seed ${schedule.seed}, ${fleet.title}`)
  for (const { atMs, act } of schedule.steps) say(`planned ${atMs.toFixed(0).padStart(6)} ms  ${describeAct(act)}`)
  for (const { atMs, act } of schedule.afterwards)
    say(`planned ${atMs.toFixed(0).padStart(6)} ms after healing  ${describeAct(act)}`)

  const world = await startWorldAgain({
    fleet,
    seed: schedule.seed,
    directory,
    scale,
    ...(options.compiled && { compiled: options.compiled }),
    ...(options.without && { without: options.without }),
  })
  const nats = await connectPast(world.natsUrl)
  let isGood = false
  try {
    await agreed(world)
    if (options.without) assertWeakened(world, options.without)
    const startMs = performance.now() - startedAt
    say(`started in ${startMs.toFixed(0)} ms`)
    const random = createRandom(schedule.seed + 1)
    const notes: Notes = { wipes: [], interruptions: [] }
    const ledger = createLedgerReader()
    const operator = createOperator({ world, nats })
    const disturbance = createDisturbance({ world, nats, ledger, random, notes })

    /** Does what is planned, each act at its time; resolves when all of it is done. */
    const perform = async (steps: readonly Step[]) => {
      const beganAt = performance.now()
      const under: Promise<void>[] = []
      for (const { atMs, act } of steps) {
        await sleep(Math.max(0, beganAt + atMs - performance.now()))
        const done =
          act.kind === 'edit'
            ? world.dhcp.edit(act)
            : act.kind === 'request'
              ? operator.ask(act)
              : disturbance.perform(act).then(() => 'done')
        under.push(
          done.then(
            (what) => void say(`${describeAct(act)}: ${what}`),
            // A disturbed world does not always let itself be disturbed once more, or edited.
            (error: unknown) => void say(`${describeAct(act)}: not possible: ${error}`),
          ),
        )
      }
      await Promise.all(under)
    }
    // A wipe that is under way must not meet a NATS that healing has started.
    await perform(schedule.steps)
    await disturbance.over()
    await world.heal()
    say('healed')
    const confirmations = await confirmLost(world, operator, notes)
    for (const { relationship } of confirmations) say(`confirmed the authority of ${relationship}`)
    await perform(schedule.afterwards)
    const healedAtMs = monotonicMs()

    const evidence = gatherer({ world, operator, ledger, nats }, () => ({
      wipes: notes.wipes,
      confirmations,
      interruptions: notes.interruptions,
      healedAtMs,
    }))
    const dueMs = healedAtMs + PERIODS * world.periodMs + SLACK_MS + SLACK_OF_START * startMs
    const lag = startLagMeter()
    const settledAtMs = await settle(evidence, { dueMs, lag, periodMs: world.periodMs }).finally(() => lag.stop())
    say(`held up for ${lag.totalMs.toFixed(0)} ms since healing`)
    if (settledAtMs === undefined) say('not settled in time')
    else say(`settled ${(settledAtMs - healedAtMs).toFixed(0)} ms after healing`)
    const whole = await evidence(settledAtMs)
    await writeFile(join(directory, 'evidence.json'), JSON.stringify(whole, undefined, 1))
    const verdict = check(whole, world.periodMs)
    for (const { invariant, message } of verdict.violations) say(`VIOLATION ${invariant}: ${message}`)
    for (const part of world.parts.values())
      if (part.crashes > 0) say(`${part.name} ended ${part.crashes} times by itself`)
    isGood = verdict.violations.length === 0 && options.keep !== true
    return {
      ...verdict,
      seed: schedule.seed,
      title: fleet.title,
      scale,
      faults: schedule.faults,
      requests: operator.requests.length,
      wallMs: performance.now() - startedAt,
      ...(settledAtMs === undefined ? {} : { settledAfterMs: settledAtMs - healedAtMs }),
      ...(isGood ? {} : { directory }),
    }
  } finally {
    await nats.close()
    await world.stop()
    log.end()
    // What went wrong is kept, also where the harness itself failed.
    if (isGood) await rm(directory, { recursive: true, force: true })
  }
}

/** A run whose gates were whole after all would show nothing. */
function assertWeakened(world: World, without: string): void {
  const missing = world.services.filter((name) => name.startsWith('watcher') && !world.weakened(without).includes(name))
  if (missing.length > 0) throw new Error(`the gates of ${missing.join(', ')} do not run without ${without}`)
}

/** A port that was free may be somebody else's by the time it is listened on. */
const START_TRIES = 3

export async function startWorldAgain<F extends RunningFleet>(options: WorldOptions<F>): Promise<World<F>> {
  for (let tries = 1; ; tries++) {
    try {
      return await startWorld(options)
    } catch (error) {
      if (tries === START_TRIES) throw error
    }
  }
}

/** Silence counts when it lasts for so many periods: by then every relationship had its tick. */
const SILENT_PERIODS = 1.3

/**
 * From when on nothing was left to be done and nothing more was done, at latest when it was due (later by
 * what the machine held everything up for); `undefined` where something is left to be done after it.
 */
export async function settle(
  evidence: () => Promise<Evidence>,
  { dueMs, lag, periodMs }: { readonly dueMs: number; readonly lag: LagMeter; readonly periodMs: number },
): Promise<number | undefined> {
  const silentMs = SILENT_PERIODS * periodMs
  let restlessAtMs = 0
  for (;;) {
    const now = await evidence()
    const deadlineMs = dueMs + SLACK_OF_LAG * lag.totalMs
    const isSettled = unsettled(now, periodMs).length === 0
    restlessAtMs = isSettled ? Math.max(restlessAtMs, lastActivityMs(now), now.healedAtMs) : now.endedAtMs
    if (now.endedAtMs - restlessAtMs >= silentMs && restlessAtMs <= deadlineMs) return restlessAtMs
    if (!isSettled && now.endedAtMs > deadlineMs) return undefined
    if (now.endedAtMs > deadlineMs + silentMs) return deadlineMs
    await sleep(150)
  }
}

/** An operator confirms the authorities that went with NATS, where the fleet has one who does. */
async function confirmLost(world: World, operator: Operator, { wipes }: Notes): Promise<Evidence['confirmations']> {
  const { isConfirming, relationships } = world.fleet
  if (wipes.length === 0 || !isConfirming) return []
  const lost = relationships.filter(({ onAuthorityLoss }) => onAuthorityLoss === 'hold')
  for (const { name, authority } of lost) {
    await eventually(() => operator.confirm(name, authority), {
      timeoutMs: 60_000,
      everyMs: world.periodMs / 4,
      what: `confirmation of the authority of ${name}`,
    })
  }
  return lost.map(({ name }) => ({ relationship: name, atMs: monotonicMs() }))
}

/** Both sides of every relationship have agreed on what they have in common. */
export async function agreed(world: World): Promise<void> {
  type Listed = {
    readonly items: readonly {
      readonly name: string
      readonly sync: string
      readonly counts: { agreed: number; total: number }
    }[]
  }
  await eventually(
    async () => {
      const response = await fetch(new URL('/v1/relationships', world.statusUrl))
      const { items } = (await response.json()) as Listed
      if (items.length < world.fleet.relationships.length) throw new Error('not all relationships are known')
      for (const { name, sync, counts } of items)
        if (sync !== 'in-sync' || counts.agreed !== counts.total)
          throw new Error(`${name} is ${sync}, ${counts.agreed} of ${counts.total} agreed`)
    },
    { timeoutMs: 120_000, everyMs: 100, what: 'agreement at the start' },
  )
}
