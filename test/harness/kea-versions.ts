// Where the harness finds each version of Kea. A version that cannot be set up throws: a test
// that silently skips a version proves nothing about it.

import { execFile } from 'node:child_process'
import { copyFile, mkdir, rename, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export type KeaVersion = '2.2' | '3.x'

export type KeaBinaries = {
  readonly version: KeaVersion
  /** Program and first arguments. */
  readonly dhcp4: readonly string[]
  readonly ctrlAgent: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Directory of the hook libraries. */
  readonly hooks: string
}

/** The Debian suite whose Kea it is. */
const SUITES: Readonly<Record<KeaVersion, string>> = { '2.2': 'bookworm', '3.x': 'sid' }

const LIBRARY_DIRECTORY = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
const LOADER = process.arch === 'arm64' ? 'ld-linux-aarch64.so.1' : 'ld-linux-x86-64.so.2'

const prepared = new Map<KeaVersion, Promise<KeaBinaries>>()

/** Makes a version of Kea ready to run; the first time on a machine this downloads it (10-20 s). */
export function keaBinaries(version: KeaVersion): Promise<KeaBinaries> {
  let binaries = prepared.get(version)
  if (binaries === undefined) {
    binaries = prepare(version)
    prepared.set(version, binaries)
  }
  return binaries
}

/** A directory of this user that survives between runs; root's is one that Kea may read under any user. */
function cacheDirectory(): string {
  if (process.getuid?.() === 0) return '/var/cache/twinscope'
  return path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'twinscope')
}

async function prepare(version: KeaVersion): Promise<KeaBinaries> {
  const cache = cacheDirectory()
  await mkdir(cache, { recursive: true })
  if (version === '2.2' && (await installedVersion()).startsWith('2.2.')) return copyInstalled(version, cache)
  const root = path.join(cache, `kea-${SUITES[version]}`)
  try {
    await run('sh', [path.join(import.meta.dirname, 'kea-unpack.sh'), root, SUITES[version]])
  } catch (error) {
    const words = (error as { stderr?: string }).stderr?.trim() || String(error)
    throw new Error(`Kea ${version} cannot be set up in ${root}: ${words}`, { cause: error })
  }
  const libraries = path.join(root, 'usr/lib', LIBRARY_DIRECTORY)
  const loader = [path.join(libraries, LOADER), '--library-path', libraries]
  return {
    version,
    dhcp4: [...loader, path.join(root, 'usr/sbin/kea-dhcp4')],
    ctrlAgent: [...loader, path.join(root, 'usr/sbin/kea-ctrl-agent')],
    hooks: path.join(libraries, 'kea/hooks'),
    // Kea 3 loads hooks from one place only, unless it is told so.
    environment: { KEA_HOOKS_PATH: path.join(libraries, 'kea/hooks') },
  }
}

async function installedVersion(): Promise<string> {
  try {
    return (await run('/usr/sbin/kea-dhcp4', ['-v'])).stdout.trim()
  } catch {
    return ''
  }
}

/** AppArmor's profile goes by the path of the program; a copy of it may use directories of its own. */
async function copyInstalled(version: KeaVersion, cache: string): Promise<KeaBinaries> {
  const directory = path.join(cache, `kea-installed-${await installedVersion()}`)
  await mkdir(directory, { recursive: true })
  const copyOf = async (program: string): Promise<readonly string[]> => {
    const copy = path.join(directory, program)
    const [original, present] = await Promise.all([stat(`/usr/sbin/${program}`), stat(copy).catch(() => undefined)])
    if (present?.size !== original.size) {
      // Renamed into place: another test file may be running the old copy.
      const fresh = `${copy}.${process.pid}`
      await copyFile(`/usr/sbin/${program}`, fresh)
      await rename(fresh, copy)
    }
    return [copy]
  }
  return {
    version,
    dhcp4: await copyOf('kea-dhcp4'),
    ctrlAgent: await copyOf('kea-ctrl-agent'),
    hooks: path.join('/usr/lib', LIBRARY_DIRECTORY, 'kea/hooks'),
    environment: {},
  }
}
