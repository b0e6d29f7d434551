// What the effects of a run's machine do in the world, as services/replicator performs them.

import { GateError, type GateFailureCode } from '#messaging/gate-client.ts'
import { step } from '#protocol/gate.ts'
import type { GateAuthority, GateReply } from '#protocol/gate-types.ts'
import { startRun, stepRun } from '#protocol/job.ts'
import type { RunEffect, RunInput, RunPolicy, ScopeVersion } from '#protocol/job-types.ts'
import { type GateVerdict, verdictOf } from '#replicator/disposition.ts'
import { recordSeen, sideOf } from './journal.ts'
import { isUnderWay, newJob, newRequest, newRevision } from './names.ts'
import {
  type ClaimedJob,
  type Got,
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
  type Worker,
  type World,
  withGate,
  withWorker,
} from './world.ts'

type Run = NonNullable<Worker['run']>

const IDLE: Worker = { holdsLock: false }
const policies = new WeakMap<Scenario, RunPolicy>()

function policyOf(scenario: Scenario): RunPolicy {
  let policy = policies.get(scenario)
  if (policy === undefined) {
    const { onForeignEdit, onConflict, prune } = scenario.policy
    policy = {
      relationship: RELATIONSHIP,
      servers: ['a', 'b'],
      mode: 'automatic',
      quietPeriodMs: 0,
      soakDelayMs: 0,
      onForeignEdit,
      onConflict,
      prune,
    }
    policies.set(scenario, policy)
  }
  return policy
}

const verdicts = new Map<string, GateVerdict>()
/** The replicator's own reading of a gate's refusal. */
function verdictFor(code: GateFailureCode, server: string): GateVerdict {
  const key = `${code} ${server}`
  let verdict = verdicts.get(key)
  if (verdict === undefined) {
    verdict = verdictOf(new GateError(code, code), server)
    if (verdict === undefined) throw new Error(`the replicator has no verdict for ${code}`)
    verdicts.set(key, verdict)
  }
  return verdict
}

/** What a refusal, or no answer, is to the run; as in services/replicator/run.ts. */
function failed(effect: RunEffect, code: GateFailureCode, server: string): RunInput {
  // The write itself is done; both sides agree again at the next look.
  if (effect.kind === 'agree') return { kind: 'agreed' }
  const verdict = verdictFor(code, server)
  if (verdict.kind === 'wait') {
    const wait = effect.kind === 'cover' && verdict.wait === 'partner-not-normal' ? 'covering' : verdict.wait
    return { kind: 'side-failed', failure: { server, wait, message: verdict.message } }
  }
  return verdict
}

function give(world: World, scenario: Scenario, slot: Slot, run: Run, input: RunInput): World {
  const { state, effects } = stepRun(run.state, input, scenario.checks.run)
  if (effects.length === 0) throw new Error(`the run ignored "${input.kind}" in phase "${run.state.phase}"`)
  const { waitsFor: _, got: __, ...rest } = run
  return withWorker(world, slot, { ...world[slot], run: { ...rest, state, effects } })
}

function got(world: World, slot: Slot, run: Run, what: Got): World {
  return withWorker(world, slot, { ...world[slot], run: { ...run, got: what } })
}

function send(world: World, slot: Slot, run: Run, to: string, request: RequestBody): World {
  const from = newRequest(world)
  const net = [...world.net, { from, to: to as ServerName, request }].sort((one, other) => one.from - other.from)
  return withWorker({ ...world, net }, slot, { ...world[slot], run: { ...run, waitsFor: from } })
}

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
    const claimed: StoredJob = { ...job, revision: newRevision(next) }
    next = { ...next, kv: { ...next.kv, jobs: next.kv.jobs.map((one) => (one.job === job.job ? claimed : one)) } }
    jobs.push(claimed)
  }
  if (jobs.length === 0) jobs.push({ job: newJob(world), automatic: true, source: 'a', stored: false })
  const machineJobs = jobs.map(({ stored: _, revision: __, ...job }) => job)
  const { state, effects } = startRun(policyOf(scenario), machineJobs)
  // One id until the jobs end, as services/replicator draws it.
  const first = jobs.find(({ automatic }) => !automatic) ?? jobs[0]
  const commitId = jobs.find(({ commit }) => commit !== undefined)?.commit ?? first?.job ?? ''
  const run: Run = { state, effects, jobs, commitId }
  return withWorker(next, slot, { holdsLock: scenario.lock, run })
}

/** A tick that found something becomes a job before anything is prepared. */
function store(world: World, slot: Slot, run: Run): { readonly world: World; readonly run: Run } {
  if (run.jobs.some(({ stored }) => stored)) return { world, run }
  const [tick] = run.jobs
  if (tick === undefined) return { world, run }
  const job: StoredJob = { ...tick, revision: newRevision(world), stored: true }
  const stored: Run = { ...run, jobs: [job] }
  const kv = { ...world.kv, jobs: [...world.kv.jobs, job].sort((one, other) => (one.job < other.job ? -1 : 1)) }
  return { world: withWorker({ ...world, kv }, slot, { ...world[slot], run: stored }), run: stored }
}

/** The commit's name becomes known in the jobs' entries; somebody else's change of one of them ends the run. */
function record(world: World, scenario: Scenario, slot: Slot, run: Run): World {
  const commit = run.commitId
  let next = world
  let isMine = true
  const jobs = run.jobs.map((job) => {
    const known = next.kv.jobs.find((one) => one.job === job.job)
    if (known === undefined || known.revision !== job.revision) {
      isMine = false
      return job
    }
    const recorded: StoredJob = { ...known, commit, revision: newRevision(next) }
    next = { ...next, kv: { ...next.kv, jobs: next.kv.jobs.map((one) => (one.job === job.job ? recorded : one)) } }
    return recorded
  })
  if (!isMine) return withWorker(next, slot, IDLE)
  return give(next, scenario, slot, { ...run, jobs }, { kind: 'recorded' })
}

function finish(world: World, slot: Slot, run: Run): World {
  const names = new Set(run.jobs.map(({ job }) => job))
  const jobs = world.kv.jobs.filter(({ job }) => !names.has(job))
  return withWorker({ ...world, kv: { ...world.kv, jobs } }, slot, IDLE)
}

/** The jobs wait in NATS for a later run; a tick that found a difference becomes one. */
function putBack(world: World, slot: Slot, run: Run): World {
  const isDifference = run.state.compared.some(({ decision }) => decision.kind === 'replicate')
  const { world: next } = isDifference ? store(world, slot, run) : { world }
  return withWorker(next, slot, IDLE)
}

function plan(
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

/** Stages what will be written; the gate answers at once. */
function stage(world: World, slot: Slot, run: Run, effect: Extract<RunEffect, { kind: 'commit' }>, scenario: Scenario) {
  const gate = gateOf(world, effect.target)
  const fingerprints = effect.versions.flatMap(({ wanted }) => (wanted === undefined ? [] : [wanted]))
  if (fingerprints.length === 0) return got(world, slot, run, { kind: 'staged' })
  const request = { op: 'stage', relationship: RELATIONSHIP, ticket: effect.ticket, fingerprints } as const
  const next = step(gate.state, { kind: 'request', from: -1, request }, scenario.checks.gate)
  const [reply] = next.effects
  if (reply?.kind !== 'reply') throw new Error('the gate did not answer "stage" at once')
  if (reply.answer.kind === 'refused')
    return give(world, scenario, slot, run, failed(effect, reply.answer.code, effect.target))
  return got(withGate(world, effect.target, { ...gate, state: next.state }), slot, run, { kind: 'staged' })
}

function commit(
  world: World,
  slot: Slot,
  run: Run,
  effect: Extract<RunEffect, { kind: 'commit' }>,
  scenario: Scenario,
): Next[] {
  const { target, side, epoch, ticket, versions } = effect
  if (run.got?.kind !== 'staged')
    return [{ label: `stages at ${target}`, world: stage(world, slot, run, effect, scenario) }]
  const serials = (run.state.sourceSide?.rows ?? []).map(({ baseSerial }) => baseSerial ?? 0)
  const request: RequestBody = {
    op: 'commit',
    relationship: RELATIONSHIP,
    side,
    epoch,
    ticket,
    job: run.commitId,
    scopes: versions,
    serialAbove: Math.max(0, ...serials),
  }
  const text = versions.map(({ scope, expected, wanted }) => `${scope}: ${expected ?? '-'}→${wanted ?? '-'}`).join(' ')
  const steps: Next[] = [
    { label: `asks ${target} to commit ${run.commitId} (${text})`, world: send(world, slot, run, target, request) },
  ]
  // It looks at its lock in front of the write. Where it has lost it, it may see that, or see it too late.
  if (scenario.lock && !world[slot].holdsLock) {
    const failure = { server: target, wait: 'lock-held', message: 'lost' } as const
    const input: RunInput = { kind: 'side-failed', failure }
    steps.push({
      label: 'sees that its lock is lost and writes nothing',
      world: give(world, scenario, slot, run, input),
    })
  }
  return steps
}

/** Asks the partner's gate to cover, or no longer to; it answers at once. */
function cover(
  world: World,
  scenario: Scenario,
  slot: Slot,
  run: Run,
  effect: Extract<RunEffect, { kind: 'cover' | 'uncover' }>,
): Next[] {
  const { server } = effect
  const on = effect.kind === 'cover'
  const gate = gateOf(world, server)
  const request = {
    op: 'cover',
    relationship: RELATIONSHIP,
    job: run.commitId,
    on,
    serves: serverOf(world, server).normal,
  } as const
  const next = step(gate.state, { kind: 'request', from: -1, request }, scenario.checks.gate)
  const [reply] = next.effects
  if (reply?.kind !== 'reply') throw new Error('the gate did not answer "cover" at once')
  const asked = withGate(world, server, { ...gate, state: next.state })
  const goOn = (after: World, input: RunInput): World =>
    on
      ? give(after, scenario, slot, run, input)
      : withWorker(after, slot, { ...after[slot], run: { ...run, effects: run.effects.slice(1) } })
  const refused = reply.answer.kind === 'refused' ? reply.answer.code : undefined
  const input = refused === undefined ? ({ kind: 'covered' } as const) : failed(effect, refused, server)
  const what = on ? `asks ${server} to cover` : `ends the cover of ${server}`
  const steps: Next[] = [
    { label: refused === undefined ? what : `${what}; refused: ${refused}`, world: goOn(asked, input) },
  ]
  if (world.budget.losses > 0) {
    const unanswered = failed(effect, 'timed-out', server)
    steps.push({ label: `${what}; the request is lost`, world: goOn(spend(world, 'losses'), unanswered) })
    steps.push({ label: `${what}; the answer is lost`, world: goOn(spend(asked, 'losses'), unanswered) })
  }
  return steps
}

/** The record in NATS; where it is lost, what both gates know, as far as the policy allows. */
function readAuthority(world: World, slot: Slot, run: Run, scenario: Scenario): Next {
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
  const authority = { side: seed.side as ServerName, epoch: seed.epoch, revision: newRevision(world) }
  const seeded = { ...world, kv: { ...world.kv, authority } }
  const input: RunInput = { kind: 'authority', side: seed.side, epoch: seed.epoch }
  return {
    label: `records the authority anew: ${seed.side}, epoch ${seed.epoch}`,
    world: give(seeded, scenario, slot, run, input),
  }
}

function recall(
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

function perform(world: World, scenario: Scenario, slot: Slot, run: Run): Next[] {
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
        return [{ label: `looks at ${effect.source}`, world: got(read, slot, run, { kind: 'source', source }) }]
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
    case 'finish':
      return [{ label: 'finishes', world: finish(world, slot, run) }]
    default:
      return effect satisfies never
  }
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
