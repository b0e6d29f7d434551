// A real Redis for one test: own port, own directory, nothing persisted over `kill -9`.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { startProcess, type TestProcess } from './processes.ts'

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly process: TestProcess
  /** SIGKILL: locks and everything else are forgotten. */
  kill9(): Promise<void>
  restart(): Promise<void>
  /** Stops and removes its directory, unless the directory was given. */
  stop(): Promise<void>
}

export async function startRedis(
  options: { readonly dir?: string; readonly port?: number } = {},
): Promise<RedisServer> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'twinscope-redis-')))
  const port = options.port ?? (await freePort())
  const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', dir, '--save', '']
  const server = await startProcess('redis-server', args, {
    name: 'redis-server',
    readyWhen: (line) => line.includes('Ready to accept connections'),
  })
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    process: server,
    async kill9() {
      await server.kill('SIGKILL')
    },
    restart: () => server.restart(),
    async stop() {
      // A stopped (SIGSTOP) server does not see SIGTERM.
      await server.kill('SIGKILL')
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true })
    },
  }
}
