#!/usr/bin/env node
// Runs the CLI on the Node that came with the package: the system's may be too old for TypeScript.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const own = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))
const main = fileURLToPath(new URL('./main.ts', import.meta.url))
if (!existsSync(own)) {
  console.error(
    'twinscope: its packages are not installed; run `npm ci` (or `npm start`, which does it) in this folder first',
  )
  process.exit(1)
}
const ran = spawnSync(own, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
if (ran.error !== undefined) console.error(`twinscope: ${ran.error.message}`)
process.exitCode = ran.status ?? 1
