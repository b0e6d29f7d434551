// Copies settings from the named server to its partner: shows the plan, asks, requests, waits.

import { randomUUID } from 'node:crypto'
import type { Api } from '#cli/api-client.ts'
import {
  COMMON_HELP,
  COMMON_OPTIONS,
  type Command,
  type CommandContext,
  listOf,
  parse,
  UsageError,
} from '#cli/command.ts'
import { EXIT, type ExitCode, exitOfPlan, exitOfRefusal, exitOfReplication, mostSevere } from '#cli/exit-codes.ts'
import { plural, renderPlan, renderResult, replicatedScopeIds } from '#cli/render.ts'
import type { Terminal } from '#cli/terminal.ts'
import type { PlanAnswer, RelationshipPlan, ReplicationBody, ReplicationDetail } from '#contracts/status-api.ts'
import { parseIpv4 } from '#dhcp/ipv4.ts'
import { parseScopeKey } from '#dhcp/scope.ts'

export type ReplicateOptions = {
  readonly server: string
  readonly relationship?: string
  readonly scopes?: readonly string[]
  readonly whatIf: boolean
  /** Do not ask. Holds are not released by it. */
  readonly force: boolean
  readonly wait: boolean
  readonly json: boolean
  readonly reason?: string
}

const HELP = `twinscope replicate --server SERVER [--relationship NAME | --scope ID,ID]

Copies the settings of failover-enabled scopes from SERVER to its partner. Without --relationship and
--scope: every relationship in which SERVER is the authoritative side; the others are listed as refused.
Shows the plan and asks before the partner is overwritten; yes approves exactly the plan that was shown.
Prints the replicated scope IDs, one per line; everything else goes to standard error.

  --server NAME          the source; a unique short name will do
  --relationship NAME    one failover relationship
  --scope ID,ID          some scopes: 10.0.10.0 or 10.0.10.0/24
  --what-if              show the plan, change nothing (exit 3: there are differences)
  --force                do not ask; what is held stays held
  --no-wait              return when the request is stored; prints the job id
  --reason TEXT          goes into the ledger
${COMMON_HELP}

Examples
  twinscope replicate --server dhcp1 --what-if
  twinscope replicate --server dhcp1 --relationship dhcp1-dhcp2
  twinscope replicate --server dhcp1 --scope 10.0.10.0,10.0.20.0 --force
  twinscope ${'Invoke-DhcpServerv4FailoverReplication'} -ComputerName dhcp1 -ScopeId 10.0.10.0

Exit codes: 0 done or in sync, 1 error, 2 usage, 3 out of sync, 4 held or conflict, 5 not authoritative`

/** Told before the service is asked: a slip of the finger is a matter of usage. */
function checkScopes(scopes: readonly string[] | undefined): void {
  for (const scope of scopes ?? []) {
    if (parseScopeKey(scope) === undefined && parseIpv4(scope) === undefined) {
      throw new UsageError(`"${scope}" is no scope ID; write the network address, 10.0.10.0 or 10.0.10.0/24`)
    }
  }
}

function bodyOf(options: ReplicateOptions, actor: string): ReplicationBody {
  checkScopes(options.scopes)
  return {
    server: options.server,
    ...(options.relationship === undefined ? {} : { relationship: options.relationship }),
    ...(options.scopes === undefined ? {} : { scopes: [...options.scopes] }),
    actor,
    ...(options.reason === undefined ? {} : { reason: options.reason }),
  }
}

function question(plans: readonly RelationshipPlan[]): string {
  const parts = plans.map((plan) => {
    const held = plan.scopes.filter(({ obstacles }) => obstacles.length > 0).length
    const approves = held === 0 ? '' : `, of which ${held} held and approved by your yes`
    return `${plural(plan.scopes.length, 'scope')} on ${plan.target} with the settings of ${plan.source}${approves}`
  })
  return `Overwrite ${parts.join('; ')}?`
}

/** What the operator agreed to: digests by relationship, or why nothing is done. */
async function agree(
  answer: PlanAnswer,
  terminal: Terminal,
): Promise<{ readonly approved: Readonly<Record<string, string>> } | { readonly exit: ExitCode }> {
  const overwriting = answer.plans.filter(({ scopes }) => scopes.length > 0)
  terminal.err(renderPlan(answer))
  const failed = answer.plans.filter(({ failure }) => failure !== undefined)
  if (overwriting.length === 0) {
    // Nothing would be overwritten, so there is nothing to ask; the request is still made and recorded.
    return failed.length > 0 ? { exit: EXIT.error } : { approved: {} }
  }
  const yes = await terminal.confirm(question(overwriting))
  if (yes === undefined) {
    const isHeld = ({ obstacles }: RelationshipPlan['scopes'][number]) => obstacles.length > 0
    const scopes = overwriting.flatMap((plan) => plan.scopes)
    const held = scopes.filter(isHeld).length
    const force = 'Use --force to replicate without the question, or --what-if to only look.'
    const holds = `--force does not release ${held === 1 ? 'the held scope' : `the ${held} held scopes`}: that needs a yes on a terminal.`
    const advice = held === 0 ? force : held === scopes.length ? holds : `${force} ${holds}`
    terminal.err(`There is no terminal to ask on. ${advice}`)
    return { exit: EXIT.usage }
  }
  if (!yes) {
    terminal.err('Nothing was changed.')
    return { exit: EXIT.error }
  }
  return {
    approved: Object.fromEntries(
      overwriting.flatMap(({ relationship, digest }) => (digest === undefined ? [] : [[relationship, digest]])),
    ),
  }
}

function progressText(replication: ReplicationDetail): string {
  const running = replication.children.find(({ status }) => status === 'running') ?? replication
  const { progress } = running
  const where = running.relationship ?? running.source
  const stage = progress === undefined ? '' : ` · ${progress.stage} ${progress.done}/${progress.total}`
  const why = running.status === 'pending' && running.message !== undefined ? ` · ${running.message}` : ''
  return `${where}: ${running.status}${stage}${why}`
}

async function follow(api: Api, job: string, terminal: Terminal): Promise<ReplicationDetail> {
  let latest: ReplicationDetail | undefined
  const startedAt = performance.now()
  const show = () => {
    if (latest === undefined) return
    const seconds = Math.round((performance.now() - startedAt) / 1_000)
    terminal.progress(`${progressText(latest)}${seconds > 1 ? ` · ${seconds} s` : ''}`)
  }
  const timer = setInterval(show, 1_000)
  try {
    return await api.follow(job, (replication) => {
      latest = replication
      show()
    })
  } finally {
    clearInterval(timer)
    terminal.progress(undefined)
  }
}

export async function replicate(options: ReplicateOptions, api: Api, context: CommandContext): Promise<ExitCode> {
  const { terminal } = context
  const body = bodyOf(options, context.actor)
  if (options.whatIf) {
    const answer = await api.plan(body)
    terminal.out(options.json ? JSON.stringify(answer, undefined, 2) : renderPlan(answer))
    return exitOfPlan(answer)
  }
  let approved: Readonly<Record<string, string>> = {}
  if (!options.force) {
    const answer = await api.plan(body)
    if (answer.plans.length === 0 && answer.refused.length > 0) {
      for (const { relationship, message } of answer.refused) terminal.err(`${relationship}: refused: ${message}`)
      if (options.json) terminal.out(JSON.stringify(answer, undefined, 2))
      return mostSevere(answer.refused.map(({ code }) => exitOfRefusal(code)))
    }
    const agreement = await agree(answer, terminal)
    if ('exit' in agreement) return agreement.exit
    approved = agreement.approved
  }
  const request = Object.keys(approved).length === 0 ? body : { ...body, approvedPlans: approved }
  const accepted = await api.replicate(request, randomUUID())
  if (!options.wait) {
    terminal.out(options.json ? JSON.stringify(accepted) : accepted.job)
    return EXIT.done
  }
  const ended = await follow(api, accepted.job, terminal)
  if (options.json) terminal.out(JSON.stringify(ended, undefined, 2))
  else {
    for (const line of renderResult(ended)) terminal.err(line)
    for (const scope of replicatedScopeIds(ended)) terminal.out(scope)
  }
  return exitOfReplication(ended)
}

export const replicateCommand: Command = {
  name: 'replicate',
  summary: 'copy settings from a server to its partner, on one of the three levels',
  help: HELP,
  async run(args, context) {
    const { values } = parse(
      args,
      {
        ...COMMON_OPTIONS,
        server: { type: 'string' },
        relationship: { type: 'string' },
        scope: { type: 'string', multiple: true },
        'what-if': { type: 'boolean', default: false },
        force: { type: 'boolean', default: false },
        'no-wait': { type: 'boolean', default: false },
        reason: { type: 'string' },
      },
      { least: 0, most: 0, names: '' },
    )
    if (values.server === undefined) throw new UsageError('--server is missing: the server whose settings are copied')
    if (values.relationship !== undefined && values.scope !== undefined) {
      throw new UsageError('give --relationship or --scope, not both')
    }
    const scopes = listOf(values.scope)
    const options: ReplicateOptions = {
      server: values.server,
      ...(values.relationship === undefined ? {} : { relationship: values.relationship }),
      ...(scopes === undefined ? {} : { scopes }),
      whatIf: values['what-if'],
      force: values.force,
      wait: !values['no-wait'],
      json: values.json,
      ...(values.reason === undefined ? {} : { reason: values.reason }),
    }
    return await replicate(options, context.api(values.url), context)
  },
}
