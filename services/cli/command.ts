// What every command is made of.

import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { parseIpv4 } from '#dhcp/ipv4.ts'
import { parseScopeKey } from '#dhcp/scope.ts'
import { suggestion } from '#service-host/nearest.ts'
import type { Api } from './api-client.ts'
import type { ExitCode } from './exit-codes.ts'
import type { Terminal } from './terminal.ts'

export type CommandContext = {
  readonly terminal: Terminal
  readonly api: (url: string | undefined) => Api
  /** The person who asks, as the ledger will show it. */
  readonly actor: string
}

export type Command = {
  readonly name: string
  /** One line for the overview. */
  readonly summary: string
  /** What it understands; help and README are held to it by a test. */
  readonly options: ParseArgsOptionsConfig
  /** The whole help, with examples and exit codes. */
  readonly help: string
  run(args: readonly string[], context: CommandContext): Promise<ExitCode>
}

/** The command line is wrong; `message` says what was expected. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'UsageError'
  }
}

export const COMMON_OPTIONS = {
  url: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const satisfies ParseArgsOptionsConfig

export const COMMON_HELP = `  --json           machine-readable answer on standard output
  --url URL        status service (default TWINSCOPE_URL, else http://127.0.0.1:8420);
                   TWINSCOPE_TOKEN is sent as bearer token
  -h, --help       this text`

/** What Node's parser complains of, in words that say what to write. */
function complaint(error: unknown, options: ParseArgsOptionsConfig): string {
  const text = error instanceof Error ? error.message : String(error)
  const [, named = ''] = /'(?:-\w, )?(--?[\w-]+)/.exec(text) ?? []
  switch ((error as { readonly code?: string }).code) {
    case 'ERR_PARSE_ARGS_UNKNOWN_OPTION': {
      const known = Object.keys(options).map((name) => `--${name}`)
      return `there is no option ${named}.${suggestion(named, known)}`
    }
    case 'ERR_PARSE_ARGS_INVALID_OPTION_VALUE':
      return text.includes('does not take an argument') ? `${named} takes no value` : `${named} needs a value`
    default:
      return text
  }
}

/** Node's parser, with its complaints as a {@link UsageError}. */
export function parse<const T extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: T,
  positionals: { readonly least: number; readonly most: number; readonly names: string },
) {
  let parsed: ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>>
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    throw new UsageError(complaint(error, options))
  }
  const count = parsed.positionals.length
  if (count < positionals.least) throw new UsageError(`${positionals.names} is missing`)
  if (count > positionals.most) {
    throw new UsageError(`"${parsed.positionals[positionals.most]}" is one word too many`)
  }
  return parsed
}

/** `a,b`, `a, b` and repeated options are the same list. What is no scope ID is told before the service is asked. */
export function scopesOf(texts: readonly string[] | undefined): readonly string[] | undefined {
  if (texts === undefined) return undefined
  const items = texts.flatMap((text) => text.split(/[,\s]+/)).filter((item) => item !== '')
  if (items.length === 0) throw new UsageError('the list of scopes is empty')
  for (const scope of items) {
    if (parseScopeKey(scope) === undefined && parseIpv4(scope) === undefined) {
      throw new UsageError(`"${scope}" is no scope ID; write the network address, 10.0.10.0 or 10.0.10.0/24`)
    }
  }
  return [...new Set(items)]
}

type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Members whose value is there: the API takes no `undefined`. */
export function given<T extends object>(members: T): Given<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Given<T>
}
