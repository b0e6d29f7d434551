// Adoptions and restores that somebody approved: what the effects of the correction machine do in the world, as
// services/replicator performs them. What is approved is what there is when the plan is made.

import type { GateFailureCode } from '#messaging/gate-client.ts'
import { startCorrection, stepCorrection } from '#protocol/correction.ts'
import type { Approved, CorrectionEffect, CorrectionInput, CorrectionRequest } from '#protocol/correction-types.ts'
import { step } from '#protocol/gate.ts'
import type { GateReply } from '#protocol/gate-types.ts'
import type { ScopeVersion } from '#protocol/job-types.ts'
import { recordSeen, sideOf } from './journal.ts'
import { CORRECTION_JOB, isUnderWay, newRequest } from './names.ts'
import { verdictFor } from './worker-run.ts'
import {
  type Correcting,
  type Correction,
  gateOf,
  journalOf,
  type Next,
  RELATIONSHIP,
  type RequestBody,
  type Scenario,
  type ServerName,
  serverOf,
  spend,
  type World,
  withGate,
} from './world.ts'

function withRun(world: World, run: Correcting | undefined): World {
  const { run: _, ...rest } = world.corrector
  return { ...world, corrector: run === undefined ? rest : { ...rest, run } }
}

function give(world: World, run: Correcting, input: CorrectionInput): World {
  const { state, effects } = stepCorrection(run.state, input)
  if (effects.length === 0) throw new Error(`the correction ignored "${input.kind}" in phase "${run.state.phase}"`)
  return withRun(world, { state, effects })
}

function failed(effect: CorrectionEffect, code: GateFailureCode, server: string): CorrectionInput {
  if (effect.kind === 'agree') return { kind: 'agreed' }
  const verdict = verdictFor(code, server)
  if (verdict.kind !== 'wait') return verdict
  const isBusy = effect.kind === 'cover' && verdict.wait === 'partner-not-normal'
  const wait = isBusy ? 'covering' : verdict.wait
  return { kind: 'side-failed', failure: { server, wait, message: verdict.message } }
}

function send(world: World, run: Correcting, to: string, request: RequestBody): World {
  const from = newRequest(world)
  const net = [...world.net, { from, to: to as ServerName, request }].sort((one, other) => one.from - other.from)
  return withRun({ ...world, net }, { ...run, waitsFor: from })
}

/** A gate's answer; `undefined` where the correction does not wait for it. */
export function receiveCorrection(world: World, from: number, reply: GateReply, server: ServerName): World | undefined {
  const { run } = world.corrector
  const [effect] = run?.effects ?? []
  if (run?.waitsFor !== from || effect === undefined) return undefined
  switch (reply.kind) {
    case 'refused':
      return give(world, run, failed(effect, reply.code, server))
    case 'prepared':
      return give(world, run, { kind: 'prepared', ticket: reply.ticket, target: sideOf(world, server) })
    case 'committed': {
      const results = reply.results.map(({ message: _, wanted: __, ...result }) => result)
      return give(world, run, { kind: 'committed', results })
    }
    case 'agreed':
      return give(world, run, { kind: 'agreed' })
    default:
      throw new Error(`a correction was answered "${reply.kind}"`)
  }
}

/** What would be written now, on each target. */
function approvedNow(world: World, run: Correcting, effect: Extract<CorrectionEffect, { kind: 'plan' }>): Approved {
  const plans = effect.targets.map((target) => {
    const prepared = run.state.at === effect.targets.indexOf(target) ? run.state.targetSide?.rows : undefined
    const versions = effect.wanted.flatMap(({ scope, fingerprint }): ScopeVersion[] => {
      const expected =
        prepared === undefined ? serverOf(world, target).live[scope] : prepared.find((row) => row.scope === scope)?.live
      if (expected === fingerprint) return []
      return [
        {
          scope,
          ...(expected === undefined ? {} : { expected }),
          ...(fingerprint === undefined ? {} : { wanted: fingerprint }),
          approved: true,
        },
      ]
    })
    return [target, versions] as const
  })
  return Object.fromEntries(plans)
}

function recall(world: World, run: Correcting, effect: Extract<CorrectionEffect, { kind: 'recall' }>): World {
  const results: Record<string, Extract<CorrectionInput, { kind: 'recalled' }>['results'][string]> = {}
  for (const target of effect.targets) {
    const journal = journalOf(world, target)
    const { running, queue } = gateOf(world, target).state
    const accepted = [...queue, ...(running !== undefined && 'queued' in running ? [running.queued] : [])]
    const isOpen = accepted.some(({ request }) => request.op === 'commit' && request.job === CORRECTION_JOB)
    if (isOpen || journal.open?.job === CORRECTION_JOB) return give(world, run, failed(effect, 'uncertain', target))
    const known = (journal.results[CORRECTION_JOB] ?? []).filter(({ result }) => result === 'written')
    results[target] = known.map(({ wanted: _, ...result }) => result)
  }
  return give(world, run, { kind: 'recalled', results })
}

function cover(world: World, scenario: Scenario, run: Correcting, server: string, on: boolean): Next[] {
  const gate = gateOf(world, server)
  const serves = serverOf(world, server).normal
  const request = { op: 'cover', relationship: RELATIONSHIP, job: CORRECTION_JOB, on, serves } as const
  const next = step(gate.state, { kind: 'request', from: -1, request }, scenario.checks.gate)
  const [reply] = next.effects
  const asked = withGate(world, server, { ...gate, state: next.state })
  if (!on)
    return [{ label: `ends the cover of ${server}`, world: withRun(asked, { ...run, effects: run.effects.slice(1) }) }]
  const code = reply?.kind === 'reply' && reply.answer.kind === 'refused' ? reply.answer.code : undefined
  const [effect] = run.effects as readonly [CorrectionEffect]
  const input = code === undefined ? ({ kind: 'covered' } as const) : failed(effect, code, server)
  return [
    {
      label: `asks ${server} to cover${code === undefined ? '' : `; refused: ${code}`}`,
      world: give(asked, run, input),
    },
  ]
}

function commit(
  world: World,
  scenario: Scenario,
  run: Correcting,
  effect: Extract<CorrectionEffect, { kind: 'commit' }>,
): Next[] {
  const { target, side, epoch, ticket, versions, purpose } = effect
  const gate = gateOf(world, target)
  const fingerprints = versions.flatMap(({ wanted }) => (wanted === undefined ? [] : [wanted]))
  const staging = { op: 'stage', relationship: RELATIONSHIP, ticket, fingerprints } as const
  const next = step(gate.state, { kind: 'request', from: -1, request: staging }, scenario.checks.gate)
  const [reply] = next.effects
  if (reply?.kind === 'reply' && reply.answer.kind === 'refused')
    return [{ label: `stages at ${target}`, world: give(world, run, failed(effect, reply.answer.code, target)) }]
  const staged = withGate(world, target, { ...gate, state: next.state })
  const place = { relationship: RELATIONSHIP, side, epoch, ticket }
  const request: RequestBody = { op: 'commit', ...place, job: CORRECTION_JOB, scopes: versions, purpose }
  return [{ label: `asks ${target} to commit (${purpose})`, world: send(staged, run, target, request) }]
}

function perform(world: World, scenario: Scenario, run: Correcting, correction: Correction): Next[] {
  const [effect] = run.effects
  if (effect === undefined) throw new Error('a correction that has nothing to do')
  switch (effect.kind) {
    case 'read-authority': {
      const record = world.kv.authority
      const input: CorrectionInput =
        record === undefined
          ? { kind: 'no-authority', message: 'lost' }
          : { kind: 'authority', side: record.side, epoch: record.epoch }
      return [{ label: 'reads the authority', world: give(world, run, input) }]
    }
    case 'recall':
      return [{ label: 'asks what became of it', world: recall(world, run, effect) }]
    case 'permit':
      return [{ label: 'may write', world: give(world, run, { kind: 'permission', permission: { kind: 'open' } }) }]
    case 'prepare': {
      const { target, side, epoch, scopes } = effect
      const exception = { kind: correction.kind, approval: CORRECTION_JOB, scopes }
      const request: RequestBody = { op: 'prepare', relationship: RELATIONSHIP, side, epoch, ticket: '', exception }
      return [{ label: `asks ${target} to prepare (${correction.kind})`, world: send(world, run, target, request) }]
    }
    case 'read-wanted': {
      const read = recordSeen(world, effect.server as ServerName)
      const { live } = serverOf(read, effect.server)
      const wanted = effect.scopes.map((scope) => {
        const fingerprint = correction.kind === 'restore' ? '0' : live[scope]
        return { scope, ...(fingerprint === undefined ? {} : { fingerprint }) }
      })
      return [
        { label: `reads what is wished from ${effect.server}`, world: give(read, run, { kind: 'wanted', wanted }) },
      ]
    }
    case 'plan': {
      const approved = approvedNow(world, run, effect)
      return [{ label: 'is approved', world: give(world, run, { kind: 'planned', approved }) }]
    }
    case 'record': {
      const recorded = { ...world, corrector: { ...world.corrector, recorded: effect.approved } }
      return [{ label: 'records what was approved', world: give(recorded, run, { kind: 'recorded' }) }]
    }
    case 'cover':
    case 'uncover':
      return cover(world, scenario, run, effect.server, effect.kind === 'cover')
    case 'commit':
      return commit(world, scenario, run, effect)
    case 'agree': {
      const { server, side, epoch, scopes } = effect
      const request: RequestBody = { op: 'agree', relationship: RELATIONSHIP, side, epoch, scopes }
      return [{ label: `asks ${server} to agree`, world: send(world, run, server, request) }]
    }
    case 'wait':
      return [{ label: `waits: ${effect.failure.wait}`, world: withRun(world, undefined) }]
    case 'finish': {
      const { isAsked: _, recorded: __, ...rest } = world.corrector
      return [{ label: 'finishes', world: withRun({ ...world, corrector: { ...rest, isAsked: false } }, undefined) }]
    }
    default:
      return effect satisfies never
  }
}

/** Everything that may happen next to the correction; one that waited, or whose worker died, begins again. */
export function correctorSteps(world: World, scenario: Scenario): Next[] {
  const { correction } = scenario
  const { isAsked, recorded, run } = world.corrector
  if (correction === undefined || !isAsked) return []
  if (run === undefined) {
    if (world.budget.corrections === 0) return []
    const request: CorrectionRequest = {
      ...correction,
      job: CORRECTION_JOB,
      relationship: RELATIONSHIP,
      servers: ['a', 'b'],
      ...(recorded === undefined ? {} : { recorded }),
    }
    const begun = withRun(spend(world, 'corrections'), startCorrection(request))
    return [{ label: `the ${correction.kind} begins`, world: begun }]
  }
  const steps: Next[] = []
  if (run.waitsFor === undefined) steps.push(...perform(world, scenario, run, correction))
  else if (!isUnderWay(world, run.waitsFor) || world.budget.losses > 0) {
    const after = isUnderWay(world, run.waitsFor) ? spend(world, 'losses') : world
    const [effect] = run.effects as readonly [CorrectionEffect]
    const server = 'target' in effect ? effect.target : 'server' in effect ? effect.server : ''
    steps.push({ label: 'waits no longer', world: give(after, run, failed(effect, 'timed-out', server)) })
  }
  if (world.budget.workerKills > 0)
    steps.push({ label: 'dies', world: withRun(spend(world, 'workerKills'), undefined) })
  return steps.map((one) => ({ ...one, label: `the ${correction.kind} ${one.label}` }))
}
