// Random sequences of requests, edits, crashes and failures. At every write the rules must hold,
// and in the end nobody is left waiting and nothing is left open.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { GateChecks, Intent } from './gate-types.ts'
import { commit, fence, GateWorld, prepare, stage } from './gate-world.ts'

const SCOPES = ['a', 'b']

type Action =
  /** `late`: the worker has not heard of a newer epoch. */
  | { readonly do: 'prepare'; readonly worker: number; readonly late: boolean }
  | { readonly do: 'commit'; readonly worker: number }
  | { readonly do: 'fence' | 'restart' | 'down' | 'up' | 'recover' }
  | { readonly do: 'edit'; readonly scope: string }
  | { readonly do: 'perform'; readonly steps: number }
  | { readonly do: 'writes'; readonly mode: 'taken' | 'rejected' | 'lost' | 'unanswered' }

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('prepare' as const), worker: fc.nat(1), late: fc.boolean() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), worker: fc.nat(1) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('perform' as const), steps: fc.integer({ min: 1, max: 8 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('edit' as const), scope: fc.constantFrom(...SCOPES) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('fence' as const, 'restart' as const, 'down' as const, 'up' as const, 'recover' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('writes' as const),
      mode: fc.constantFrom('taken' as const, 'rejected' as const, 'lost' as const, 'unanswered' as const),
    }),
  },
)

/** Plays a sequence; throws where a rule is broken. */
function play(actions: readonly Action[], off: Partial<GateChecks> = {}): void {
  const world = new GateWorld(off)
  Object.assign(world.live, { a: 'a0', b: 'b0' })
  let count = 0
  let epoch = 1
  let read: Record<string, string> = {}
  let newestTicket: string | undefined
  const editedSinceRead = new Set<string>()
  const workers = [0, 1].map(() => ({ ticket: 'none', epoch: 1, seen: {} as Record<string, string>, prepared: 0 }))
  const unanswered = new Set<number>()
  const answerOf = (from: number) => {
    const answer = world.answers.get(from)
    if (answer !== undefined) unanswered.delete(from)
    return answer
  }

  world.before = (effect) => {
    if (effect.kind === 'readLive') {
      read = { ...world.live }
      editedSinceRead.clear()
    }
    if (effect.kind !== 'write') return
    const { running } = world.state
    assert.ok(running !== undefined && 'work' in running)
    for (const { scope } of effect.writes) {
      // Only an edit inside the gap between read and write can be overwritten, and its pre-image is journalled.
      const intent: Intent | undefined = running.work.intents.find((one) => one.scope === scope)
      if (!editedSinceRead.has(scope)) assert.equal(world.live[scope], intent?.preImage, 'an edit was overwritten')
      assert.equal(read[scope], intent?.preImage, 'the pre-image is not what was read')
    }
    assert.ok(world.open !== undefined, 'a write that was not journalled')
    if (!('queued' in running) || running.queued.request.op !== 'commit') return
    const { request } = running.queued
    for (const { scope, expected } of request.scopes) {
      const intent: Intent | undefined = running.work.intents.find((one) => one.scope === scope)
      if (intent !== undefined) assert.equal(intent.preImage, expected, 'a write over what its planner never saw')
    }
    assert.equal(request.ticket, newestTicket, 'a write with a ticket that is void')
    assert.equal(request.epoch, world.authorities.r?.epoch, 'a write in an epoch that is over')
  }

  const lookForTickets = () => {
    for (const worker of workers) {
      const answer = answerOf(worker.prepared)
      if (answer?.kind !== 'prepared' || worker.ticket === answer.ticket) continue
      worker.ticket = answer.ticket
      worker.seen = { ...read }
    }
  }
  const perform = (steps: number) => {
    for (let index = 0; index < steps && world.perform(); index++) {
      for (const [, answer] of world.answers)
        if (answer.kind === 'prepared' && Number(answer.ticket.slice(1)) > Number(newestTicket?.slice(1) ?? 0))
          newestTicket = answer.ticket
      lookForTickets()
    }
  }

  for (const next of actions) {
    switch (next.do) {
      case 'prepare': {
        const worker = workers[next.worker]
        assert.ok(worker)
        if (!next.late) worker.epoch = epoch
        worker.prepared = world.send(prepare(`t${++count}`, worker.epoch))
        unanswered.add(worker.prepared)
        break
      }
      case 'commit': {
        const worker = workers[next.worker]
        assert.ok(worker)
        const wanted = Object.fromEntries(
          SCOPES.map((scope) => [scope, [worker.seen[scope], `${scope}${++count}`] as const]),
        )
        world.send(stage(worker.ticket, ...Object.values(wanted).map(([, fingerprint]) => fingerprint)))
        unanswered.add(world.send(commit(worker.ticket, wanted, { job: `j${count}`, epoch: worker.epoch })))
        break
      }
      case 'fence':
        unanswered.add(world.send(fence(++epoch)))
        break
      case 'edit':
        world.live[next.scope] = `edit${++count}`
        editedSinceRead.add(next.scope)
        break
      case 'perform':
        perform(next.steps)
        break
      case 'restart':
        world.restart()
        unanswered.clear()
        break
      case 'down':
      case 'up':
        world.reachable = next.do === 'up'
        break
      case 'recover':
        world.feed({ kind: 'recover' })
        break
      case 'writes':
        world.onWrite = (effect) => {
          if (next.mode === 'taken') return world.take(effect)
          if (next.mode === 'rejected') return { kind: 'rejected', message: 'no', scopes: [] }
          if (next.mode === 'unanswered') world.take(effect)
          return { kind: 'unknown', message: 'no answer' }
        }
        break
      default:
        next satisfies never
    }
    for (const from of [...unanswered]) answerOf(from)
  }

  world.reachable = true
  world.onWrite = (effect) => world.take(effect)
  perform(Number.POSITIVE_INFINITY)
  world.feed({ kind: 'recover' })
  perform(Number.POSITIVE_INFINITY)
  for (const from of [...unanswered]) answerOf(from)
  assert.deepEqual([...unanswered], [], 'a request was never answered')
  assert.deepEqual(
    [world.state.open, world.open, world.state.running, world.state.queue],
    [undefined, undefined, undefined, []],
  )
}

test('no sequence of requests, edits, crashes and failures breaks the rules of writing', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => play(actions)),
    { numRuns: 2_000 },
  )
})

for (const check of ['ticket', 'comparison', 'epoch'] as const) {
  test(`the sequences find what the check "${check}" protects`, () => {
    const property = fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) =>
      play(actions, { [check]: false }),
    )
    const found = fc.check(property, { numRuns: 5_000, seed: 1 })
    assert.ok(found.failed, 'nothing went wrong without it')
  })
}
