// One replication with its scopes, plan and stages.

import { COMMON_HELP, COMMON_OPTIONS, type Command, parse } from '#cli/command.ts'
import { exitOfReplication } from '#cli/exit-codes.ts'
import { renderReplication } from '#cli/render.ts'

const HELP = `twinscope show JOB

What became of one replication: scopes, the plan in DHCP words, stages and their durations, who and why.

${COMMON_HELP}

Examples
  twinscope show 01JCXKQ3M6T5YV0R9W2B4D8F7H
  twinscope show 01JCXKQ3M6T5YV0R9W2B4D8F7H --json

Exit codes, those of the replication: 0 done or still running, 1 failed, or there is none, 2 usage, 4 held or refused
because observed, paused or outside its window, 5 not authoritative`

export const showCommand: Command = {
  name: 'show',
  summary: 'one replication with its scopes, plan and stages',
  options: COMMON_OPTIONS,
  help: HELP,
  async run(args, { api, terminal }) {
    const { values, positionals } = parse(args, COMMON_OPTIONS, { least: 1, most: 1, names: 'JOB' })
    const replication = await api(values.url).replication(positionals[0] ?? '')
    terminal.out(values.json ? JSON.stringify(replication, undefined, 2) : renderReplication(replication))
    return exitOfReplication(replication)
  },
}
