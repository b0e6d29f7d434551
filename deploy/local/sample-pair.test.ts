import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { JsonObject } from '#dhcp/json.ts'
import { keaCommandOk } from './kea-control.ts'
import { openPorts } from './ports.ts'
import { haState, type SamplePair, startSamplePair } from './sample-pair.ts'
import { manySubnets } from './sample-scopes.ts'

const root = mkdtempSync(join(tmpdir(), 'twinscope-pair-'))
after(() => rmSync(root, { recursive: true, force: true }))

async function withPair(
  dir: string,
  use: (pair: SamplePair) => Promise<void>,
  options: Partial<Parameters<typeof startSamplePair>[0]> = {},
): Promise<void> {
  const pair = await startSamplePair({ dir, ports: openPorts(join(root, 'ports.json')), ...options })
  try {
    await pair.steady()
    await use(pair)
  } finally {
    await pair.stop()
  }
}

async function subnetsOf(socket: string): Promise<readonly JsonObject[]> {
  const { Dhcp4 } = await keaCommandOk(socket, 'config-get')
  return (Dhcp4 as JsonObject).subnet4 as readonly JsonObject[]
}

test('a pair serves the same scopes and can write its own files', async () => {
  await withPair(join(root, 'plain'), async ({ servers: [first, second] }) => {
    assert.equal(await haState(first.controlSocket), 'hot-standby')
    assert.deepEqual(await subnetsOf(first.controlSocket), await subnetsOf(second.controlSocket))
    assert.equal((await subnetsOf(first.controlSocket)).length, 4)
    assert.doesNotMatch(readFileSync(first.configFile, 'utf8'), /(^|\s)(\/\/|#|\/\*)/)
    assert.equal(statSync(first.configFile).uid, process.getuid?.())

    await keaCommandOk(first.controlSocket, 'config-write')
    const response = await fetch(second.controlUrl, {
      method: 'POST',
      body: JSON.stringify({ command: 'status-get', service: ['dhcp4'] }),
      headers: { 'content-type': 'application/json' },
    })
    assert.equal(((await response.json()) as { result: number }[])[0]?.result, 0)
  })
})

test('a second run keeps the files, with comments, and follows ports that had to change', async () => {
  const dir = join(root, 'kept')
  let file = ''
  let port = 0
  await withPair(dir, async ({ servers: [first] }) => {
    file = first.configFile
    port = Number(new URL(first.controlUrl).port)
  })
  writeFileSync(file, `// mine\n${readFileSync(file, 'utf8').replace('reception', 'lobby')}`)
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve))
  try {
    await withPair(dir, async ({ servers: [first] }) => {
      assert.notEqual(Number(new URL(first.controlUrl).port), port)
      const text = readFileSync(file, 'utf8')
      assert.match(text, /^\/\/ mine\n/)
      assert.match(text, /lobby/)
    })
  } finally {
    await new Promise((resolve) => other.close(resolve))
  }
})

test('a directory too deep for a unix socket gets its sockets elsewhere, and they are removed', async () => {
  const dir = join(root, 'deep'.repeat(30))
  mkdirSync(dir)
  let socket = ''
  await withPair(dir, async ({ servers: [first] }) => {
    socket = first.controlSocket
    assert.ok(socket.length < 108)
    assert.equal((await subnetsOf(socket)).length, 4)
  })
  assert.throws(() => statSync(socket), { code: 'ENOENT' })
})

test('a pair can have as many scopes as wanted, in either mode', async () => {
  const subnets = manySubnets(300)
  await withPair(
    join(root, 'many'),
    async ({ servers: [first] }) => {
      assert.equal((await subnetsOf(first.controlSocket)).length, 300)
      assert.equal(await haState(first.controlSocket), 'load-balancing')
    },
    { subnets, mode: 'load-balancing' },
  )
})
