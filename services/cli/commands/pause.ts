// Stops replication for a while, of one relationship or of the whole fleet.

import { COMMON_HELP, COMMON_OPTIONS, type Command, given, parse, UsageError } from '#cli/command.ts'
import { EXIT } from '#cli/exit-codes.ts'
import { renderPause } from '#cli/render-decisions.ts'
import { untilOf } from '#cli/times.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  relationship: { type: 'string' },
  until: { type: 'string' },
  for: { type: 'string' },
  list: { type: 'boolean', default: false },
  reason: { type: 'string' },
} as const

const HELP = `twinscope pause [--relationship NAME] [--until TIME | --for 2h] [--reason TEXT]
twinscope pause --list

Nothing is replicated meanwhile: changes are seen and wait, requests are refused. A replication that is being
written ends first. Restores and moves of the authority go on. Without --relationship: the whole fleet.

  --relationship NAME  only this one
  --until TIME         ends by itself then: 2026-11-24T18:00 (local time) or 2026-11-24T18:00Z
  --for LENGTH         ends by itself after 30m, 2h, 1d
  --list               show what is paused, change nothing
  --reason TEXT        shown to everybody who wonders
${COMMON_HELP}

Examples
  twinscope pause --relationship dhcp1-dhcp2 --for 2h --reason "dhcp2 gets a new disk"
  twinscope pause --until 2026-11-24T18:00
  twinscope pause --list

Exit codes: 0 paused, 1 error, 2 usage`

export const pauseCommand: Command = {
  name: 'pause',
  summary: 'replicate nothing for a while; changes wait',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { terminal } = context
    const { values } = parse(args, OPTIONS, { least: 0, most: 0, names: '' })
    const { relationship } = values
    const until = untilOf(values)
    if (values.list && (until ?? values.reason) !== undefined)
      throw new UsageError('--list changes nothing; leave the rest out')
    const api = context.api(values.url)
    if (values.list) {
      const pauses = await api.pauses()
      const shown = pauses.filter(
        (pause) => relationship === undefined || [undefined, relationship].includes(pause.relationship),
      )
      if (values.json) terminal.out(JSON.stringify({ items: shown }, undefined, 2))
      else if (shown.length === 0) terminal.err('Nothing is paused.')
      else for (const pause of shown) terminal.out(renderPause(pause))
      return EXIT.done
    }
    const pause = await api.pause(relationship, given({ actor: context.actor, reason: values.reason, until }))
    if (values.json) terminal.out(JSON.stringify(pause, undefined, 2))
    else {
      const resume = `twinscope resume${relationship === undefined ? '' : ` --relationship ${relationship}`}`
      terminal.err(`${renderPause(pause)}. Changes are seen and wait; \`${resume}\` lets them go on.`)
    }
    return EXIT.done
  },
}
