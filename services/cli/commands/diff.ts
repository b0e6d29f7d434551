// What a replication from the authoritative side would change, read freshly.

import { COMMON_HELP, COMMON_OPTIONS, type Command, parse, scopesOf } from '#cli/command.ts'
import { exitOfDifference } from '#cli/exit-codes.ts'
import { renderRelationshipPlan } from '#cli/render.ts'

const OPTIONS = { ...COMMON_OPTIONS, scope: { type: 'string', multiple: true } } as const

const HELP = `twinscope diff RELATIONSHIP [--scope ID,ID]

Reads both servers and shows what a replication from the authoritative side would change.

  --scope ID,ID    only these scopes
${COMMON_HELP}

Examples
  twinscope diff dhcp1-dhcp2
  twinscope diff dhcp1-dhcp2 --scope 10.0.10.0 --json

Exit codes: 0 in sync, 1 error, or a server cannot be read, 2 usage, 3 out of sync, 4 conflict`

export const diffCommand: Command = {
  name: 'diff',
  summary: 'the differences of a relationship, object by object',
  options: OPTIONS,
  help: HELP,
  async run(args, { api, terminal }) {
    const { values, positionals } = parse(args, OPTIONS, { least: 1, most: 1, names: 'RELATIONSHIP' })
    const plan = await api(values.url).diff(positionals[0] ?? '', scopesOf(values.scope))
    terminal.out(values.json ? JSON.stringify(plan, undefined, 2) : renderRelationshipPlan(plan))
    return exitOfDifference(plan)
  },
}
