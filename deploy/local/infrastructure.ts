// NATS and Redis as children of ours, each with its own directory and port; or those that are given.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Ports } from './ports.ts'
import { openPart, type Part } from './processes.ts'
import { findProgram } from './programs.ts'

export type InfrastructureOptions = {
  readonly dataDir: string
  readonly ports: Ports
  readonly onNotice: (notice: string) => void
}

/** A server that we use: ours with its process, somebody else's without. */
export type Endpoint = { readonly url: string; readonly part?: Part }

function programOf(name: string): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`${name} is not installed`)
  return path
}

/** NATS with JetStream; what it stores stays in the data directory between runs. */
export async function startNats(given: string | undefined, options: InfrastructureOptions): Promise<Endpoint> {
  if (given !== undefined) return { url: given }
  const { dataDir, ports, onNotice } = options
  const port = await ports.take('nats-server')
  const store = join(dataDir, 'nats')
  mkdirSync(store, { recursive: true })
  const part = openPart({
    name: 'nats-server',
    command: programOf('nats-server'),
    args: ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', store],
    logFile: join(dataDir, 'logs', 'nats-server.log'),
    readyLine: (line) => (line.includes('Server is ready') ? {} : undefined),
    onNotice,
  })
  return { url: `nats://127.0.0.1:${port}`, part }
}

/** Redis without persistence: it holds locks, and their loss costs time only. */
export async function startRedis(given: string | undefined, options: InfrastructureOptions): Promise<Endpoint> {
  if (given !== undefined) return { url: given }
  const { dataDir, ports, onNotice } = options
  const port = await ports.take('redis-server')
  const dir = join(dataDir, 'redis')
  mkdirSync(dir, { recursive: true })
  const part = openPart({
    name: 'redis-server',
    command: programOf('redis-server'),
    args: [
      '--bind',
      '127.0.0.1',
      '--port',
      String(port),
      '--dir',
      dir,
      '--save',
      '',
      '--appendonly',
      'no',
      '--daemonize',
      'no',
    ],
    logFile: join(dataDir, 'logs', 'redis-server.log'),
    readyLine: (line) => (line.includes('Ready to accept connections') ? {} : undefined),
    onNotice,
  })
  return { url: `redis://127.0.0.1:${port}`, part }
}
