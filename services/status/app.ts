// Builds the HTTP application; main listens. Everything it needs comes in as an argument.

import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import fastify from 'fastify'
import { PROBLEMS } from '#contracts/problems.ts'
import type { Logger } from '#telemetry/logger.ts'
import type { Telemetry } from '#telemetry/register.ts'
import type { Live } from './live.ts'
import type { Known } from './names.ts'
import type { Pauses } from './pauses.ts'
import { asProblem, ProblemError, problemOf } from './problems.ts'
import type { Projection } from './projection.ts'
import type { PlanGates } from './read-sides.ts'
import type { Requests } from './requests.ts'
import { authorityRoutes } from './routes/authority.ts'
import { conflictRoutes } from './routes/conflicts.ts'
import { consoleRoutes } from './routes/console.ts'
import { decisionRoutes } from './routes/decisions.ts'
import { documentationRoutes } from './routes/documentation.ts'
import { operationRoutes } from './routes/operations.ts'
import { pauseRoutes } from './routes/pauses.ts'
import { planRoutes } from './routes/plans.ts'
import { relationshipRoutes } from './routes/relationships.ts'
import { replicationRoutes } from './routes/replications.ts'
import { serverRoutes } from './routes/servers.ts'

declare module 'fastify' {
  /** What the OpenAPI document is made of, beside the schemas. */
  interface FastifySchema {
    summary?: string
    description?: string
  }
}

export type AppParts = {
  readonly known: () => Known
  readonly projection: Projection
  readonly gates: PlanGates
  readonly requests: Requests
  readonly pauses: Pauses
  readonly live: Live
  readonly isConnected: () => boolean
  /** Throws `messaging-unavailable` where NATS is away; `what` cannot be done without it. */
  readonly requireMessaging: (what: string) => void
  /** What is missing until the service can do its work; empty: nothing. */
  readonly missing: () => readonly string[]
  readonly telemetry: Pick<Telemetry, 'metrics'>
  readonly logger: Logger
  /** Bearer token that whatever changes something must carry. Absent: none is asked for. */
  readonly token?: string
}

/** Seconds after which it is worth trying again when NATS is away: it is connected to again every few seconds. */
const RETRY_AFTER_SECONDS = 5
const BODY_LIMIT_BYTES = 256 * 1024

function newServer() {
  return fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    forceCloseConnections: true,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 300 },
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(TypeBoxValidatorCompiler)
}
export type App = ReturnType<typeof newServer>

export function buildApp(parts: AppParts): App {
  const app = newServer()

  app.setErrorHandler((error, request, reply) => {
    const { schema = {} } = request.routeOptions
    const { body: sent, query: querystring, params, headers } = request
    const asked = { schemas: schema as Record<string, unknown>, values: { body: sent, querystring, params, headers } }
    const problem = asProblem(error, asked)
    if (PROBLEMS[problem.code].status >= 500) {
      parts.logger.error({ error, method: request.method, url: request.url }, 'a request failed')
    }
    const body = problemOf(problem, request.url)
    if (problem.code === 'messaging-unavailable') reply.header('retry-after', RETRY_AFTER_SECONDS)
    return reply.code(body.status).type('application/problem+json').send(body)
  })
  app.setNotFoundHandler((request) => {
    throw new ProblemError('not-found', `there is no ${request.method} ${request.url}; see /documentation`)
  })
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff')
    reply.header('referrer-policy', 'no-referrer')
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })

  documentationRoutes(app)
  relationshipRoutes(app, parts)
  conflictRoutes(app, parts)
  authorityRoutes(app, parts)
  pauseRoutes(app, parts)
  serverRoutes(app, parts)
  planRoutes(app, parts)
  replicationRoutes(app, parts)
  decisionRoutes(app, parts)
  operationRoutes(app, parts)
  consoleRoutes(app)
  return app
}
