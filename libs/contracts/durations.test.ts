import assert from 'node:assert/strict'
import { test } from 'node:test'
import { durationText } from './durations.ts'

test('a length of time is written in the largest unit that leaves nothing over', () => {
  const texts = [0, 250, 2_000, 1_500, 90_000, 5_400_000, 3_600_000].map(durationText)
  assert.deepEqual(texts, ['0s', '250ms', '2s', '1500ms', '90s', '90m', '1h'])
})
