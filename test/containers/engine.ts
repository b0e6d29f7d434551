// Whether a container engine can be used here.

import { existsSync } from 'node:fs'
import { request } from 'node:http'

export type Engine = { readonly kind: 'present' } | { readonly kind: 'absent'; readonly reason: string }

/** Asks the engine at DOCKER_HOST, or at the usual socket, whether it is there. */
export async function findEngine(): Promise<Engine> {
  if (process.env.TWINSCOPE_CONTAINERS === 'elsewhere') {
    return { kind: 'absent', reason: 'TWINSCOPE_CONTAINERS=elsewhere: it runs in another step' }
  }
  const host = process.env.DOCKER_HOST ?? 'unix:///var/run/docker.sock'
  if (!host.startsWith('unix://')) return { kind: 'present' } // testcontainers will tell
  const socketPath = host.slice('unix://'.length)
  if (!existsSync(socketPath)) return { kind: 'absent', reason: `no container engine: ${socketPath} does not exist` }
  return await new Promise((resolve) => {
    const ping = request({ socketPath, path: '/_ping', timeout: 3_000 }, (response) => {
      response.resume()
      resolve(
        response.statusCode === 200
          ? { kind: 'present' }
          : { kind: 'absent', reason: `${host} answered ${response.statusCode}` },
      )
    })
    ping.on('timeout', () => ping.destroy(new Error('no answer')))
    ping.on('error', (error) => resolve({ kind: 'absent', reason: `${host}: ${error.message}` }))
    ping.end()
  })
}
