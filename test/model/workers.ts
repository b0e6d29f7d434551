// The workers: runs that begin, wait for answers, die and end.

import type { GateReply } from '#protocol/gate-types.ts'
import { startRun } from '#protocol/job.ts'
import type { RunEffect } from '#protocol/job-types.ts'
import { sideOf } from './journal.ts'
import { isUnderWay, newJob, newRevision } from './names.ts'
import { perform } from './worker-effects.ts'
import { failed, give, IDLE, policyOf, type Run } from './worker-run.ts'
import {
  type ClaimedJob,
  journalOf,
  type Next,
  type Scenario,
  type ServerName,
  type Slot,
  type StoredJob,
  spend,
  type World,
  withWorker,
} from './world.ts'

/** A gate's answer on its way to whoever waits for it; `undefined` where nobody does. */
export function receive(
  world: World,
  scenario: Scenario,
  from: number,
  reply: GateReply,
  server: ServerName,
): World | undefined {
  const slot = (['w0', 'w1'] as const).find((one) => world[one].run?.waitsFor === from)
  const run = slot === undefined ? undefined : world[slot].run
  if (slot === undefined || run === undefined) return undefined
  switch (reply.kind) {
    case 'refused':
      return give(world, scenario, slot, run, failed(run.effects[0] as RunEffect, reply.code, server))
    case 'prepared':
      return give(world, scenario, slot, run, { kind: 'prepared', ticket: reply.ticket, target: sideOf(world, server) })
    case 'committed':
      return give(world, scenario, slot, run, {
        kind: 'committed',
        results: reply.results.map(({ message: _, wanted: __, ...result }) => result),
      })
    case 'agreed':
      return give(world, scenario, slot, run, { kind: 'agreed', serial: reply.serial })
    default:
      throw new Error(`a worker was answered "${reply.kind}"`)
  }
}

/** Takes the lock where the scenario has one, and every waiting job. */
function start(world: World, scenario: Scenario, slot: Slot): World {
  let next = world
  const jobs: ClaimedJob[] = []
  for (const job of world.kv.jobs) {
    const claimed: StoredJob = { ...job, revision: newRevision(next, job.job) }
    next = { ...next, kv: { ...next.kv, jobs: next.kv.jobs.map((one) => (one.job === job.job ? claimed : one)) } }
    jobs.push(claimed)
  }
  if (jobs.length === 0) jobs.push({ job: newJob(world), automatic: true, source: 'a', stored: false })
  const machineJobs = jobs.map(({ stored: _, revision: __, ...job }) => job)
  const { state, effects } = startRun(policyOf(scenario), machineJobs)
  // One id until the jobs end, as services/replicator draws it.
  const first = jobs.find(({ automatic }) => !automatic) ?? jobs[0]
  const commitId = jobs.find(({ commit }) => commit !== undefined)?.commit ?? first?.job ?? ''
  const written = (['a', 'b'] as const).flatMap((server) =>
    (journalOf(world, server).results[commitId] ?? []).flatMap(({ scope, result }) =>
      result === 'written' ? [{ server, scope }] : [],
    ),
  )
  const run: Run = { state, effects, jobs, commitId, mustTell: written }
  return withWorker(next, slot, { holdsLock: scenario.lock, run })
}

/** Everything that may happen next to one worker. */
export function workerSteps(world: World, scenario: Scenario, slot: Slot): Next[] {
  const { run, holdsLock } = world[slot]
  const { budget } = world
  if (run === undefined) {
    const isLocked = scenario.lock && (world.w0.holdsLock || world.w1.holdsLock)
    if (budget.runs === 0 || isLocked) return []
    return [{ label: 'begins a run', world: start(spend(world, 'runs'), scenario, slot) }]
  }
  const steps: Next[] = []
  if (run.waitsFor === undefined) steps.push(...perform(world, scenario, slot, run))
  else {
    const isAnswerPossible = isUnderWay(world, run.waitsFor)
    const effect = run.effects[0] as RunEffect
    const server = 'target' in effect ? effect.target : 'server' in effect ? effect.server : ''
    if (!isAnswerPossible || budget.losses > 0) {
      const after = isAnswerPossible ? spend(world, 'losses') : world
      steps.push({
        label: 'waits no longer for an answer',
        world: give(after, scenario, slot, run, failed(effect, 'timed-out', server)),
      })
    }
  }
  if (budget.workerKills > 0) steps.push({ label: 'dies', world: withWorker(spend(world, 'workerKills'), slot, IDLE) })
  if (scenario.lock && holdsLock)
    steps.push({
      label: 'loses its lock without knowing it',
      world: withWorker(world, slot, { ...world[slot], holdsLock: false }),
    })
  if (scenario.lock && !holdsLock)
    steps.push({ label: 'hears that its lock is lost and stops', world: withWorker(world, slot, IDLE) })
  return steps
}
