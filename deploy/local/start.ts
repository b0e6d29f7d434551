// `npm start`: everything on this machine, with one command.

import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { ConfigurationError, loadConfiguration } from '#service-host/configuration.ts'
import { watchAncestors } from './ancestors.ts'
import type { DhcpChoice } from './dhcp-servers.ts'
import { AlreadyRunning } from './instance.ts'
import { say, sayLoudly } from './output.ts'
import { isFree } from './ports.ts'
import { prepare } from './prepare.ts'
import { ROOT } from './source.ts'
import { type LocalSystem, startLocal } from './system.ts'

/** Where the console is unless told otherwise; another free port is taken where this one is in use. */
const USUAL_PORT = 8420

const USAGE = `Usage: npm start [-- OPTIONS]

Starts NATS, Redis, a sample pair of Kea DHCP servers, the watchers, a replicator and the
status service with its console. What is missing is installed on Debian and Ubuntu.

  --simulate       simulated DHCP servers instead of Kea
  --config FILE    your own servers and relationships instead of a sample
  --port PORT      of console and API on 127.0.0.1 (default ${USUAL_PORT}, or a free one)
  --data-dir DIR   what is kept between runs (default .twinscope in the checkout)
  --help           this text

  NATS_URL, REDIS_URL in the environment: use these instead of starting our own`

type Options = {
  readonly mode: 'kea' | 'simulated' | 'configured'
  readonly configFile?: string
  readonly port?: number
  readonly dataDir: string
}

function readOptions(): Options | 'help' | { readonly problem: string } {
  try {
    const { values } = parseArgs({
      options: {
        simulate: { type: 'boolean', default: false },
        config: { type: 'string' },
        port: { type: 'string' },
        'data-dir': { type: 'string', default: join(ROOT, '.twinscope') },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return 'help'
    if (values.simulate && values.config !== undefined) return { problem: '--simulate and --config exclude each other' }
    const port = values.port === undefined ? undefined : Number(values.port)
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
      return { problem: `--port ${values.port}: expected a number from 0 to 65535` }
    }
    return {
      mode: values.config === undefined ? (values.simulate ? 'simulated' : 'kea') : 'configured',
      dataDir: values['data-dir'],
      ...(values.config === undefined ? {} : { configFile: values.config }),
      ...(port === undefined ? {} : { port }),
    }
  } catch (error) {
    return { problem: (error as Error).message }
  }
}

async function choosePort(wanted: number | undefined): Promise<number | undefined> {
  if (wanted === 0) return undefined
  if (await isFree(wanted ?? USUAL_PORT)) return wanted ?? USUAL_PORT
  if (wanted !== undefined) throw new Error(`port ${wanted} is in use; choose another with --port, or 0 for a free one`)
  say(`• port ${USUAL_PORT} is in use; taking a free one`)
  return undefined
}

function choiceOf({ mode, configFile = '' }: Options): DhcpChoice {
  return mode === 'configured' ? { kind: mode, file: configFile } : { kind: mode }
}

/** What to do now, with what was started. */
function describe(system: LocalSystem): string {
  const api = system.console === `http://127.0.0.1:${USUAL_PORT}` ? '' : `TWINSCOPE_URL=${system.console} `
  const [first] = system.watchers.keys()
  const source = first?.split('.')[0] ?? 'dhcp1'
  const lines = [
    '',
    `Twinscope runs. Console and API: ${system.console}/`,
    '',
    'Two commands to try, in another terminal:',
    `  ${api}npm run -s cli -- status`,
    `  ${api}npm run -s cli -- replicate --server ${source} --what-if`,
  ]
  const [kea] = system.dhcp.kea
  if (kea !== undefined) {
    const file = fromHere(kea.configFile)
    lines.push(
      '',
      'Change a subnet on dhcp1 with any tool and find it on dhcp2. For example, rename a printer and let Kea load its file:',
      `  sed -i "s/\\"printer-1[^\\"]*\\"/\\"printer-1-$(date +%H%M%S)\\"/" ${file} && kill -HUP $(cat ${fromHere(kea.pidFile)})`,
      `  grep printer-1 ${fromHere(system.dhcp.kea[1]?.configFile ?? '')}`,
      '',
      "Kea's control sockets and agents, for your own tools:",
      ...system.dhcp.kea.map(
        ({ name, controlSocket, controlUrl }) => `  ${name}  unix:${fromHere(controlSocket)}  ${controlUrl}`,
      ),
    )
  }
  if (system.dhcp.simulator !== undefined) {
    const scope = (server: string) => `${system.dhcp.simulator?.admin}/servers/${server}.example.net/scopes/10.0.1.0/24`
    lines.push(
      '',
      'Change a scope on sim1 and find it on sim2. For example, rename a printer; the other edits are in services/simulator/README.md:',
      `  curl -s ${scope('sim1')} | sed "s/printer-1-1[0-9]*/printer-1-1$(date +%H%M%S)/" | curl -s -X PUT -H 'content-type: application/json' -d @- ${scope('sim1')}`,
      `  curl -s ${scope('sim2')} | grep -o 'printer-1-[0-9]*'`,
    )
  }
  lines.push('', `Configuration: ${fromHere(system.configFile)}   Logs: ${fromHere(join(system.dataDir, 'logs'))}`)
  lines.push('Ctrl-C stops everything.')
  return lines.join('\n')
}

function fromHere(path: string): string {
  const shorter = relative(process.cwd(), path)
  return shorter.startsWith('..') ? path : shorter
}

async function main(): Promise<number> {
  const options = readOptions()
  if (options === 'help') {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  if ('problem' in options) {
    say(`✗ ${options.problem}\n\n${USAGE}`)
    return 2
  }
  if (options.configFile !== undefined) {
    try {
      for (const { line, message } of loadConfiguration(options.configFile).warnings) {
        say(`• ${options.configFile}:${line}: ${message}`)
      }
    } catch (error) {
      // Before anything is installed or started.
      if (!(error instanceof ConfigurationError)) throw error
      say(`✗ the configuration cannot be used:\n${error.message}`)
      return 1
    }
  }

  const ending = new AbortController()
  const ended = new Promise<void>((resolve) => ending.signal.addEventListener('abort', () => resolve()))
  const end = (why: string) => {
    if (ending.signal.aborted) return
    say(`\n• ${why}: stopping …`)
    ending.abort()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => end(signal))
  watchAncestors((title) => end(`${title} is gone`))

  const { NATS_URL: natsUrl, REDIS_URL: redisUrl } = process.env
  const prepared = await prepare({ nats: !natsUrl, redis: !redisUrl, kea: options.mode === 'kea' })
  if (prepared.kind === 'impossible') {
    say(`✗ ${prepared.message}`)
    return prepared.exitCode
  }
  let chosen = options
  if (prepared.kind === 'without-kea') {
    chosen = { ...options, mode: 'simulated' }
    sayLoudly(
      'Kea cannot be installed here: these are SIMULATED DHCP servers.',
      ...prepared.reason.split('\n').slice(0, 3),
    )
  }
  if (ending.signal.aborted) return 0

  let system: LocalSystem
  try {
    const httpPort = await choosePort(chosen.port)
    system = await startLocal({
      // Apart for each kind: what one of them remembers of its servers means nothing to the others.
      dataDir: join(chosen.dataDir, chosen.mode),
      dhcp: choiceOf(chosen),
      signal: ending.signal,
      onProgress: say,
      onNotice: (notice) => say(`! ${notice}`),
      ...(natsUrl ? { natsUrl } : {}),
      ...(redisUrl ? { redisUrl } : {}),
      ...(httpPort === undefined ? {} : { httpPort }),
    })
  } catch (error) {
    if (ending.signal.aborted) {
      say('✓ stopped')
      return 0
    }
    say(`✗ ${(error as Error).message}`)
    return error instanceof AlreadyRunning ? 2 : 1
  }
  if (!ending.signal.aborted) process.stdout.write(`${describe(system)}\n`)
  await ended
  await system.stop()
  say('✓ stopped; nothing is left running')
  return 0
}

process.exitCode = await main()
process.exit()
