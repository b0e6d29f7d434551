// Takes a server over from another Twinscope installation.

import { ask } from '#cli/ask.ts'
import { COMMON_HELP, COMMON_OPTIONS, type Command, given, parse } from '#cli/command.ts'
import { EXIT } from '#cli/exit-codes.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  force: { type: 'boolean', default: false },
  reason: { type: 'string' },
} as const

const HELP = `twinscope claim-server SERVER

Each server carries the mark of the installation that writes to it, and no other writes there
(foreign-installation). This replaces a foreign mark by the mark of this installation: after a move of
Twinscope to another host, or a lost journal. Stop the other installation first: two that write to one server
undo each other's work. Asks before.

  --force          do not ask
  --reason TEXT    goes into the log
${COMMON_HELP}

Examples
  twinscope claim-server dhcp2.example.net --reason "Twinscope moved to admin2"

Exit codes: 0 claimed, 1 error or the answer was no, 2 usage or no terminal to ask on`

export const claimServerCommand: Command = {
  name: 'claim-server',
  summary: 'take a server over from another Twinscope installation',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { terminal } = context
    const { values, positionals } = parse(args, OPTIONS, { least: 1, most: 1, names: 'SERVER' })
    const [server = ''] = positionals
    const asked = await ask(
      terminal,
      `Let this installation write to ${server}, and no other one? Another one that still runs will be refused there.`,
      { force: values.force, advice: 'Use --force to claim it without the question.' },
    )
    if (!asked.yes) return asked.exit
    const claimed = await context
      .api(values.url)
      .claimServer(server, given({ actor: context.actor, reason: values.reason }))
    if (values.json) terminal.out(JSON.stringify(claimed, undefined, 2))
    else {
      const { previous } = claimed
      terminal.err(
        previous === undefined
          ? `${claimed.server} belongs to this installation; there was no foreign mark.`
          : `${claimed.server} belongs to this installation now; it belonged to ${previous}.`,
      )
    }
    return EXIT.done
  },
}
