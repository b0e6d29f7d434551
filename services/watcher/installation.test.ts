import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { installationId } from './installation.ts'

test('an installation keeps its id, and another one has another', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'twinscope-installation-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const [here, elsewhere] = [join(directory, 'here'), join(directory, 'elsewhere')]
  const id = installationId(here)

  assert.match(id, /^[0-9a-f-]{36}$/)
  assert.equal(installationId(here), id)
  assert.notEqual(installationId(elsewhere), id)
  assert.deepEqual(readdirSync(here), ['installation'])
})
