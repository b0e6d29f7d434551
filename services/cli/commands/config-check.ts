// Checks a configuration file without starting anything. The one command that asks no service.

import { COMMON_OPTIONS, type Command, parse, UsageError } from '#cli/command.ts'
import { EXIT } from '#cli/exit-codes.ts'
import { plural } from '#cli/render.ts'
import { ConfigurationError, loadConfiguration } from '#service-host/configuration.ts'

// It asks no service, so it takes no --url.
const OPTIONS = { json: COMMON_OPTIONS.json, help: COMMON_OPTIONS.help } as const

const HELP = `twinscope config check FILE

Reads a configuration as the services would and names every problem with its line.

  --json       {valid, problems, warnings} on standard output
  -h, --help   this text

Examples
  twinscope config check twinscope.yaml

Exit codes: 0 good (warnings go to standard error), 1 problems, 2 usage`

export const configCommand: Command = {
  name: 'config',
  summary: 'config check FILE: check a configuration file',
  options: OPTIONS,
  help: HELP,
  async run(args, { terminal }) {
    const { values, positionals } = parse(args, OPTIONS, { least: 2, most: 2, names: '`check FILE`' })
    const [verb, file = ''] = positionals
    if (verb !== 'check') throw new UsageError(`there is no "config ${verb}"; write config check FILE`)
    try {
      const loaded = loadConfiguration(file)
      if (values.json) {
        terminal.out(JSON.stringify({ valid: true, problems: [], warnings: loaded.warnings }, undefined, 2))
      } else {
        for (const { line, path, message } of loaded.warnings) {
          terminal.err(`${file}:${line}: warning: ${path}: ${message}`)
        }
        const [servers, relationships] = [loaded.servers.length, loaded.relationships.length]
        terminal.out(`${file} is good: ${plural(servers, 'server')}, ${plural(relationships, 'relationship')}`)
      }
      return EXIT.done
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error
      if (values.json)
        terminal.out(JSON.stringify({ valid: false, problems: error.problems, warnings: [] }, undefined, 2))
      else terminal.err(error.message)
      return EXIT.error
    }
  },
}
