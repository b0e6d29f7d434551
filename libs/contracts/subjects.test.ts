import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseScopeKey, type ScopeKey } from '#dhcp/scope.ts'
import * as subjects from './subjects.ts'

/** Names as people may write them: dots, spaces, wildcards, umlauts, emoji, escapes. */
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }).filter((text) => text.isWellFormed())
const word = fc.oneof(
  name,
  fc.constantFrom('dhcp1.example.net', '*', '>', '=2E', 'a b', '_', '_x', 'ü', '\u{1F600}', '.'),
)
const scope = fc.tuple(fc.nat(0xffffffff), fc.integer({ min: 0, max: 32 })).map(([address, length]) => {
  const dotted = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
  return parseScopeKey(`${dotted}/${length}`) as ScopeKey
})
const slot = fc.oneof(
  word.filter((text) => !text.startsWith('_')),
  word.map(subjects.serverSlot),
)

/** A subject that NATS takes: tokens of harmless characters, none empty. */
function assertSubject(subject: string, tokens: number): void {
  assert.match(subject, /^[A-Za-z0-9=_-]+(\.[A-Za-z0-9=_-]+)*$/)
  assert.equal(subject.split('.').length, tokens)
}

test('every name survives escaping, and different names stay different', () => {
  fc.assert(fc.property(word, (text) => assert.equal(subjects.unescapeName(subjects.escapeName(text)), text)))
  fc.assert(fc.property(word, word, (a, b) => assert.equal(subjects.escapeName(a) === subjects.escapeName(b), a === b)))
})

test('a token that escaping never makes is refused', () => {
  for (const token of ['a.b', 'a_b', '=2e', '=4', '=', '=41', 'ü', 'a b', '=FF', '=C3']) {
    assert.equal(subjects.unescapeName(token), undefined, token)
  }
})

test('what is built is what is parsed', () => {
  fc.assert(
    fc.property(word, scope, slot, (server, key, place) => {
      const changed = subjects.scopeChangedSubject(server, key)
      assertSubject(changed, 5)
      assert.deepEqual(subjects.parseScopeChangedSubject(changed), { server, scope: key })

      for (const level of ['server', 'relationship', 'scope'] as const) {
        const requested = subjects.replicationRequestedSubject(level, server)
        assertSubject(requested, 5)
        assert.deepEqual(subjects.parseReplicationRequestedSubject(requested), { level, requester: server })
      }
      const wakeup = subjects.wakeupSubject(place)
      assertSubject(wakeup, 3)
      assert.equal(subjects.parseWakeupSubject(wakeup), place)

      for (const kind of ['accepted', 'progress', 'final'] as const) {
        const outcome = subjects.outcomeSubject(place, server, kind)
        assertSubject(outcome, 5)
        assert.deepEqual(subjects.parseOutcomeSubject(outcome), { slot: place, job: server, kind })
      }
      const jobKey = subjects.jobKey(place, server)
      assertSubject(jobKey, 2)
      assert.deepEqual(subjects.parseJobKey(jobKey), { slot: place, job: server })
      assert.equal(subjects.jobKeysOf(place), `${jobKey.split('.')[0]}.*`)
    }),
  )
})

test('a scope as a token', () => {
  assert.equal(subjects.scopeToken('10.0.10.0/24' as ScopeKey), '10-0-10-0_24')
  assert.equal(subjects.parseScopeToken('10-0-10-0_24'), '10.0.10.0/24')
  for (const token of ['10-0-10-1_24', '10-0-10-0', '10-0-10-0_33', '10.0.10.0_24', '010-0-10-0_24', '']) {
    assert.equal(subjects.parseScopeToken(token), undefined, token)
  }
})

test('a relationship never has the slot of a server', () => {
  assert.notEqual(subjects.wakeupSubject('_a'), subjects.wakeupSubject(`${subjects.escapeName('_a')}`))
  assert.equal(subjects.parseWakeupSubject('twinscope.wakeup._dhcp1=2Eexample=2Enet'), '_dhcp1.example.net')
})

test('foreign subjects are no messages of ours', () => {
  assert.equal(subjects.parseScopeChangedSubject('twinscope.scope.changed.a'), undefined)
  assert.equal(subjects.parseScopeChangedSubject('twinscope.scope.changed.a.10-0-0-0_8.x'), undefined)
  assert.equal(subjects.parseScopeChangedSubject('other.scope.changed.a.10-0-0-0_8'), undefined)
  assert.equal(subjects.parseReplicationRequestedSubject('twinscope.replication.requested.zone.a'), undefined)
  assert.equal(subjects.parseReplicationRequestedSubject('twinscope.replication.requested.scope.'), undefined)
  assert.equal(subjects.parseOutcomeSubject('twinscope.outcome.a.b.later'), undefined)
  assert.equal(subjects.parseWakeupSubject('twinscope.wakeup.a.b'), undefined)
  assert.equal(subjects.parseGateOperation('twinscope.gate.a.destroy'), undefined)
})

test('every operation of a gate is parsed from its subject', () => {
  for (const operation of subjects.GATE_OPERATIONS) {
    const subject = subjects.gateSubject('dhcp1.example.net', operation)
    assertSubject(subject, 4)
    assert.equal(subjects.parseGateOperation(subject), operation)
    assert.ok(subject.startsWith(subjects.gateSubscription('dhcp1.example.net').slice(0, -1)))
  }
})

test('keys of pauses are parsed back, and no other key is one', () => {
  assert.deepEqual(subjects.parsePauseKey(subjects.pauseKey()), {})
  fc.assert(
    fc.property(word, (relationship) =>
      assert.deepEqual(subjects.parsePauseKey(subjects.pauseKey(relationship)), { relationship }),
    ),
  )
  assert.equal(subjects.parsePauseKey(subjects.rejectedKey('dhcp1-dhcp2')), undefined)
})
