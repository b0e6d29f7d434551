// services/status/README.md has every endpoint of the HTTP API with what it does, and no other; the CLI asks for
// nothing that is none of them.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { createApi } from '#cli/api-client.ts'
import { type AppParts, buildApp } from '#status/app.ts'
import type { OpenApi } from '#status/openapi.ts'

const readme = readFileSync(join(import.meta.dirname, '..', '..', 'services', 'status', 'README.md'), 'utf8')

async function documentedPaths(): Promise<OpenApi['paths']> {
  // Routes are only declared here; nothing of what they work with is touched.
  const app = buildApp({} as AppParts)
  const { paths } = (await app.inject('/documentation/json')).json() as OpenApi
  await app.close()
  return paths
}

test('every endpoint', async () => {
  const paths = await documentedPaths()
  const expected = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { summary }]) =>
      path.startsWith('/v1/') ? [`${method.toUpperCase()} ${path} | ${summary}`] : [],
    ),
  )
  const documented = readme
    .split('\n')
    .flatMap((line) => /^\| `([A-Z]+ \/v1\/[^`]*)` *\| (.*?) *\|$/.exec(line) ?? [])
    .filter((_, index) => index % 3 !== 0)
  const rows = documented.flatMap((cell, index) => (index % 2 === 0 ? [`${cell} | ${documented[index + 1]}`] : []))

  assert.ok(expected.length > 20)
  assert.deepEqual(rows.toSorted(), expected.toSorted())
})

test('every request of the CLI goes to an endpoint', async () => {
  const asked: string[] = []
  // Each call fails at once with a problem; only where it went counts.
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${new URL(request.url ?? '', 'http://status').pathname}`)
    response.writeHead(404, { 'content-type': 'application/problem+json' })
    response.end(JSON.stringify({ type: 'urn:twinscope:problem:not-found', title: 'No', status: 404, detail: 'no' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const api = createApi({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
  const calls = Object.values(api).filter((one) => typeof one === 'function') as ((...args: unknown[]) => unknown)[]
  const anything = ['x', ['x'], 'etag']
  for (const call of calls) await assert.rejects(async () => await call(...anything))
  // The two that have the whole fleet as their other form.
  for (const call of [api.pause, api.resume] as typeof calls)
    await assert.rejects(async () => await call(undefined, ['x']))
  server.closeAllConnections()
  server.close()

  const known = Object.entries(await documentedPaths()).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const isKnown = (request: string) =>
    known.some((one) => new RegExp(`^${one.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`).test(request))
  assert.equal(asked.length, calls.length + 2)
  assert.deepEqual(
    asked.filter((request) => !isKnown(request)),
    [],
  )
})
