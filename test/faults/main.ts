// `npm run faults`: random faults at the whole system, judged by an independent checker. See README.md.

import { parseArgs } from 'node:util'
import { prepare } from '#local/prepare.ts'
import { campaign, describeRun, describeSummary } from './campaign.ts'
import type { Fleet } from './fleet.ts'
import { keaFleet } from './kea-fleet.ts'
import { play, targetedOf } from './play.ts'
import { describeAct, makeSchedule } from './schedule.ts'
import { simulatedFleet } from './simulated-fleet.ts'
import { isProtection, PROTECTIONS, type Protection } from './without.ts'

const HELP = `npm run faults -- [--runs N] [--seed S] [--minutes M] [--scale K] [--parallel P] [--without PROTECTION] [--kea [--kea-version 2.2|3.x]] [--keep] [--show]

  Random schedules of at least 20 faults each at the whole system: real NATS, Redis and processes, simulated DHCP
  servers. Each run has a seed of its own, which is printed; --runs 1 --seed THAT repeats it alone.

  --runs N      runs (default 10)
  --seed S      seed of the first run; the next ones have the numbers after it (default: the present second)
  --minutes M   begin no run after so many minutes
  --scale K     divides all times: the lock's 30 s, the 60 s between two ticks … (default 20; 1 for long runs)
  --parallel P  runs at the same time (default 1)
  --without X   the watchers run without one protection: ${PROTECTIONS.join(', ')}.
                Violations are what is wanted then; the exit code is 0 only if there are some: where a targeted
                schedule is about it, the one that is expected
  --kea         a real pair of Kea servers in HA in place of three simulated ones; the version alternates by seed
  --kea-version V  only 2.2, or only 3.x
  --keep        leaves the logs of every run, not only of those with violations
  --show        prints the schedules instead of running them`

function count(text: string | undefined, fallback: number, name: string, min = 1): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < min)
    throw new Error(`--${name} must be a whole number from ${min} on, not "${text}"`)
  return value
}

/** Plays the schedule that is about this protection; `undefined` where there is none. */
async function showNeeded(without: Protection): Promise<boolean | undefined> {
  const [targeted] = targetedOf(without)
  if (targeted === undefined) return undefined
  process.stdout.write(`targeted, expecting ${targeted.expects}: ${targeted.what}\n`)
  const { played, directory } = await play({ of: [without], weakened: true })
  const lines = played.flatMap(({ violations }) => violations)
  for (const { invariant, message } of lines) process.stdout.write(`    ${invariant}: ${message}\n`)
  const isFound = played.every(({ isAsExpected }) => isAsExpected)
  process.stdout.write(
    isFound ? `✓ ${targeted.expects} found\n` : `✗ ${targeted.expects} not found; logs in ${directory}\n`,
  )
  return isFound
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      scale: { type: 'string' },
      parallel: { type: 'string' },
      without: { type: 'string' },
      kea: { type: 'boolean' },
      'kea-version': { type: 'string' },
      keep: { type: 'boolean' },
      show: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
  if (values.help === true) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  const runs = count(values.runs, 10, 'runs')
  const seed = count(values.seed, Math.floor(Date.now() / 1_000), 'seed', 0)
  const scale = count(values.scale, 20, 'scale')
  const { without } = values
  const version = values['kea-version']
  if (version !== undefined && version !== '2.2' && version !== '3.x')
    throw new Error(`--kea-version ${version}: there are 2.2 and 3.x`)
  const isKea = values.kea === true || version !== undefined
  if (isKea && without !== undefined) throw new Error('--without is for the simulated servers')
  const fleetOf = (ofSeed: number): Fleet => (isKea ? keaFleet(ofSeed, version) : simulatedFleet(ofSeed))
  if (without !== undefined && !isProtection(without))
    throw new Error(`--without ${without}: there is no such protection; there are: ${PROTECTIONS.join(', ')}`)
  if (values.show === true) {
    for (let index = 0; index < runs; index++) {
      const fleet = fleetOf(seed + index)
      const schedule = makeSchedule(seed + index, { scale, lengthMs: fleet.lengthMs }, fleet)
      process.stdout.write(
        `seed ${schedule.seed}, ${fleet.title}, ${schedule.faults} faults in ${(schedule.lengthMs / 1_000).toFixed(1)} s\n`,
      )
      for (const { atMs, act } of schedule.steps)
        process.stdout.write(`${atMs.toFixed(0).padStart(8)} ms  ${describeAct(act)}\n`)
      for (const { atMs, act } of schedule.afterwards)
        process.stdout.write(`${atMs.toFixed(0).padStart(8)} ms after healing  ${describeAct(act)}\n`)
    }
    return 0
  }
  const prepared = await prepare({ nats: true, redis: true, kea: false })
  if (prepared.kind === 'impossible') {
    process.stderr.write(`✗ ${prepared.message}\n`)
    return prepared.exitCode
  }
  const isShown = without === undefined ? undefined : await showNeeded(without)
  process.stdout.write(`faults: ${runs} runs from seed ${seed}, times divided by ${scale}\n`)
  const summary = await campaign({
    fleetOf,
    runs,
    seed,
    scale,
    parallel: count(values.parallel, 1, 'parallel'),
    ...(values.minutes === undefined ? {} : { untilMs: count(values.minutes, 1, 'minutes') * 60_000 }),
    ...(without === undefined ? {} : { without }),
    keep: values.keep === true,
    onRun: (result) => process.stdout.write(`${describeRun(result)}\n`),
  })
  process.stdout.write(`${without === undefined ? '' : `without ${without}: `}${describeSummary(summary)}\n`)
  if (summary.failed > 0 || summary.runs === 0) return 1
  // Random faults need not hit on the one order of steps that the protection is about.
  if (isShown !== undefined) return isShown ? 0 : 1
  return (summary.violations === 0) === (without === undefined) ? 0 : 1
}

process.exit(
  await main().catch((error: Error) => {
    process.stderr.write(`✗ ${error.message}\n`)
    return 2
  }),
)
