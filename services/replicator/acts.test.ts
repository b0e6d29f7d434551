import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Rejections } from '#contracts/control.ts'
import type { Job } from '#contracts/job.ts'
import type { Outcome } from '#contracts/messages.ts'
import type { Lock } from '#locks/lock.ts'
import { createLogger } from '#telemetry/logger.ts'
import { type ActsOptions, createActs } from './acts.ts'
import type { StoredJob } from './jobs.ts'

const SCOPE = '10.0.1.0/24'
const POLICY = { name: 'a-b', servers: ['a', 'b'], mode: 'automatic' } as unknown as RelationshipPolicy

function stored(id: string, more: Partial<Job> = {}): StoredJob {
  const job: Job = {
    job: id,
    kind: 'ReplicateScope',
    automatic: false,
    slot: 'a-b',
    relationship: 'a-b',
    source: 'a',
    scopes: [SCOPE],
    cause: { kind: 'request', actor: 'bob' },
    createdAt: '2026-01-01T00:00:00.000Z',
    attempts: 1,
    waits: 0,
    ...more,
  }
  return { job, revision: 1 }
}

type World = {
  readonly side?: string
  /** What the ledger has of the held job. */
  readonly held?: Pick<Outcome, 'scopes'>
  readonly add?: (rejected: Rejections) => void
}

function worldOf({ side = 'a', held, add = () => {} }: World) {
  const finals: Outcome[] = []
  const lock = { lost: new AbortController().signal, mayWrite: () => true } as unknown as Lock
  const parts = {
    fleet: { authorityOf: () => Promise.resolve({ kind: 'known', side, epoch: 1 }) },
    jobs: {
      finalOf: () => Promise.resolve(held),
      finish: (_: Job, outcome: Outcome) => Promise.resolve(void finals.push(outcome)),
    },
    rejections: { add: async (_: string, rejected: Rejections) => add(rejected) },
    logger: createLogger({ service: 'test', level: 'silent' }),
  } as unknown as ActsOptions
  return { acts: createActs(parts), finals, lock }
}

const reject = (id: string) => stored(id, { act: { kind: 'reject', of: 'HELD' } })
const row = { scope: SCOPE, status: 'held' as const, code: 'foreign-edit', message: '' }

test('an act that fails unexpectedly keeps no other job from its turn', async () => {
  const world = worldOf({
    held: { scopes: [{ ...row, before: 't', after: 's' }] },
    add: () => {
      throw new Error('too large')
    },
  })
  const { left, failures } = await world.acts.first([reject('R1'), stored('J2')], POLICY, world.lock)
  assert.deepEqual(
    left.map(({ job }) => job.job),
    ['J2'],
  )
  assert.match(String(failures), /too large/)
  assert.deepEqual(world.finals, [])
})

test('what is rejected is what was shown', async () => {
  const added: Rejections[] = []
  const add = (rejected: Rejections) => void added.push(rejected)
  const shown = worldOf({ held: { scopes: [{ ...row, before: 't', after: 's' }] }, add })
  await shown.acts.first([reject('R1')], POLICY, shown.lock)
  assert.equal(shown.finals[0]?.status, 'done')
  const { source, target, job } = added[0]?.[SCOPE] ?? {}
  assert.deepEqual([source, target, job], ['s', 't', 'HELD'])

  // The ledger had to cut the contents: nobody knows what was meant, so what is there now is not rejected in its place.
  const cut = worldOf({ held: { scopes: [row] }, add })
  await cut.acts.first([reject('R2')], POLICY, cut.lock)
  assert.deepEqual([cut.finals[0]?.status, cut.finals[0]?.scopes?.[0]?.code], ['refused', 'unknown-scope'])
  assert.deepEqual(added[1], {})
})

test('what the other side proposed is not rejected after the authority moved: the pair would be the wrong way round', async () => {
  const added: Rejections[] = []
  const world = worldOf({
    side: 'b',
    held: { scopes: [{ ...row, before: 't', after: 's' }] },
    add: (one) => void added.push(one),
  })
  await world.acts.first([reject('R1')], POLICY, world.lock)
  assert.deepEqual([world.finals[0]?.status, world.finals[0]?.code, added], ['refused', 'not-authoritative', []])
})
