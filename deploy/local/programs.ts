// The programs of the distribution that we start ourselves, and how they come onto this machine without
// the distribution's own services being started, enabled or changed.

import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { installScript } from './install-packages.ts'

/** Program → Debian's and Ubuntu's package with it. */
const PACKAGES = {
  'nats-server': 'nats-server',
  'redis-server': 'redis-server',
  'kea-dhcp4': 'kea-dhcp4-server',
  'kea-ctrl-agent': 'kea-ctrl-agent',
} as const

export type Program = keyof typeof PACKAGES

/** Where daemons are that an ordinary user's PATH leaves out. */
const DAEMON_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin']

/** The full path of a program, or undefined. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...DAEMON_FOLDERS]
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

export type InstallResult =
  | { readonly kind: 'present' }
  | { readonly kind: 'installed'; readonly packages: readonly string[] }
  /** We may not install. `commands` are what the operator can run. */
  | { readonly kind: 'not-allowed'; readonly missing: readonly Program[]; readonly commands: readonly string[] }
  /** We may, but could not, or this is not Debian or Ubuntu. */
  | { readonly kind: 'unavailable'; readonly missing: readonly Program[]; readonly reason: string }

export type InstallOptions = {
  readonly report: (line: string) => void
  /** Default: what this process may do. Injected by tests. */
  readonly privilege?: 'root' | 'sudo' | 'none'
}

/** Installs what is missing of the given programs. */
export async function ensurePrograms(programs: readonly Program[], options: InstallOptions): Promise<InstallResult> {
  const missing = programs.filter((program) => findProgram(program) === undefined)
  if (missing.length === 0) return { kind: 'present' }
  const packages = missing.map((program) => PACKAGES[program])
  if (!existsSync('/usr/bin/apt-get')) {
    return {
      kind: 'unavailable',
      missing,
      reason: `this is ${systemName()}, and only Debian's and Ubuntu's packages are known here`,
    }
  }
  const privilege = options.privilege ?? (await ownPrivilege())
  if (privilege === 'none') return { kind: 'not-allowed', missing, commands: manualCommands(packages) }

  options.report(`• ${missing.join(', ')}: installing ${packages.join(' ')} (their services stay off) …`)
  const startedAt = Date.now()
  const prefix = privilege === 'sudo' ? ['sudo', '-n'] : []
  const patience = setInterval(() => options.report(`  … ${((Date.now() - startedAt) / 1000).toFixed(0)} s`), 10_000)
  const { code, output } = await runScript([...prefix, '/bin/sh', '-s', '--', ...packages], installScript)
  clearInterval(patience)
  const stillMissing = missing.filter((program) => findProgram(program) === undefined)
  if (code !== 0 || stillMissing.length > 0) {
    return {
      kind: 'unavailable',
      missing: stillMissing,
      reason: `apt-get ended with ${code}:\n${lastLines(output, 12)}`,
    }
  }
  options.report(`✓ ${packages.join(', ')} installed (${((Date.now() - startedAt) / 1000).toFixed(0)} s)`)
  return { kind: 'installed', packages }
}

/** What an operator types to install packages without starting their services. */
export function manualCommands(packages: readonly string[]): string[] {
  return [
    'sudo apt-get update',
    `sudo apt-get install --no-install-recommends ${packages.join(' ')}`,
    `sudo systemctl disable --now ${packages.join(' ')}   # Twinscope starts its own; keep those that you use yourself`,
  ]
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform
  } catch {
    return process.platform
  }
}

async function ownPrivilege(): Promise<'root' | 'sudo' | 'none'> {
  if (process.getuid?.() === 0) return 'root'
  if (findProgram('sudo') === undefined) return 'none'
  // -n: never ask. A password prompt in the middle of the start would look like a hang.
  const { code } = await runScript(['sudo', '-n', 'true'], '')
  return code === 0 ? 'sudo' : 'none'
}

function lastLines(text: string, count: number): string {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}

function runScript(command: readonly string[], input: string): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    const [file = '', ...args] = command
    // Its own group: Ctrl-C must not stop a package half way through its configuration.
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)))
    child.on('error', (error) => resolve({ code: 127, output: error.message }))
    child.on('close', (code) => resolve({ code: code ?? 1, output }))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
}
