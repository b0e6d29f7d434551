// Replications that were, newest first.

import { COMMON_HELP, COMMON_OPTIONS, type Command, parse, UsageError } from '#cli/command.ts'
import { EXIT } from '#cli/exit-codes.ts'
import { renderHistory } from '#cli/render.ts'
import { sinceOf } from '#cli/times.ts'
import { RUN_STATUSES } from '#contracts/status-api.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  relationship: { type: 'string' },
  server: { type: 'string' },
  status: { type: 'string' },
  since: { type: 'string' },
  requests: { type: 'boolean', default: false },
  limit: { type: 'string', default: '20' },
  cursor: { type: 'string' },
} as const

const HELP = `twinscope history [--relationship NAME] [--server NAME] [--status STATUS] [--since TIME] [--limit N]

  --relationship NAME   of one relationship
  --server NAME         with this server as source or target
  --status STATUS       ${RUN_STATUSES.join(' · ')}
  --since TIME          created at or after: 2026-11-24, 2026-11-24T10:00:00Z, or back from now: 30m, 2h, 7d
  --requests            without automatic ones
  --limit N             1–500, default 20
  --cursor TEXT         the page after; the end of a page says which
${COMMON_HELP}

Examples
  twinscope history --since 2h
  twinscope history --relationship dhcp1-dhcp2 --status held

Exit codes: 0 done, also where nothing matches, 1 error, 2 usage`

export const historyCommand: Command = {
  name: 'history',
  summary: 'replications that were, newest first',
  options: OPTIONS,
  help: HELP,
  async run(args, { api, terminal }) {
    const { values } = parse(args, OPTIONS, { least: 0, most: 0, names: '' })
    if (values.status !== undefined && !RUN_STATUSES.some((status) => status === values.status)) {
      throw new UsageError(`--status "${values.status}" is none of ${RUN_STATUSES.join(', ')}`)
    }
    if (!/^[1-9]\d{0,2}$/.test(values.limit) || Number(values.limit) > 500) {
      throw new UsageError('--limit takes a number from 1 to 500')
    }
    const page = await api(values.url).replications({
      ...(values.relationship === undefined ? {} : { relationship: values.relationship }),
      ...(values.server === undefined ? {} : { server: values.server }),
      ...(values.status === undefined ? {} : { status: values.status }),
      ...(values.since === undefined ? {} : { since: sinceOf(values.since) }),
      ...(values.requests ? { automatic: 'false' } : {}),
      ...(values.cursor === undefined ? {} : { cursor: values.cursor }),
      limit: values.limit,
    })
    if (values.json) terminal.out(JSON.stringify(page, undefined, 2))
    else if (page.items.length === 0) terminal.err('No replication matches.')
    else terminal.out(renderHistory(page.items))
    if (!values.json && page.next !== undefined) terminal.err(`more: --cursor ${page.next}`)
    return EXIT.done
  },
}
