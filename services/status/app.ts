// Builds the HTTP application; main listens. Everything it needs comes in as an argument.

import { type TypeBoxTypeProvider, TypeBoxValidatorCompiler } from '@fastify/type-provider-typebox'
import fastify from 'fastify'
import { PROBLEMS } from '#contracts/problems.ts'
import type { Logger } from '#telemetry/logger.ts'
import type { Telemetry } from '#telemetry/register.ts'
import type { Live } from './live.ts'
import type { Known } from './names.ts'
import type { PlanGates } from './plans.ts'
import { asProblem, ProblemError, problemOf } from './problems.ts'
import type { Projection } from './projection.ts'
import type { Requests } from './requests.ts'
import { consoleRoutes } from './routes/console.ts'
import { documentationRoutes } from './routes/documentation.ts'
import { operationRoutes } from './routes/operations.ts'
import { planRoutes } from './routes/plans.ts'
import { relationshipRoutes } from './routes/relationships.ts'
import { replicationRoutes } from './routes/replications.ts'

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
  readonly live: Live
  readonly isConnected: () => boolean
  /** What is missing until the service can do its work; empty: nothing. */
  readonly missing: () => readonly string[]
  readonly telemetry: Pick<Telemetry, 'metrics'>
  readonly logger: Logger
  /** Bearer token that POST requests must carry. Absent: none is asked for. */
  readonly token?: string
}

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
    const problem = asProblem(error)
    if (PROBLEMS[problem.code].status >= 500) {
      parts.logger.error({ error, method: request.method, url: request.url }, 'a request failed')
    }
    const body = problemOf(problem, request.url)
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
  planRoutes(app, parts)
  replicationRoutes(app, parts)
  operationRoutes(app, parts)
  consoleRoutes(app)
  return app
}
