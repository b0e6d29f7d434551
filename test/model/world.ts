// The world around the machines of libs/protocol: two DHCP servers with their gates and journals, two workers,
// messages on their way, the records in NATS, the lock, and somebody who moves the authority.
// All of it is plain data that is never changed in place, so that a state can be stored, compared and gone back to.
//
// Names are short because they are stored millions of times: servers `a` and `b`, relationship `r`, scopes `s` and
// `t`. A content is its own fingerprint: `0` is what both sides begin with, an operator's contents are named in the
// scenario, `x+y` is a scope that has some objects of `x` and some of `y`.

import type { Approved, CorrectionEffect, CorrectionRequest, CorrectionState } from '#protocol/correction-types.ts'
import type {
  GateAuthority,
  GateChecks,
  GateEffect,
  GateRequest,
  GateState,
  OpenCommit,
  ScopeResult,
} from '#protocol/gate-types.ts'
import type { RunChecks, RunEffect, RunJob, RunPolicy, RunState, Side } from '#protocol/job-types.ts'
import type { TakeoverChecks, TakeoverEffect, TakeoverState } from '#protocol/takeover.ts'
import type { Ghost } from './invariants.ts'

export type ServerName = 'a' | 'b'
export const RELATIONSHIP = 'r'

/** Scope → content; a scope that is not there has no entry. */
export type Contents = Readonly<Record<string, string>>

export type DhcpServer = {
  readonly live: Contents
  /** What it comes up with after a restart; only where the scenario restarts servers. */
  readonly saved?: Contents
  /** It was restarted and nobody has read it since. */
  readonly rebooted: boolean
  /** The failover state allows a write. */
  readonly normal: boolean
  /** How many of the operator's edits are done. */
  readonly edits: number
}

export type Base = { readonly epoch: number; readonly serial: number; readonly content?: string }

/** How the last read found a scope, and what other reads had found before. */
export type Seen = { readonly content?: string; readonly afterRestart: boolean; readonly before: readonly string[] }

/** What a gate has on its disk. */
export type Journal = {
  readonly authority?: GateAuthority
  readonly open?: OpenCommit
  readonly results: Readonly<Record<string, readonly ScopeResult[]>>
  readonly bases: Readonly<Record<string, Base>>
  readonly dirty: readonly string[]
  /** Scope → the approval under which a restore put its content there. */
  readonly restored: Readonly<Record<string, string>>
  /** Earlier contents, to know an old file when one comes up. Only where the scenario restarts servers. */
  readonly earlier: Readonly<Record<string, readonly string[]>>
  readonly seen: Readonly<Record<string, Seen>>
}

export type AnsweredEffect = Exclude<GateEffect, { kind: 'reply' }>
/** The process of a gate: all of it is lost with it. */
export type GateProcess = {
  readonly state: GateState
  /** Under way; two only where the mutex is switched off. */
  readonly effects: readonly AnsweredEffect[]
}

export type RequestBody = Exclude<GateRequest, { op: 'persist' | 'claim' }>
export type Message = { readonly from: number; readonly to: ServerName; readonly request: RequestBody }

/** A waiting job in NATS. `revision` is a name: it only has to be another one after each change. */
export type StoredJob = RunJob & { readonly revision: string; readonly stored: true }
export type ClaimedJob = RunJob & { readonly revision?: string; readonly stored: boolean }
export type Kv = {
  readonly authority?: { readonly side: ServerName; readonly epoch: number; readonly revision: string }
  readonly jobs: readonly StoredJob[]
}

export type Worker = {
  readonly holdsLock: boolean
  readonly run?: {
    readonly state: RunState
    /** Still to be done, in this order. */
    readonly effects: readonly RunEffect[]
    readonly jobs: readonly ClaimedJob[]
    readonly commitId: string
    /** What its commit had written before it began. */
    readonly mustTell: readonly { readonly server: ServerName; readonly scope: string }[]
    /** The request whose answer it waits for. */
    readonly waitsFor?: number
    /** Of an effect in several steps: what is done. */
    readonly got?: Got
  }
}
export type Got =
  | { readonly kind: 'source'; readonly source: Side }
  | { readonly kind: 'staged' }
  | { readonly kind: 'gates'; readonly known: readonly (GateAuthority | 'nothing')[] }

/** Moves of the authority that are under way. */
export type Move = {
  readonly state: TakeoverState
  readonly effect: TakeoverEffect
  readonly waitsFor?: number
}
export type Mover = { readonly moves: readonly Move[] }

/** An adoption or a restore that somebody wants. */
export type Correction = Pick<CorrectionRequest, 'kind' | 'server' | 'both' | 'scopes'>
export type Correcting = {
  readonly state: CorrectionState
  readonly effects: readonly CorrectionEffect[]
  readonly waitsFor?: number
}
export type Corrector = {
  /** It is not done yet. */
  readonly isAsked: boolean
  /** In the job's entry in NATS, which outlives whoever works on it. */
  readonly recorded?: Approved
  readonly run?: Correcting
}

/** How many accidents of each kind may still happen. */
export type Budget = {
  /** Runs that may still be started. */
  readonly runs: number
  readonly workerKills: number
  readonly gateKills: number
  /** Messages that are lost or come too late for whoever waits. */
  readonly losses: number
  readonly duplicates: number
  /** Writes that the server takes in part, not at all, or without an answer. */
  readonly badWrites: number
  readonly readFailures: number
  readonly journalFailures: number
  readonly persistFailures: number
  /** Times that the disk of a gate is replaced by an empty one, while no run is under way. */
  readonly journalLosses: number
  readonly kvLosses: number
  readonly restarts: number
  /** Changes of a server's failover state. */
  readonly stateChanges: number
  /** Times that a pause or a window says no. */
  readonly pauses: number
  readonly moves: number
  /** Times that the correction may be begun. */
  readonly corrections: number
  readonly moverKills: number
}

export const NO_ACCIDENTS: Budget = {
  runs: 0,
  workerKills: 0,
  gateKills: 0,
  losses: 0,
  duplicates: 0,
  badWrites: 0,
  readFailures: 0,
  journalFailures: 0,
  persistFailures: 0,
  journalLosses: 0,
  kvLosses: 0,
  restarts: 0,
  stateChanges: 0,
  pauses: 0,
  moves: 0,
  corrections: 0,
  moverKills: 0,
}

/** Every part is stored once, however many states have it. */
export type World = {
  readonly w0: Worker
  readonly w1: Worker
  readonly ga: GateProcess
  readonly gb: GateProcess
  readonly ja: Journal
  readonly jb: Journal
  readonly sa: DhcpServer
  readonly sb: DhcpServer
  readonly net: readonly Message[]
  readonly kv: Kv
  readonly mover: Mover
  readonly corrector: Corrector
  readonly budget: Budget
  readonly ghost: Ghost
}
export const PARTS = [
  'w0',
  'w1',
  'ga',
  'gb',
  'ja',
  'jb',
  'sa',
  'sb',
  'net',
  'kv',
  'mover',
  'corrector',
  'budget',
  'ghost',
] as const

/** A step of the world, and what it did. A problem is a rule that it broke. */
export type Next = { readonly label: string; readonly world: World; readonly problem?: string }

/** The protections that a test may switch off; all are on in production. */
export type Checks = {
  readonly gate: GateChecks
  readonly run: RunChecks
  readonly takeover: TakeoverChecks
}

/** `content` absent: the scope is deleted. `save`: the server's file has it too. */
export type OperatorEdit = { readonly scope: string; readonly content?: string; readonly save?: boolean }

export type Scenario = {
  readonly name: string
  readonly scopes: readonly string[]
  readonly policy: Pick<RunPolicy, 'onForeignEdit' | 'onConflict' | 'prune'> & {
    readonly onAuthorityLoss: 'hold' | 'agree'
  }
  /** What the operators do on each server, in this order, at any moment. Content absent: the scope is deleted. */
  readonly edits: Readonly<Record<ServerName, readonly OperatorEdit[]>>
  /** Operators edit only while no run is under way. */
  readonly areEditsAtRest?: boolean
  readonly accidents: Partial<Budget>
  /** Workers need the lock to begin; it may be gone at any moment after. False: everybody works at any time. */
  readonly lock: boolean
  /** Where the authority is moved to, one move after the other. */
  readonly moves?: readonly ServerName[]
  /** The next move may begin before the one before it is done. */
  readonly areMovesTogether?: boolean
  readonly correction?: Correction
  /** Covers end when they are ended, not by themselves: nobody is too slow. */
  readonly doCoversLast?: boolean
  /** Requests of a caller that is wrong about everything, on their way from the beginning. */
  readonly strayMessages?: readonly Omit<Message, 'from'>[]
  /** A move goes on though the partner's gate does not answer. */
  readonly force?: boolean
  /** Requests that wait from the beginning, beside the automatic runs. */
  readonly requests?: readonly RunJob[]
  readonly workers: 1 | 2
  /** Every effect is a step of its own, also where nothing can come in between. */
  readonly isFine?: boolean
  readonly checks: Checks
}

export const EMPTY_JOURNAL: Journal = { results: {}, bases: {}, dirty: [], restored: {}, earlier: {}, seen: {} }

export function partnerOf(server: string): ServerName {
  return server === 'a' ? 'b' : 'a'
}
export const gateOf = (world: World, server: string): GateProcess => (server === 'a' ? world.ga : world.gb)
export const journalOf = (world: World, server: string): Journal => (server === 'a' ? world.ja : world.jb)
export const serverOf = (world: World, server: string): DhcpServer => (server === 'a' ? world.sa : world.sb)

export function withGate(world: World, server: string, gate: GateProcess): World {
  return server === 'a' ? { ...world, ga: gate } : { ...world, gb: gate }
}
export function withJournal(world: World, server: string, journal: Journal): World {
  return server === 'a' ? { ...world, ja: journal } : { ...world, jb: journal }
}
export function withServer(world: World, server: string, dhcp: DhcpServer): World {
  return server === 'a' ? { ...world, sa: dhcp } : { ...world, sb: dhcp }
}
export type Slot = 'w0' | 'w1'
export function withWorker(world: World, slot: Slot, worker: Worker): World {
  return slot === 'w0' ? { ...world, w0: worker } : { ...world, w1: worker }
}
export function spend(world: World, what: keyof Budget): World {
  return { ...world, budget: { ...world.budget, [what]: world.budget[what] - 1 } }
}

/** A scope that has some objects of both; equal contents have no mixture. */
export function mixtureOf(before: string | undefined, after: string | undefined): string {
  return `${before ?? ''}+${after ?? ''}`
}
