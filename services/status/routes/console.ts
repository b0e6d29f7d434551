// The console: a few files without a build step, read once at start.

import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { App } from '#status/app.ts'

/** Nothing from elsewhere, nothing inline, no frames, no forms. */
export const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
} as const

const FOLDER = new URL('../console/', import.meta.url)
const FILES = readdirSync(FOLDER).filter((file) => extname(file) in TYPES)

export function consoleRoutes(app: App): void {
  for (const file of FILES) {
    const body = readFileSync(new URL(file, FOLDER))
    const url = file === 'index.html' ? '/' : `/${file}`
    app.get(url, { schema: { summary: `The console: ${file}` } }, (_request, reply) => {
      reply.type(TYPES[extname(file) as keyof typeof TYPES])
      reply.header('content-security-policy', CONTENT_SECURITY_POLICY).header('cache-control', 'no-cache')
      return reply.send(body)
    })
  }
}
