// A real nats-server with JetStream for one test: own port, own directory.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { freePort } from './free-port.ts'
import { startProcess, type TestProcess } from './processes.ts'

export interface NatsServer {
  readonly url: string
  readonly port: number
  readonly process: TestProcess
  /** SIGKILL: what was not yet written is lost, as with a crash. */
  kill9(): Promise<void>
  /** Starts again on the same port with the same store. */
  restart(): Promise<void>
  /** Stops, removes everything it has stored, and starts again. */
  wipe(): Promise<void>
  /** Stops and removes its directory, unless the directory was given. */
  stop(): Promise<void>
}

/** Resolves when something listens on the port. */
export async function listening(port: number): Promise<void> {
  await eventually(
    () =>
      new Promise<true>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1')
        socket.once('connect', () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', reject)
      }),
    { what: `something listens on port ${port}` },
  )
}

export type NatsOptions = {
  readonly dir?: string
  readonly port?: number
  /** Text of a configuration file, for what the command line cannot say. */
  readonly config?: string
}

export async function startNats(options: NatsOptions = {}): Promise<NatsServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'twinscope-nats-')))
  const port = options.port ?? (await freePort())
  const store = join(dir, 'jetstream')
  const configFile = join(dir, 'nats.conf')
  await writeFile(configFile, options.config ?? '')
  const args = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', store, '-c', configFile]
  const server = await startProcess('nats-server', args, {
    name: 'nats-server',
    readyWhen: (line) => line.includes('Server is ready'),
  })
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    process: server,
    async kill9() {
      await server.kill('SIGKILL')
    },
    restart: () => server.restart(),
    async wipe() {
      await server.kill('SIGKILL')
      await rm(store, { recursive: true, force: true })
      await server.restart()
    },
    async stop() {
      await server.kill()
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true })
    },
  }
}
