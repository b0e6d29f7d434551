// The first file that runs in a fresh checkout. It needs nothing but Node >= 20: it installs the npm
// packages where they are missing or the lock file has changed, then runs one of our TypeScript
// programs on the Node that came with them. Plain JavaScript, because a system's Node 20 cannot read more.

import { spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OLDEST_NODE = 20

const PROGRAMS = {
  start: 'deploy/local/start.ts',
  demo: 'deploy/local/demo.ts',
  bench: 'test/bench/main.ts',
  faults: 'test/faults/main.ts',
  test: 'test/run.ts',
}

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const node = join(root, 'node_modules', '.bin', 'node')

function readLock(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages ?? {}
}

/** Why the npm packages must be installed, or undefined. npm leaves a list of what it installed in node_modules. */
function whyInstall() {
  const installedList = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedList)) return 'they are missing'
  try {
    accessSync(node, constants.X_OK)
  } catch {
    return 'the one with Node is missing'
  }
  const wanted = readLock(join(root, 'package-lock.json'))
  const installed = readLock(installedList)
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === '' || (installed[path] === undefined && entry.optional)) continue
    if (installed[path]?.version !== entry.version || installed[path]?.integrity !== entry.integrity) {
      return 'package-lock.json has changed'
    }
  }
  return undefined
}

function install(why) {
  // Under npm this is the npm that runs us, which may be another than the first in PATH.
  const npm = process.env.npm_execpath
  const [command, ...args] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm']
  const startedAt = Date.now()
  process.stderr.write(`• npm packages: installing, ${why} …\n`)
  return new Promise((resolve, reject) => {
    const child = spawn(command, [...args, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      // An option that `npm start --omit=dev` or the like has left in the environment would leave out Node itself.
      env: { ...process.env, NODE_ENV: '', npm_config_omit: '' },
    })
    const patience = setInterval(() => {
      process.stderr.write(`  … ${((Date.now() - startedAt) / 1000).toFixed(0)} s\n`)
    }, 10_000)
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
    child.on('error', reject)
    child.on('close', (code) => {
      clearInterval(patience)
      if (code === 0) {
        process.stderr.write(`✓ npm packages installed (${((Date.now() - startedAt) / 1000).toFixed(0)} s)\n`)
        resolve()
      } else reject(new Error(`npm ci ended with ${code}:\n${output}`))
    })
  })
}

function run(program, args) {
  // Whoever kills this process ends the program too, and with it all that it has started.
  const withParent = ['/usr/bin/setpriv', '/bin/setpriv'].find((path) => existsSync(path))
  const command = [node, join(root, program), ...args]
  if (withParent) command.unshift(withParent, '--pdeathsig', 'TERM', '--')
  const child = spawn(command[0], command.slice(1), {
    stdio: 'inherit',
    env: { ...process.env, TWINSCOPE_STARTED_BY: String(process.pid) },
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', (error) => {
    process.stderr.write(`✗ ${error.message}\n`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGKILL' ? 137 : 143)
  })
}

const [first = '', ...rest] = process.argv.slice(2)
const named = Object.hasOwn(PROGRAMS, first)
const major = Number(process.versions.node.split('.')[0])
if (major < OLDEST_NODE) {
  process.stderr.write(
    `✗ Node ${process.versions.node} is too old: Twinscope needs Node ${OLDEST_NODE} or newer to start\n`,
  )
  process.exitCode = 2
} else {
  try {
    const why = whyInstall()
    if (why) await install(why)
    run(PROGRAMS[named ? first : 'start'], named ? rest : process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`✗ ${error.message}\n`)
    process.exitCode = 1
  }
}
