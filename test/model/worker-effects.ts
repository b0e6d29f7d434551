// What the effects of a run's machine do in the world, as services/replicator performs them.

import type { GateAuthority } from '#protocol/gate-types.ts'
import type { RunEffect, RunInput, ScopeVersion } from '#protocol/job-types.ts'
import { recordSeen, sideOf } from './journal.ts'
import { newAuthorityRevision, newRevision } from './names.ts'
import { commit, cover } from './worker-commit.ts'
import { failed, give, got, IDLE, type Run, send } from './worker-run.ts'
import {
  gateOf,
  journalOf,
  type Next,
  RELATIONSHIP,
  type RequestBody,
  type Scenario,
  type ServerName,
  type Slot,
  type StoredJob,
  serverOf,
  spend,
  type World,
  withWorker,
} from './world.ts'

/** A tick that found something becomes a job before anything is prepared. */
export function store(world: World, slot: Slot, run: Run): { readonly world: World; readonly run: Run } {
  if (run.jobs.some(({ stored }) => stored)) return { world, run }
  const [tick] = run.jobs
  if (tick === undefined) return { world, run }
  const job: StoredJob = { ...tick, revision: newRevision(world, tick.job), stored: true }
  const stored: Run = { ...run, jobs: [job] }
  const kv = { ...world.kv, jobs: [...world.kv.jobs, job].sort((one, other) => (one.job < other.job ? -1 : 1)) }
  return { world: withWorker({ ...world, kv }, slot, { ...world[slot], run: stored }), run: stored }
}

export function finish(world: World, slot: Slot, run: Run): World {
  const names = new Set(run.jobs.map(({ job }) => job))
  const jobs = world.kv.jobs.filter(({ job }) => !names.has(job))
  return withWorker({ ...world, kv: { ...world.kv, jobs } }, slot, IDLE)
}

/** What was written for a job before this run began is in its outcome. */
function problemOfReport({ state, commitId, mustTell }: Run): string | undefined {
  if (state.refusal !== undefined) return undefined
  const told = new Set(state.results.map(({ scope }) => scope))
  const silent = mustTell.find(({ scope, server }) => server !== state.side && !told.has(scope))
  return silent === undefined ? undefined : `${commitId} wrote ${silent.scope} of ${silent.server}, and nobody is told`
}

/** The jobs wait in NATS for a later run; a tick that found a difference becomes one. */
export function putBack(world: World, slot: Slot, run: Run): World {
  const isDifference = run.state.compared.some(({ decision }) => decision.kind === 'replicate')
  const { world: next } = isDifference ? store(world, slot, run) : { world }
  return withWorker(next, slot, IDLE)
}

export function plan(
  world: World,
  scenario: Scenario,
  slot: Slot,
  run: Run,
  effect: Extract<RunEffect, { kind: 'plan' }>,
): Next[] {
  const safe = effect.scopes
    .filter(({ decision }) => decision.kind === 'replicate')
    .map(
      ({ scope, target, source }): ScopeVersion => ({
        scope,
        ...(target === undefined ? {} : { expected: target }),
        ...(source === undefined ? {} : { wanted: source }),
      }),
    )
  const steps: Next[] = [{ label: 'plans', world: give(world, scenario, slot, run, { kind: 'planned', safe }) }]
  const source = run.state.side === 'a' ? 'a' : 'b'
  const target = source === 'a' ? 'b' : 'a'
  const isOutdated = effect.scopes.some(
    (one) =>
      serverOf(world, source).live[one.scope] !== one.source || serverOf(world, target).live[one.scope] !== one.target,
  )
  // Contents are read once more for the plan: it may or may not see what changed since.
  if (isOutdated) {
    const input: RunInput = { kind: 'outdated', why: 'input-changed' }
    steps.push({ label: 'sees other contents while it plans', world: give(world, scenario, slot, run, input) })
  }
  return steps
}

/** The commit's name becomes known in the jobs' entries; somebody else's change of one of them ends the run. */
export function record(world: World, scenario: Scenario, slot: Slot, run: Run): World {
  const commit = run.commitId
  const target = run.state.side === 'a' ? 'b' : 'a'
  let next = world
  let isMine = true
  const jobs = run.jobs.map((job) => {
    const known = next.kv.jobs.find((one) => one.job === job.job)
    if (known === undefined || known.revision !== job.revision) {
      isMine = false
      return job
    }
    const recorded: StoredJob = { ...known, commit, commitAt: target, revision: newRevision(next, job.job) }
    next = { ...next, kv: { ...next.kv, jobs: next.kv.jobs.map((one) => (one.job === job.job ? recorded : one)) } }
    return recorded
  })
  if (!isMine) return withWorker(next, slot, IDLE)
  return give(next, scenario, slot, { ...run, jobs }, { kind: 'recorded' })
}

/** The record in NATS; where it is lost, what both gates know, as far as the policy allows. */
export function readAuthority(world: World, slot: Slot, run: Run, scenario: Scenario): Next {
  const record = world.kv.authority
  if (record !== undefined) {
    const { side, epoch } = record
    const input: RunInput = { kind: 'authority', side, epoch }
    return { label: `reads the authority: ${side}, epoch ${epoch}`, world: give(world, scenario, slot, run, input) }
  }
  if (run.got?.kind !== 'gates') {
    const known = [world.ga, world.gb].map(({ state }) => state.authorities[RELATIONSHIP] ?? ('nothing' as const))
    return {
      label: 'finds no authority record and asks the gates',
      world: got(world, slot, run, { kind: 'gates', known }),
    }
  }
  const known = run.got.known.filter((one): one is GateAuthority => one !== 'nothing')
  const [first] = known
  const doAgree = known.length === 2 && known.every(({ side, epoch }) => side === first?.side && epoch === first.epoch)
  const seed =
    first === undefined
      ? { epoch: 1, side: 'a' }
      : doAgree && scenario.policy.onAuthorityLoss === 'agree'
        ? first
        : undefined
  if (seed === undefined) {
    const input: RunInput = { kind: 'no-authority', message: 'lost' }
    return { label: 'does not know the authority', world: give(world, scenario, slot, run, input) }
  }
  const authority = { side: seed.side as ServerName, epoch: seed.epoch, revision: newAuthorityRevision(world) }
  const seeded = { ...world, kv: { ...world.kv, authority } }
  const input: RunInput = { kind: 'authority', side: seed.side, epoch: seed.epoch }
  return {
    label: `records the authority anew: ${seed.side}, epoch ${seed.epoch}`,
    world: give(seeded, scenario, slot, run, input),
  }
}

export function recall(
  world: World,
  scenario: Scenario,
  slot: Slot,
  run: Run,
  effect: Extract<RunEffect, { kind: 'recall' }>,
): World {
  const journal = journalOf(world, effect.target)
  const { running, queue } = gateOf(world, effect.target).state
  const results = []
  for (const job of effect.commits) {
    const accepted = [...queue, ...(running !== undefined && 'queued' in running ? [running.queued] : [])]
    const isOpen = accepted.some(({ request }) => request.op === 'commit' && request.job === job)
    if (isOpen || journal.open?.job === job)
      return give(world, scenario, slot, run, failed(effect, 'uncertain', effect.target))
    results.push(...(journal.results[job] ?? []).filter(({ result }) => result === 'written'))
  }
  return give(world, scenario, slot, run, {
    kind: 'recalled',
    results: results.map(({ wanted: _, ...result }) => result),
  })
}

export function perform(world: World, scenario: Scenario, slot: Slot, run: Run): Next[] {
  const [effect] = run.effects
  if (effect === undefined) throw new Error('a run that has nothing to do')
  switch (effect.kind) {
    case 'read-authority':
      return [readAuthority(world, slot, run, scenario)]
    case 'recall':
      return [
        {
          label: `asks what became of ${effect.commits.join(', ')}`,
          world: recall(world, scenario, slot, run, effect),
        },
      ]
    case 'compare': {
      if (run.got?.kind !== 'source') {
        const read = recordSeen(world, effect.source as ServerName)
        const source = sideOf(read, effect.source as ServerName)
        const looked = got(read, slot, run, { kind: 'source', source })
        // Only a hint, and everything is read again before it is written: both looks are one, except where fine.
        if (scenario.isFine === true) return [{ label: `looks at ${effect.source}`, world: looked }]
        const [both] = perform(looked, scenario, slot, looked[slot].run as Run)
        return both === undefined ? [] : [{ ...both, label: 'looks at both sides' }]
      }
      const read = recordSeen(world, effect.target as ServerName)
      const target = sideOf(read, effect.target as ServerName)
      const input: RunInput = { kind: 'compared', source: run.got.source, target, nowMs: 0 }
      return [{ label: `looks at ${effect.target}`, world: give(read, scenario, slot, run, input) }]
    }
    case 'prepare': {
      const stored = store(world, slot, run)
      const { target, side, epoch } = effect
      // The gate draws the ticket when the request arrives.
      const request: RequestBody = { op: 'prepare', relationship: RELATIONSHIP, side, epoch, ticket: '' }
      return [{ label: `asks ${target} to prepare`, world: send(stored.world, slot, stored.run, target, request) }]
    }
    case 'read-source': {
      const read = recordSeen(world, effect.source as ServerName)
      const input: RunInput = { kind: 'source-read', source: sideOf(read, effect.source as ServerName) }
      return [{ label: `reads ${effect.source}`, world: give(read, scenario, slot, run, input) }]
    }
    case 'plan':
      return plan(world, scenario, slot, run, effect)
    case 'permit': {
      const open: RunInput = { kind: 'permission', permission: { kind: 'open' } }
      const steps: Next[] = [{ label: 'may write', world: give(world, scenario, slot, run, open) }]
      if (world.budget.pauses > 0) {
        const permission = { kind: 'closed', wait: 'paused', message: 'paused' } as const
        const paused = spend(world, 'pauses')
        steps.push({ label: 'is paused', world: give(paused, scenario, slot, run, { kind: 'permission', permission }) })
      }
      return steps
    }
    case 'cover':
    case 'uncover':
      return cover(world, scenario, slot, run, effect)
    case 'record':
      return [{ label: 'records its commit', world: record(world, scenario, slot, run) }]
    case 'commit':
      return commit(world, slot, run, effect, scenario)
    case 'agree': {
      const { server, side, epoch, scopes } = effect
      const request: RequestBody = { op: 'agree', relationship: RELATIONSHIP, side, epoch, scopes }
      return [{ label: `asks ${server} to agree`, world: send(world, slot, run, server, request) }]
    }
    case 'wait':
      return [{ label: `waits: ${effect.failure.wait}`, world: putBack(world, slot, run) }]
    case 'finish': {
      const problem = problemOfReport(run)
      return [{ label: 'finishes', world: finish(world, slot, run), ...(problem === undefined ? {} : { problem }) }]
    }
    default:
      return effect satisfies never
  }
}
