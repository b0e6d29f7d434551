// A gate with a real journal over a server in memory, for the unit tests of the gate.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { DEFAULT_POLICY, type RelationshipPolicy } from '#contracts/configuration.ts'
import type { GateAnswer, GateRequests, GateResponses, ManifestRow } from '#contracts/gate.ts'
import { matchRelationships } from '#contracts/relationships.ts'
import { contentOf, type ScopeContent } from '#dhcp/fingerprint.ts'
import type { Scope } from '#dhcp/scope.ts'
import { FakeServer } from './fake-driver.ts'
import { createGate, type Gate, type GateOptions } from './gate.ts'
import { openJournal } from './journal.ts'

export const A = '10.0.1.0/24'
export const B = '10.0.2.0/24'
export const relationship = 'dhcp1-dhcp2'
export const never = new AbortController().signal

const policy: RelationshipPolicy = {
  ...DEFAULT_POLICY,
  name: relationship,
  servers: ['dhcp1', 'dhcp2'],
  authority: 'dhcp1',
  mode: 'automatic',
  quietPeriodMs: 0,
}

/** Gates over one server and one journal file; each `start` is a new process as far as they know. */
export function setUp(
  context: TestContext,
  server = 'dhcp2',
  more: Partial<GateOptions> & { readonly policy?: Partial<RelationshipPolicy> } = {},
) {
  const { policy: change, ...settings } = more
  const policies = [{ ...policy, ...change }]
  const directory = mkdtempSync(join(tmpdir(), 'gate-'))
  const dhcp = new FakeServer()
  const logger = { info() {}, warn() {}, error() {} }
  let journal = openJournal(join(directory, 'journal.sqlite'))
  context.after(() => {
    journal.close()
    rmSync(directory, { recursive: true })
  })
  const start = (): Gate => {
    journal.close()
    journal = openJournal(join(directory, 'journal.sqlite'))
    const gate = createGate({
      server,
      driver: dhcp.driver(),
      journal,
      installation: 'test',
      exclusive: false,
      logger,
      ...settings,
      relationships: (discovered) => matchRelationships(server, policies, discovered),
    })
    return gate
  }
  return { dhcp, start, journal: () => journal, policies }
}

export async function ok<K extends keyof GateRequests>(
  gate: Gate,
  op: K,
  request: GateRequests[K],
): Promise<GateResponses[K]> {
  const answer = (await gate.handle(op, request)) as GateAnswer<GateResponses[K]>
  if ('error' in answer) throw new Error(`${answer.error.code}: ${answer.error.message}`)
  return answer.ok
}

export async function codeOf<K extends keyof GateRequests>(
  gate: Gate,
  op: K,
  request: GateRequests[K],
): Promise<string> {
  const answer = await gate.handle(op, request)
  return 'error' in answer ? answer.error.code : 'ok'
}

export const prepared = (gate: Gate, epoch = 1) => ok(gate, 'prepare', { relationship, side: 'dhcp1', epoch, job: 'j' })

export type Change = { readonly scope: string; readonly from?: ScopeContent | undefined; readonly to?: Scope }

export function commitRequest(ticket: string, changes: readonly Change[], job = 'job'): GateRequests['commit'] {
  const scopes = changes.map(({ scope, from, to }) => ({
    scope,
    ...(from === undefined ? {} : { expected: from.fingerprint }),
    ...(to === undefined ? {} : { wanted: contentOf(to).fingerprint }),
  }))
  return { relationship, side: 'dhcp1', epoch: 1, ticket, job, scopes }
}

export async function stageAll(gate: Gate, ticket: string, changes: readonly Change[]): Promise<void> {
  const contents = changes.flatMap(({ scope, to }) => (to === undefined ? [] : [{ scope, ...contentOf(to) }]))
  await ok(gate, 'stage', { relationship, ticket, contents })
}

/** Prepare, stage and commit in one go. */
export async function write(gate: Gate, changes: readonly Change[], job = 'job') {
  const { ticket } = await prepared(gate)
  await stageAll(gate, ticket, changes)
  return await ok(gate, 'commit', commitRequest(ticket, changes, job))
}

export async function rowOf(gate: Gate, scope: string): Promise<ManifestRow | undefined> {
  const page = await ok(gate, 'manifest', { relationship, fresh: true })
  return page.rows.find((row) => row.scope === scope)
}
