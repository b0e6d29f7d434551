// The console: three files without a build step, read once at start.

import { readFileSync } from 'node:fs'
import type { App } from '#status/app.ts'

/** Nothing from elsewhere, nothing inline, no frames, no forms. */
export const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const FILES = [
  { url: '/', file: 'index.html', type: 'text/html; charset=utf-8', summary: 'The console' },
  { url: '/console.js', file: 'console.js', type: 'text/javascript; charset=utf-8', summary: 'Its script' },
  { url: '/console.css', file: 'console.css', type: 'text/css; charset=utf-8', summary: 'Its style' },
  { url: '/icon.svg', file: 'icon.svg', type: 'image/svg+xml', summary: 'Its icon' },
] as const

export function consoleRoutes(app: App): void {
  for (const { url, file, type, summary } of FILES) {
    const body = readFileSync(new URL(`../console/${file}`, import.meta.url))
    app.get(url, { schema: { summary } }, (_request, reply) => {
      reply.type(type).header('content-security-policy', CONTENT_SECURITY_POLICY).header('cache-control', 'no-cache')
      return reply.send(body)
    })
  }
}
