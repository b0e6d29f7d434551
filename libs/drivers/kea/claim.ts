// The installation id beside Kea's configuration: two installations of Twinscope must not write to one server.

import { randomUUID } from 'node:crypto'
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { type Claim, DriverError } from '../driver.ts'

const INSTALLATION_FILE = '.twinscope-installation'

/** Reads the id left at the server, or leaves ours where there is none. `replace`: ours in the place of any other. */
export async function claimInstallation(
  configFile: string | undefined,
  installation: string,
  replace = false,
): Promise<Claim> {
  if (configFile === undefined) return { kind: 'unsupported' }
  const file = path.join(path.dirname(configFile), INSTALLATION_FILE)
  const present = await ownerIn(file)
  if (present === installation || (present !== undefined && !replace)) return claimOf(present, installation)
  const fresh = `${file}.${randomUUID()}`
  try {
    await writeFile(fresh, `${installation}\n`)
    if (present !== undefined) {
      await rename(fresh, file)
      return { kind: 'ours', previous: present }
    }
    // A link is made or not made, also when two installations start at once.
    await link(fresh, file)
    return { kind: 'ours' }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const winner = await ownerIn(file)
    if (winner !== undefined && (!replace || winner === installation)) return claimOf(winner, installation)
    if (winner !== undefined) {
      throw new DriverError('access-denied', `${file}, the mark of ${winner}, cannot be replaced: ${code}`, {
        cause: error,
      })
    }
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOENT') return { kind: 'unsupported' }
    throw error
  } finally {
    await unlink(fresh).catch(() => undefined)
  }
}

function claimOf(owner: string, installation: string): Claim {
  return owner === installation ? { kind: 'ours' } : { kind: 'foreign', owner }
}

async function ownerIn(file: string): Promise<string | undefined> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
