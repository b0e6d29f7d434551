// Undoes a replication: what its scopes were before is written back.

import type { Api } from '#cli/api-client.ts'
import { ask } from '#cli/ask.ts'
import { COMMON_HELP, COMMON_OPTIONS, type Command, type CommandContext, given, parse, scopesOf } from '#cli/command.ts'
import { EXIT, type ExitCode, exitOfReplication } from '#cli/exit-codes.ts'
import { followAndTell } from '#cli/follow.ts'
import { renderRelationshipPlan } from '#cli/render.ts'
import type { RestorePlan } from '#contracts/decisions-api.ts'
import type { RelationshipPlan } from '#contracts/status-api.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  both: { type: 'boolean', default: false },
  scope: { type: 'string', multiple: true },
  server: { type: 'string' },
  'what-if': { type: 'boolean', default: false },
  force: { type: 'boolean', default: false },
  'no-wait': { type: 'boolean', default: false },
  reason: { type: 'string' },
} as const

const HELP = `twinscope restore JOB [--both] [--scope ID,ID] [--server NAME] [--what-if]

Undoes what JOB wrote: its scopes get back the content from before, where JOB wrote it. Shows the plan and
asks; yes approves exactly that plan, with its limits. A restored scope is then held, so that nothing undoes
the restore, until somebody approves it or changes the authoritative side to be the same.

  --both           put that content on the authoritative side too, so that both are equal again
  --scope ID,ID    only these scopes
  --server NAME    where JOB is undone, if it wrote on both servers (a restore with --both)
  --what-if        show the plan, change nothing (exit 3: something would be written)
  --force          do not ask; a plan that a limit holds is not restored
  --no-wait        return when the request is stored; prints the job id
  --reason TEXT    goes into the ledger
${COMMON_HELP}

Examples
  twinscope restore 01JCXKQ3M6T5YV0R9W2B4D8F7H --what-if
  twinscope restore 01JCXKQ3M6T5YV0R9W2B4D8F7H --both --reason CHG-4711
  twinscope restore 01JCXKQ3M6T5YV0R9W2B4D8F7H --scope 10.0.10.0

Exit codes: 0 restored, or nothing to restore, 1 error or the answer was no, 2 usage or no terminal to ask on,
3 what-if with changes, 4 held by a limit, or refused because observed`

/** What the restore itself is; everything else that holds it is a limit. */
const OWN_OBSTACLE = 'restore'

function limitsOf({ plans }: RestorePlan): readonly string[] {
  return plans
    .flatMap(({ scopes }) => scopes.flatMap(({ obstacles }) => obstacles))
    .filter(({ code }) => code !== OWN_OBSTACLE)
    .map(({ message }) => message)
}

/** That it needs an approval is what the question is for. */
function withoutOwn(plan: RelationshipPlan): RelationshipPlan {
  const scopes = plan.scopes.map((scope) => ({
    ...scope,
    obstacles: scope.obstacles.filter(({ code }) => code !== OWN_OBSTACLE),
  }))
  return { ...plan, scopes }
}

function show(plan: RestorePlan, { terminal }: CommandContext): void {
  for (const one of plan.plans) {
    const where = one.target === plan.server ? 'it' : plan.server
    const direction = `${one.target} gets back what ${where} had before ${plan.job}`
    terminal.err(renderRelationshipPlan(withoutOwn(one), direction))
  }
  for (const { scopeId, message } of plan.missing) terminal.err(`${scopeId}: cannot be restored: ${message}`)
}

function consequence(plan: RestorePlan): string {
  const written = plan.plans.filter(({ scopes }) => scopes.length > 0)
  const parts = written.map(({ target, scopes }) => `${scopes.length} on ${target}`)
  const limits = limitsOf(plan).length === 0 ? '' : ' Your yes passes the limits above.'
  const after = plan.both
    ? ''
    : ' They are then held until somebody approves them, or makes the authoritative side the same.'
  return `Write back what these scopes were before ${plan.job} (${parts.join(', ')})?${after}${limits}`
}

/** What stands in the way; `undefined`: it may go on. */
async function agree(
  plan: RestorePlan,
  options: { readonly force: boolean; readonly whatIf: boolean },
  context: CommandContext,
): Promise<ExitCode | undefined> {
  const { terminal } = context
  const failed = plan.plans.some(({ failure }) => failure !== undefined)
  const isEmpty = plan.digest === undefined
  if (options.whatIf) return failed ? EXIT.error : isEmpty ? EXIT.done : EXIT.outOfSync
  if (failed) return EXIT.error
  if (isEmpty) {
    terminal.err('There is nothing to restore: the scopes are as they were before.')
    return plan.missing.length > 0 ? EXIT.error : EXIT.done
  }
  const firm = plan.plans.flatMap(({ scopes }) =>
    scopes.flatMap(({ obstacles }) => obstacles.filter(({ approvable }) => !approvable)),
  )
  if (firm.length > 0) {
    terminal.err('No approval releases this; leave the scope out with --scope.')
    return EXIT.held
  }
  const limits = limitsOf(plan)
  if (options.force && limits.length > 0) {
    terminal.err(
      `Not restored: ${limits.join('; ')}. --force releases no limit: run it on a terminal without --force and answer yes.`,
    )
    return EXIT.held
  }
  const asked = await ask(terminal, consequence(plan), {
    force: options.force,
    advice: 'Use --force to restore without the question, or --what-if to only look.',
  })
  return asked.yes ? undefined : asked.exit
}

async function restore(
  api: Api,
  id: string,
  options: {
    readonly body: {
      readonly scopes?: string[]
      readonly both: boolean
      readonly server?: string
      readonly actor: string
      readonly reason?: string
    }
    readonly force: boolean
    readonly whatIf: boolean
    readonly wait: boolean
    readonly json: boolean
  },
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  const { body } = options
  for (;;) {
    const plan = await api.planRestore(id, body)
    if (options.whatIf && options.json) terminal.out(JSON.stringify(plan, undefined, 2))
    else show(plan, context)
    const exit = await agree(plan, options, context)
    if (exit !== undefined) return exit
    const accepted = await api.restore(id, given({ ...body, approvedPlan: plan.digest }))
    if (!options.wait) {
      terminal.out(options.json ? JSON.stringify(accepted) : accepted.job)
      return EXIT.done
    }
    const ended = await followAndTell(api, accepted.job, terminal, options)
    if (ended.status !== 'held' || options.force || options.json) return exitOfReplication(ended)
    const present = await api.planRestore(id, body)
    if (present.digest === plan.digest) return exitOfReplication(ended)
    terminal.err('The plan has changed since it was approved, so nothing was written. This is the present one:')
  }
}

export const restoreCommand: Command = {
  name: 'restore',
  summary: 'undo a replication: write back what was there before',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { values, positionals } = parse(args, OPTIONS, { least: 1, most: 1, names: 'JOB' })
    const scopes = scopesOf(values.scope)
    const body = given({
      actor: context.actor,
      reason: values.reason,
      both: values.both,
      scopes: scopes && [...scopes],
      server: values.server,
    })
    const options = {
      body,
      force: values.force,
      whatIf: values['what-if'],
      wait: !values['no-wait'],
      json: values.json,
    }
    return await restore(context.api(values.url), positionals[0] ?? '', options, context)
  },
}
