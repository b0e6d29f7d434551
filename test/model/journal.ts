// What a gate's journal makes of its entries, as libs/gate/journal.ts and bases.ts do it, and the manifest that
// is read off it.

import type { GateEffect, ScopeResult } from '#protocol/gate-types.ts'
import type { Side } from '#protocol/job-types.ts'
import {
  type Base,
  type Contents,
  gateOf,
  type Journal,
  journalOf,
  RELATIONSHIP,
  type ServerName,
  serverOf,
  type World,
  withJournal,
  withServer,
} from './world.ts'

type Write = { readonly scope: string; readonly fingerprint?: string; readonly serial?: number }

function lastSerial({ bases }: Journal): number {
  return Math.max(0, ...Object.values(bases).map(({ serial }) => serial))
}

function baseOf(epoch: number, serial: number, fingerprint: string | undefined): Base {
  return { epoch, serial, ...(fingerprint === undefined ? {} : { content: fingerprint }) }
}

const ABSENT = '-'

function remember(journal: Journal, scope: string, content: string | undefined): Journal {
  const known = journal.earlier[scope] ?? []
  const name = content ?? ABSENT
  if (known.includes(name)) return journal
  return { ...journal, earlier: { ...journal.earlier, [scope]: [...known, name].sort() } }
}

function setBases(
  journal: Journal,
  epoch: number,
  serial: number,
  writes: readonly Write[],
  doRemember: boolean,
): Journal {
  let next = journal
  for (const write of writes) {
    const known = next.bases[write.scope]
    const base = baseOf(epoch, write.serial ?? serial, write.fingerprint)
    if (doRemember && !(known !== undefined && known.content === base.content)) {
      if (known !== undefined) next = remember(next, write.scope, known.content)
      next = remember(next, write.scope, base.content)
    }
    next = { ...next, bases: { ...next.bases, [write.scope]: base } }
  }
  const isSet = (scope: string) => writes.some((write) => write.scope === scope)
  const restored = Object.entries(next.restored).filter(([scope]) => !isSet(scope))
  return {
    ...next,
    dirty: next.dirty.filter((scope) => !isSet(scope)),
    restored: restored.length === Object.keys(next.restored).length ? next.restored : Object.fromEntries(restored),
  }
}

/** What `agree` stores; the serial is the gate's answer. */
export function agree(
  journal: Journal,
  { epoch, scopes }: Extract<GateEffect, { kind: 'storeBases' }>,
  doRemember: boolean,
): { readonly journal: Journal; readonly serial: number } {
  const next = lastSerial(journal) + 1
  const numbered = scopes.map((write) => {
    const known = journal.bases[write.scope]
    const isSame = known !== undefined && known.content === write.fingerprint
    const atLeast = known?.epoch === epoch ? known.serial + (isSame ? 0 : 1) : 0
    return { ...write, serial: Math.max(write.serial ?? next, atLeast) }
  })
  const serial = numbered.reduce((highest, write) => Math.max(highest, write.serial), 0)
  return {
    journal: setBases(journal, epoch, next, numbered, doRemember),
    serial: numbered.length > 0 ? serial : next - 1,
  }
}

function merged(earlier: readonly ScopeResult[], newer: readonly ScopeResult[]): readonly ScopeResult[] {
  const all = new Map(earlier.map((result) => [result.scope, result]))
  for (const result of newer) {
    const known = all.get(result.scope)
    if (result.result === 'unchanged' && known?.result === 'written' && known.wanted === result.wanted) continue
    all.set(result.scope, result)
  }
  return [...all.values()].sort((one, other) => (one.scope < other.scope ? -1 : 1))
}

export function end(
  journal: Journal,
  effect: Extract<GateEffect, { kind: 'journalEnd' }>,
  doRemember: boolean,
): { readonly journal: Journal; readonly serial: number } {
  const { job, epoch, bases, serialAbove = 0 } = effect
  const serial = Math.max(lastSerial(journal), serialAbove) + 1
  let next = setBases(journal, epoch, serial, bases, doRemember)
  const isWritten = (scope: string) => effect.results.some((one) => one.scope === scope && one.result === 'written')
  if (doRemember && journal.open !== undefined) {
    for (const { scope, preImage } of journal.open.intents) if (isWritten(scope)) next = remember(next, scope, preImage)
  }
  const based = new Set(bases.map(({ scope }) => scope))
  const results = effect.results.map(({ message: _, ...result }) =>
    based.has(result.scope) ? { ...result, baseEpoch: epoch, baseSerial: serial } : result,
  )
  const dirty = effect.results.filter(({ code }) => code === 'dirty').map(({ scope }) => scope)
  const marks = Object.fromEntries(effect.restored.map((scope) => [scope, effect.exception?.approval ?? job]))
  const { open: _, ...rest } = next
  return {
    journal: {
      ...rest,
      results: { ...rest.results, [job]: merged(rest.results[job] ?? [], results) },
      dirty: [...new Set([...rest.dirty.filter((scope) => !effect.restored.includes(scope)), ...dirty])].sort(),
      restored: effect.restored.length === 0 ? rest.restored : { ...rest.restored, ...marks },
    },
    serial,
  }
}

/** Every read of a server is recorded: what is new, and whether it was new after a restart. */
export function recordSeen(world: World, server: ServerName): World {
  const dhcp = serverOf(world, server)
  if (dhcp.saved === undefined) return world
  const journal = journalOf(world, server)
  const scopes = new Set([...Object.keys(dhcp.live), ...Object.keys(journal.seen)])
  let { seen } = journal
  for (const scope of scopes) {
    const content = dhcp.live[scope]
    if (seen[scope]?.content === content && seen[scope] !== undefined) continue
    const before = [...(seen[scope]?.before ?? []), seen[scope]?.content ?? ABSENT]
      .filter((one, index, all) => all.indexOf(one) === index)
      .sort()
    seen = { ...seen, [scope]: { ...(content === undefined ? {} : { content }), afterRestart: dhcp.rebooted, before } }
  }
  return withServer(withJournal(world, server, { ...journal, seen }), server, { ...dhcp, rebooted: false })
}

/** The manifest of a server; `live` where it was read earlier. Call after {@link recordSeen}. */
export function sideOf(world: World, server: ServerName, live: Contents = serverOf(world, server).live): Side {
  const journal = journalOf(world, server)
  const scopes = [...new Set([...Object.keys(live), ...Object.keys(journal.bases)])].sort()
  const rows = scopes.map((scope) => {
    const content = live[scope]
    const base = journal.bases[scope]
    const seen = journal.seen[scope]
    const restoredBy = journal.restored[scope]
    const returned = seen?.afterRestart === true && seen.content === content && seen.before.includes(content ?? ABSENT)
    const regressed =
      seen?.afterRestart === true &&
      seen.content === content &&
      base !== undefined &&
      base.content !== content &&
      (journal.earlier[scope] ?? []).includes(content ?? ABSENT)
    return {
      scope,
      ...(content === undefined ? {} : { live: content }),
      ...(base?.content === undefined ? {} : { base: base.content }),
      ...(base === undefined ? {} : { baseEpoch: base.epoch, baseSerial: base.serial }),
      ...(regressed ? { regressed } : {}),
      ...(returned ? { returned } : {}),
      ...(journal.dirty.includes(scope) ? { dirty: true } : {}),
      ...(restoredBy === undefined ? {} : { restored: { job: restoredBy, at: 'then' } }),
    }
  })
  const { normal } = serverOf(world, server)
  const authority = gateOf(world, server).state.authorities[RELATIONSHIP]
  return {
    rows,
    normal,
    state: normal ? 'normal' : 'partner-down',
    ...(authority === undefined ? {} : { authority }),
  }
}
