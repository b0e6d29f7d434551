#!/usr/bin/env node
// The operator's hand: finds the command, runs it, turns what it throws into words and an exit code.

import { readFileSync } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { nearest } from '#service-host/nearest.ts'
import { createApi, DEFAULT_URL } from './api-client.ts'
import { isCmdlet } from './cmdlet.ts'
import { type Command, type CommandContext, UsageError } from './command.ts'
import { approveCommand } from './commands/approve.ts'
import { authorityCommand } from './commands/authority.ts'
import { claimServerCommand } from './commands/claim-server.ts'
import { configCommand } from './commands/config-check.ts'
import { conflictsCommand } from './commands/conflicts.ts'
import { diffCommand } from './commands/diff.ts'
import { doctorCommand } from './commands/doctor.ts'
import { historyCommand } from './commands/history.ts'
import { invokeReplicationCommand } from './commands/invoke-replication.ts'
import { onboardCommand } from './commands/onboard.ts'
import { pauseCommand } from './commands/pause.ts'
import { rejectCommand } from './commands/reject.ts'
import { replicateCommand } from './commands/replicate.ts'
import { restoreCommand } from './commands/restore.ts'
import { resumeCommand } from './commands/resume.ts'
import { showCommand } from './commands/show.ts'
import { statusCommand } from './commands/status.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import { ApiProblem, ApiUnreachable } from './http.ts'
import { processTerminal, type Terminal } from './terminal.ts'

export const COMMANDS: readonly Command[] = [
  statusCommand,
  diffCommand,
  conflictsCommand,
  replicateCommand,
  onboardCommand,
  approveCommand,
  rejectCommand,
  restoreCommand,
  pauseCommand,
  resumeCommand,
  authorityCommand,
  historyCommand,
  showCommand,
  doctorCommand,
  claimServerCommand,
  configCommand,
  invokeReplicationCommand,
]

function overview(): string {
  const width = Math.max(...COMMANDS.slice(0, -1).map(({ name }) => name.length))
  const lines = COMMANDS.slice(0, -1).map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return `twinscope COMMAND [options]

Keeps the scopes of DHCP failover partners identical.

${lines.join('\n')}
  ${invokeReplicationCommand.name}
  ${' '.repeat(width)}  ${invokeReplicationCommand.summary}

\`twinscope COMMAND --help\` explains a command, with examples; \`twinscope --version\` says which one this is.

Environment
  TWINSCOPE_URL    status service, default ${DEFAULT_URL}
  TWINSCOPE_TOKEN  bearer token, where the service asks for one

Exit codes
  0 done or in sync   1 error   2 usage   3 out of sync   4 held or conflict   5 not authoritative`
}

function findCommand(name: string): Command | undefined {
  return isCmdlet(name) ? invokeReplicationCommand : COMMANDS.find((command) => command.name === name)
}

function actor(): string {
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // No entry for this user id, as in some containers.
    return `cli@${hostname()}`
  }
}

export async function main(
  args: readonly string[],
  terminal: Terminal,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<ExitCode> {
  const [name, ...rest] = args
  if (name === undefined) {
    terminal.err(overview())
    return EXIT.usage
  }
  if (['--help', '-h', 'help'].includes(name)) {
    const asked = rest[0] === undefined ? undefined : findCommand(rest[0])
    terminal.out(asked?.help ?? overview())
    return EXIT.done
  }
  if (name === '--version') {
    const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
    terminal.out((JSON.parse(manifest) as { readonly version: string }).version)
    return EXIT.done
  }
  const command = findCommand(name)
  if (command === undefined) {
    const near = nearest(
      name,
      COMMANDS.map((known) => known.name),
    )
    const meant = near.length === 0 ? 'see twinscope --help' : `did you mean ${near.join(' or ')}?`
    terminal.err(`twinscope: there is no command "${name}"; ${meant}`)
    return EXIT.usage
  }
  if (rest.some((word) => ['--help', '-h', '-?'].includes(word))) {
    terminal.out(command.help)
    return EXIT.done
  }
  const context: CommandContext = {
    terminal,
    actor: actor(),
    api: (url) => {
      const text = url ?? (environment.TWINSCOPE_URL || DEFAULT_URL)
      if (!/^https?:\/\//.test(text) || !URL.canParse(text)) {
        throw new UsageError(`"${text}" is no URL of a status service; write http://host:8420`)
      }
      return createApi({ url: text, token: environment.TWINSCOPE_TOKEN || undefined })
    },
  }
  try {
    return await command.run(rest, context)
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(`twinscope ${command.name}: ${error.message}\nSee twinscope ${command.name} --help`)
      return EXIT.usage
    }
    if (error instanceof ApiProblem) {
      terminal.err(`twinscope: ${error.problem.title}: ${error.problem.detail}`)
      return EXIT.error
    }
    if (error instanceof ApiUnreachable) {
      terminal.err(`twinscope: ${error.message}`)
      return EXIT.error
    }
    if (error instanceof Error && error.name === 'TimeoutError') {
      terminal.err('twinscope: the status service did not answer in time; try again, or look at its log')
      return EXIT.error
    }
    throw error
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2), processTerminal())
