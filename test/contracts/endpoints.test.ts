// services/status/README.md has every endpoint of the HTTP API with what it does, and no other.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type AppParts, buildApp } from '#status/app.ts'
import type { OpenApi } from '#status/openapi.ts'

const readme = readFileSync(join(import.meta.dirname, '..', '..', 'services', 'status', 'README.md'), 'utf8')

test('every endpoint', async () => {
  // Routes are only declared here; nothing of what they work with is touched.
  const app = buildApp({} as AppParts)
  const { paths } = (await app.inject('/documentation/json')).json() as OpenApi
  await app.close()
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
