// The directory tree is the architecture: who may import whom, and what may not be there at all.
// The imports are read here and not by a tool: those that exist pass with nothing checked under TypeScript 7.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
const MAX_LINES = 300

/** From the bottom up. A folder may import those of lower rows; those of one row know nothing of each other. */
const LAYERS: readonly (readonly string[])[] = [
  ['libs/dhcp', 'libs/telemetry'],
  ['libs/plan'],
  ['libs/contracts'],
  ['libs/protocol', 'libs/drivers', 'libs/messaging', 'libs/locks', 'libs/service-host'],
  ['libs/gate'],
  ['services/watcher', 'services/replicator', 'services/status', 'services/cli', 'services/simulator'],
]

/** These put systems together and look at them from outside; they may import anything. */
const ABOVE_ALL = ['deploy', 'test']

/** Package → the one folder that may import it, so that replacing it is that folder's work. */
const ONLY_IN: Readonly<Record<string, string>> = {
  nats: 'libs/messaging',
  ioredis: 'libs/locks',
}

/** Pure folders: no packages, and of Node nothing that reaches outside. */
const PURE = ['libs/plan', 'libs/protocol']
const PURE_MODULES = new Set(['node:crypto'])

/** What everybody may see of the drivers; all else opens a writer or belongs to one. */
const OPEN_DRIVER_FILES = new Set(['#drivers/driver.ts', '#drivers/simulated/wire.ts'])
const OPENS_DRIVERS = new Set(['libs/drivers', 'services/watcher'])

const FORBIDDEN_FOLDERS = new Set(['utils', 'util', 'helpers', 'common', 'shared', 'core'])

type Aliases = Readonly<Record<string, string>>

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { readonly imports: Aliases }

/** Module names that a file imports or re-exports, types included; `undefined` for one that is not a plain string. */
function importsOf(text: string): (string | undefined)[] {
  const code = text.replaceAll(/^\s*(\/\/|\*|\/\*).*$/gm, '')
  const found: (string | undefined)[] = []
  // Biome puts every import and export at the beginning of a line.
  for (const match of code.matchAll(/^(?:import|export)\b[^'"`;]*?\bfrom\s+['"]([^'"]+)['"]/gm)) found.push(match[1])
  for (const match of code.matchAll(/^import\s+['"]([^'"]+)['"]/gm)) found.push(match[1])
  for (const match of code.matchAll(/\b(?:import|require)\(\s*(?:['"]([^'"]+)['"]\s*\))?/g)) found.push(match[1])
  return found
}

/** `libs/plan` for `libs/plan/diff.ts`, `test` for anything in `test`. */
function folderOf(path: string): string {
  const [first = '', second = ''] = path.split('/')
  return ABOVE_ALL.includes(first) ? first : `${first}/${second}`
}

function resolveImport(name: string, file: string): string | undefined {
  if (name.startsWith('.')) return join(dirname(file), name)
  if (!name.startsWith('#')) return undefined
  for (const [alias, target] of Object.entries(manifest.imports)) {
    const prefix = alias.replace('*', '')
    if (name.startsWith(prefix)) return join(target.replace('*', ''), name.slice(prefix.length))
  }
  return undefined
}

function layerOf(folder: string): number {
  return ABOVE_ALL.includes(folder) ? LAYERS.length : LAYERS.findIndex((layer) => layer.includes(folder))
}

function problemOf(file: string, name: string | undefined): string | undefined {
  const folder = folderOf(file)
  if (ABOVE_ALL.includes(folder)) return undefined
  if (name === undefined) return 'imports something whose name is computed'
  const target = resolveImport(name, file)
  if (target === undefined) {
    if (name.startsWith('#')) return `imports ${name}, which is no alias of package.json`
    const owner = ONLY_IN[name.split('/')[0] ?? '']
    if (owner !== undefined && owner !== folder) return `imports ${name}; only ${owner} may`
    if (PURE.includes(folder) && !file.endsWith('.test.ts') && !PURE_MODULES.has(name))
      return `imports ${name}; ${folder} is pure`
    return undefined
  }
  const other = folderOf(target)
  if (other === folder) return undefined
  if (!name.startsWith('#')) return `leaves its folder with ${name}; use the alias`
  if (layerOf(other) < 0) return `imports ${other}, which is in no layer`
  if (layerOf(other) >= layerOf(folder)) return `imports ${other}, which is not below it`
  if (other === 'libs/drivers' && !OPENS_DRIVERS.has(folder) && !OPEN_DRIVER_FILES.has(name)) {
    return `imports ${name}; only the watcher opens DHCP servers`
  }
  return undefined
}

/** What is wrong with one file, in words. */
function violationsOf(file: string, text: string): string[] {
  const folder = folderOf(file)
  const found = importsOf(text).flatMap((name) => problemOf(file, name) ?? [])
  if (layerOf(folder) < 0) found.push(`is in ${folder}, which is in no layer`)
  if (file.endsWith('/index.ts')) found.push('is a barrel')
  for (const part of dirname(file).split('/')) {
    if (FORBIDDEN_FOLDERS.has(part)) found.push(`is in a folder named ${part}; a function lives with its noun`)
  }
  const lines = text.trimEnd().split('\n').length
  // A test is read one case at a time.
  if (!ABOVE_ALL.includes(folder) && !file.endsWith('.test.ts') && lines > MAX_LINES)
    found.push(`has ${lines} lines; ${MAX_LINES} are the limit`)
  return found.map((problem) => `${file} ${problem}`)
}

function sourceFiles(): string[] {
  return ['libs', 'services', 'deploy', 'test']
    .filter((folder) => existsSync(join(ROOT, folder)))
    .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /\.(ts|tsx|mjs)$/.test(entry.name))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => !path.includes('node_modules/') && !path.includes('/dist/'))
}

test('imports point downwards, and files are where and as large as they should be', () => {
  const violations = sourceFiles().flatMap((file) => violationsOf(file, readFileSync(join(ROOT, file), 'utf8')))
  assert.deepEqual(violations, [])
})

test('every layer is there and was looked at', () => {
  const files = sourceFiles()
  for (const folder of LAYERS.flat()) {
    assert.ok(
      files.some((file) => file.startsWith(`${folder}/`)),
      `found no file in ${folder}`,
    )
  }
  const read = files.flatMap((file) => importsOf(readFileSync(join(ROOT, file), 'utf8')))
  assert.ok(
    read.length > files.length,
    `read ${read.length} imports in ${files.length} files; the reading must be broken`,
  )
})

test('every kind of import is read', () => {
  const text = [
    "import type { A } from 'a'",
    'import {',
    '  B,',
    "} from './b.ts'",
    "import 'c'",
    "export { D } from '#d/d.ts'",
    "export * from 'e'",
    "const f = await import('f')",
    'const g = await import(name)',
    "// import { H } from 'h'",
    'const text = \'taken from "i"\'',
  ].join('\n')
  assert.deepEqual(importsOf(text).toSorted(), ['#d/d.ts', './b.ts', 'a', 'c', 'e', 'f', undefined])
})

const FORBIDDEN: readonly (readonly [file: string, text: string, problem: RegExp])[] = [
  ['libs/plan/a.ts', "import { b } from '#contracts/b.ts'", /not below/],
  ['libs/plan/a.ts', "import type { B } from '#contracts/b.ts'", /not below/],
  ['libs/plan/a.ts', "import { readFileSync } from 'node:fs'", /is pure/],
  ['libs/locks/a.ts', "import { b } from '#messaging/b.ts'", /not below/],
  ['libs/locks/a.ts', "import { b } from '../messaging/b.ts'", /use the alias/],
  ['libs/locks/a.ts', "import { b } from '#nowhere/b.ts'", /no alias/],
  ['libs/gate/a.ts', "import { connect } from 'nats'", /only libs\/messaging may/],
  ['libs/gate/a.ts', "import { freePort } from '#harness/free-port.ts'", /not below/],
  ['services/status/a.ts', "import { b } from '#watcher/b.ts'", /not below/],
  ['services/status/a.ts', "const b = await import('#replicator/b.ts')", /not below/],
  ['services/replicator/a.ts', "import { openDriver } from '#drivers/open.ts'", /only the watcher/],
  ['services/status/a.ts', 'await import(name)', /computed/],
  ['services/status/index.ts', '', /barrel/],
  ['services/status/utils/a.ts', '', /folder named utils/],
  ['services/other/a.ts', '', /no layer/],
  ['libs/plan/a.ts', '\n'.repeat(400).concat('end'), /401 lines/],
]

test('what is forbidden is found', () => {
  for (const [file, text, problem] of FORBIDDEN) {
    const found = violationsOf(file, text)
    assert.ok(
      found.some((violation) => problem.test(violation)),
      `${file}: ${text.trim()} → ${found}`,
    )
  }
})

const ALLOWED: readonly (readonly [file: string, text: string])[] = [
  ['libs/gate/a.ts', "import { b } from '#drivers/driver.ts'"],
  ['services/watcher/a.ts', "import { openDriver } from '#drivers/open.ts'"],
  ['services/cli/commands/a.ts', "import { b } from '../api-client.ts'"],
  ['libs/messaging/a.ts', "import { connect } from 'nats'"],
  ['test/system/a.ts', "import { openDriver } from '#drivers/open.ts'"],
]

test('what is allowed passes', () => {
  for (const [file, text] of ALLOWED) assert.deepEqual(violationsOf(file, text), [])
})
