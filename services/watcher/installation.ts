// The id of this installation. The gate leaves it at each DHCP server, so that a second Twinscope
// finds that the server is already written to.

import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Reads `<state directory>/installation`; makes it, once, where it is not there. */
export function installationId(stateDirectory: string): string {
  mkdirSync(stateDirectory, { recursive: true })
  const file = join(stateDirectory, 'installation')
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, `${crypto.randomUUID()}\n`)
  try {
    // A link is made whole or not at all: of two processes that start together, one id counts for both.
    linkSync(draft, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
  return readFileSync(file, 'utf8').trim()
}
