import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { GateError } from '#messaging/gate-client.ts'
import { createLogger } from '#telemetry/logger.ts'
import { type CorrectionContext, performCorrection } from './correct.ts'

test('an act waits for a configuration that is being rolled out, as a run does', async () => {
  const servers = ['dhcp1', 'dhcp2'] as const
  const policy = { name: 'r', servers, ignore: [] } as unknown as RelationshipPolicy
  const manifest = {
    server: 'dhcp2',
    revision: 1,
    readAt: '2026-01-01T00:00:00.000Z',
    version: 'Kea 3.0.4',
    failover: { state: 'normal', nativeState: 'hot-standby' },
    rows: [],
    ignored: ['options.66'],
  }
  const context = {
    policy,
    lock: { lost: new AbortController().signal, mayWrite: () => true },
    fleet: { authorityOf: () => Promise.resolve({ kind: 'known', side: 'dhcp1', epoch: 1 }) },
    gateClient: {
      async request(_: string, operation: string) {
        if (operation === 'prepare') return { ticket: 't', manifest }
        throw new GateError('unknown-job', 'never begun')
      },
    },
    permissions: { permissionOf: () => Promise.resolve({ kind: 'open' }) },
    logger: createLogger({ service: 'test', level: 'silent' }),
    request: { job: 'J', kind: 'restore', relationship: 'r', servers, server: 'dhcp2', both: false, scopes: ['s'] },
    commit: 'C',
    onRecord: () => Promise.resolve(),
  } as unknown as CorrectionContext

  const { wait } = await performCorrection(context, [])

  assert.equal(wait?.failure.wait, 'settings-differ')
  assert.match(wait?.failure.message ?? '', /the watcher of dhcp2 ignores options\.66 in r/)
})
