import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openPart, type PartOptions } from './processes.ts'

const dir = mkdtempSync(join(tmpdir(), 'twinscope-processes-'))
after(() => rmSync(dir, { recursive: true, force: true }))

let count = 0
function part(script: string, options: Partial<PartOptions> = {}) {
  count += 1
  return openPart({
    name: `part-${count}`,
    command: process.execPath,
    args: ['-e', script],
    logFile: join(dir, `part-${count}.log`),
    readyLine: (line) => (line.startsWith('ready') ? { line } : undefined),
    ...options,
  })
}

/** Whether the process runs; a zombie that nobody has collected yet does not. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function untilGone(pid: number): Promise<void> {
  for (let i = 0; i < 200 && runs(pid); i += 1) await delay(10)
  assert.equal(runs(pid), false, `process ${pid} still runs`)
}

const STAYS = 'console.log("ready"); setInterval(() => {}, 1000)'

test('a part is ready when its output says so, and stopped when it is told to', async () => {
  const subject = part(STAYS)

  assert.deepEqual(await subject.start(), { line: 'ready' })
  const pid = subject.pid ?? 0
  assert.ok(runs(pid))

  await subject.stop()
  assert.equal(runs(pid), false)
  assert.equal(subject.pid, undefined)
  assert.match(readFileSync(subject.logFile, 'utf8'), /ready/)
})

test('a killed part comes back, and says so', async () => {
  const notices: string[] = []
  const subject = part(STAYS, { onNotice: (notice) => notices.push(notice) })
  await subject.start()
  const before = subject.pid

  await subject.kill()
  await subject.ready()

  assert.notEqual(subject.pid, before)
  assert.equal(subject.crashes, 1)
  assert.match(notices[0] ?? '', /ended \(SIGKILL\); starting it again in 0.25 s/)
  await subject.stop()
})

test('a part that ends before it was ready fails the start with its last words and is not started again', async () => {
  const subject = part('console.error("no such file"); process.exit(3)')

  await assert.rejects(subject.start(), /exit code 3.*\n.*no such file/)
  await delay(400)
  assert.equal(subject.pid, undefined)
})

test('a part that takes too long to become ready is killed', async () => {
  const subject = part('setInterval(() => {}, 1000)', { readyWithinMs: 200 })

  await assert.rejects(subject.start(), /not ready after 0.2 s/)
  await subject.stop()
  assert.equal(subject.pid, undefined)
})

test('a part that ignores SIGTERM is killed after its grace', async () => {
  const subject = part(`process.on('SIGTERM', () => {}); ${STAYS}`, { graceMs: 100 })
  await subject.start()
  const pid = subject.pid ?? 0

  await subject.stop()
  assert.equal(runs(pid), false)
})

test('stopping during the pause before a restart leaves it stopped', async () => {
  const subject = part(STAYS)
  await subject.start()
  await subject.kill()
  await subject.stop()
  await delay(400)
  assert.equal(subject.pid, undefined)
})

test('what a part has started goes with it', async () => {
  const subject = part(`
    const child = require('node:child_process').spawn('sleep', ['60'], { stdio: 'ignore' })
    console.log('ready ' + child.pid); setInterval(() => {}, 1000)`)
  const { line } = await subject.start()
  const grandchild = Number(String(line).split(' ')[1])
  assert.ok(runs(grandchild))

  await subject.stop()
  await untilGone(grandchild)
})

test('parts die with a parent that is killed', async () => {
  const script = join(dir, 'parent.ts')
  writeFileSync(
    script,
    `import { openPart } from ${JSON.stringify(join(import.meta.dirname, 'processes.ts'))}
     const part = openPart({ name: 'child', command: process.execPath, args: ['-e', ${JSON.stringify(STAYS)}],
       logFile: ${JSON.stringify(join(dir, 'orphan.log'))}, readyLine: (line) => line === 'ready' ? {} : undefined })
     await part.start()
     console.log(part.pid)`,
  )
  const parent = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface({ input: parent.stdout }), 'line')
  const pid = Number(line)
  assert.ok(runs(pid))

  parent.kill('SIGKILL')
  await untilGone(pid)
})
