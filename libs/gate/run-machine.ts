// Runs the gate machine of libs/protocol/gate.ts: takes requests, performs effects one after the other
// over the driver and the journal, gives answers. What may be done is decided there, never here.

import { initialGate, step } from '#protocol/gate.ts'
import type {
  GateAuthority,
  GateEffect,
  GateInput,
  GateReply,
  GateRequest,
  OpenCommit,
  RestoredMarks,
  Running,
} from '#protocol/gate-types.ts'

/** An effect that is answered by an input. */
export type AnsweredEffect = Exclude<GateEffect, { kind: 'reply' }>

export type MachineOptions = {
  readonly server: string
  readonly authorities: Readonly<Record<string, GateAuthority>>
  readonly open: OpenCommit | undefined
  readonly restored: RestoredMarks
  /** After how long a cover that nobody ended ends by itself. Milliseconds. */
  readonly coverMs: number
  /** Performs an effect. Failures of the world come back as inputs; a rejection is a bug. */
  readonly perform: (effect: AnsweredEffect) => Promise<GateInput>
  readonly onBug: (error: unknown) => void
}

/** What a request came to, and how long its steps took. */
export type Served = {
  readonly reply: GateReply
  readonly stages: readonly { readonly name: string; readonly durationMs: number }[]
}

export type Machine = {
  ask(request: GateRequest): Promise<Served>
  /** Tries to resolve the open commit; `undefined` when there is none any more, else why it is still open. */
  recover(): Promise<string | undefined>
  authority(relationship: string): GateAuthority | undefined
}

const BROKEN_MESSAGE = 'The gate failed unexpectedly; see the log of the watcher and restart it.'
const BROKEN: Served = { reply: { kind: 'refused', code: 'internal', message: BROKEN_MESSAGE }, stages: [] }

const STAGE_NAMES: Partial<Record<Running['phase'], string>> = {
  epoch: 'journal',
  begin: 'journal',
  end: 'journal',
  read: 'read',
  reread: 'read',
  write: 'write',
  persist: 'persist',
  readBack: 'read-back',
}

export function runMachine(options: MachineOptions): Machine {
  const { server, authorities, open, restored } = options
  let state = initialGate({ server, authorities, restored, ...(open === undefined ? {} : { open }) })
  let asked = 0
  const waiting = new Map<number, (served: Served) => void>()
  let recoveries: ((problem: string | undefined) => void)[] = []
  let problem: string | undefined
  let durations = new Map<string, number>()
  let isBroken = false
  const covers = new Map<string, NodeJS.Timeout>()

  function dispatch(input: GateInput): void {
    const before = state.running
    if (input.kind === 'readFailed' || input.kind === 'journalFailed') problem = input.message
    if (input.kind === 'writeAnswered' && 'message' in input.answer) problem = input.answer.message
    const next = step(state, input)
    state = next.state
    const stages = [...durations].map(([name, durationMs]) => ({ name, durationMs: Math.round(durationMs * 10) / 10 }))
    // The times belong to whoever held the mutex; the next holder starts at nothing.
    if (
      before !== undefined &&
      'queued' in before &&
      !(state.running !== undefined && 'queued' in state.running && state.running.queued === before.queued)
    ) {
      durations = new Map()
    }
    for (const effect of next.effects) {
      if (effect.kind === 'reply') {
        if (effect.answer.kind === 'covered') timeCover(effect.answer)
        waiting.get(effect.to)?.({ reply: effect.answer, stages })
        waiting.delete(effect.to)
      } else {
        void carryOut(effect, state.running?.phase)
      }
    }
    settleRecoveries()
  }

  /** A cover lasts from when it was last asked for; one that is over needs no end. */
  function timeCover({ relationship, job, covering }: Extract<GateReply, { kind: 'covered' }>): void {
    if (!covering && state.covering[relationship] !== undefined) return
    clearTimeout(covers.get(relationship))
    covers.delete(relationship)
    if (!covering) return
    const expire = () => {
      covers.delete(relationship)
      dispatch({ kind: 'coverExpired', relationship, job })
    }
    covers.set(relationship, setTimeout(expire, options.coverMs).unref())
  }

  async function carryOut(effect: AnsweredEffect, phase: Running['phase'] | undefined): Promise<void> {
    const startedAt = performance.now()
    try {
      const input = await options.perform(effect)
      const name = phase === undefined ? undefined : STAGE_NAMES[phase]
      if (name !== undefined) durations.set(name, (durations.get(name) ?? 0) + performance.now() - startedAt)
      dispatch(input)
    } catch (error) {
      fail(error)
    }
  }

  /** A bug: nothing more is accepted, and nobody is left waiting. The journal knows what was begun. */
  function fail(error: unknown): void {
    options.onBug(error)
    isBroken = true
    for (const answer of waiting.values()) answer(BROKEN)
    waiting.clear()
    for (const done of recoveries) done(BROKEN_MESSAGE)
    recoveries = []
  }

  function settleRecoveries(): void {
    const isRecovering = state.open !== undefined && state.running !== undefined
    if (isRecovering || recoveries.length === 0) return
    const why = state.open === undefined ? undefined : (problem ?? 'the server could not be read')
    for (const done of recoveries) done(why)
    recoveries = []
  }

  return {
    authority: (relationship) => state.authorities[relationship],
    ask(request) {
      if (isBroken) return Promise.resolve(BROKEN)
      const from = ++asked
      const answered = new Promise<Served>((resolve) => waiting.set(from, resolve))
      dispatch({ kind: 'request', from, request })
      return answered
    },
    recover() {
      if (isBroken) return Promise.resolve(BROKEN_MESSAGE)
      if (state.open === undefined) return Promise.resolve(undefined)
      const settled = new Promise<string | undefined>((resolve) => recoveries.push(resolve))
      dispatch({ kind: 'recover' })
      return settled
    },
  }
}
