import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isFree, openPorts } from './ports.ts'

const dir = mkdtempSync(join(tmpdir(), 'twinscope-ports-'))
after(() => rmSync(dir, { recursive: true, force: true }))

test('a port is remembered for the next run, and replaced where somebody else has it by then', async () => {
  const file = join(dir, 'ports.json')
  const port = await openPorts(file).take('nats-server')
  assert.equal(await openPorts(file).take('nats-server'), port)
  assert.notEqual(await openPorts(file).take('redis-server'), port)

  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
  assert.equal(await isFree(port), false)
  const replaced = await openPorts(file).take('nats-server')
  assert.notEqual(replaced, port)
  assert.equal(await openPorts(file).take('nats-server'), replaced)
  await new Promise((resolve) => other.close(resolve))
})
