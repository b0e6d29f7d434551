// `npm run bench`: prints one JSON line per measurement and a table.

import { parseArgs } from 'node:util'
import { benchLatency } from './latency.ts'

const HELP = `npm run bench [-- --changes N] [--scopes N]

  Measures edit → verified partner on a sample pair of real Kea servers with quiet period 0,
  next to the raw Kea calls that it cannot avoid, in the same run.

  --changes N   measured changes (default 50)
  --scopes N    scopes of the pair (default 20)`

function count(text: string | undefined, fallback: number, name: string): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${name} must be a whole number from 1 on, not "${text}"`)
  return value
}

const { values } = parseArgs({
  options: { changes: { type: 'string' }, scopes: { type: 'string' }, help: { type: 'boolean' } },
})
if (values.help) {
  process.stdout.write(`${HELP}\n`)
} else {
  const rows = await benchLatency({
    changes: count(values.changes, 50, 'changes'),
    scopes: count(values.scopes, 20, 'scopes'),
    onProgress: (line) => process.stderr.write(`${line}\n`),
  })
  for (const row of rows) process.stdout.write(`${JSON.stringify({ bench: 'latency', ...row })}\n`)
  const width = Math.max(...rows.map(({ name }) => name.length))
  process.stdout.write(`\n${''.padEnd(width)}  ${'p50'.padStart(9)}  ${'p95'.padStart(9)}\n`)
  for (const { name, p50Ms, p95Ms, note } of rows) {
    process.stdout.write(
      `${name.padEnd(width)}  ${`${p50Ms.toFixed(1)} ms`.padStart(9)}  ${`${p95Ms.toFixed(1)} ms`.padStart(9)}  ${note}\n`,
    )
  }
}
