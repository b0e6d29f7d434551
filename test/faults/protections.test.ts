// Each protection of the gate is needed: a few exact steps end in a violation without it, and in none with it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { play } from './play.ts'
import { TARGETED } from './targeted.ts'

const ALL = TARGETED.map(({ protection }) => protection)

test('with every protection on the targeted schedules show no violation', { timeout: 180_000 }, async () => {
  const { played, others, directory } = await play({ of: ALL, weakened: false })
  assert.deepEqual([...played.flatMap(({ violations }) => violations), ...others], [], `logs in ${directory}`)
  assert.ok(
    played.every(({ isAsExpected }) => isAsExpected),
    `not settled; logs in ${directory}`,
  )
})

test('without its protection each of them shows the violation that it is about', { timeout: 180_000 }, async () => {
  const { played, directory } = await play({ of: ALL, weakened: true })
  for (const [index, { protection, violations }] of played.entries()) {
    const found = violations.map(({ invariant }) => invariant)
    const expected = TARGETED[index]?.expects
    assert.ok(
      expected !== undefined && found.includes(expected),
      `without ${protection}: ${found}; logs in ${directory}`,
    )
  }
  assert.equal(played.length, TARGETED.length)
})
