// The OpenAPI 3.1 document of the routes. TypeBox schemas are JSON Schema 2020-12, so they go in as they are;
// schemas with a title become components.

import { PROBLEM_TYPE_PREFIX, PROBLEMS } from '#contracts/problems.ts'

type JsonSchema = { readonly [key: string]: unknown }

export type DocumentedRoute = {
  readonly method: string
  /** Fastify's form, `/v1/replications/:job`. */
  readonly url: string
  readonly schema: {
    readonly summary?: string
    readonly description?: string
    readonly params?: JsonSchema
    readonly querystring?: JsonSchema
    readonly headers?: JsonSchema
    readonly body?: JsonSchema
    readonly response?: Readonly<Record<string, JsonSchema>>
  }
}

type Operation = {
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  readonly parameters: readonly JsonSchema[]
  readonly requestBody?: JsonSchema
  readonly responses: Readonly<Record<string, JsonSchema>>
}
export type OpenApi = {
  readonly openapi: '3.1.0'
  readonly info: JsonSchema
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, unknown>> }
}

const STATUS_TEXT: Record<string, string> = {
  '200': 'Done',
  '202': 'Accepted and stored; the Location header names the replication',
  '400': 'The request is not understood',
  '204': 'Done; nothing to say',
  '401': 'A token is needed',
  '404': 'Not known; `near` has names like it',
  '409': 'The names are known but do not fit together',
  '412': 'It is not what was looked at',
  '422': 'The idempotency key belongs to another request',
  '428': 'The plan, or the state, has to be looked at first',
  '502': 'A DHCP server could not be read',
  '503': 'Not now; `detail` or `missing` says why',
}

function operationId(method: string, url: string): string {
  const words = url.split(/[/:.-]+/).filter((word) => word !== '' && word !== 'v1')
  return [method.toLowerCase(), ...words.map((word) => word.charAt(0).toUpperCase() + word.slice(1))].join('')
}

export function openApiOf(routes: readonly DocumentedRoute[]): OpenApi {
  const schemas: Record<string, unknown> = {}
  /** A titled schema becomes a component, inside others too. */
  function placed(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(placed)
    if (typeof value !== 'object' || value === null) return value
    const inner = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, placed(member)]))
    const { title } = value as { readonly title?: unknown }
    if (typeof title !== 'string' || !('type' in value)) return inner
    schemas[title] = inner
    return { $ref: `#/components/schemas/${title}` }
  }
  function parametersOf(where: 'path' | 'query' | 'header', schema: JsonSchema | undefined): readonly JsonSchema[] {
    if (schema === undefined) return []
    const required = new Set(schema.required as readonly string[] | undefined)
    return Object.entries((schema.properties ?? {}) as Record<string, JsonSchema>).map(([name, property]) => ({
      name,
      in: where,
      required: where === 'path' || required.has(name),
      ...(property.description === undefined ? {} : { description: property.description }),
      schema: placed(property),
    }))
  }
  function mediaType(url: string, status: string, schema: JsonSchema | undefined): JsonSchema {
    if (schema?.title === 'Problem') return { 'application/problem+json': { schema: placed(schema) } }
    if (schema !== undefined) return { 'application/json': { schema: placed(schema) } }
    const type = url.endsWith('/events') || url === '/v1/live' ? 'text/event-stream' : 'text/plain'
    return status === '200' ? { [type]: { schema: { type: 'string' } } } : {}
  }

  const paths: Record<string, Record<string, Operation>> = {}
  for (const { method, url, schema } of routes) {
    const path = url.replace(/:(\w+)/g, '{$1}')
    const declared: Readonly<Record<string, JsonSchema | undefined>> = schema.response ?? {}
    const responses = Object.keys(declared).some((status) => status.startsWith('2'))
      ? declared
      : { '200': undefined, ...declared }
    paths[path] ??= {}
    paths[path][method.toLowerCase()] = {
      operationId: operationId(method, url),
      summary: schema.summary ?? '',
      ...(schema.description === undefined ? {} : { description: schema.description }),
      parameters: [
        ...parametersOf('path', schema.params),
        ...parametersOf('query', schema.querystring),
        ...parametersOf('header', schema.headers),
      ],
      ...(schema.body === undefined
        ? {}
        : { requestBody: { required: true, content: { 'application/json': { schema: placed(schema.body) } } } }),
      responses: Object.fromEntries(
        Object.entries(responses).map(([status, response]) => [
          status,
          { description: STATUS_TEXT[status] ?? status, content: mediaType(url, status, response) },
        ]),
      ),
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Twinscope status API',
      version: '1',
      description: 'Keeps the scopes of DHCP failover partners identical. Errors are RFC 9457 problem details.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
    components: { schemas },
  }
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char)
}

/** One plain page: every operation, its parameters and answers, and every problem type. */
export function documentationPage(document: OpenApi): string {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => {
      const parameters = operation.parameters.map((parameter) => {
        const text = parameter.description === undefined ? '' : `: ${parameter.description}`
        return `<li><code>${escapeHtml(String(parameter.name))}</code> <small>${parameter.in}${parameter.required === true ? ', required' : ''}</small>${escapeHtml(text)}</li>`
      })
      const responses = Object.entries(operation.responses).map(
        ([status, response]) => `<li><code>${status}</code> ${escapeHtml(String(response.description))}</li>`,
      )
      return `<article class="card doc"><h2><span class="method">${method.toUpperCase()}</span> <code>${escapeHtml(path)}</code></h2>
<p>${escapeHtml(operation.summary)}. ${escapeHtml(operation.description ?? '')}</p>
${parameters.length === 0 ? '' : `<h3>Parameters</h3><ul>${parameters.join('')}</ul>`}
<h3>Answers</h3><ul>${responses.join('')}</ul></article>`
    }),
  )
  const problems = Object.entries(PROBLEMS).map(
    ([code, { status, title }]) =>
      `<tr><td><code>${PROBLEM_TYPE_PREFIX}${code}</code></td><td>${status}</td><td>${escapeHtml(title)}</td></tr>`,
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · Twinscope</title><link rel="stylesheet" href="/console.css"><link rel="icon" href="/icon.svg"></head>
<body><main class="page"><h1>Twinscope status API</h1>
<p>The same as an OpenAPI 3.1 document: <a href="/documentation/json">/documentation/json</a>. Back to the <a href="/">console</a>.</p>
${operations.join('\n')}
<article class="card doc"><h2>Problems</h2><p>Every error is <code>application/problem+json</code> (RFC 9457) with one of these types.</p>
<div class="scroll"><table><thead><tr><th scope="col">type</th><th scope="col">status</th><th scope="col">title</th></tr></thead><tbody>${problems.join('')}</tbody></table></div></article>
</main></body></html>`
}
