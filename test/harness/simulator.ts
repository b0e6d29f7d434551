// The simulator process for one test, with the hand of "another tool" in `admin`.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSimulatorAdmin, type SimulatorAdmin } from '#simulator/admin-client.ts'
import { formatDescription, type SimulatorDescription } from '#simulator/description.ts'
import type { Ready } from '#simulator/ready.ts'
import { startProcess, type TestProcess } from './processes.ts'

export interface Simulator {
  readonly process: TestProcess
  readonly admin: SimulatorAdmin
  /** URL of a server's control endpoint. */
  control(server: string): string
  /** Files, write logs and installation ids. */
  readonly directory: string
  stop(): Promise<void>
}

export async function startSimulator(description: SimulatorDescription): Promise<Simulator> {
  const directory = await mkdtemp(join(tmpdir(), 'twinscope-simulator-'))
  const file = join(directory, 'description.json')
  await writeFile(file, formatDescription(description))
  const main = new URL('../../services/simulator/main.ts', import.meta.url).pathname
  const lines: Ready[] = []
  const server = await startProcess(process.execPath, [main, file, '--directory', directory], {
    name: 'simulator',
    readyTimeoutMs: 30_000,
    readyWhen: (line: string) => {
      if (!line.startsWith('{"msg":"ready"')) return false
      lines.push(JSON.parse(line))
      return true
    },
  })
  const ready = lines[0] as Ready
  return {
    process: server,
    admin: createSimulatorAdmin(ready.admin),
    directory,
    control(name) {
      const known = ready.servers[name]
      if (!known) throw new Error(`the simulator has no server ${name}`)
      return known.control
    },
    async stop() {
      await server.kill()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
