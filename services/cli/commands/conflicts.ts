// What waits for a person, in DHCP words: what changed here, what changed there, and how each side is kept.

import { COMMON_HELP, COMMON_OPTIONS, type Command, parse, scopesOf, UsageError } from '#cli/command.ts'
import { EXIT } from '#cli/exit-codes.ts'
import { renderConflict } from '#cli/render-decisions.ts'

const OPTIONS = { ...COMMON_OPTIONS, scope: { type: 'string', multiple: true } } as const

const HELP = `twinscope conflicts [RELATIONSHIP] [--scope ID,ID]

Every scope that waits for a person's decision: what changed on each side since both last agreed, since when,
by whom where that is known, and the commands that keep the one side or the other.

  --scope ID,ID    only these scopes of RELATIONSHIP
${COMMON_HELP}

Examples
  twinscope conflicts
  twinscope conflicts dhcp1-dhcp2 --scope 10.0.10.0

Exit codes: 0 nothing waits, 1 error, 2 usage, 4 something waits`

export const conflictsCommand: Command = {
  name: 'conflicts',
  summary: 'what waits for a decision: both sides in DHCP words',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { terminal } = context
    const { values, positionals } = parse(args, OPTIONS, { least: 0, most: 1, names: 'RELATIONSHIP' })
    const [name] = positionals
    const scopes = scopesOf(values.scope)
    if (scopes !== undefined && name === undefined) throw new UsageError('--scope needs a RELATIONSHIP before it')
    const api = context.api(values.url)
    // Only configured relationships have decisions to make, and only differing ones have something to decide.
    const names =
      name === undefined
        ? (await api.relationships())
            .filter(({ sync, configured }) => configured && sync !== 'in-sync')
            .map((relationship) => relationship.name)
        : [name]
    const lists = await Promise.all(names.map((one) => api.conflicts(one, scopes)))
    const count = lists.reduce((sum, { items }) => sum + items.length, 0)
    if (values.json) terminal.out(JSON.stringify(name === undefined ? { items: lists } : lists[0], undefined, 2))
    else if (count === 0) terminal.err('Nothing waits for a decision.')
    else {
      const blocks = lists.flatMap(({ relationship, items }) => items.map((item) => renderConflict(relationship, item)))
      terminal.out(blocks.join('\n\n'))
    }
    return count === 0 ? EXIT.done : EXIT.held
  },
}
