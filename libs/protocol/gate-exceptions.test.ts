// What an approval opens, and what a restore closes: adoptions, restores, marks, covers, claims.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exception, GateChecks } from './gate-types.ts'
import { commit, cover, fence, GateWorld, outcome, prepare, stage } from './gate-world.ts'

function protects(
  check: keyof GateChecks,
  scenario: (world: GateWorld) => unknown,
  expected: { readonly safe: unknown; readonly harm: unknown },
): void {
  assert.deepEqual(scenario(new GateWorld()), expected.safe)
  assert.deepEqual(scenario(new GateWorld({ [check]: false })), expected.harm, `the check "${check}" protects nothing`)
}

const adoption: Exception = { kind: 'adopt', approval: 'approving', scopes: ['a'] }
const restore: Exception = { kind: 'restore', approval: 'undoing', scopes: ['a', 'b'] }

/** A gate whose server has `live`, with a ticket `t1` for the exception; `dhcp2` is the gate's own server. */
function ready(world: GateWorld, exception: Exception | undefined, side = 'dhcp2'): GateWorld {
  Object.assign(world.live, { a: 'a1', b: 'b1' })
  world.ask(prepare('t1', 1, side, exception))
  world.ask(stage('t1', 'a2', 'b2'))
  return world
}

const onto = (purpose: 'replicate' | 'adopt' | 'restore', side = 'dhcp2') =>
  commit('t1', { a: ['a1', 'a2'] }, { side, purpose })

test('an adoption writes onto the authoritative side, in its scopes, and sets their base', () => {
  const world = ready(new GateWorld(), adoption)
  assert.deepEqual(outcome(world.ask(onto('adopt'))), { a: 'written' })
  assert.deepEqual([world.live, world.bases], [{ a: 'a2', b: 'b1' }, { a: 'a2' }])
})

test('an exception opens nothing but what it names', () => {
  protects(
    'exception',
    (world) => {
      ready(world, adoption)
      return [
        outcome(world.ask(commit('t1', { b: ['b1', 'b2'] }, { side: 'dhcp2', purpose: 'adopt', job: 'j1' }))),
        outcome(world.ask(onto('restore'))),
      ]
    },
    { safe: ['authoritative-side', 'authoritative-side'], harm: [{ b: 'written' }, { a: 'written' }] },
  )
  const world = ready(new GateWorld(), { ...restore, scopes: ['b'] }, 'dhcp1')
  assert.equal(outcome(world.ask(onto('restore', 'dhcp1'))), 'malformed')
  assert.equal(outcome(ready(new GateWorld(), undefined, 'dhcp1').ask(onto('restore', 'dhcp1'))), 'malformed')
})

test('an ordinary commit onto the authoritative side stays refused, whatever its ticket was prepared for', () => {
  protects('authoritativeSide', (world) => outcome(ready(world, adoption).ask(onto('replicate'))), {
    safe: 'authoritative-side',
    harm: { a: 'written' },
  })
})

test('to adopt is to write onto the authoritative side only', () => {
  assert.equal(outcome(new GateWorld().ask(prepare('t1', 1, 'dhcp1', adoption))), 'malformed')
})

test('a ticket with an exception is as short-lived as any other', () => {
  const byPrepare = ready(new GateWorld(), adoption)
  byPrepare.ask(prepare('t2', 1, 'dhcp2', adoption))
  assert.equal(outcome(byPrepare.ask(onto('adopt'))), 'stale-ticket')

  const byEpoch = ready(new GateWorld(), adoption)
  byEpoch.ask(fence(2, 'dhcp2'))
  assert.equal(outcome(byEpoch.ask(onto('adopt'))), 'stale-epoch')
  assert.equal(
    outcome(byEpoch.ask(commit('t1', { a: ['a1', 'a2'] }, { side: 'dhcp2', purpose: 'adopt', epoch: 2 }))),
    'stale-ticket',
  )

  const byRestart = ready(new GateWorld(), adoption)
  byRestart.restart()
  assert.equal(outcome(byRestart.ask(onto('adopt'))), 'stale-ticket')

  // The newer ticket has no exception: the one of the older does not live on in it.
  const ordinary = ready(new GateWorld(), { ...restore }, 'dhcp1')
  ordinary.ask(prepare('t2'))
  ordinary.ask(stage('t2', 'a2'))
  assert.equal(outcome(ordinary.ask(commit('t2', { a: ['a1', 'a2'] }, { purpose: 'restore' }))), 'malformed')
})

/** A gate whose scope `a` was restored to `a2`; its base is still what it was. */
function restored(world: GateWorld): GateWorld {
  world.bases.a = 'a1'
  ready(world, restore, 'dhcp1')
  assert.deepEqual(outcome(world.ask(onto('restore', 'dhcp1'))), { a: 'written' })
  assert.equal(world.live.a, 'a2')
  return world
}

/** An ordinary copy of `a3` over the restored `a2`. */
function copyOver(world: GateWorld, job: string, approved?: boolean) {
  world.ask(prepare(job))
  world.ask(stage(job, 'a3'))
  const more = approved === undefined ? { job } : { job, approved }
  return outcome(world.ask(commit(job, { a: ['a2', 'a3'] }, more)))
}

test('a restore leaves the base as it was, and no later run undoes it until somebody approves', () => {
  protects(
    'restored',
    (world) => {
      restored(world)
      const base = world.bases.a
      const byItself = copyOver(world, 'tick')
      world.restart()
      const afterRestart = copyOver(world, 'tock')
      return [base, byItself, afterRestart, world.live.a]
    },
    {
      safe: ['a1', { a: 'held restored' }, { a: 'held restored' }, 'a2'],
      harm: ['a1', { a: 'written' }, { a: 'unchanged' }, 'a3'],
    },
  )
})

test('the answer names the job that restored the scope', () => {
  const world = restored(new GateWorld())
  world.ask(prepare('t2'))
  world.ask(stage('t2', 'a3'))
  const answer = world.ask(commit('t2', { a: ['a2', 'a3'] }, { job: 'tick' }))
  assert.ok(answer.kind === 'committed')
  assert.match(answer.results[0]?.message ?? '', /^Job undoing restored this scope.*approve/)
})

test('an approved write ends the mark', () => {
  const world = restored(new GateWorld())
  assert.deepEqual(copyOver(world, 'approved', true), { a: 'written' })
  assert.deepEqual([world.state.restored, world.restored, world.bases.a], [{}, {}, 'a3'])
})

test('agreeing on the restored content ends the mark, on another one does not', () => {
  const world = restored(new GateWorld())
  const agree = (fingerprint: string) =>
    world.ask({ op: 'agree', relationship: 'r', epoch: 1, side: 'dhcp1', scopes: [{ scope: 'a', fingerprint }] })
  agree('a1')
  assert.deepEqual(world.state.restored, { r: { a: 'undoing' } })
  agree('a2')
  assert.deepEqual([world.state.restored, world.restored, world.bases.a], [{}, {}, 'a2'])
})

test('what a restore finds as it should be is marked too', () => {
  const world = ready(new GateWorld(), restore, 'dhcp1')
  assert.deepEqual(outcome(world.ask(commit('t1', { b: ['x', 'b1'] }, { purpose: 'restore' }))), 'bad-content')
  world.ask(stage('t1', 'b1'))
  assert.deepEqual(outcome(world.ask(commit('t1', { b: ['x', 'b1'] }, { purpose: 'restore' }))), { b: 'unchanged' })
  assert.deepEqual([world.state.restored, world.bases, world.writes], [{ r: { b: 'undoing' } }, {}, []])
})

for (const [name, reached, after] of [
  ['it had taken effect', true, { r: { a: 'undoing' } }],
  ['it had not', false, {}],
] as const) {
  test(`a restore that was interrupted is still a restore: ${name}`, () => {
    const world = ready(new GateWorld(), restore, 'dhcp1')
    world.bases.a = 'a1'
    world.onWrite = (effect) => {
      if (reached) world.take(effect)
      return { kind: 'unknown', message: 'no answer' }
    }
    world.ask(onto('restore', 'dhcp1'))
    world.restart()
    world.feed({ kind: 'recover' })
    world.settle()
    assert.deepEqual([world.state.restored, world.restored, world.bases.a], [after, after, 'a1'])
  })
}

test('a server that covers its partner is not written; when it covers no more, it is', () => {
  protects(
    'cover',
    (world) => {
      ready(world, undefined, 'dhcp1')
      const covered = outcome(world.ask(cover(true)))
      const write = commit('t1', { a: ['a1', 'a2'] })
      const during = [outcome(world.ask(write)), outcome(world.ask(prepare('t1')))]
      const ended = outcome(world.ask(cover(false)))
      world.ask(prepare('t2'))
      world.ask(stage('t2', 'b2'))
      return [covered, during, ended, outcome(world.ask(commit('t2', { b: ['b1', 'b2'] }, { job: 'later' })))]
    },
    {
      safe: ['covered', ['covering', 'covering'], 'covered', { b: 'written' }],
      harm: ['covered', [{ a: 'written' }, 'prepared'], 'covered', { b: 'written' }],
    },
  )
})

test('a server that is being written, or that does not serve, does not cover', () => {
  const world = ready(new GateWorld(), undefined, 'dhcp1')
  assert.equal(outcome(world.ask(cover(true, 'other', false))), 'not-normal')
  const running = world.send(commit('t1', { a: ['a1', 'a2'] }))
  while (world.answers.get(running) === undefined) {
    const asked = world.send(cover(true))
    assert.equal(outcome(world.answers.get(asked)), 'not-normal', 'answered at once, not when the write is done')
    assert.ok(world.perform())
  }
  assert.equal(outcome(world.ask(cover(true))), 'covered')
})

test('an uncertain server does not cover, and is not waited for', () => {
  const world = ready(new GateWorld(), undefined, 'dhcp1')
  world.onWrite = () => ({ kind: 'unknown', message: 'no answer' })
  world.ask(commit('t1', { a: ['a1', 'a2'] }))
  world.reachable = false
  assert.equal(outcome(world.ask(cover(true))), 'not-normal')
})

test('a cover ends by itself, with a restart, and by nobody but the job that has it', () => {
  const world = new GateWorld()
  world.ask(cover(true, 'first'))
  world.ask(cover(true, 'second'))
  world.ask(cover(false, 'first'))
  world.feed({ kind: 'coverExpired', relationship: 'r2', job: 'first' })
  assert.deepEqual(world.state.covering, { r2: 'second' })
  world.feed({ kind: 'coverExpired', relationship: 'r2', job: 'second' })
  assert.deepEqual(world.state.covering, {})
  world.ask(cover(true))
  world.restart()
  assert.deepEqual(world.state.covering, {})
})

test('two servers that cover each other both refuse at once, and go on when either gives way', () => {
  const [one, two] = [ready(new GateWorld(), undefined, 'dhcp1'), ready(new GateWorld(), undefined, 'dhcp1')]
  const write = commit('t1', { a: ['a1', 'a2'] })
  one.ask(cover(true, 'writes-two'))
  two.ask(cover(true, 'writes-one'))
  assert.deepEqual([outcome(one.ask(write)), outcome(two.ask(write))], ['covering', 'covering'])
  two.feed({ kind: 'coverExpired', relationship: 'r2', job: 'writes-one' })
  assert.deepEqual(outcome(two.ask(write)), { a: 'written' })
})

test('a known job is answered also while the server covers', () => {
  const world = ready(new GateWorld(), undefined, 'dhcp1')
  world.ask(commit('t1', { a: ['a1', 'a2'] }))
  world.ask(cover(true))
  assert.deepEqual(outcome(world.ask(commit('t1', { a: ['a1', 'a2'] }))), { a: 'written' })
})

test('a server with a foreign mark can be claimed also while a write is not resolved, which then goes on', () => {
  const world = ready(new GateWorld(), undefined, 'dhcp1')
  const { onWrite } = world
  world.onWrite = (effect) => {
    world.take(effect)
    return { kind: 'unknown', message: 'no answer' }
  }
  world.ask(commit('t1', { a: ['a1', 'a2'] }))
  world.onWrite = onWrite
  world.foreign = 'theirs'
  const waiting = world.send(prepare('t2'))
  const claiming = world.send({ op: 'claim' })
  world.settle()
  assert.equal(outcome(world.answers.get(waiting)), 'uncertain')
  assert.deepEqual(world.answers.get(claiming), { kind: 'claimed', previous: 'theirs' })
  assert.equal(outcome(world.ask(prepare('t2'))), 'prepared')
  assert.equal(world.jobs.get('job')?.[0]?.result, 'written')
})

test('a fence is answered only when no commit of an older epoch runs any more', () => {
  protects(
    'mutex',
    (world) => {
      ready(world, undefined, 'dhcp1')
      world.send(commit('t1', { a: ['a1', 'a2'] }))
      while (world.log.at(-1) !== 'journalBegin') world.perform()
      const fencing = world.send(fence(2, 'dhcp2'))
      let fencedBeforeTheWrite = false
      world.before = (effect) => {
        if (effect.kind === 'write') fencedBeforeTheWrite = world.answers.has(fencing)
      }
      world.settle()
      return [outcome(world.answers.get(fencing)), fencedBeforeTheWrite]
    },
    { safe: ['fenced', false], harm: ['fenced', true] },
  )
})
