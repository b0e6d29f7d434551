// Releases what is held: exactly the plan that is shown.

import type { Api } from '#cli/api-client.ts'
import { approveGathered, type Gathered, type NotApprovable, together } from '#cli/approval.ts'
import {
  COMMON_HELP,
  COMMON_OPTIONS,
  type Command,
  type CommandContext,
  given,
  parse,
  scopesOf,
  UsageError,
} from '#cli/command.ts'
import { EXIT, exitOfStatus, mostSevere } from '#cli/exit-codes.ts'
import { gatherHeld, gatherPick, type Held } from '#cli/held-plans.ts'
import { scopesNamed } from '#contracts/scope-ids.ts'
import type { Relationship, ReplicationChild } from '#contracts/status-api.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  relationship: { type: 'string' },
  all: { type: 'boolean', default: false },
  scope: { type: 'string', multiple: true },
  side: { type: 'string' },
  force: { type: 'boolean', default: false },
  'no-wait': { type: 'boolean', default: false },
  reason: { type: 'string' },
} as const

const HELP = `twinscope approve JOB… | --relationship NAME | --all  [--scope ID,ID] [--side SERVER]

Releases what is held. Reads both servers, shows what would be written, with the limits that it passes, and
asks once for all; yes approves exactly what was shown. What has changed until it is written is not written,
but shown and asked again. Prints the replicated scope IDs, one per line; everything else goes to standard error.

  --relationship NAME  everything that is held now in one relationship
  --all                everything that is held now in all relationships
  --scope ID,ID        only these scopes
  --side SERVER        whose content is kept. Default: the authoritative side. The partner: its content of these
                       scopes is written onto the authoritative side, once; the authority stays where it is
  --force              do not ask: approve what is printed
  --no-wait            return when the approvals are stored; prints the job ids
  --reason TEXT        goes into the ledger
${COMMON_HELP}

Examples
  twinscope approve 01JCXKQ3M6T5YV0R9W2B4D8F7H
  twinscope approve 01JCXKQ3M6T5YV0R9W2B4D8F7H --scope 10.0.10.0 --side dhcp2
  twinscope approve --relationship dhcp1-dhcp2 --reason CHG-4711
  twinscope approve --all

Exit codes: 0 done, 1 error or the answer was no, 2 usage or no terminal to ask on, 4 something stays held or is
refused because observed, paused or outside its window, 5 not authoritative`

type Asked = { readonly scopes: readonly string[] | undefined; readonly side: string | undefined }

function gather(api: Api, held: Held, side: string | undefined): Promise<Gathered> {
  return side === undefined ? gatherHeld(api, held) : gatherPick(api, { ...held, side })
}

/** Where another command releases it, or nothing is held. */
function notHeld(part: ReplicationChild): NotApprovable {
  const relationship = part.relationship ?? part.source
  const message =
    part.act === 'restore'
      ? `${part.job} is a restore; see its plan as it is now and answer yes: twinscope restore ${part.of ?? 'JOB'}`
      : `${part.job} is ${part.status}, so it holds nothing; twinscope status --why says what is held`
  const exit = part.status === 'held' ? EXIT.held : mostSevere([EXIT.error, exitOfStatus(part.status, part.code)])
  return { relationship, code: part.code ?? part.status, message, exit }
}

/** Where another scope failed, or was refused, the whole is worse than held; what it held is released all the same. */
function doesHold({ status, scopes }: ReplicationChild): boolean {
  return status === 'held' || scopes.some((row) => row.status === 'held')
}

/** The ledger keeps the contents of so many scopes only; what was cut is approved as a request of its own. */
function isWhole(part: ReplicationChild, scopes: readonly string[]): boolean {
  const rows = part.scopes.filter(({ scope }) => scopes.includes(scope))
  return part.scopes.length >= part.scopeCount && rows.every((row) => (row.before ?? row.after) !== undefined)
}

async function gatherJob(api: Api, id: string, { scopes, side }: Asked, context: CommandContext): Promise<Gathered> {
  const detail = await api.replication(id)
  const parts = detail.children.length > 0 ? detail.children : [detail]
  const held = parts.filter((part) => part.act !== 'restore' && doesHold(part))
  if (held.length === 0) return { approvals: [], notApprovable: parts.map(notHeld) }
  const gathered: Gathered[] = []
  for (const part of held) {
    const { job, relationship, act } = part
    const rows = part.scopes.filter(({ status }) => status === 'held').map(({ scope }) => scope)
    const wanted = scopes === undefined ? rows : scopes.flatMap((text) => scopesNamed(text, rows))
    if (relationship === undefined || wanted.length === 0) continue
    // An adopt that was held names the picked side as its source.
    const picked = side ?? (act === 'adopt' ? part.source : undefined)
    const server = act === 'adopt' ? (part.target ?? part.source) : part.source
    const record = isWhole(part, wanted) ? job : undefined
    const one = await gather(api, { server, relationship, scopes: wanted, job: record }, picked)
    const digest = one.approvals[0]?.plan.digest
    if (digest !== undefined && scopes === undefined && side === undefined && part.planDigest !== digest) {
      context.terminal.err(`The plan has changed since ${job} held it. This is the present one:`)
    }
    gathered.push(one)
  }
  if (gathered.length === 0) throw new UsageError(`${id} holds none of ${scopes?.join(', ')}; twinscope show ${id}`)
  return together(gathered)
}

async function gatherRelationship(api: Api, relationship: Relationship, { scopes, side }: Asked): Promise<Gathered> {
  const { name, authority } = relationship
  if (authority === undefined) {
    const message = relationship.reason ?? 'its authoritative side is not known: twinscope authority show'
    return {
      approvals: [],
      notApprovable: [{ relationship: name, code: 'authority-unknown', message, exit: EXIT.held }],
    }
  }
  return await gather(api, { server: authority.side, relationship: name, scopes }, side)
}

/** Observed relationships are listed without being an error: nobody meant them. */
async function gatherAll(api: Api, asked: Asked): Promise<Gathered> {
  const different = (await api.relationships()).filter(({ sync }) => sync !== 'in-sync')
  const parts = await Promise.all(
    different.map(async (relationship): Promise<Gathered> => {
      if (asked.scopes === undefined) return await gatherRelationship(api, relationship, asked)
      const keys = (await api.relationship(relationship.name)).scopes.map(({ scope }) => scope)
      const scopes = asked.scopes.flatMap((text) => scopesNamed(text, keys))
      if (scopes.length === 0) return { approvals: [], notApprovable: [] }
      return await gatherRelationship(api, relationship, { ...asked, scopes })
    }),
  )
  const { approvals, notApprovable } = together(parts)
  return {
    approvals,
    notApprovable: notApprovable.map((row) => (row.code === 'observed-only' ? { ...row, exit: EXIT.done } : row)),
  }
}

export const approveCommand: Command = {
  name: 'approve',
  summary: 'release what is held, with the plan shown before',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { terminal } = context
    const { values, positionals: ids } = parse(args, OPTIONS, { least: 0, most: 100, names: 'JOB' })
    const ways = [ids.length > 0, values.relationship !== undefined, values.all].filter(Boolean).length
    if (ways !== 1) throw new UsageError('name one or more jobs, or --relationship NAME, or --all')
    if (values.side !== undefined && values.all) throw new UsageError('--side needs a job or a relationship, not --all')
    const api = context.api(values.url)
    const asked: Asked = { scopes: scopesOf(values.scope), side: values.side }
    const gathered =
      ids.length > 0
        ? together(await Promise.all([...new Set(ids)].map((id) => gatherJob(api, id, asked, context))))
        : values.relationship !== undefined
          ? await gatherRelationship(api, await api.relationship(values.relationship), asked)
          : await gatherAll(api, asked)
    if (gathered.approvals.length + gathered.notApprovable.length === 0) terminal.err('Nothing is held any more.')
    const options = given({ force: values.force, wait: !values['no-wait'], json: values.json, reason: values.reason })
    const { exit, ended, jobs } = await approveGathered(api, gathered, options, context)
    if (values.json) {
      const { notApprovable } = gathered
      const replications = values['no-wait'] ? jobs.map((job) => ({ job })) : ended
      const rows = notApprovable.map(({ exit: _, ...row }) => row)
      terminal.out(JSON.stringify({ replications, notApprovable: rows }, undefined, 2))
    } else if (values['no-wait']) for (const job of jobs) terminal.out(job)
    return exit
  },
}
