// Every command that a sentence tells an operator to type is there, with the options that it names.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Decision } from '#plan/decide.ts'
import { explain, heldMessage } from '#plan/why.ts'

const COMMANDS = join(import.meta.dirname, '..', '..', 'services', 'cli', 'commands')

const HOLDS: Readonly<Record<Extract<Decision, { kind: 'hold' }>['code'], true>> = {
  regressed: true,
  conflict: true,
  'foreign-edit': true,
  'first-contact': true,
  deleted: true,
  dirty: true,
  unreplicable: true,
  restored: true,
  rejected: true,
}

test('the ways out of a hold are commands of the CLI', () => {
  const limit = { code: 'too-many-deletes', message: 'too many', approvable: true }
  const texts = [
    ...Object.keys(HOLDS).map((code) =>
      explain({ kind: 'hold', code: code as keyof typeof HOLDS }, { scope: '10.0.0.0/24' }),
    ),
    explain({ kind: 'show', code: 'only-on-partner' }),
    explain({ kind: 'show', code: 'deleted' }),
    heldMessage({ code: 'changed', obstacles: [limit] }),
  ]
  const named = texts.flatMap((text) => [...text.matchAll(/`twinscope ([a-z-]+)([^`]*)`/g)])
  assert.ok(named.length > 12, `only ${named.length} commands are named`)
  for (const [line, command, rest = ''] of named) {
    const file = join(COMMANDS, `${command}.ts`)
    assert.ok(existsSync(file), `${line}: there is no such command`)
    const source = readFileSync(file, 'utf8')
    for (const [, option] of rest.matchAll(/--([a-z-]+)/g)) {
      assert.ok(source.includes(`--${option}`), `${line}: ${command} has no --${option}`)
    }
  }
})
