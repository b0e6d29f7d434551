// Simulated DHCP servers in a process of their own: for `npm start -- --simulate`, tests, faults
// and the benchmark. Prints one JSON line with `"msg":"ready"` and the addresses.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createAdminApp, type RunningServer } from './admin.ts'
import { openControl } from './control.ts'
import { readDescription, samplePair, sampleTriple } from './description.ts'
import type { Ready } from './ready.ts'
import { createServer } from './server.ts'

const USAGE = `Usage: node services/simulator/main.ts [DESCRIPTION.json|yaml] [options]
  --sample N         a pair with N scopes instead of a description (default 20)
  --triple           with --sample: three servers with two relationships
  --directory DIR    where files, logs and installation ids are kept (default: a temporary one)
  --admin-port PORT  port of the admin endpoint (default: a free one)`

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: 'string', default: '20' },
      triple: { type: 'boolean', default: false },
      directory: { type: 'string' },
      'admin-port': { type: 'string', default: '0' },
    },
  })
  const [file] = positionals
  const makeSample = values.triple ? sampleTriple : samplePair
  const description = file === undefined ? makeSample({ scopes: Number(values.sample) }) : await readDescription(file)
  const directory = values.directory ?? mkdtempSync(join(tmpdir(), 'twinscope-simulator-'))

  const running = new Map<string, RunningServer>()
  for (const described of description.servers) {
    const server = createServer(described, directory)
    const endpoint = await openControl(server, { port: described.port ?? 0, hints: described.hints ?? true })
    running.set(described.name, { server, endpoint })
  }
  const admin = createAdminApp(running)
  const address = await admin.listen({ host: '127.0.0.1', port: Number(values['admin-port']) })

  const stop = async () => {
    await admin.close()
    for (const { endpoint } of running.values()) await endpoint.close()
    if (values.directory === undefined) rmSync(directory, { recursive: true, force: true })
    process.exit(0)
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)

  const servers = Object.fromEntries(
    [...running].map(([name, { server, endpoint }]) => [
      name,
      { control: endpoint.url, log: server.log.file, file: server.file },
    ]),
  )
  const ready: Ready = { msg: 'ready', admin: address, directory, servers }
  process.stdout.write(`${JSON.stringify(ready)}\n`)
}

main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n${USAGE}\n`)
  process.exit(2)
})
