import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leasesOutside } from './leases.ts'

test('leases outside of every range are counted once, and the first of them named', () => {
  const ranges = [
    { start: '10.0.0.10', end: '10.0.0.20' },
    { start: '10.0.0.40', end: '10.0.0.40' },
  ]
  assert.deepEqual(leasesOutside(['10.0.0.10', '10.0.0.20', '10.0.0.40'], ranges), { count: 0, examples: [] })
  assert.deepEqual(leasesOutside(['10.0.0.100', '10.0.0.9', '10.0.0.21', '10.0.0.9'], ranges), {
    count: 3,
    examples: ['10.0.0.9', '10.0.0.21', '10.0.0.100'],
  })
  const many = Array.from({ length: 200 }, (_, index) => `10.0.1.${index}`)
  const { count, examples } = leasesOutside(many, [])
  assert.deepEqual([count, examples.length], [200, 5])
})

test('what is no address is no lease inside', () => {
  assert.throws(() => leasesOutside(['fe80::1'], []), /no IPv4 address/)
})
