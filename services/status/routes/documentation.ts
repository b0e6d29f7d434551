// OpenAPI 3.1 from the same schemas that validate, and a plain page for people.
// It collects routes as they are declared, so it must be the first to be set up.

import type { RouteOptions } from 'fastify'
import type { App } from '#status/app.ts'
import { type DocumentedRoute, documentationPage, openApiOf } from '#status/openapi.ts'
import { CONTENT_SECURITY_POLICY } from './console.ts'

export function documentationRoutes(app: App): void {
  const routes: DocumentedRoute[] = []
  app.addHook('onRoute', (route: RouteOptions) => {
    for (const method of [route.method].flat()) {
      if (method === 'HEAD' || method === 'OPTIONS') continue
      routes.push({ method, url: route.url, schema: (route.schema ?? {}) as DocumentedRoute['schema'] })
    }
  })
  app.get('/documentation', { schema: { summary: 'This API for people' } }, (_request, reply) => {
    reply.type('text/html; charset=utf-8').header('content-security-policy', CONTENT_SECURITY_POLICY)
    return documentationPage(openApiOf(routes))
  })
  app.get('/documentation/json', { schema: { summary: 'This API as an OpenAPI 3.1 document' } }, (_request, reply) => {
    reply.type('application/json; charset=utf-8')
    return JSON.stringify(openApiOf(routes))
  })
}
