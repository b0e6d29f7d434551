// One look at everything that keeps replication from working, with what to do about it.

import { COMMON_HELP, COMMON_OPTIONS, type Command, parse } from '#cli/command.ts'
import { type Finding, findingsOf } from '#cli/examination.ts'
import { EXIT } from '#cli/exit-codes.ts'
import { ApiProblem, ApiUnreachable } from '#cli/http.ts'

const HELP = `twinscope doctor

Looks at everything that keeps replication from working: the status service and NATS, watchers and DHCP
servers, failover states, the authority of each relationship, jobs that nobody takes, pauses, holds. Each
line is ok, warn or bad, with what to do.

${COMMON_HELP}

Examples
  twinscope doctor
  twinscope doctor --json

Exit codes: 0 nothing is bad (there may be warnings), 1 something is bad, 2 usage`

async function examine(api: Parameters<typeof findingsOf>[0]): Promise<readonly Finding[]> {
  try {
    return await findingsOf(api)
  } catch (error) {
    if (!(error instanceof ApiProblem || error instanceof ApiUnreachable)) throw error
    return [{ level: 'bad', about: 'status service', message: error.message }]
  }
}

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'what keeps replication from working, and what to do',
  options: COMMON_OPTIONS,
  help: HELP,
  async run(args, { api, terminal }) {
    const { values } = parse(args, COMMON_OPTIONS, { least: 0, most: 0, names: '' })
    const findings = await examine(api(values.url))
    const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length
    if (values.json) terminal.out(JSON.stringify({ healthy: count('bad') === 0, findings }, undefined, 2))
    else {
      for (const { level, about, message, advice } of findings) {
        terminal.out(`${level.padEnd(4)}  ${about}: ${message}`)
        if (advice !== undefined) terminal.out(`      → ${advice}`)
      }
      terminal.out(`\n${count('ok')} ok, ${count('warn')} warn, ${count('bad')} bad`)
    }
    return count('bad') === 0 ? EXIT.done : EXIT.error
  },
}
