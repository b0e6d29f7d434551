import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { Snapshot } from '#drivers/driver.ts'
import { aScope } from './fake-driver.ts'
import { openJournal } from './journal.ts'
import { observationOf } from './observation.ts'

const A = '10.0.1.0/24'
const B = '10.0.2.0/24'
const r = 'dhcp1-dhcp2'
const T1 = '2026-01-01T00:00:00.000Z'
const T2 = '2026-06-01T00:00:00.000Z'
const one = contentOf(aScope(A, 1))
const two = contentOf(aScope(A, 2))
const contents = new Map<string, string>([one, two].map(({ fingerprint, text }) => [fingerprint, text]))
const intent = { scope: A, preImage: one.fingerprint, wanted: two.fingerprint }

function path(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'journal-'))
  context.after(() => rmSync(directory, { recursive: true }))
  return join(directory, 'below', 'journal.sqlite')
}

/** Runs code with an open journal in another process and kills it, without warning, after so many lines of output. */
async function killed(file: string, code: string, afterLines: number): Promise<readonly string[]> {
  const script = `
    import { writeSync } from 'node:fs'
    import { openJournal } from ${JSON.stringify(new URL('./journal.ts', import.meta.url).href)}
    const journal = openJournal(${JSON.stringify(file)})
    const say = (line) => writeSync(1, line + '\\n')
    ${code}
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line)
    if (lines.length === afterLines) child.kill('SIGKILL')
  }
  await exited
  return lines
}

test('kill -9 between begin and end leaves the commit open, with pre-image and wanted content', async (context) => {
  const file = path(context)
  await killed(
    file,
    `journal.storeAuthority('${r}', { epoch: 3, side: 'dhcp1' }, '${T1}')
     journal.begin({ job: 'job', relationship: '${r}', epoch: 3, intents: ${JSON.stringify([intent, { scope: B, wanted: one.fingerprint }])},
       settled: [{ scope: '10.0.9.0/24', result: 'unchanged' }], serialAbove: 7 }, new Map(${JSON.stringify([...contents])}), '${T1}')
     journal.mark('written')
     say('begun')`,
    1,
  )

  const journal = openJournal(file)
  context.after(() => journal.close())
  assert.deepEqual(journal.openCommit(), {
    job: 'job',
    relationship: r,
    epoch: 3,
    intents: [intent, { scope: B, wanted: one.fingerprint }],
    settled: [{ scope: '10.0.9.0/24', result: 'unchanged' }],
    serialAbove: 7,
  })
  assert.deepEqual(journal.authorities(), { [r]: { epoch: 3, side: 'dhcp1' } })
  assert.equal(journal.result(r, 'job'), 'open')
  assert.deepEqual(journal.preImage(r, 'job', A), { content: one, wanted: two.fingerprint, at: T1 })
  const serial = journal.end({ job: 'job', relationship: r, epoch: 3, results: [], serialAbove: 7 }, [], new Map(), T2)
  assert.equal(serial, 8)
  assert.equal(journal.openCommit(), undefined)
})

test('kill -9 while epochs are stored: every epoch that was acknowledged is there', async (context) => {
  const file = path(context)
  const lines = await killed(
    file,
    `for (let epoch = 1; epoch < 100000; epoch++) { journal.storeAuthority('${r}', { epoch, side: 'dhcp1' }, ''); say(String(epoch)) }`,
    50,
  )
  const journal = openJournal(file)
  context.after(() => journal.close())
  const stored = journal.authorities()[r]?.epoch ?? 0
  assert.ok(stored >= Number(lines.at(-1)), `${stored} is stored, ${lines.at(-1)} was acknowledged`)
})

test('kill -9 while commits end: bases and results are always of the same commit', async (context) => {
  const file = path(context)
  await killed(
    file,
    `const contents = new Map(${JSON.stringify([...contents])})
     const prints = [...contents.keys()]
     for (let round = 0; round < 100000; round++) {
       const fingerprint = prints[round % 2]
       const commit = { job: 'j' + round, relationship: '${r}', epoch: 1 }
       journal.begin({ ...commit, intents: [{ scope: '${A}', wanted: fingerprint }], settled: [] }, contents, '${T1}')
       journal.end({ ...commit, results: [{ scope: '${A}', result: 'written', wanted: fingerprint }] }, [{ scope: '${A}', fingerprint }], contents, '${T1}')
       say(String(round))
     }`,
    40,
  )
  const journal = openJournal(file)
  context.after(() => journal.close())
  const base = journal.bases.of(r).get(A)
  assert.ok(base)
  const result = journal.result(r, `j${base.serial - 1}`)
  assert.ok(result !== undefined && result !== 'open')
  assert.deepEqual(result.results, [
    { scope: A, result: 'written', wanted: base.fingerprint, baseEpoch: 1, baseSerial: base.serial },
  ])
  assert.ok([undefined, 'open'].includes(journal.result(r, `j${base.serial}`) as undefined | 'open'))
})

test('a content that nobody gave is refused, and nothing of the commit is begun', (context) => {
  const journal = openJournal(path(context))
  context.after(() => journal.close())
  const commit = { job: 'job', relationship: r, epoch: 1, intents: [intent], settled: [] }
  assert.throws(() => journal.begin(commit, new Map(), T1), /lacks the content/)
  assert.equal(journal.openCommit(), undefined)
})

test('old results and contents go; bases and what is younger stay', (context) => {
  const journal = openJournal(path(context))
  context.after(() => journal.close())
  const commit = { job: 'old', relationship: r, epoch: 1 }
  journal.begin({ ...commit, intents: [intent], settled: [] }, contents, T1)
  const results = [{ scope: A, result: 'written' as const, wanted: two.fingerprint }]
  journal.end({ ...commit, results }, [{ scope: A, fingerprint: two.fingerprint }], contents, T1)

  journal.prune(T1)
  assert.ok(journal.result(r, 'old'))
  journal.prune(T2)

  assert.equal(journal.result(r, 'old'), undefined)
  assert.deepEqual([journal.content(one.fingerprint), journal.content(two.fingerprint)], [undefined, two.text])
  assert.equal(journal.bases.of(r).get(A)?.fingerprint, two.fingerprint)
  assert.equal(journal.bases.isEarlier(r, A, one.fingerprint), true, 'what was replaced is still known as earlier')
})

test('what is known of scopes that are gone, and old contents, goes; the newest before each base stays', (context) => {
  const file = path(context)
  const journal = openJournal(file)
  context.after(() => journal.close())
  const agree = (scope: string, lifetime: number | undefined, at: string) => {
    const content = lifetime === undefined ? undefined : contentOf(aScope(scope, lifetime))
    const texts = new Map<string, string>(content === undefined ? [] : [[content.fingerprint, content.text]])
    journal.bases.agree(r, 1, [{ scope, ...(content && { fingerprint: content.fingerprint }) }], texts, at)
  }
  const wasEarlier = (lifetime: number) => journal.bases.isEarlier(r, A, contentOf(aScope(A, lifetime)).fingerprint)
  const gone = '10.0.7.0/24'
  const last = '10.0.8.0/24'
  for (const lifetime of [1, 2, 3]) agree(A, lifetime, T1)
  for (const lifetime of [5, undefined]) agree(gone, lifetime, T1)
  agree(B, 1, T1)
  agree(B, undefined, T2)
  agree(last, undefined, T1)

  journal.prune(T1)
  assert.deepEqual([wasEarlier(1), wasEarlier(2), journal.bases.of(r).size], [true, true, 4])
  const serial = journal.bases.lastSerial(r)
  journal.prune(T2)

  assert.deepEqual([wasEarlier(1), wasEarlier(2)], [false, true])
  assert.deepEqual([...journal.bases.of(r).keys()], [A, B, last], 'the newest serial stays, for the next to be higher')
  assert.equal(journal.bases.lastSerial(r), serial)
  const other = new DatabaseSync(file, { readOnly: true })
  context.after(() => other.close())
  assert.equal(other.prepare('SELECT count(*) AS rows FROM base_history WHERE scope = ?').get(gone)?.rows, 0)

  // What is the base now is remembered when it is replaced, and what was replaced lately is not old.
  agree(A, 4, T2)
  agree(A, 2, T2)
  agree(A, 5, T2)
  journal.prune(T2)
  assert.deepEqual([wasEarlier(2), wasEarlier(3), wasEarlier(4)], [true, true, true])
})

test('a scope that is gone is forgotten after its deletion was published, and not before', (context) => {
  const file = path(context)
  const journal = openJournal(file)
  context.after(() => journal.close())
  const read = (revision: number, readAt: string, keys: readonly string[]) => {
    const scopes = new Map(keys.map((key) => [aScope(key).key, aScope(key)]))
    const snapshot: Snapshot = {
      instance: 'first',
      readAt,
      version: 'Fake 1',
      scopes,
      unreplicable: new Map(),
      relationships: [],
      provides: new Set(),
      native: null,
    }
    journal.seen.record(observationOf(snapshot, revision, () => []))
  }
  read(1, T1, [A, B])
  read(2, T1, [A])
  journal.prune(T2)
  assert.equal(journal.seen.of(B)?.since, T1)
  journal.seen.published(aScope(B).key, undefined)
  journal.prune(T1)
  assert.equal(journal.seen.of(B)?.since, T1)
  journal.prune(T2)
  assert.deepEqual(
    [...journal.seen.entries()].map(([scope]) => scope),
    [A],
  )
  const again = openJournal(file)
  context.after(() => again.close())
  assert.deepEqual(
    [...again.seen.entries()].map(([scope]) => scope),
    [A],
  )
})

test('a scope is dirty until a base is set for it', (context) => {
  const journal = openJournal(path(context))
  context.after(() => journal.close())
  const dirty = { scope: A, result: 'held' as const, code: 'dirty', message: 'why' }
  journal.end({ job: 'j', relationship: r, epoch: 1, results: [dirty] }, [], contents, T1)
  assert.deepEqual([...journal.marks.dirty(r)], [[A, 'why']])
  journal.bases.agree(r, 1, [{ scope: A, fingerprint: one.fingerprint }], contents, T1)
  assert.deepEqual([...journal.marks.dirty(r)], [])
})

test('agreeing again on the same content is no new content; a base is never numbered below the one before', (context) => {
  const journal = openJournal(path(context))
  context.after(() => journal.close())
  const agree = (fingerprint: string, serial?: number) =>
    journal.bases.agree(r, 1, [{ scope: A, fingerprint, ...(serial === undefined ? {} : { serial }) }], contents, T1)
  assert.equal(agree(one.fingerprint, 8).serial, 8)
  assert.equal(agree(one.fingerprint, 8).serial, 8)
  assert.equal(journal.bases.isEarlier(r, A, one.fingerprint), false)
  assert.equal(agree(two.fingerprint, 3).serial, 9)
  assert.equal(journal.bases.isEarlier(r, A, one.fingerprint), true)
  assert.equal(journal.bases.lastSerial(r), 9)
})

test('the journal is a write-ahead log, so that readers do not hold up the gate', (context) => {
  const file = path(context)
  const journal = openJournal(file)
  context.after(() => journal.close())
  const other = new DatabaseSync(file, { readOnly: true })
  context.after(() => other.close())
  assert.equal(other.prepare('PRAGMA journal_mode').get()?.journal_mode, 'wal')
})
