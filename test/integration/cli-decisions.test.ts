// Deciding by command line on the whole system: real NATS, Redis, services, and simulated DHCP servers that
// somebody else edits meanwhile. Questions are answered by the test in place of a terminal.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { runCommand } from '#cli/fake-service.ts'
import type { RelationshipDetail, Replication, ReplicationList } from '#contracts/status-api.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { type System, startSystem } from '#harness/system.ts'
import { createSimulatorAdmin, type SimulatorAdmin } from '#simulator/admin-client.ts'
import { samplePair } from '#simulator/description.ts'

const [SIM1, SIM2] = ['sim1.example.net', 'sim2.example.net'] as const
const REL = 'sim1-sim2'
let system: System
let admin: SimulatorAdmin
let scopes: readonly ScopeKey[]

before(async () => {
  // Six scopes, so that one that changes is below the share that a run may change; ten reservations for the limits.
  const description = samplePair({ scopes: 6, reservations: 10 })
  system = await startSystem({ dhcp: { kind: 'simulated', description } })
  const { simulator } = system.local.dhcp
  assert.ok(simulator)
  admin = createSimulatorAdmin(simulator.admin)
  scopes = (await admin.scopes(SIM1)).map(({ key }) => key)
})
after(async () => await system?.stop())

const cli = (args: readonly string[], ...says: readonly (boolean | undefined)[]) =>
  runCommand(args, String(system.local.console), says)
const rename =
  (name: string) =>
  (scope: Scope): Scope => ({ ...scope, properties: { ...scope.properties, name } })
const nameAt = async (server: string, scope: ScopeKey) => (await admin.scope(server, scope)).properties.name
const idOf = (scope: ScopeKey) => scope.slice(0, scope.indexOf('/'))
const SLOW = { timeoutMs: 30_000 }

function scopeAt(index: number): ScopeKey {
  const scope = scopes[index]
  assert.ok(scope)
  return scope
}

async function waitFor(scope: ScopeKey, code: string): Promise<void> {
  await eventually(
    async () => {
      const { scopes: views } = await system.get<RelationshipDetail>(`/v1/relationships/${REL}`)
      assert.equal(views.find((view) => view.scope === scope)?.code, code)
    },
    { ...SLOW, what: `${scope} is ${code}` },
  )
}

/** The newest replication of this scope with this status. */
async function newest(scope: ScopeKey, status: Replication['status'], act = 'replicate'): Promise<Replication> {
  return await eventually(
    async () => {
      const { items } = await system.get<ReplicationList>(`/v1/replications?relationship=${REL}&status=${status}`)
      return items.find((item) => item.act === act && item.scopeIds.includes(idOf(scope))) ?? false
    },
    { ...SLOW, what: `a ${status} replication of ${scope}` },
  )
}

async function editPartner(scope: ScopeKey, name: string): Promise<string> {
  await admin.editScope(SIM2, scope, rename(name))
  await waitFor(scope, 'foreign-edit')
  return (await newest(scope, 'held')).job
}

test('a held edit of the partner: shown with both sides, approved by a yes, overwritten', async () => {
  const scope = scopeAt(0)
  const was = await nameAt(SIM1, scope)
  const job = await editPartner(scope, 'edited there')
  const conflicts = await cli(['conflicts', REL])
  assert.equal(conflicts.exit, 4, conflicts.err)
  assert.match(conflicts.out, /sim1\.example\.net, the authoritative side: unchanged/)
  assert.match(conflicts.out, /sim2\.example\.net: changed since .*\n {6}~ name: .* → edited there/)
  assert.ok(conflicts.out.includes(`twinscope approve ${job} --scope ${idOf(scope)} --side ${SIM2}`), conflicts.out)

  assert.equal((await cli(['approve', job], undefined)).exit, 2)
  assert.equal((await cli(['approve', job], false)).exit, 1)
  assert.equal(await nameAt(SIM2, scope), 'edited there')
  const approved = await cli(['approve', job, '--reason', 'ours counts'], true)
  assert.deepEqual([approved.exit, approved.out], [0, idOf(scope)], approved.err)
  assert.doesNotMatch(approved.err, /has changed since/)
  assert.equal(await nameAt(SIM2, scope), was)
  assert.equal((await newest(scope, 'replicated')).cause.reason, 'ours counts')
})

test("the partner's side is picked: it is written onto the authoritative side, and the authority stays", async () => {
  const scope = scopeAt(1)
  const job = await editPartner(scope, 'better there')
  const ran = await cli(['approve', job, '--scope', idOf(scope), '--side', 'sim2'], true)
  assert.equal(ran.exit, 0, ran.err)
  assert.match(ran.questions[0] ?? '', /on sim1\.example\.net with the settings of sim2\.example\.net/)
  assert.equal(await nameAt(SIM1, scope), 'better there')
  await waitFor(scope, 'echo')
  assert.equal((await system.relationship(REL)).authority?.side, SIM1)
})

test('a plan that is older than the newest edit is shown again and only then written', async () => {
  const scope = scopeAt(2)
  const job = await editPartner(scope, 'first edit')
  await admin.editScope(SIM2, scope, rename('second edit'))
  const ran = await cli(['approve', job], true)
  assert.equal(ran.exit, 0, ran.err)
  assert.match(ran.err, /The plan has changed since[\s\S]*second edit/)
})

test('a rejected edit is not proposed again, says who and why, and can still be approved', async () => {
  const scope = scopeAt(3)
  const job = await editPartner(scope, 'keep for now')
  const rejected = await cli(['reject', job, '--reason', 'tested there'])
  assert.equal(rejected.exit, 0, rejected.err)
  await waitFor(scope, 'rejected')
  const why = await cli(['status', REL, '--scope', idOf(scope)])
  assert.equal(why.exit, 3)
  assert.match(why.out, /rejected by .*: tested there/)
  assert.equal(await nameAt(SIM2, scope), 'keep for now')
  assert.equal((await cli(['approve', '--relationship', REL], true)).exit, 0)
  assert.notEqual(await nameAt(SIM2, scope), 'keep for now')
})

test('-Force passes no limit; the yes of a person does', async () => {
  const scope = scopeAt(4)
  const { reservations } = await admin.scope(SIM1, scope)
  await admin.editScope(SIM1, scope, (is) => ({ ...is, reservations: is.reservations.slice(0, 3) }))
  const { job } = await newest(scope, 'held')
  const forced = await cli([
    'Invoke-DhcpServerv4FailoverReplication',
    '-ComputerName',
    'sim1',
    '-ScopeId',
    idOf(scope),
    '-Force',
  ])
  assert.deepEqual([forced.exit, forced.out], [4, ''], forced.err)
  assert.equal((await admin.scope(SIM2, scope)).reservations.length, reservations.length)
  const approved = await cli(['approve', job], true)
  assert.equal(approved.exit, 0, approved.err)
  assert.match(approved.err, /7 of 10 reservations .*limit 30 %/)
  assert.equal((await admin.scope(SIM2, scope)).reservations.length, 3)
})

test('a replication is undone, stays undone, and is let through again by an approval', async () => {
  const scope = scopeAt(5)
  const was = await nameAt(SIM2, scope)
  await admin.editScope(SIM1, scope, rename('a mistake'))
  const { job } = await newest(scope, 'replicated')
  assert.equal((await cli(['restore', job, '--what-if'])).exit, 3)
  assert.equal(await nameAt(SIM2, scope), 'a mistake')
  const restored = await cli(['restore', job, '--reason', 'undo'], true)
  assert.deepEqual([restored.exit, restored.out], [0, idOf(scope)], restored.err)
  assert.equal(await nameAt(SIM2, scope), was)
  await waitFor(scope, 'restored')
  const why = await cli(['status', REL, '--why'])
  assert.match(why.out, new RegExp(`${idOf(scope)} {2}out-of-sync since .*\\n {4}restored by`))
  const approved = await cli(['approve', '--all'], true)
  assert.equal(approved.exit, 0, approved.err)
  assert.equal(await nameAt(SIM2, scope), 'a mistake')
  const both = await cli(['restore', job, '--both', '--force'])
  assert.equal(both.exit, 0, both.err)
  assert.deepEqual([await nameAt(SIM1, scope), await nameAt(SIM2, scope)], [was, was])
})

test('while it is paused changes wait, requests are refused, and the reason is told; resuming lets them go on', async () => {
  const scope = scopeAt(0)
  const paused = await cli(['pause', '--relationship', REL, '--for', '1h', '--reason', 'new disk'])
  assert.equal(paused.exit, 0, paused.err)
  await admin.editScope(SIM1, scope, rename('while paused'))
  await eventually(async () => assert.match((await cli(['status', '--why'])).out, /waits \(paused\)/), {
    ...SLOW,
    what: 'the job waits',
  })
  assert.match((await cli(['status', '--why'])).out, /sim1-sim2: paused until .*: new disk/)
  const refused = await cli(['replicate', '--server', 'sim1', '--force'])
  assert.equal(refused.exit, 4, refused.err)
  assert.match(refused.err, /: refused: .*paused.*new disk/)
  assert.notEqual(await nameAt(SIM2, scope), 'while paused')
  assert.match((await cli(['doctor'])).out, /warn {2}sim1-sim2: paused until/)
  assert.equal((await cli(['resume', '--relationship', REL])).exit, 0)
  await eventually(async () => assert.equal(await nameAt(SIM2, scope), 'while paused'), { ...SLOW, what: 'the copy' })
})

test('the authority moves with what it means, back with a request that takes it', async () => {
  const shown = await cli(['authority', 'show', REL])
  assert.match(shown.out, /sim1-sim2 +sim1\.example\.net/)
  const moved = await cli(['authority', 'move', REL, '--to', 'sim2', '--reason', 'sim1 is replaced'], true)
  assert.equal(moved.exit, 0, moved.err)
  assert.match(moved.err, /changes on sim2\.example\.net are copied to sim1\.example\.net/)
  assert.match((await cli(['authority', 'show'])).out, /sim1-sim2 +sim2\.example\.net/)

  const scope = scopeAt(1)
  assert.equal((await cli(['replicate', '--server', 'sim1', '--relationship', REL, '--force'])).exit, 5)
  const taken = await cli(['replicate', '--server', 'sim1', '--relationship', REL, '--take-authority'], true)
  assert.equal(taken.exit, 0, taken.err)
  assert.match(taken.questions[0] ?? '', /Make sim1\.example\.net the authoritative side of sim1-sim2/)
  await admin.editScope(SIM1, scope, rename('sim1 again'))
  await eventually(async () => assert.equal(await nameAt(SIM2, scope), 'sim1 again'), { ...SLOW, what: 'the copy' })
})

test('in the end nothing waits, and doctor finds nothing bad', async () => {
  await eventually(async () => assert.equal((await cli(['status'])).exit, 0), { ...SLOW, what: 'in sync' })
  assert.equal((await cli(['diff', REL])).exit, 0)
  assert.deepEqual((await cli(['conflicts'])).exit, 0)
  const doctor = await cli(['doctor'])
  assert.equal(doctor.exit, 0, doctor.out)
  const claimed = await cli(['claim-server', 'sim2'], true)
  assert.equal(claimed.exit, 0, claimed.err)
})
