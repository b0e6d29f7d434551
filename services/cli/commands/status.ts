// The state of every relationship, or of one.

import { COMMON_HELP, COMMON_OPTIONS, type Command, parse } from '#cli/command.ts'
import { exitOfSync, mostSevere } from '#cli/exit-codes.ts'
import { renderRelationships, renderWhy } from '#cli/render.ts'

const HELP = `twinscope status [RELATIONSHIP] [--why]

Sync state, authoritative side, mode, failover state and waiting jobs of each relationship.

  --why            the reason for everything that is not in sync, waiting or unknown
${COMMON_HELP}

Examples
  twinscope status
  twinscope status dhcp1-dhcp2 --why

Exit codes: 0 in sync, 1 a state is unknown, 3 out of sync, 4 conflict`

export const statusCommand: Command = {
  name: 'status',
  summary: 'sync state of the relationships; --why for the reasons',
  help: HELP,
  async run(args, { api, terminal }) {
    const options = { ...COMMON_OPTIONS, why: { type: 'boolean', default: false } } as const
    const { values, positionals } = parse(args, options, { least: 0, most: 1, names: 'RELATIONSHIP' })
    const client = api(values.url)
    const [name] = positionals
    const relationships = name === undefined ? await client.relationships() : [await client.relationship(name)]
    if (values.json) {
      const one = relationships[0]
      terminal.out(JSON.stringify(name === undefined ? { items: relationships } : one, undefined, 2))
    } else if (relationships.length === 0) {
      terminal.err('No failover relationship is known: none is in the configuration, and no watcher has reported one.')
    } else {
      terminal.out(renderRelationships(relationships))
      const why = values.why ? relationships.flatMap(renderWhy) : []
      if (why.length > 0) terminal.out(`\n${why.join('\n')}`)
      const open = relationships.flatMap(renderWhy).length
      if (!values.why && open > 0) terminal.err('(--why says why)')
    }
    return mostSevere(relationships.map(({ sync }) => exitOfSync(sync)))
  },
}
