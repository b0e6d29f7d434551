// The control endpoint of one simulated server: what its driver talks to. It can be made to
// disappear from its port, and comes back on the same one.

import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { formatJson, type Json, parseJson } from '#dhcp/json.ts'
import {
  type ApplyRequest,
  CLIENT_HEADER,
  type ClaimRequest,
  CONTROL_PATHS,
  type ErrorAnswer,
  type LeasesAnswer,
  type LeasesRequest,
} from '#drivers/simulated/wire.ts'
import type { SimulatedServer } from './server.ts'

export type Endpoint = {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** Follows the fault `unreachable`. */
  update(): Promise<void>
  close(): Promise<void>
}

/** A Fastify instance whose bodies and answers are lossless JSON. */
export function createLosslessApp(): FastifyInstance {
  const app = Fastify({ forceCloseConnections: true, bodyLimit: 256 * 1024 * 1024 })
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_, text, done) => {
    try {
      done(null, text === '' ? {} : parseJson(String(text)))
    } catch (error) {
      done(Object.assign(error as Error, { statusCode: 400 }))
    }
  })
  app.setErrorHandler(async (error, _, reply) => {
    const { statusCode = 500, message } = error as Error & { statusCode?: number }
    const body: ErrorAnswer = { error: message }
    return reply.code(statusCode).send(body)
  })
  return app
}

/** Answers with lossless JSON. */
export function answer(reply: FastifyReply, value: unknown): FastifyReply {
  return reply.type('application/json').send(formatJson(value as Json))
}

export async function openControl(
  server: SimulatedServer,
  options: { port: number; hints: boolean },
): Promise<Endpoint> {
  let app: FastifyInstance | undefined = createControlApp(server, options.hints)
  const url = await app.listen({ host: '127.0.0.1', port: options.port })
  const port = Number(new URL(url).port)
  return {
    url,
    async update() {
      if (server.faults.unreachable) {
        await app?.close()
        app = undefined
      } else if (app === undefined) {
        app = createControlApp(server, options.hints)
        await app.listen({ host: '127.0.0.1', port })
      }
    },
    async close() {
      await app?.close()
    },
  }
}

function createControlApp(server: SimulatedServer, hints: boolean): FastifyInstance {
  const app = createLosslessApp()
  const streams = new Set<() => void>()
  app.addHook('onRequest', async () => {
    if (server.faults.delayMs) await sleep(server.faults.delayMs)
  })
  app.addHook('preClose', async () => {
    for (const end of streams) end()
  })

  app.get(CONTROL_PATHS.probe, async (_, reply) => answer(reply, server.probe()))

  app.get(CONTROL_PATHS.configuration, async (_, reply) => {
    const text = formatJson(server.configuration() as unknown as Json)
    return reply.type('application/json').send(server.faults.truncateReads ? text.slice(0, text.length / 2) : text)
  })

  app.post<{ Body: ApplyRequest }>(CONTROL_PATHS.apply, async (request, reply) => {
    const lost = server.faults.loseNextWrite
    if (lost) {
      delete server.faults.loseNextWrite
      return leaveUnanswered(reply, lost)
    }
    const { writes, readToken } = request.body
    const edited = server.faults.editBeforeNextWrite
    if (edited) {
      delete server.faults.editBeforeNextWrite
      server.write('admin', [{ scope: edited.key, wanted: edited }])
    }
    const result = server.write(String(request.headers[CLIENT_HEADER] ?? 'unknown'), writes, readToken)
    const swallowed = server.faults.swallowNextAnswer
    if (swallowed) {
      delete server.faults.swallowNextAnswer
      return leaveUnanswered(reply, swallowed)
    }
    if (server.faults.answerDelayMs) await sleep(server.faults.answerDelayMs)
    return answer(reply, result)
  })

  app.post(CONTROL_PATHS.persist, async (_, reply) => answer(reply, server.persist()))

  app.post<{ Body: ClaimRequest }>(CONTROL_PATHS.claim, async (request, reply) =>
    answer(reply, server.claim(request.body.installation, request.body.replace)),
  )

  app.post<{ Body: LeasesRequest }>(CONTROL_PATHS.leases, async (request, reply) =>
    answer(reply, { addresses: server.leasesIn(request.body.scope) } satisfies LeasesAnswer),
  )

  if (hints) {
    app.get(CONTROL_PATHS.hints, (_, reply) => {
      reply.hijack()
      const { raw } = reply
      raw.writeHead(200, { 'content-type': 'text/plain' })
      raw.flushHeaders()
      const stop = server.onChange((what) => raw.write(`${what}\n`))
      const end = () => raw.end()
      streams.add(end)
      raw.on('close', () => {
        stop()
        streams.delete(end)
      })
    })
  }
  return app
}

function leaveUnanswered(reply: FastifyReply, how: 'reset' | 'hang'): FastifyReply {
  reply.hijack()
  if (how === 'reset') reply.raw.socket?.resetAndDestroy()
  return reply
}
