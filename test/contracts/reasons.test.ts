// Every reason that the code can give is explained where operators look.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PENDING_REASONS } from '#contracts/job.ts'

const ROOT = join(import.meta.dirname, '..', '..')

function sources(folder: string): readonly string[] {
  return readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(ROOT, folder, file), 'utf8'))
}

test('the reference of reasons knows every code', () => {
  const reference = readFileSync(join(ROOT, 'services/replicator/README.md'), 'utf8')
  const codes = new Set<string>(PENDING_REASONS)
  const folders = ['libs/plan', 'libs/protocol', 'libs/drivers/kea', 'services/replicator']
  for (const text of folders.flatMap(sources)) {
    for (const [, code] of text.matchAll(/code: '([a-z-]+)'/g)) codes.add(code as string)
  }
  assert.ok(codes.size > 30, `only ${codes.size} codes were found; is the pattern still right?`)
  const missing = [...codes].filter((code) => code !== 'input-changed' && !reference.includes(`\`${code}\``))
  assert.deepEqual(missing, [])
})
