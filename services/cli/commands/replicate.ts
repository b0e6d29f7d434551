// Copies settings from the named server to its partner: shows the plan, asks, requests, waits.

import type { Api } from '#cli/api-client.ts'
import { ask } from '#cli/ask.ts'
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
import { EXIT, type ExitCode, exitOfPlan, exitOfRefusal, exitOfReplication, mostSevere } from '#cli/exit-codes.ts'
import { followAndTell } from '#cli/follow.ts'
import { overwriteQuestion, renderPlan } from '#cli/render.ts'
import type { PlanAnswer, RelationshipPlan, ReplicationBody } from '#contracts/status-api.ts'

export type ReplicateOptions = {
  readonly server: string
  readonly relationship?: string
  readonly scopes?: readonly string[]
  readonly whatIf: boolean
  /** Do not ask. Holds are not released by it. */
  readonly force: boolean
  /** Makes the server the authoritative side first, where it is not. */
  readonly takeAuthority: boolean
  readonly wait: boolean
  readonly json: boolean
  readonly reason?: string
}

const OPTIONS = {
  ...COMMON_OPTIONS,
  server: { type: 'string' },
  relationship: { type: 'string' },
  scope: { type: 'string', multiple: true },
  'what-if': { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  'take-authority': { type: 'boolean', default: false },
  'no-wait': { type: 'boolean', default: false },
  reason: { type: 'string' },
} as const

const HELP = `twinscope replicate --server SERVER [--relationship NAME | --scope ID,ID]

Copies the settings of failover-enabled scopes from SERVER to its partner. Without --relationship and
--scope: every relationship in which SERVER is the authoritative side; the others are listed as refused.
Shows the plan and asks before the partner is overwritten; yes approves exactly the plan that was shown.
Prints the replicated scope IDs, one per line; everything else goes to standard error.

  --server NAME          the source; a unique short name will do
  --relationship NAME    one failover relationship
  --scope ID,ID          some scopes: 10.0.10.0 or 10.0.10.0/24
  --what-if              show the plan, change nothing (exit 3: there are differences)
  --force                do not ask; what is held stays held: no hold and no limit is released
  --take-authority       make SERVER the authoritative side first, where it is not; says what that means, and asks
  --no-wait              return when the request is stored; prints the job id
  --reason TEXT          goes into the ledger
${COMMON_HELP}

Examples
  twinscope replicate --server dhcp1 --what-if
  twinscope replicate --server dhcp1 --relationship dhcp1-dhcp2
  twinscope replicate --server dhcp1 --scope 10.0.10.0,10.0.20.0 --force
  twinscope replicate --server dhcp2 --relationship dhcp1-dhcp2 --take-authority
  twinscope ${'Invoke-DhcpServerv4FailoverReplication'} -ComputerName dhcp1 -ScopeId 10.0.10.0

Exit codes: 0 done or in sync, 1 error or the answer was no, 2 usage or no terminal to ask on, 3 what-if with
differences, 4 held, or refused because observed, paused or outside its window, 5 not authoritative`

function bodyOf(options: ReplicateOptions, actor: string): ReplicationBody {
  return {
    server: options.server,
    ...(options.relationship === undefined ? {} : { relationship: options.relationship }),
    ...(options.scopes === undefined ? {} : { scopes: [...options.scopes] }),
    actor,
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    ...(options.takeAuthority ? { takeAuthority: true } : {}),
  }
}

/** A relationship of the request whose authority has to move first. */
type Taken = { readonly relationship: string; readonly from: string | undefined; readonly to: string }

async function takenBy(answer: PlanAnswer, api: Api): Promise<readonly Taken[]> {
  const planned = new Map(answer.plans.map((plan) => [plan.relationship, plan.source]))
  return (await api.relationships()).flatMap(({ name, authority }) => {
    const to = planned.get(name)
    return to === undefined || authority?.side === to ? [] : [{ relationship: name, from: authority?.side, to }]
  })
}

function takenText({ relationship, from, to }: Taken): string {
  const other = from === undefined ? 'its partner' : from
  return `${relationship}: ${to} becomes the authoritative side${from === undefined ? '' : ` (now ${from})`}, also for all changes that come later: an edit on ${other} is then held and shown, never copied`
}

/** Without a terminal `--force` may be an answer, but never to what is held. */
function advice(plans: readonly RelationshipPlan[]): string {
  const scopes = plans.flatMap((plan) => plan.scopes)
  const held = scopes.filter(({ obstacles }) => obstacles.length > 0).length
  const force = 'Use --force to replicate without the question, or --what-if to only look.'
  const holds = `--force does not release ${held === 1 ? 'the held scope' : `the ${held} held scopes`}: that needs a yes on a terminal, or twinscope approve.`
  return held === 0 ? force : held === scopes.length ? holds : `${force} ${holds}`
}

type Agreement = { readonly approved: Readonly<Record<string, string>> } | { readonly exit: ExitCode }

/** What the operator agreed to: digests by relationship, or why nothing is done. */
async function agree(answer: PlanAnswer, taken: readonly Taken[], { terminal }: CommandContext): Promise<Agreement> {
  const open = answer.plans.filter(({ refusal }) => refusal === undefined)
  const overwriting = open.filter(({ scopes }) => scopes.length > 0)
  for (const one of taken) terminal.err(takenText(one))
  terminal.err(renderPlan(answer))
  if (open.length === 0 && answer.plans.length > 0) return { exit: exitOfPlan(answer) }
  const failed = answer.plans.filter(({ failure }) => failure !== undefined)
  if (overwriting.length + taken.length === 0) {
    // Nothing would be overwritten, so there is nothing to ask; the request is still made and recorded.
    return failed.length > 0 ? { exit: EXIT.error } : { approved: {} }
  }
  const take = taken.map(({ relationship, to }) => `Make ${to} the authoritative side of ${relationship}`).join('; ')
  const overwrite = overwriting.length === 0 ? '' : overwriteQuestion(overwriting)
  const question = take === '' ? overwrite : overwrite === '' ? `${take}?` : `${take}, and then: ${overwrite}`
  const asked = await ask(terminal, question, { force: false, advice: advice(overwriting) })
  if (!asked.yes) return { exit: asked.exit }
  return {
    approved: Object.fromEntries(
      overwriting.flatMap(({ relationship, digest }) => (digest === undefined ? [] : [[relationship, digest]])),
    ),
  }
}

/** Without an approval the request is made all the same: what is held then is held and recorded. */
export async function replicate(options: ReplicateOptions, api: Api, context: CommandContext): Promise<ExitCode> {
  const { terminal } = context
  const body = bodyOf(options, context.actor)
  if (options.whatIf) {
    const answer = await api.plan(body)
    terminal.out(options.json ? JSON.stringify(answer, undefined, 2) : renderPlan(answer))
    return exitOfPlan(answer)
  }
  for (;;) {
    let approved: Readonly<Record<string, string>> = {}
    if (!options.force) {
      const answer = await api.plan(body)
      if (answer.plans.length === 0 && answer.refused.length > 0) {
        for (const { relationship, message } of answer.refused) terminal.err(`${relationship}: refused: ${message}`)
        if (options.json) terminal.out(JSON.stringify(answer, undefined, 2))
        return mostSevere(answer.refused.map(({ code }) => exitOfRefusal(code)))
      }
      const taken = options.takeAuthority ? await takenBy(answer, api) : []
      const agreement = await agree(answer, taken, context)
      if ('exit' in agreement) return agreement.exit
      approved = agreement.approved
    }
    const accepted = await api.replicate(
      Object.keys(approved).length === 0 ? body : { ...body, approvedPlans: approved },
    )
    if (!options.wait) {
      terminal.out(options.json ? JSON.stringify(accepted) : accepted.job)
      return EXIT.done
    }
    const ended = await followAndTell(api, accepted.job, terminal, options)
    if (ended.status !== 'held' || options.force || options.json) return exitOfReplication(ended)
    // A yes releases every hold that it can, so what is held now is another plan, or no approval releases it.
    const present = await api.plan(body)
    const isOther = present.plans.some(
      ({ relationship, digest }) => digest !== undefined && digest !== approved[relationship],
    )
    if (!isOther) return exitOfReplication(ended)
    terminal.err(
      'The plan has changed since it was approved, so what is held was not written. This is the present one:',
    )
  }
}

export const replicateCommand: Command = {
  name: 'replicate',
  summary: 'copy settings from a server to its partner, on one of the three levels',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { values } = parse(args, OPTIONS, { least: 0, most: 0, names: '' })
    if (values.server === undefined) throw new UsageError('--server is missing: the server whose settings are copied')
    if (values.relationship !== undefined && values.scope !== undefined) {
      throw new UsageError('give --relationship or --scope, not both')
    }
    const options: ReplicateOptions = given({
      server: values.server,
      relationship: values.relationship,
      scopes: scopesOf(values.scope),
      takeAuthority: values['take-authority'],
      whatIf: values['what-if'],
      force: values.force,
      wait: !values['no-wait'],
      json: values.json,
      reason: values.reason,
    })
    return await replicate(options, context.api(values.url), context)
  },
}
