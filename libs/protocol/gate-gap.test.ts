// An edit between the gate's read and its write: seen by the server's driver in time, or found afterwards.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commit, GateWorld, outcome, prepare, stage } from './gate-world.ts'

function written(world: GateWorld) {
  world.ask(prepare('t'))
  world.ask(stage('t', 'a2', 'b2'))
  return world.ask(commit('t', { a: ['a1', 'a2'], b: ['b1', 'b2'] }))
}

function aWorld(): GateWorld {
  const world = new GateWorld()
  Object.assign(world.live, { a: 'a1', b: 'b1' })
  return world
}

test('a server that changed after the read is not written, and the job plans again', () => {
  const world = aWorld()
  world.onWrite = () => ({ kind: 'changed', message: 'somebody was quicker' })
  assert.deepEqual(outcome(written(world)), { a: 'target-changed', b: 'target-changed' })
  assert.deepEqual(world.live, { a: 'a1', b: 'b1' })
  assert.deepEqual(world.bases, {})
  assert.equal(world.open, undefined)
  // The ticket is still good, and so is the job: nothing of it was done.
  world.onWrite = (effect) => world.take(effect)
  const again = world.ask(commit('t', { a: ['a1', 'a2'], b: ['b1', 'b2'] }))
  assert.deepEqual(outcome(again), { a: 'written', b: 'written' })
})

test('an edit that was overwritten unseen is told with the scope that it was in', () => {
  const world = aWorld()
  world.onWrite = (effect) => {
    world.take(effect)
    return { kind: 'applied', overwrote: { b: 'ann edited it' } }
  }
  const answer = written(world)
  assert.deepEqual(outcome(answer), { a: 'written', b: 'written overwrote-edit' })
  assert(answer.kind === 'committed')
  assert.equal(answer.results.find(({ scope }) => scope === 'b')?.message, 'ann edited it')
  assert.equal(world.bases.b, 'b2')
})

test('an edit found only when the configuration is stored is told with every scope of the write', () => {
  const world = aWorld()
  world.persistAnswer = { persisted: true, overwrote: 'the file was edited' }
  const answer = written(world)
  assert.deepEqual(outcome(answer), { a: 'written overwrote-edit', b: 'written overwrote-edit' })
})
