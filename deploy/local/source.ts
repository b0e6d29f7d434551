// Where the programs of this checkout are.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** The checkout. */
export const ROOT = join(import.meta.dirname, '..', '..')

/** The full path of a file of this checkout. */
export function sourceFile(path: string): string {
  return join(ROOT, path)
}

/** The Node that runs the TypeScript sources: the one from the npm packages, else the one that runs us. */
export function nodeProgram(): string {
  const own = join(ROOT, 'node_modules', 'node', 'bin', 'node')
  return existsSync(own) ? own : process.execPath
}
