import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'

/** The CLI on a terminal of its own (`script` makes one); `input` is typed when the question is there. */
async function onTerminal(input: string): Promise<{ readonly code: number | null; readonly shown: string }> {
  const main = join(import.meta.dirname, 'main.ts')
  // Nobody listens at the discard port, so that a yes is told from a no without a service.
  const command = `${process.execPath} ${main} claim-server dhcp2 --url http://127.0.0.1:9`
  const child = spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
  let shown = ''
  let typed = false
  child.stdout.on('data', (data) => {
    shown += data
    if (typed || !shown.includes('[y/N]')) return
    typed = true
    child.stdin.write(input)
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, shown }
}

test('yes is yes; enter, no, Ctrl-C and Ctrl-D are no, and leave no stack behind', { timeout: 120_000 }, async () => {
  const yes = await onTerminal('y\r')
  assert.deepEqual([yes.code, /cannot be reached/.test(yes.shown)], [1, true], yes.shown)
  for (const input of ['\r', 'no\r', '\u0003', '\u0004']) {
    const no = await onTerminal(input)
    assert.deepEqual([no.code, /Nothing was changed\./.test(no.shown)], [1, true], no.shown)
    assert.doesNotMatch(no.shown, /\.ts:\d|Error|unsettled/)
  }
})
