// Whether the service lives, is ready, and what it measures.

import { type Static, Type } from 'typebox'
import type { App, AppParts } from '#status/app.ts'

export const Readiness = Type.Object(
  { ready: Type.Boolean(), missing: Type.Array(Type.String()) },
  { title: 'Readiness' },
)
export type Readiness = Static<typeof Readiness>

export function operationRoutes(app: App, parts: AppParts): void {
  app.get(
    '/livez',
    { schema: { summary: 'The process answers', response: { 200: Type.Object({ alive: Type.Boolean() }) } } },
    () => ({ alive: true }),
  )

  app.get(
    '/readyz',
    {
      schema: {
        summary: 'NATS is connected and the view has caught up; else says what is missing',
        response: { 200: Readiness, 503: Readiness },
      },
    },
    (_request, reply) => {
      const missing = parts.missing()
      reply.code(missing.length === 0 ? 200 : 503)
      return { ready: missing.length === 0, missing: [...missing] }
    },
  )

  app.get('/metrics', { schema: { summary: 'Metrics in the text form of Prometheus' } }, async (_request, reply) => {
    reply.type('text/plain; version=0.0.4; charset=utf-8')
    return await parts.telemetry.metrics()
  })
}
