// A fleet in many states at once, for the console: in sync, out of sync, unknown; replicated, held, failed, running.

import type { ScopeOutcome } from '#contracts/messages.ts'
import { anOutcome, aScope, type PlayedGate, type PlayedScope, type StatusFixture } from './status-fixture.ts'

function scopes(count: number, changed: ReadonlySet<number>, side: 'source' | 'target'): Map<string, PlayedScope> {
  return new Map(
    Array.from({ length: count }, (_, index): [string, PlayedScope] => {
      const key = `10.0.${(index + 1) * 10}.0/24`
      const base = aScope(key, { reservations: 2 })
      const isNew = changed.has(index) && side === 'source'
      return [
        key,
        { live: isNew ? aScope(key, { reservations: 3, routers: `10.0.${(index + 1) * 10}.254` }) : base, base },
      ]
    }),
  )
}

export async function playFleet(system: StatusFixture): Promise<void> {
  const changed = new Set([1, 4])
  const gate = (server: string, relationship: string, partner: string, side: 'source' | 'target'): PlayedGate => ({
    server,
    relationship,
    partner,
    scopes: scopes(14, changed, side),
    failoverState: 'normal',
  })
  await system.playGate(gate('dhcp1.example.net', 'dhcp1-dhcp2', 'dhcp2.example.net', 'source'))
  await system.playGate(gate('dhcp2.example.net', 'dhcp1-dhcp2', 'dhcp1.example.net', 'target'))
  await system.setAuthority('dhcp1-dhcp2', 'dhcp1.example.net')
  await system.setAuthority('dhcp1-dhcp3', 'dhcp3.example.net')
}

function scope(key: string, more: Partial<ScopeOutcome>): ScopeOutcome {
  return { scope: key, status: 'replicated', code: 'changed', message: 'written and read back', ...more }
}

/** Ledger entries around now, so that "when" reads as in real life. */
export async function publishHistory(system: StatusFixture): Promise<void> {
  const ago = (seconds: number) => new Date(Date.now() - seconds * 1_000).toISOString()
  const stages = [
    { name: 'compare', durationMs: 12 },
    { name: 'prepare', durationMs: 31 },
    { name: 'read', durationMs: 18 },
    { name: 'plan', durationMs: 3 },
    { name: 'commit', durationMs: 246 },
    { name: 'agree', durationMs: 9 },
  ]
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  await system.publishOutcome(
    anOutcome('01JCXKQ3M6T5YV0R9W2B4D8F7A', 'final', {
      createdAt: ago(95),
      noticedAt: ago(95),
      at: ago(94.1),
      status: 'replicated',
      code: 'changed',
      message: '1 of 1 scopes replicated',
      cause: { kind: 'change', requester: 'watcher dhcp1.example.net', traceparent: trace },
      stages,
      epoch: 1,
      scopes: [
        scope('10.0.20.0/24', {
          counts: { added: 1, updated: 1, deleted: 1 },
          plan: [
            '~ option 3 (routers): 10.0.20.1 → 10.0.20.254',
            '+ reservation hw-address=aa:bb:cc:00:00:12: 10.0.20.212 "printer3"',
            '- exclusion range 10.0.20.100-10.0.20.110',
          ],
        }),
      ],
    }),
  )
  await system.publishOutcome(
    anOutcome('01JCXKQ3M6T5YV0R9W2B4D8F7B', 'final', {
      createdAt: ago(600),
      at: ago(599),
      automatic: false,
      level: 'scope',
      status: 'held',
      code: 'foreign-edit',
      message:
        '10.0.50.0 was edited on the partner, which is not the authoritative side; approve to overwrite that edit',
      cause: { kind: 'request', requester: 'api', actor: 'anna@admin1', reason: 'CHG-4711' },
      planDigest: 'ab'.repeat(32),
      scopes: [
        scope('10.0.50.0/24', {
          status: 'held',
          code: 'foreign-edit',
          message: 'it was edited on the partner, which is not the authoritative side; approve to overwrite that edit',
          plan: ['- reservation hw-address=aa:bb:cc:00:00:77: 10.0.50.77 "scanner"'],
        }),
      ],
    }),
  )
  await system.publishOutcome(
    anOutcome('01JCXKQ3M6T5YV0R9W2B4D8F7C', 'final', {
      createdAt: ago(3_700),
      at: ago(3_690),
      status: 'failed',
      code: 'rejected',
      message:
        'Kea: subnet configuration failed: a pool of type V4 (10.0.30.10-10.0.30.250) overlaps with an existing one',
      scopes: [scope('10.0.30.0/24', { status: 'failed', code: 'rejected', message: 'Kea refused the configuration' })],
    }),
  )
  await system.publishOutcome(
    anOutcome('01JCXKQ3M6T5YV0R9W2B4D8F7D', 'final', {
      createdAt: ago(90_000),
      at: ago(89_999.7),
      automatic: false,
      status: 'already-in-sync',
      code: 'equal',
      message: 'both sides have the same content',
      cause: { kind: 'request', requester: 'api', actor: 'berta@admin2' },
      scopeCount: 14,
      scopes: Array.from({ length: 14 }, (_, index) =>
        scope(`10.0.${(index + 1) * 10}.0/24`, {
          status: 'already-in-sync',
          code: 'equal',
          message: 'both sides are equal',
        }),
      ),
    }),
  )
  await system.publishOutcome(
    anOutcome('01JCXKQ3M6T5YV0R9W2B4D8F7E', 'progress', {
      createdAt: ago(2),
      at: ago(1),
      status: 'running',
      progress: { stage: 'commit', done: 0, total: 2 },
    }),
  )
}
