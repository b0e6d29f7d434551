// What every command is made of.

import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
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
  /** The whole help, with examples. */
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
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const count = parsed.positionals.length
  if (count < positionals.least) throw new UsageError(`${positionals.names} is missing`)
  if (count > positionals.most) {
    throw new UsageError(`"${parsed.positionals[positionals.most]}" is one word too many`)
  }
  return parsed
}

/** `a,b`, `a, b` and repeated options are the same list. */
export function listOf(texts: readonly string[] | undefined): readonly string[] | undefined {
  if (texts === undefined) return undefined
  const items = texts.flatMap((text) => text.split(/[,\s]+/)).filter((item) => item !== '')
  if (items.length === 0) throw new UsageError('the list of scopes is empty')
  return [...new Set(items)]
}
