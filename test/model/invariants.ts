// The rules that no step may break, checked where they can be broken: at a write, at a begin, where a base is set.
// `Ghost` is what the rules have to remember of the past; nothing in the world reads it.

import type { GateEffect, GateState } from '#protocol/gate-types.ts'
import { CORRECTION_JOB } from './names.ts'
import { gateOf, journalOf, partnerOf, type Scenario, type ServerName, serverOf, type World } from './world.ts'

/** An absent scope as a content. */
const ABSENT = '-'
type PerServer<T> = Readonly<Record<ServerName, T>>
type PerScope<T> = Readonly<Record<string, T>>

export type Ghost = {
  /** Everything that was ever live there. */
  readonly had: PerServer<PerScope<readonly string[]>>
  /** An operator's edit that the partner has not had since. */
  readonly own: PerServer<PerScope<string>>
  /** The newest of the partner's contents that was written here, by its place among the operator's edits there. */
  readonly wrote: PerServer<PerScope<number>>
  /** Scopes edited since the gate last read them for the commit under way: the one gap that cannot be closed. */
  readonly gap: PerServer<readonly string[]>
  /** Scopes edited while a commit was under way, until both sides are equal: what came of it may be held. */
  readonly raced: readonly string[]
  /** What a correction put there last: somebody wishes it now, like an edit, so it is not old. */
  readonly corrected: PerServer<PerScope<string>>
  /** Scopes in which the write under way replaced an edit of that gap. */
  readonly overwritten: PerServer<readonly string[]>
  /** The last read under the gate's mutex that belongs to a commit. */
  readonly read: PerServer<{ readonly job: string; readonly normal: boolean } | null>
}

export function initialGhost(scopes: readonly string[], content: string): Ghost {
  const had = Object.fromEntries(scopes.map((scope) => [scope, [content]]))
  return {
    had: { a: had, b: had },
    own: { a: {}, b: {} },
    wrote: { a: {}, b: {} },
    gap: { a: [], b: [] },
    raced: [],
    overwritten: { a: [], b: [] },
    corrected: { a: {}, b: {} },
    read: { a: null, b: null },
  }
}

const named = (content: string | undefined): string => content ?? ABSENT

function put<T>(of: PerServer<T>, server: ServerName, value: T): PerServer<T> {
  return { ...of, [server]: value }
}

/** Call after every change of what a server has live. */
export function noteLive(world: World, scopes: readonly string[]): World {
  let { had, own, raced } = world.ghost
  for (const server of ['a', 'b'] as const) {
    for (const scope of scopes) {
      const live = named(serverOf(world, server).live[scope])
      const known = had[server][scope] ?? []
      if (!known.includes(live)) had = put(had, server, { ...had[server], [scope]: [...known, live].sort() })
      const edit = own[server][scope]
      const other = named(serverOf(world, partnerOf(server)).live[scope])
      if (other === live && raced.includes(scope)) raced = raced.filter((one) => one !== scope)
      if (edit !== undefined && (edit !== live || other === edit)) {
        const { [scope]: _, ...rest } = own[server]
        own = put(own, server, rest)
      }
    }
  }
  return { ...world, ghost: { ...world.ghost, had, own, raced } }
}

/** What both sides last agreed on, by the newer of the two bases. */
function agreedContent(world: World, scope: string): string | undefined {
  const [a, b] = [world.ja.bases[scope], world.jb.bases[scope]]
  if (a === undefined || b === undefined) return undefined
  const isNewer = a.epoch > b.epoch || (a.epoch === b.epoch && a.serial >= b.serial)
  return named((isNewer ? a : b).content)
}

/** Call at an operator's edit, before {@link noteLive}. */
export function noteEdit(world: World, server: ServerName, scope: string, content: string | undefined): World {
  // To make a scope what it is is no edit.
  if (serverOf(world, server).live[scope] === content) return world
  const { own, gap, raced } = world.ghost
  const { running } = gateOf(world, server).state
  const intent =
    running !== undefined && 'work' in running ? running.work.intents.find((one) => one.scope === scope) : undefined
  // Back to what both agreed on is not an edit of one's own. In the very moment of a write, before its base is set,
  // it cannot be told from a server that did not take the write.
  const isBack = named(content) === agreedContent(world, scope)
  const edited = isBack ? {} : { own: put(own, server, { ...own[server], [scope]: named(content) }) }
  if (intent === undefined) return { ...world, ghost: { ...world.ghost, ...edited } }
  return {
    ...world,
    ghost: {
      ...world.ghost,
      ...edited,
      gap: put(gap, server, [...new Set([...gap[server], scope])].sort()),
      raced: [...new Set([...raced, scope])].sort(),
    },
  }
}

/** Call at every read under the mutex. */
export function noteRead(world: World, server: ServerName): World {
  const { running } = gateOf(world, server).state
  if (running === undefined) return world
  const job =
    'work' in running
      ? running.work.job
      : 'queued' in running && running.queued.request.op === 'commit'
        ? running.queued.request.job
        : (journalOf(world, server).open?.job ?? '')
  const { read, gap } = world.ghost
  const normal = serverOf(world, server).normal
  return { ...world, ghost: { ...world.ghost, read: put(read, server, { job, normal }), gap: put(gap, server, []) } }
}

/** Nobody holds the mutex any more: what is remembered for whoever held it is over. */
export function noteReleased(world: World, server: ServerName): World {
  const { read, gap, overwritten } = world.ghost
  if (read[server] === null && gap[server].length === 0 && overwritten[server].length === 0) return world
  return {
    ...world,
    ghost: {
      ...world.ghost,
      read: put(read, server, null),
      gap: put(gap, server, []),
      overwritten: put(overwritten, server, []),
    },
  }
}

/** The servers that a record of the highest durable epoch calls authoritative. */
function authoritativeSides(world: World): ReadonlySet<string> {
  const records = [world.kv.authority, world.ja.authority, world.jb.authority].filter((one) => one !== undefined)
  const highest = Math.max(0, ...records.map(({ epoch }) => epoch))
  return new Set(records.filter(({ epoch }) => epoch === highest).map(({ side }) => side))
}

/** The place of a content among what the operators made of a scope: 0 is what it began with, -1 is none of theirs. */
function versionOf(world: World, scenario: Scenario, server: ServerName, scope: string, content: string | undefined) {
  const done = scenario.edits[server].slice(0, serverOf(world, server).edits)
  const versions = ['0', ...done.filter((edit) => edit.scope === scope).map((edit) => named(edit.content))]
  return versions.lastIndexOf(named(content))
}

type Write = Extract<GateEffect, { kind: 'write' }>

function problemOfScope(
  world: World,
  scenario: Scenario,
  server: ServerName,
  state: GateState,
  { scope, fingerprint }: Write['writes'][number],
): string | undefined {
  const { running } = state
  if (running === undefined || !('work' in running)) return 'a write that no commit asked for'
  const live = serverOf(world, server).live[scope]
  const { work } = running
  const isInGap = world.ghost.gap[server].includes(scope)
  const intent = work.intents.find((one) => one.scope === scope)
  if (!('queued' in running)) {
    // Recovery puts back what was before: only over a mixture of the interrupted write itself.
    return live === intent?.preImage || live?.includes('+') || isInGap
      ? undefined
      : `the recovery overwrote ${named(live)} of ${scope}`
  }
  const { request } = running.queued
  if (request.op !== 'commit') return 'a write that no commit asked for'
  const asked = request.scopes.find((one) => one.scope === scope)
  if (live !== asked?.expected && !isInGap)
    return `${scope} was overwritten unseen: it was ${named(live)}, the plan was made for ${named(asked?.expected)}`
  const { onForeignEdit, onConflict } = scenario.policy
  if (asked?.approved === true) return undefined
  if (journalOf(world, server).restored[scope] !== undefined)
    return `the restore of ${scope} on ${server} was undone, and nobody approved that`
  const isHeldByPolicy = onForeignEdit === 'hold' && onConflict === 'hold'
  if (isHeldByPolicy && !isInGap && world.ghost.own[server][scope] === named(live))
    return `the operator's edit ${named(live)} of ${scope} on ${server} was overwritten though the policy holds it`
  const version = versionOf(world, scenario, partnerOf(server), scope, fingerprint)
  // What nobody has ever read at a server that comes up with it is new by all that can be known.
  const source = partnerOf(server)
  const wasSeen =
    serverOf(world, source).saved === undefined ||
    journalOf(world, source).seen[scope]?.before.includes(named(fingerprint)) === true
  const isWished = world.ghost.corrected[source][scope] === named(fingerprint)
  if (wasSeen && !isWished && version >= 0 && version < (world.ghost.wrote[server][scope] ?? 0))
    return `${scope} was overwritten with the older content ${named(fingerprint)}`
  const known = journalOf(world, server).results[work.job]?.find((result) => result.scope === scope)
  if (known?.result === 'written' && known.wanted === fingerprint) return `${work.job} wrote ${scope} twice`
  return undefined
}

/** What is wrong with a write that the gate sends just now. */
export function problemOfWrite(world: World, scenario: Scenario, server: ServerName, write: Write) {
  const { state } = gateOf(world, server)
  const { running } = state
  const isRecovery = running !== undefined && !('queued' in running)
  const request = running !== undefined && 'queued' in running ? running.queued.request : undefined
  const isApproved =
    request?.op === 'commit' &&
    request.purpose !== undefined &&
    request.job === CORRECTION_JOB &&
    write.writes.every(({ scope }) => scenario.correction?.scopes.includes(scope))
  if (!isRecovery && !isApproved && authoritativeSides(world).has(server))
    return `${server} is authoritative and was written`
  if (scenario.doCoversLast === true && journalOf(world, partnerOf(server)).open !== undefined)
    return 'both partners are being written'
  const journal = journalOf(world, server)
  if (running !== undefined && 'work' in running && journal.open?.job !== running.work.job)
    return `a write of ${running.work.job} that the journal does not have as begun`
  const read = world.ghost.read[server]
  if (running !== undefined && 'work' in running && read?.job !== running.work.job)
    return `the write of ${running.work.job} does not follow its own comparison`
  if (!isRecovery && read !== null && !read.normal) return `${server} was written though it was not normal`
  for (const one of write.writes) {
    const problem = problemOfScope(world, scenario, server, state, one)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** Call after {@link problemOfWrite}, for what the server took of the write. */
export function noteWritten(world: World, scenario: Scenario, server: ServerName, writes: Write['writes']): World {
  let { wrote, corrected } = world.ghost
  const { running } = gateOf(world, server).state
  const isCorrection = running !== undefined && 'work' in running && running.work.exception !== undefined
  for (const { scope, fingerprint } of writes) {
    const version = versionOf(world, scenario, partnerOf(server), scope, fingerprint)
    if (version > (wrote[server][scope] ?? 0)) wrote = put(wrote, server, { ...wrote[server], [scope]: version })
    if (isCorrection) corrected = put(corrected, server, { ...corrected[server], [scope]: named(fingerprint) })
  }
  return { ...world, ghost: { ...world.ghost, wrote, corrected } }
}

export function noteOverwritten(world: World, server: ServerName, scopes: readonly string[]): World {
  if (scopes.length === 0) return world
  return { ...world, ghost: { ...world.ghost, overwritten: put(world.ghost.overwritten, server, scopes) } }
}

/** What was overwritten in the gap is told with the result. */
export function problemOfOverwritten(
  world: World,
  server: ServerName,
  end: Extract<GateEffect, { kind: 'journalEnd' }>,
): string | undefined {
  const silent = end.results.find(
    ({ scope, result, code }) =>
      world.ghost.overwritten[server].includes(scope) && result === 'written' && code !== 'overwrote-edit',
  )
  return silent === undefined ? undefined : `an edit of ${silent.scope} was overwritten, and nobody is told`
}

export function problemOfBegin(world: World, server: ServerName, job: string): string | undefined {
  const { open } = journalOf(world, server)
  return open === undefined ? undefined : `${job} was begun at ${server} while ${open.job} is open`
}

/** A base is a content that both sides had. */
export function problemOfBases(
  world: World,
  bases: readonly { readonly scope: string; readonly fingerprint?: string }[],
): string | undefined {
  for (const { scope, fingerprint } of bases) {
    for (const server of ['a', 'b'] as const) {
      if (!world.ghost.had[server][scope]?.includes(named(fingerprint)))
        return `the base of ${scope} became ${named(fingerprint)}, which ${server} never had`
    }
  }
  return undefined
}

/** At the end of a recovery every scope is as before, as wanted, or held as dirty. */
export function problemOfRecovery(world: World, server: ServerName, end: Extract<GateEffect, { kind: 'journalEnd' }>) {
  const { running } = gateOf(world, server).state
  if (running === undefined || running.phase !== 'recoverEnd') return undefined
  for (const { scope, preImage, wanted } of running.work.intents) {
    const live = serverOf(world, server).live[scope]
    const result = end.results.find((one) => one.scope === scope)
    if (result === undefined) return `the recovery forgot ${scope}`
    const isExplained = live === preImage || live === wanted || result.code === 'dirty'
    if (!isExplained && !world.ghost.gap[server].includes(scope))
      return `after the recovery ${scope} is ${named(live)}, neither ${named(preImage)} nor ${named(wanted)}`
  }
  return undefined
}
