// A tiny HTTP server for services that have none: is it alive, is it ready, what does it measure.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from '#telemetry/logger.ts'
import type { Telemetry } from '#telemetry/register.ts'

export type HealthOptions = {
  /** TCP port; 0 takes a free one. Default 0. */
  readonly port?: number
  /** Default `127.0.0.1`; `0.0.0.0` in containers. */
  readonly host?: string
  readonly telemetry: Telemetry
  /** Whether the service can do its work right now. */
  readonly isReady: () => boolean
  readonly logger: Logger
}

export type Health = {
  /** `http://127.0.0.1:40123` */
  readonly address: string
  close(): Promise<void>
}

/** `/livez` answers 200 while the event loop turns, `/readyz` 200 or 503, `/metrics` in Prometheus' text form. */
export async function startHealth(options: HealthOptions): Promise<Health> {
  const host = options.host ?? '127.0.0.1'
  const server = createServer((request, response) => {
    const answer = (status: number, text: string) => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(text)
    }
    switch (request.url?.split('?')[0]) {
      case '/livez':
        return answer(200, 'alive\n')
      case '/readyz':
        return options.isReady() ? answer(200, 'ready\n') : answer(503, 'not ready\n')
      case '/metrics':
        options.telemetry.metrics().then(
          (text) => answer(200, text),
          (error) => {
            options.logger.error({ error }, 'metrics cannot be collected')
            answer(500, 'metrics cannot be collected\n')
          },
        )
        return
      default:
        return answer(404, 'not found; there are /livez, /readyz and /metrics\n')
    }
  })
  server.listen(options.port ?? 0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    async close() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}
