// Ends a pause; what waited goes on at once.

import { COMMON_HELP, COMMON_OPTIONS, type Command, parse } from '#cli/command.ts'
import { EXIT } from '#cli/exit-codes.ts'
import { renderPause } from '#cli/render-decisions.ts'

const OPTIONS = { ...COMMON_OPTIONS, relationship: { type: 'string' } } as const

const HELP = `twinscope resume [--relationship NAME]

Ends a pause: what waited goes on at once. Without --relationship it ends the pause of the whole fleet;
pauses of single relationships stay. Says what is still paused.

  --relationship NAME  only this one
${COMMON_HELP}

Examples
  twinscope resume --relationship dhcp1-dhcp2
  twinscope resume

Exit codes: 0 the pause has ended, or there was none, 1 error, 2 usage, 4 another pause still holds it`

export const resumeCommand: Command = {
  name: 'resume',
  summary: 'end a pause; what waited goes on',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { terminal } = context
    const { values } = parse(args, OPTIONS, { least: 0, most: 0, names: '' })
    const { relationship } = values
    const api = context.api(values.url)
    const isMeant = (name: string | undefined) => name?.toLowerCase() === relationship?.toLowerCase()
    const before = (await api.pauses()).some((pause) => isMeant(pause.relationship))
    await api.resume(relationship, context.actor)
    const left = (await api.pauses()).filter((pause) => !isMeant(pause.relationship))
    // The fleet's pause holds each relationship; those of others do not.
    const stillHeld = relationship !== undefined && left.some((pause) => pause.relationship === undefined)
    if (values.json) {
      terminal.out(JSON.stringify({ resumed: before, stillPaused: left }, undefined, 2))
      return stillHeld ? EXIT.held : EXIT.done
    }
    const what = relationship ?? 'the fleet'
    terminal.err(
      before ? `Resumed ${what}.` : `There was no pause of ${relationship === undefined ? 'the whole fleet' : what}.`,
    )
    const told = relationship === undefined ? left : left.filter((pause) => pause.relationship === undefined)
    for (const pause of told) {
      const end =
        pause.relationship === undefined ? 'twinscope resume' : `twinscope resume --relationship ${pause.relationship}`
      terminal.err(`Still there: ${renderPause(pause)}; \`${end}\` ends it.`)
    }
    return stillHeld ? EXIT.held : EXIT.done
  },
}
