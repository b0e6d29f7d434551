import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatIpv4, parseIpv4 } from '#dhcp/ipv4.ts'
import { aRange, aScope } from './a-scope.ts'
import { type AddressSpan, shrunkRanges } from './spans.ts'

const ranged = (ranges: readonly AddressSpan[], exclusions: readonly AddressSpan[] = []) =>
  aScope({ ranges: ranges.map(({ start, end }) => aRange(start, end)), exclusions })

test('ranges that stay, grow or are cut differently lose nothing', () => {
  const before = ranged([{ start: '10.0.0.10', end: '10.0.0.20' }])
  assert.equal(shrunkRanges(before, before), undefined)
  assert.equal(shrunkRanges(before, ranged([{ start: '10.0.0.1', end: '10.0.0.30' }])), undefined)
  const cut = ranged([
    { start: '10.0.0.16', end: '10.0.0.20' },
    { start: '10.0.0.10', end: '10.0.0.15' },
  ])
  assert.equal(shrunkRanges(before, cut), undefined)
  assert.equal(shrunkRanges(undefined, before), undefined)
  assert.equal(shrunkRanges(before, undefined), undefined)
})

test('what is lost, and what a gate is asked with', () => {
  const before = ranged([{ start: '10.0.0.10', end: '10.0.0.20' }])
  assert.deepEqual(shrunkRanges(before, ranged([{ start: '10.0.0.12', end: '10.0.0.18' }])), {
    lost: [
      { start: '10.0.0.10', end: '10.0.0.11' },
      { start: '10.0.0.19', end: '10.0.0.20' },
    ],
    outside: [
      { start: '0.0.0.0', end: '10.0.0.9' },
      { start: '10.0.0.12', end: '10.0.0.18' },
      { start: '10.0.0.21', end: '255.255.255.255' },
    ],
  })
})

test('a new exclusion takes addresses away too', () => {
  const range = { start: '10.0.0.10', end: '10.0.0.20' }
  const excluded = ranged([range], [{ start: '10.0.0.15', end: '10.0.0.15' }])
  assert.deepEqual(shrunkRanges(ranged([range]), excluded)?.lost, [{ start: '10.0.0.15', end: '10.0.0.15' }])
  assert.equal(shrunkRanges(excluded, ranged([range])), undefined)
})

test('every address is lost, or outside, exactly as counting says', () => {
  const span = fc
    .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 12 }))
    .map(([first, length]) => ({ start: formatIpv4(first), end: formatIpv4(first + length) }))
  const spans = fc.array(span, { maxLength: 3 })
  const has = (all: readonly AddressSpan[], address: number) =>
    all.some(({ start, end }) => (parseIpv4(start) ?? 0) <= address && address <= (parseIpv4(end) ?? 0))
  fc.assert(
    fc.property(spans, spans, spans, spans, (ranges, exclusions, newRanges, newExclusions) => {
      const shrunk = shrunkRanges(ranged(ranges, exclusions), ranged(newRanges, newExclusions))
      for (let address = 0; address < 60; address++) {
        const isLost =
          has(ranges, address) &&
          !has(exclusions, address) &&
          !(has(newRanges, address) && !has(newExclusions, address))
        assert.equal(has(shrunk?.lost ?? [], address), isLost)
        if (shrunk !== undefined) assert.equal(has(shrunk.outside, address), !isLost)
      }
    }),
    { numRuns: 1_000, seed: 10 },
  )
})
