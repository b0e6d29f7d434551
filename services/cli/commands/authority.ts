// Which side is copied from, and moving that.

import type { Api } from '#cli/api-client.ts'
import { ask } from '#cli/ask.ts'
import {
  COMMON_HELP,
  COMMON_OPTIONS,
  type Command,
  type CommandContext,
  given,
  parse,
  UsageError,
} from '#cli/command.ts'
import { EXIT, type ExitCode, exitOfReplication } from '#cli/exit-codes.ts'
import { follow, tellWhy } from '#cli/follow.ts'
import { ApiProblem } from '#cli/http.ts'
import { plural, withoutWaysOut } from '#cli/render.ts'
import { renderAuthorities, renderAuthority } from '#cli/render-decisions.ts'
import type { AuthorityView } from '#contracts/decisions-api.ts'
import { shortName } from '#contracts/relationships.ts'
import type { RelationshipDetail } from '#contracts/status-api.ts'
import { nearest, suggestion } from '#service-host/nearest.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  to: { type: 'string' },
  force: { type: 'boolean', default: false },
  reason: { type: 'string' },
} as const

const HELP = `twinscope authority show [RELATIONSHIP]
twinscope authority move RELATIONSHIP --to SERVER [--reason TEXT]

The authoritative side is the server whose settings are copied. \`show\` says which it is, its epoch, and what
is wrong with it. \`move\` makes the other server the authoritative side, or confirms a side after the record
was lost or a move was interrupted. It says what differs now and what the move means for that, and asks;
nothing is copied by the move itself.

  --to SERVER      the side that becomes, or stays, authoritative
  --force          do not ask; also move though the other server cannot be asked
  --reason TEXT    goes into the ledger
${COMMON_HELP}

Examples
  twinscope authority show
  twinscope authority move dhcp1-dhcp2 --to dhcp2 --reason "dhcp1 is replaced"

Exit codes: 0 shown, moved, or already so, 1 error, a problem with an authority, or the answer was no,
2 usage or no terminal to ask on, 4 refused because observed`

async function show(
  api: Api,
  name: string | undefined,
  json: boolean,
  { terminal }: CommandContext,
): Promise<ExitCode> {
  const names =
    name === undefined
      ? (await api.relationships()).filter(({ configured }) => configured).map((relationship) => relationship.name)
      : [name]
  const views = await Promise.all(names.map(async (one) => (await api.authority(one)).value))
  const [first] = views
  if (json) terminal.out(JSON.stringify(name === undefined ? { items: views } : first, undefined, 2))
  else if (first === undefined) terminal.err('No relationship is configured.')
  else terminal.out(name === undefined ? renderAuthorities(views) : renderAuthority(first))
  return views.some(({ problem }) => problem !== undefined) ? EXIT.error : EXIT.done
}

function serverOf(relationship: RelationshipDetail, text: string): string {
  const servers = relationship.partners.map(({ server }) => server)
  const wanted = text.toLowerCase().replace(/\.$/, '')
  const found =
    servers.find((server) => server.toLowerCase() === wanted) ??
    servers.find((server) => shortName(server).toLowerCase() === wanted)
  if (found !== undefined) return found
  throw new UsageError(
    `--to ${text}: ${relationship.name} is between ${servers.join(' and ')}.${nearest(text, servers).length > 0 ? suggestion(text, servers) : ''}`,
  )
}

/** Servers of which nothing can be learned now; a move leaves them behind and they are told when they are back. */
function silent(view: AuthorityView, relationship: RelationshipDetail): readonly string[] {
  return relationship.partners
    .map(({ server }) => server)
    .filter(
      (server) =>
        view.gates.some((gate) => gate.server === server && gate.problem !== undefined) ||
        relationship.partners.some((partner) => partner.server === server && !partner.reachable),
    )
}

function describe(view: AuthorityView, relationship: RelationshipDetail, to: string): readonly string[] {
  const from = relationship.partners.find(({ server }) => server !== to)?.server ?? 'its partner'
  const lines = [
    `${relationship.name}: the authoritative side is ${view.side ?? 'unknown'}${view.epoch === undefined ? '' : ` (epoch ${view.epoch})`}`,
  ]
  if (view.problem !== undefined) lines.push(`  ${view.problem.message}`)
  lines.push(
    `  after the move changes on ${to} are copied to ${from}; an edit on ${from} is held and shown, never copied back`,
  )
  const { differences, counts } = relationship
  const differing = counts.outOfSync + counts.conflict
  if (relationship.sync === 'unknown') {
    lines.push(`  what differs now is not known: ${relationship.reason ?? 'a server cannot be read'}`)
  } else if (differing === 0) lines.push('  nothing differs now, so the move overwrites nothing')
  else {
    lines.push(
      `  ${plural(differing, 'scope differs', 'scopes differ')} now, and ${differing === 1 ? 'is' : 'are'} seen from ${to} after the move:`,
    )
    for (const { scopeId, why } of differences.slice(0, 20)) lines.push(`      ${scopeId}  now: ${withoutWaysOut(why)}`)
    if (differing > 20) lines.push(`      … and ${differing - 20} more`)
    lines.push(
      `  a scope that only ${to} changed is then copied to ${from}; one that only ${from} changed is then an edit on the wrong side, held until somebody decides`,
    )
  }
  if (relationship.pending.length > 0)
    lines.push(`  ${plural(relationship.pending.length, 'job')} from the present side will be refused`)
  return lines
}

async function move(
  api: Api,
  name: string,
  options: {
    readonly to: string
    readonly force: boolean
    readonly reason?: string | undefined
    readonly json: boolean
  },
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  for (;;) {
    const relationship = await api.relationship(name)
    const to = serverOf(relationship, options.to)
    const { value: view, etag = '"0"' } = await api.authority(relationship.name)
    if (view.side === to && view.problem === undefined) {
      terminal.err(`${to} is the authoritative side of ${relationship.name} already.`)
      if (options.json) terminal.out(JSON.stringify(view, undefined, 2))
      return EXIT.done
    }
    for (const line of describe(view, relationship, to)) terminal.err(line)
    const unasked = silent(view, relationship)
    if (unasked.length > 0) {
      terminal.err(
        `  ${unasked.join(' and ')} cannot be asked now: it learns of the move when it is back; until then its own changes are only seen by it`,
      )
    }
    const all = unasked.length > 0 ? ` though ${unasked.join(' and ')} cannot be asked` : ''
    const verb = view.side === to ? `Confirm ${to} as` : `Make ${to}`
    const asked = await ask(terminal, `${verb} the authoritative side of ${relationship.name}${all}?`, {
      force: options.force,
      advice: 'Use --force to move it without the question.',
    })
    if (!asked.yes) return asked.exit
    const body = given({
      actor: context.actor,
      reason: options.reason,
      side: to,
      force: unasked.length > 0 || undefined,
    })
    let job: string
    try {
      ;({ job } = await api.moveAuthority(relationship.name, body, etag))
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.problem.status !== 412) throw error
      terminal.err(`Somebody else moved the authority of ${relationship.name} meanwhile; nothing was changed.`)
      if (options.force) return EXIT.error
      continue
    }
    const ended = await follow(api, job, terminal)
    if (options.json) terminal.out(JSON.stringify(ended, undefined, 2))
    else tellWhy(ended, terminal)
    return exitOfReplication(ended)
  }
}

export const authorityCommand: Command = {
  name: 'authority',
  summary: 'authority show | move: which side is copied from',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { values, positionals } = parse(args, OPTIONS, { least: 1, most: 2, names: '`show` or `move RELATIONSHIP`' })
    const [verb = '', name] = positionals
    const api = context.api(values.url)
    if (verb === 'show') {
      const more = [
        values.to !== undefined && '--to',
        values.force && '--force',
        values.reason !== undefined && '--reason',
      ]
      const odd = more.find((option) => option !== false)
      if (odd !== undefined) throw new UsageError(`${odd} belongs to \`authority move\``)
      return await show(api, name, values.json, context)
    }
    if (verb !== 'move') throw new UsageError(`there is no "authority ${verb}".${suggestion(verb, ['show', 'move'])}`)
    if (name === undefined) throw new UsageError('RELATIONSHIP is missing: authority move RELATIONSHIP --to SERVER')
    if (values.to === undefined) throw new UsageError('--to is missing: the server that becomes the authoritative side')
    const options = { to: values.to, force: values.force, reason: values.reason, json: values.json }
    return await move(api, name, options, context)
  },
}
