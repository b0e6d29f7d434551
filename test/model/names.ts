// Names that are drawn at random in production are only ever compared, so here each is the first that nobody
// refers to any more. That keeps the number of states finite and merges those that differ in names alone.

import type { GateProcess, Worker, World } from './world.ts'

function requestsAt(gate: GateProcess) {
  const { running, queue } = gate.state
  return running !== undefined && 'queued' in running ? [...queue, running.queued] : queue
}

function requestsOf(world: World) {
  return [...world.net, ...requestsAt(world.ga), ...requestsAt(world.gb)]
}

function firstUnused(prefix: string, used: ReadonlySet<string>): string {
  for (let index = 0; ; index++) if (!used.has(`${prefix}${index}`)) return `${prefix}${index}`
}

const workersOf = (world: World): readonly Worker[] => [world.w0, world.w1]

/** The job of the one correction of a scenario. */
export const CORRECTION_JOB = 'K'

export function newRequest(world: World): number {
  const used = new Set<number | undefined>(requestsOf(world).map(({ from }) => from))
  for (const { run } of workersOf(world)) used.add(run?.waitsFor)
  for (const { waitsFor } of world.mover.moves) used.add(waitsFor)
  used.add(world.corrector.run?.waitsFor)
  for (let from = 0; ; from++) if (!used.has(from)) return from
}

/** Whether anybody may still answer it. */
export function isUnderWay(world: World, from: number): boolean {
  return requestsOf(world).some((one) => one.from === from)
}

export function newTicket(world: World): string {
  const used = new Set<string>()
  for (const { request } of requestsOf(world)) if ('ticket' in request) used.add(request.ticket)
  for (const { run } of [...workersOf(world), world.corrector]) {
    if (run?.state.ticket !== undefined) used.add(run.state.ticket)
  }
  for (const { state } of [world.ga, world.gb])
    for (const ticket of Object.values(state.tickets)) used.add(ticket.value)
  return firstUnused('T', used)
}

/** Commits that somebody may still ask for. */
function commitsInUse(world: World): Set<string> {
  const used = new Set<string>()
  if (world.corrector.isAsked) used.add(CORRECTION_JOB)
  for (const { request } of requestsOf(world)) if ('job' in request) used.add(request.job)
  for (const { run } of workersOf(world)) {
    if (run !== undefined) used.add(run.commitId)
    for (const job of run?.jobs ?? []) used.add(job.commit ?? job.job)
  }
  for (const job of world.kv.jobs) used.add(job.commit ?? job.job)
  for (const { open } of [world.ja, world.jb]) if (open !== undefined) used.add(open.job)
  for (const { state } of [world.ga, world.gb]) {
    if (state.running !== undefined && 'work' in state.running) used.add(state.running.work.job)
    if (state.open !== undefined) used.add(state.open.job)
    for (const job of Object.values(state.covering)) used.add(job)
  }
  return used
}

/** Results that nobody can ask for any more say nothing any more. */
export function forgetResults(world: World): World {
  if (Object.keys(world.ja.results).length + Object.keys(world.jb.results).length === 0) return world
  const used = commitsInUse(world)
  const kept = (journal: World['ja']): World['ja'] => {
    const entries = Object.entries(journal.results)
    const rest = entries.filter(([job]) => used.has(job))
    return rest.length === entries.length ? journal : { ...journal, results: Object.fromEntries(rest) }
  }
  return { ...world, ja: kept(world.ja), jb: kept(world.jb) }
}

export function newJob(world: World): string {
  const used = commitsInUse(world)
  for (const { job } of world.kv.jobs) used.add(job)
  for (const { run } of workersOf(world)) for (const { job } of run?.jobs ?? []) used.add(job)
  for (const { results } of [world.ja, world.jb]) for (const job of Object.keys(results)) used.add(job)
  return firstUnused('J', used)
}

/** A revision is compared with others of the same job only. */
export function newRevision(world: World, name: string): string {
  const used = new Set<string>()
  for (const { job, revision } of world.kv.jobs) if (job === name) used.add(revision)
  for (const { run } of workersOf(world))
    for (const { job, revision } of run?.jobs ?? []) if (job === name) used.add(revision ?? '')
  return firstUnused('R', used)
}

export function newAuthorityRevision(world: World): string {
  const used = new Set<string>()
  if (world.kv.authority !== undefined) used.add(world.kv.authority.revision)
  for (const { state } of world.mover.moves) if (state.record !== undefined) used.add(`R${state.record.revision}`)
  return firstUnused('R', used)
}
