// A held plan that is not wanted: it is not proposed again until one side changes.

import { COMMON_HELP, COMMON_OPTIONS, type Command, given, parse, scopesOf } from '#cli/command.ts'
import { exitOfReplication } from '#cli/exit-codes.ts'
import { follow, tellWhy } from '#cli/follow.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  scope: { type: 'string', multiple: true },
  reason: { type: 'string' },
} as const

const HELP = `twinscope reject JOB [--scope ID,ID] [--reason TEXT]

What JOB held is not proposed again, and nothing is written, until one of the two sides changes. The
difference stays and is shown. Changing your mind: twinscope approve JOB.

  --scope ID,ID    only these scopes
  --reason TEXT    goes into the ledger, and is shown where the difference is
${COMMON_HELP}

Examples
  twinscope reject 01JCXKQ3M6T5YV0R9W2B4D8F7H --reason "dhcp2 is being rebuilt"
  twinscope reject 01JCXKQ3M6T5YV0R9W2B4D8F7H --scope 10.0.10.0

Exit codes: 0 rejected, 1 error, 2 usage`

export const rejectCommand: Command = {
  name: 'reject',
  summary: 'do not propose a held plan again until one side changes',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { terminal } = context
    const { values, positionals } = parse(args, OPTIONS, { least: 1, most: 1, names: 'JOB' })
    const [id = ''] = positionals
    const api = context.api(values.url)
    const scopes = scopesOf(values.scope)
    const accepted = await api.reject(
      id,
      given({ actor: context.actor, reason: values.reason, scopes: scopes && [...scopes] }),
    )
    const ended = await follow(api, accepted.job, terminal)
    if (values.json) terminal.out(JSON.stringify(ended, undefined, 2))
    else tellWhy(ended, terminal)
    return exitOfReplication(ended)
  },
}
