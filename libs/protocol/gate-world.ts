// A DHCP server, a journal and their accidents for the tests of the gate machine: plain and synchronous.

import { initialGate, step } from './gate.ts'
import { withoutMarks } from './gate-end.ts'
import {
  ALL_CHECKS,
  type CommitRequest,
  type Exception,
  type GateAuthority,
  type GateChecks,
  type GateEffect,
  type GateInput,
  type GateReply,
  type GateRequest,
  type GateState,
  type OpenCommit,
  type PersistAnswer,
  type RestoredMarks,
  type ScopeResult,
  type WriteAnswer,
} from './gate-types.ts'

type WriteEffect = Extract<GateEffect, { kind: 'write' }>

export class GateWorld {
  readonly live: Record<string, string> = {}
  normal = true
  reachable = true
  persistAnswer: PersistAnswer = { persisted: true }
  mixed: readonly string[] = []
  /** What the server makes of a write; the default takes it. */
  onWrite: (effect: WriteEffect) => WriteAnswer = (effect) => this.take(effect)
  /** Called before an effect is performed: the place for accidents. */
  before: (effect: GateEffect) => void = () => {}
  readonly writes: WriteEffect['writes'][] = []
  readonly log: string[] = []
  readonly answers = new Map<number, GateReply>()
  readonly authorities: Record<string, GateAuthority> = {}
  readonly jobs = new Map<string, readonly ScopeResult[]>()
  readonly bases: Record<string, string | undefined> = {}
  restored: RestoredMarks = {}
  /** Whose mark the server bears; absent: ours. */
  foreign: string | undefined
  open: OpenCommit | undefined
  state: GateState
  private serial = 0
  private asked = 0
  private readonly checks: GateChecks
  private readonly waiting: GateEffect[] = []

  constructor(off: Partial<GateChecks> = {}) {
    this.checks = { ...ALL_CHECKS, ...off }
    this.state = initialGate({ server: 'dhcp2' })
  }

  take(effect: WriteEffect): WriteAnswer {
    for (const { scope, fingerprint } of effect.writes) {
      if (fingerprint === undefined) delete this.live[scope]
      else this.live[scope] = fingerprint
    }
    return { kind: 'applied' }
  }

  /** Puts a request in; its effects wait for {@link settle}. */
  send(request: GateRequest): number {
    const from = ++this.asked
    this.feed({ kind: 'request', from, request })
    return from
  }

  feed(input: GateInput): void {
    const next = step(this.state, input, this.checks)
    this.state = next.state
    for (const effect of next.effects) {
      if (effect.kind !== 'reply') this.waiting.push(effect)
      else {
        if (this.answers.has(effect.to)) throw new Error(`request ${effect.to} was answered twice`)
        this.log.push(`reply ${effect.answer.kind}`)
        this.answers.set(effect.to, effect.answer)
      }
    }
    if (this.waiting.length > 1) throw new Error('two effects under way at the same time')
  }

  /** Performs one effect; false when there is none. */
  perform(): boolean {
    const effect = this.waiting.shift()
    if (effect === undefined) return false
    this.before(effect)
    this.log.push(effect.kind)
    const input = this.answer(effect)
    this.feed(input)
    return true
  }

  settle(): void {
    while (this.perform());
  }

  ask(request: GateRequest): GateReply {
    const from = this.send(request)
    this.settle()
    const answer = this.answers.get(from)
    if (answer === undefined) throw new Error('no answer')
    return answer
  }

  /** The process dies and starts again: memory is gone, the journal and the server stay. */
  restart(): void {
    this.waiting.length = 0
    const { authorities, open, restored } = this
    this.state = initialGate({
      server: 'dhcp2',
      authorities: { ...authorities },
      restored,
      ...(open === undefined ? {} : { open }),
    })
  }

  private clear({
    relationship,
    scopes,
  }: Pick<Extract<GateEffect, { kind: 'storeBases' }>, 'relationship' | 'scopes'>) {
    const named = scopes.map(({ scope }) => scope)
    this.restored = withoutMarks(this.restored, relationship, named)
  }

  private mark({ relationship, bases, restored, exception }: Extract<GateEffect, { kind: 'journalEnd' }>) {
    this.clear({ relationship, scopes: bases })
    for (const scope of restored) {
      const marks = { ...this.restored[relationship], [scope]: exception?.approval ?? '' }
      this.restored = { ...this.restored, [relationship]: marks }
    }
  }

  private answer(effect: GateEffect): GateInput {
    switch (effect.kind) {
      case 'storeEpoch':
        this.authorities[effect.relationship] = effect.authority
        return { kind: 'epochStored' }
      case 'lookUp':
        return { kind: 'lookedUp', results: this.jobs.get(effect.job) ?? [] }
      case 'readLive':
        if (this.foreign !== undefined && (effect.toWrite || effect.recovering))
          return { kind: 'readFailed', code: 'foreign-installation', message: `${this.foreign} writes here` }
        if (!this.reachable) return { kind: 'readFailed', code: 'unreachable', message: 'no connection' }
        return { kind: 'read', live: { ...this.live }, normal: this.normal, mixed: this.mixed }
      case 'journalBegin':
        this.open = effect.commit
        return { kind: 'begun' }
      case 'write':
        this.writes.push(effect.writes)
        return { kind: 'writeAnswered', answer: this.onWrite(effect) }
      case 'persist':
        return { kind: 'persistAnswered', ...this.persistAnswer }
      case 'journalEnd':
        this.open = undefined
        this.jobs.set(effect.job, effect.results)
        for (const { scope, fingerprint } of effect.bases) this.bases[scope] = fingerprint
        this.mark(effect)
        return { kind: 'ended', serial: ++this.serial }
      case 'claim': {
        const previous = this.foreign === undefined ? {} : { previous: this.foreign }
        this.foreign = undefined
        return { kind: 'claimed', ...previous }
      }
      case 'storeBases':
        for (const { scope, fingerprint } of effect.scopes) this.bases[scope] = fingerprint
        this.clear(effect)
        return { kind: 'basesStored', scopes: effect.scopes.map(({ scope }) => scope), serial: ++this.serial }
      case 'reply':
        throw new Error('a reply is not performed')
      default:
        return effect satisfies never
    }
  }
}

/** Requests with what the tests do not care about filled in. `dhcp1` is the authoritative side of `r`. */
export const prepare = (ticket: string, epoch = 1, side = 'dhcp1', exception?: Exception): GateRequest => ({
  op: 'prepare',
  relationship: 'r',
  side,
  epoch,
  ticket,
  ...(exception === undefined ? {} : { exception }),
})
export const cover = (on: boolean, job = 'other', serves = true): GateRequest => ({
  op: 'cover',
  relationship: 'r2',
  job,
  on,
  serves,
})
export const fence = (epoch: number, side = 'dhcp1'): GateRequest => ({ op: 'fence', relationship: 'r', side, epoch })
export const stage = (ticket: string, ...fingerprints: string[]): GateRequest => ({
  op: 'stage',
  relationship: 'r',
  ticket,
  fingerprints,
})
export function commit(
  ticket: string,
  scopes: Readonly<Record<string, readonly [expected: string | undefined, wanted: string | undefined]>>,
  more: Partial<Pick<CommitRequest, 'job' | 'epoch' | 'side' | 'purpose'>> & { readonly approved?: boolean } = {},
): GateRequest {
  const { approved, ...rest } = more
  return {
    op: 'commit',
    relationship: 'r',
    side: 'dhcp1',
    epoch: 1,
    job: 'job',
    ticket,
    scopes: Object.entries(scopes).map(([scope, [expected, wanted]]) => ({
      scope,
      ...(expected === undefined ? {} : { expected }),
      ...(wanted === undefined ? {} : { wanted }),
      ...(approved === undefined ? {} : { approved }),
    })),
    ...rest,
  }
}

/** `scope: result` of a commit, or the code of a refusal: what most tests want to see. */
export function outcome(answer: GateReply | undefined): string | Record<string, string> {
  if (answer?.kind === 'refused') return answer.code
  if (answer?.kind !== 'committed') return answer?.kind ?? 'none'
  return Object.fromEntries(
    answer.results.map(({ scope, result, code }) => [
      scope,
      code === undefined || code === result ? result : `${result} ${code}`,
    ]),
  )
}
