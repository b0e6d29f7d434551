// What the effects of the gates' machines do in the world, and what may go wrong with each of them.

import type { GateInput, WriteAnswer } from '#protocol/gate-types.ts'
import {
  noteLive,
  noteOverwritten,
  noteRead,
  noteWritten,
  problemOfBases,
  problemOfBegin,
  problemOfOverwritten,
  problemOfRecovery,
  problemOfWrite,
} from './invariants.ts'
import { agree, end, recordSeen } from './journal.ts'
import {
  type AnsweredEffect,
  type Contents,
  journalOf,
  mixtureOf,
  type Scenario,
  type ServerName,
  serverOf,
  spend,
  type World,
  withJournal,
  withServer,
} from './world.ts'

type WriteEffect = Extract<AnsweredEffect, { kind: 'write' }>

/** The server takes these scopes; of `half` only some objects. */
function take(
  world: World,
  scenario: Scenario,
  server: ServerName,
  writes: WriteEffect['writes'],
  half?: string,
): World {
  const dhcp = serverOf(world, server)
  const live: Record<string, string> = { ...dhcp.live }
  for (const { scope, fingerprint } of writes) {
    if (scope === half) live[scope] = mixtureOf(live[scope], fingerprint)
    else if (fingerprint === undefined) delete live[scope]
    else live[scope] = fingerprint
  }
  const whole = writes.filter(({ scope }) => scope !== half)
  const written = noteWritten(withServer(world, server, { ...dhcp, live }), scenario, server, whole)
  return noteLive(
    written,
    writes.map(({ scope }) => scope),
  )
}

type Outcome = { readonly label: string; readonly world: World; readonly answer: WriteAnswer }

/** Everything that a server may make of a write. */
function writeOutcomes(
  world: World,
  scenario: Scenario,
  server: ServerName,
  { writes }: WriteEffect,
): readonly Outcome[] {
  // An edit after the gate's read is seen in front of the write, or found afterwards; the drivers look for both.
  const edited = writes.filter(({ scope }) => world.ghost.gap[server].includes(scope)).map(({ scope }) => scope)
  const overwrote = Object.fromEntries(edited.map((scope) => [scope, 'kept']))
  const taken = noteOverwritten(take(world, scenario, server, writes), server, edited)
  const applied: WriteAnswer = { kind: 'applied', ...(edited.length === 0 ? {} : { overwrote }) }
  const all: Outcome = { label: 'takes', world: taken, answer: applied }
  if (edited.length > 0) {
    const seen: Outcome = {
      label: 'was edited just now, so it is not sent:',
      world,
      answer: { kind: 'changed', message: 'edited' },
    }
    return [all, seen]
  }
  if (world.budget.badWrites === 0) return [all]
  const bad = spend(world, 'badWrites')
  const unknown: WriteAnswer = { kind: 'unknown', message: 'no answer' }
  const [first, second] = writes
  const live = first === undefined ? undefined : serverOf(world, server).live[first.scope]
  const partly: Outcome[] = []
  if (first !== undefined && second !== undefined) {
    partly.push({ label: `takes only ${first.scope} of`, world: take(bad, scenario, server, [first]), answer: unknown })
  }
  // A deletion is one act; of everything else some objects may have arrived.
  if (first?.fingerprint !== undefined && !live?.includes('+')) {
    const half = take(bad, scenario, server, [first], first.scope)
    partly.push({ label: `takes half of ${first.scope} of`, world: half, answer: unknown })
  }
  const named = second === undefined ? [] : [{ scope: second.scope, code: 'rejected', message: 'no' }]
  return [
    all,
    ...partly,
    { label: 'takes, without an answer,', world: take(bad, scenario, server, writes), answer: unknown },
    { label: 'does not take, without an answer,', world: bad, answer: unknown },
    { label: 'says yes to and does not take', world: bad, answer: { kind: 'applied' } },
    { label: 'rejects', world: bad, answer: { kind: 'rejected', message: 'no', scopes: named } },
    { label: 'rejects without a name', world: bad, answer: { kind: 'rejected', message: 'no', scopes: [] } },
    { label: 'is not sent', world: bad, answer: { kind: 'not-sent', code: 'unreachable', message: 'no way' } },
    { label: 'holds', world: bad, answer: { kind: 'held', code: 'busy', message: 'not now' } },
  ]
}

/** What an effect may come to: the world after it, and the machine's input. */
export type Performed = {
  readonly label: string
  readonly world: World
  readonly input: GateInput
  readonly problem?: string
}

function readLive(
  world: World,
  server: ServerName,
  effect: Extract<AnsweredEffect, { kind: 'readLive' }>,
): Performed[] {
  const read = noteRead(recordSeen(world, server), server)
  const { live, normal } = serverOf(read, server)
  const mixed = (journalOf(world, server).open?.intents ?? [])
    .filter(({ scope, preImage, wanted }) => live[scope] === mixtureOf(preImage, wanted))
    .map(({ scope }) => scope)
  const input: GateInput = { kind: 'read', live: live as Contents, normal, ...(effect.recovering ? { mixed } : {}) }
  const good: Performed = { label: 'reads', world: read, input }
  if (world.budget.readFailures === 0) return [good]
  const failed: GateInput = { kind: 'readFailed', code: 'unreachable', message: 'no connection' }
  return [good, { label: 'cannot read', world: spend(world, 'readFailures'), input: failed }]
}

function withProblem(performed: Performed, problem: string | undefined): Performed {
  return problem === undefined ? performed : { ...performed, problem }
}

/** An entry of the journal, or the failure to make it. */
function journalled(world: World, good: Performed): Performed[] {
  if (world.budget.journalFailures === 0) return [good]
  const input: GateInput = { kind: 'journalFailed', message: 'disk full' }
  return [good, { label: `cannot journal (${good.label})`, world: spend(world, 'journalFailures'), input }]
}

/** Everything that an effect may come to; what goes well comes first. */
export function performed(world: World, scenario: Scenario, server: ServerName, effect: AnsweredEffect): Performed[] {
  const journal = journalOf(world, server)
  const doRemember = serverOf(world, server).saved !== undefined
  switch (effect.kind) {
    case 'storeEpoch': {
      const stored = withJournal(world, server, { ...journal, authority: effect.authority })
      const label = `stores epoch ${effect.authority.epoch} of ${effect.authority.side}`
      return journalled(world, { label, world: stored, input: { kind: 'epochStored' } })
    }
    case 'lookUp': {
      const known = journal.open?.job === effect.job ? undefined : journal.results[effect.job]
      return [{ label: `looks up ${effect.job}`, world, input: { kind: 'lookedUp', results: known ?? [] } }]
    }
    case 'readLive':
      return readLive(world, server, effect)
    case 'journalBegin': {
      const problem = problemOfBegin(world, server, effect.commit.job)
      const begun = withJournal(world, server, { ...journal, open: effect.commit })
      const good: Performed = { label: `begins ${effect.commit.job}`, world: begun, input: { kind: 'begun' } }
      return journalled(world, withProblem(good, problem))
    }
    case 'write': {
      const problem = problemOfWrite(world, scenario, server, effect)
      const text = effect.writes.map(({ scope, fingerprint }) => `${scope}=${fingerprint ?? 'deleted'}`).join(' ')
      return writeOutcomes(world, scenario, server, effect).map((outcome) =>
        withProblem(
          {
            label: `writes: the server ${outcome.label} ${text}`,
            world: outcome.world,
            input: { kind: 'writeAnswered', answer: outcome.answer },
          },
          problem,
        ),
      )
    }
    case 'persist': {
      const dhcp = serverOf(world, server)
      const saved = dhcp.saved === undefined ? world : withServer(world, server, { ...dhcp, saved: dhcp.live })
      const good: Performed = { label: 'persists', world: saved, input: { kind: 'persistAnswered', persisted: true } }
      if (world.budget.persistFailures === 0) return [good]
      const failed = spend(world, 'persistFailures')
      return [good, { label: 'cannot persist', world: failed, input: { kind: 'persistAnswered', persisted: false } }]
    }
    case 'journalEnd': {
      const problem =
        problemOfBases(world, effect.bases) ??
        problemOfRecovery(world, server, effect) ??
        problemOfOverwritten(world, server, effect)
      const ended = end(journal, effect, doRemember)
      const input: GateInput = { kind: 'ended', serial: ended.serial }
      const text = effect.results.map(({ scope, result, code }) => `${scope} ${code ?? result}`).join(', ')
      const good: Performed = {
        label: `ends ${effect.job}: ${text}`,
        world: withJournal(world, server, ended.journal),
        input,
      }
      return journalled(world, withProblem(good, problem))
    }
    case 'storeBases': {
      const problem = problemOfBases(world, effect.scopes)
      const agreed = agree(journal, effect, doRemember)
      const scopes = effect.scopes.map(({ scope }) => scope)
      const good: Performed = {
        label: `agrees on ${scopes.join(', ') || 'nothing'}`,
        world: withJournal(world, server, agreed.journal),
        input: { kind: 'basesStored', scopes, serial: agreed.serial },
      }
      return journalled(world, withProblem(good, problem))
    }
    case 'claim':
      throw new Error('nobody claims a server here')
    default:
      return effect satisfies never
  }
}
