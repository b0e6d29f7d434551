// The README is the reference of the command line: help, options and exit codes are held to the code.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { EXIT } from './exit-codes.ts'
import { COMMANDS } from './main.ts'

const readme = readFileSync(join(import.meta.dirname, 'README.md'), 'utf8')

test('the README has the help of every command, word for word, and of no other', () => {
  const blocks = [...readme.matchAll(/^### (\S+)\n\n```text\n([\s\S]*?)\n```$/gm)].map(([, name, help]) => [name, help])
  assert.deepEqual(Object.fromEntries(blocks), Object.fromEntries(COMMANDS.map(({ name, help }) => [name, help])))
})

test('the README names every command in its overview', () => {
  const overview = readme.slice(0, readme.indexOf('## Every command'))
  assert.deepEqual(
    COMMANDS.filter(({ name }) => !overview.includes(`twinscope ${name}`)).map(({ name }) => name),
    [],
  )
})

test('every option is in the help of its command, and every option of the help exists; there are examples', () => {
  for (const { name, options, help } of COMMANDS) {
    const described = [...help.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, option]) => option)
    assert.deepEqual([...described].sort(), Object.keys(options).sort(), name)
    assert.ok(help.includes(`\nExamples\n  twinscope ${name}`), name)
  }
})

test('every command says its exit codes, and 0, 1 and 2 always', () => {
  const known = Object.values(EXIT)
  for (const { name, help } of COMMANDS) {
    const [, text = ''] = /^Exit codes[^:\d]*:?([\s\S]*)$/m.exec(help) ?? []
    const codes = [...text.matchAll(/(?:^|[\s,])(\d)(?= )/g)].map(([, code]) => Number(code))
    assert.ok(codes.length > 0 && codes.every((code) => known.some((one) => one === code)), `${name}: ${codes}`)
    assert.deepEqual(codes.slice(0, 3), [0, 1, 2], `${name}: ${text}`)
  }
})

test('the table of exit codes has exactly those of the code', () => {
  const rows = [...readme.matchAll(/^\| (\d) +\|/gm)].map(([, code]) => Number(code))
  assert.deepEqual(rows, Object.values(EXIT))
})
