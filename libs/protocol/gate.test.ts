import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GateChecks } from './gate-types.ts'
import { commit, fence, GateWorld, outcome, prepare, stage } from './gate-world.ts'

/** Runs a scenario with all checks, and again with one switched off: the harm must then be there. */
function protects(
  check: keyof GateChecks,
  scenario: (world: GateWorld) => unknown,
  expected: { readonly safe: unknown; readonly harm: unknown },
): void {
  assert.deepEqual(scenario(new GateWorld()), expected.safe)
  assert.deepEqual(scenario(new GateWorld({ [check]: false })), expected.harm, `the check "${check}" protects nothing`)
}

function ready(world: GateWorld, live: Record<string, string>, ...staged: string[]): GateWorld {
  Object.assign(world.live, live)
  world.ask(prepare('t1'))
  world.ask(stage('t1', ...staged))
  return world
}

test('a change is compared, journalled, written, persisted, read back, journalled, answered', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  world.log.length = 0

  const answer = world.ask(commit('t1', { a: ['a1', 'a2'] }))

  assert.deepEqual(world.log, [
    'lookUp',
    'readLive',
    'journalBegin',
    'write',
    'persist',
    'readLive',
    'journalEnd',
    'reply committed',
  ])
  assert.deepEqual(answer, {
    kind: 'committed',
    job: 'job',
    results: [{ scope: 'a', wanted: 'a2', result: 'written', persisted: true, baseEpoch: 1, baseSerial: 1 }],
  })
  assert.equal(world.live.a, 'a2')
  assert.deepEqual(world.bases, { a: 'a2' })
})

test('a request of an epoch that is over is refused', () => {
  protects(
    'epoch',
    (world) => {
      world.ask(fence(2))
      return outcome(world.ask(prepare('t1', 1)))
    },
    { safe: 'stale-epoch', harm: 'prepared' },
  )
})

test('one epoch has one authoritative side', () => {
  const world = new GateWorld()
  world.ask(fence(2, 'dhcp1'))
  assert.equal(outcome(world.ask(fence(2, 'dhcp1'))), 'fenced')
  assert.equal(outcome(world.ask(fence(2, 'dhcp2'))), 'stale-epoch')
})

test('a higher epoch is durable before it is answered, and voids the ticket', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  world.log.length = 0
  assert.equal(outcome(world.ask(fence(2))), 'fenced')
  assert.deepEqual(world.log, ['storeEpoch', 'reply fenced'])

  assert.equal(outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }, { epoch: 2 }))), 'stale-ticket')
  world.restart()
  assert.equal(outcome(world.ask(prepare('t2', 1))), 'stale-epoch')
})

test('a newer prepare voids the ticket of a worker that was paused', () => {
  protects(
    'ticket',
    (world) => {
      ready(world, { a: 'a1' }, 'a2')
      world.ask(prepare('t2'))
      return outcome(world.ask(commit('t1', { a: ['a1', 'a2'] })))
    },
    { safe: 'stale-ticket', harm: { a: 'written' } },
  )
})

test('the tickets of different relationships do not void each other', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  world.ask({ op: 'prepare', relationship: 'other', side: 'dhcp3', epoch: 7, ticket: 't9' })
  assert.deepEqual(outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))), { a: 'written' })
})

test('a restart voids every ticket', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  world.restart()
  assert.equal(outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))), 'stale-ticket')
})

test('an edit between plan and write is not overwritten; the other scopes are written', () => {
  protects(
    'comparison',
    (world) => {
      ready(world, { a: 'a1', b: 'b1' }, 'a2', 'b2')
      world.live.a = 'edited'
      return [outcome(world.ask(commit('t1', { a: ['a1', 'a2'], b: ['b1', 'b2'] }))), world.live.a]
    },
    {
      safe: [{ a: 'target-changed', b: 'written' }, 'edited'],
      harm: [{ a: 'written', b: 'written' }, 'a2'],
    },
  )
})

test('a batch that is tried again is compared again', () => {
  const world = ready(new GateWorld(), { a: 'a1', b: 'b1' }, 'a2', 'b2')
  world.onWrite = (effect) => {
    if (effect.writes.length === 1) return world.take(effect)
    world.live.b = 'edited'
    return { kind: 'rejected', message: 'no', scopes: [] }
  }
  assert.deepEqual(outcome(world.ask(commit('t1', { a: ['a1', 'a2'], b: ['b1', 'b2'] }))), {
    a: 'written',
    b: 'target-changed',
  })
  assert.equal(world.live.b, 'edited')
})

test('nothing is copied onto the authoritative side', () => {
  protects('authoritativeSide', (world) => outcome(world.ask(prepare('t1', 1, 'dhcp2'))), {
    safe: 'authoritative-side',
    harm: 'prepared',
  })
})

test('a write waits for a normal failover state; what changes nothing does not', () => {
  protects(
    'failoverState',
    (world) => {
      ready(world, { a: 'a1' }, 'a1', 'a2')
      world.normal = false
      return [
        outcome(world.ask(commit('t1', { a: ['a1', 'a1'] }, { job: 'j1' }))),
        outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))),
      ]
    },
    { safe: [{ a: 'unchanged' }, 'not-normal'], harm: [{ a: 'unchanged' }, { a: 'written' }] },
  )
})

test('a repeated job is answered from the journal, whatever ticket it comes with', () => {
  protects(
    'knownJob',
    (world) => {
      ready(world, { a: 'a1' }, 'a2')
      world.ask(commit('t1', { a: ['a1', 'a2'] }))
      world.live.a = 'a1' // undone by hand
      world.ask(prepare('t2'))
      world.ask(stage('t2', 'a2'))
      return [outcome(world.ask(commit('t2', { a: ['a1', 'a2'] }))), world.writes.length]
    },
    { safe: [{ a: 'written' }, 1], harm: [{ a: 'written' }, 2] },
  )
})

test('a job that is planned again because the target had changed is not a repetition', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  world.live.a = 'edited'
  world.ask(commit('t1', { a: ['a1', 'a2'] }))
  assert.deepEqual(outcome(world.ask(commit('t1', { a: ['edited', 'a2'] }))), { a: 'written' })
})

test('after a write without an answer nothing is accepted until the server was read', () => {
  protects(
    'uncertainty',
    (world) => {
      ready(world, { a: 'a1' }, 'a2')
      world.onWrite = () => ({ kind: 'unknown', message: 'no answer in time' })
      const first = outcome(world.ask(commit('t1', { a: ['a1', 'a2'] })))
      world.reachable = false
      return [first, outcome(world.ask(fence(2)))]
    },
    { safe: ['uncertain', 'uncertain'], harm: ['uncertain', 'fenced'] },
  )
})

test('an unanswered write that took effect is found, persisted and journalled before the next request', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  world.onWrite = (effect) => {
    world.take(effect)
    return { kind: 'unknown', message: 'no answer in time' }
  }
  world.ask(commit('t1', { a: ['a1', 'a2'] }))
  world.log.length = 0

  assert.equal(outcome(world.ask(prepare('t2'))), 'prepared')

  assert.deepEqual(world.log, ['readLive', 'persist', 'readLive', 'journalEnd', 'readLive', 'reply prepared'])
  assert.equal(world.jobs.get('job')?.[0]?.result, 'written')
  assert.deepEqual(world.bases, { a: 'a2' })
  assert.equal(world.writes.length, 1)
})

test('what was written counts only when it was read back', () => {
  protects(
    'readBack',
    (world) => {
      ready(world, { a: 'a1' }, 'a2')
      world.before = (effect) => {
        if (effect.kind === 'persist') world.live.a = 'edited'
      }
      return [outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))), world.bases]
    },
    { safe: [{ a: 'held read-back-differs' }, {}], harm: [{ a: 'written' }, { a: 'a2' }] },
  )
})

test('what is not persisted is written all the same, and says so', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  world.persistAnswer = { persisted: false, message: 'read-only' }
  const answer = world.ask(commit('t1', { a: ['a1', 'a2'] }))
  assert.ok(answer.kind === 'committed')
  assert.deepEqual(
    [answer.results[0]?.result, answer.results[0]?.persisted, answer.persistMessage],
    ['written', false, 'read-only'],
  )
})

test('a fence waits for the commit that runs', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  const running = world.send(commit('t1', { a: ['a1', 'a2'] }))
  const fencing = world.send(fence(2))
  while (world.answers.get(running) === undefined) {
    assert.equal(world.answers.get(fencing), undefined)
    assert.ok(world.perform())
  }
  world.settle()
  assert.deepEqual(
    [outcome(world.answers.get(running)), outcome(world.answers.get(fencing))],
    [{ a: 'written' }, 'fenced'],
  )
})

test('a rejected batch is halved until the bad scope is found', () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  const world = ready(new GateWorld(), {}, ...names.map((name) => `${name}1`))
  world.onWrite = (effect) =>
    effect.writes.some(({ scope }) => scope === 'd')
      ? { kind: 'rejected', message: 'bad pool', scopes: [] }
      : world.take(effect)

  const answer = world.ask(commit('t1', Object.fromEntries(names.map((name) => [name, [undefined, `${name}1`]]))))

  assert.deepEqual(outcome(answer), { a: 'written', b: 'written', c: 'written', d: 'rejected', e: 'written' })
  assert.deepEqual(Object.keys(world.live).sort(), ['a', 'b', 'c', 'e'])
})

test('a rejection that names its culprits costs one more write', () => {
  const world = ready(new GateWorld(), {}, 'a1', 'b1', 'c1')
  world.onWrite = (effect) =>
    effect.writes.some(({ scope }) => scope === 'b')
      ? { kind: 'rejected', message: 'no', scopes: [{ scope: 'b', code: 'id-clash', message: 'id 7 is taken' }] }
      : world.take(effect)
  const answer = world.ask(commit('t1', { a: [undefined, 'a1'], b: [undefined, 'b1'], c: [undefined, 'c1'] }))
  assert.deepEqual(outcome(answer), { a: 'written', b: 'rejected id-clash', c: 'written' })
  assert.equal(world.writes.length, 2)
})

test('a server that takes no writes for now holds every scope', () => {
  const world = ready(new GateWorld(), { a: 'a1', b: 'b1' }, 'a2', 'b2')
  world.onWrite = () => ({ kind: 'held', code: 'commented-file', message: 'comments would be lost' })
  assert.deepEqual(outcome(world.ask(commit('t1', { a: ['a1', 'a2'], b: ['b1', 'b2'] }))), {
    a: 'held commented-file',
    b: 'held commented-file',
  })
})

test('a write that never left is refused as such, and may be tried again under the same job', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  const { onWrite } = world
  world.onWrite = () => ({ kind: 'not-sent', code: 'unreachable', message: 'no connection' })
  assert.equal(outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))), 'unreachable')
  world.onWrite = onWrite
  assert.deepEqual(outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))), { a: 'written' })
})

test('what equals the wanted content already is not sent', () => {
  const world = ready(new GateWorld(), { a: 'a2' }, 'a2')
  assert.deepEqual(outcome(world.ask(commit('t1', { a: ['a1', 'a2'], gone: ['x', undefined] }))), {
    a: 'unchanged',
    gone: 'unchanged',
  })
  assert.equal(world.writes.length, 0)
  assert.equal(world.bases.a, 'a2')
})

test('content that was not staged is refused', () => {
  const world = ready(new GateWorld(), { a: 'a1' })
  assert.equal(outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))), 'bad-content')
})

test('agree sets the base of exactly the scopes that are live so', () => {
  const world = new GateWorld()
  Object.assign(world.live, { a: 'a1', b: 'other' })
  const scopes = [{ scope: 'a', fingerprint: 'a1' }, { scope: 'b', fingerprint: 'b1' }, { scope: 'c' }]
  const answer = world.ask({ op: 'agree', relationship: 'r', epoch: 1, side: 'dhcp2', scopes })
  assert.deepEqual(answer, { kind: 'agreed', scopes: ['a', 'c'], serial: 1 })
  assert.deepEqual(world.bases, { a: 'a1', c: undefined })
})

const RECOVERIES: readonly {
  readonly name: string
  readonly live: string | undefined
  readonly mixed?: boolean
  readonly result: string
  readonly after: string | undefined
  readonly base: boolean
}[] = [
  { name: 'live is what was wanted', live: 'a2', result: 'written', after: 'a2', base: true },
  { name: 'live is the pre-image', live: 'a1', result: 'target-changed interrupted', after: 'a1', base: false },
  {
    name: 'live is half of both',
    live: 'half',
    mixed: true,
    result: 'target-changed interrupted',
    after: 'a1',
    base: false,
  },
  { name: 'live is a third thing', live: 'third', result: 'held dirty', after: 'third', base: false },
  { name: 'live is gone', live: undefined, result: 'held dirty', after: undefined, base: false },
]
for (const { name, live, mixed, result, after, base } of RECOVERIES) {
  test(`recovery after a crash in the write: ${name}`, () => {
    const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
    world.send(commit('t1', { a: ['a1', 'a2'] }))
    while (world.open === undefined) world.perform()
    world.restart()
    if (live === undefined) delete world.live.a
    else world.live.a = live
    if (mixed) world.mixed = ['a']

    world.feed({ kind: 'recover' })
    world.settle()

    const results = [...(world.jobs.get('job') ?? [])]
    assert.deepEqual(outcome({ kind: 'committed', job: 'job', results }), { a: result })
    assert.equal(world.live.a, after)
    assert.equal('a' in world.bases, base)
    assert.deepEqual([world.open, world.state.open, world.state.running], [undefined, undefined, undefined])
  })
}

test('a scope that the server had refused before the crash keeps that answer', () => {
  const world = ready(new GateWorld(), { b: 'b1' }, 'a2', 'b2')
  let count = 0
  world.onWrite = (effect) => {
    if (++count > 1) return { kind: 'unknown', message: 'no answer' }
    return {
      kind: 'rejected',
      message: '',
      scopes: [{ scope: effect.writes[0]?.scope ?? '', code: 'overlap', message: 'overlaps' }],
    }
  }
  world.ask(commit('t1', { a: [undefined, 'a2'], b: ['b1', 'b2'] }))
  world.ask(fence(2))
  assert.deepEqual(outcome({ kind: 'committed', job: 'job', results: world.jobs.get('job') ?? [] }), {
    a: 'rejected overlap',
    b: 'target-changed interrupted',
  })
})

test('a ticket given out before the server was uncertain is void when it is known again', () => {
  const world = ready(new GateWorld(), { a: 'a1' }, 'a2')
  const { onWrite } = world
  world.onWrite = () => ({ kind: 'unknown', message: 'no answer' })
  world.ask(commit('t1', { a: ['a1', 'a2'] }))
  world.onWrite = onWrite
  assert.equal(outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))), 'stale-ticket')
})
