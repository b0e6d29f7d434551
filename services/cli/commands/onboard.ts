// First contact: one report of all differences, one approval, then it goes on by itself.

import type { Api } from '#cli/api-client.ts'
import { ask } from '#cli/ask.ts'
import { COMMON_HELP, COMMON_OPTIONS, type Command, type CommandContext, parse, scopesOf } from '#cli/command.ts'
import { EXIT, type ExitCode, exitOfRefusal, exitOfReplication } from '#cli/exit-codes.ts'
import { followAndTell } from '#cli/follow.ts'
import { plural } from '#cli/render.ts'
import { isFirstContact, renderOnboarding, yamlFor } from '#cli/render-onboarding.ts'
import type { RelationshipDetail, RelationshipPlan } from '#contracts/status-api.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  scope: { type: 'string', multiple: true },
  verbose: { type: 'boolean', default: false },
  'what-if': { type: 'boolean', default: false },
  reason: { type: 'string' },
} as const

const HELP = `twinscope onboard RELATIONSHIP [--scope ID,ID] [--verbose] [--what-if]

For two servers that Twinscope sees together for the first time: one report of everything that differs, which
way it is copied, and one question. Yes approves exactly what was reported. From then on the relationship is
replicated as its mode says. What exists only on the partner is shown and stays.

  --scope ID,ID    only these scopes now; the others stay held
  --verbose        every change, not only their number
  --what-if        the report only, change nothing (exit 3: there are differences)
  --reason TEXT    goes into the ledger
${COMMON_HELP}

Examples
  twinscope onboard dhcp1-dhcp2 --what-if --verbose
  twinscope onboard dhcp1-dhcp2
  twinscope onboard dhcp1-dhcp2 --scope 10.0.10.0

There is no --force: without a terminal look with --what-if, then twinscope approve --relationship NAME --force.

Exit codes: 0 done or in sync, 1 error or the answer was no, 2 usage or no terminal to ask on, 3 what-if with
differences, 4 something stays held, or the relationship is only observed`

type Options = {
  readonly scopes: readonly string[] | undefined
  readonly verbose: boolean
  readonly whatIf: boolean
  readonly json: boolean
  readonly reason: string | undefined
}

/** What comes after: nobody should have to guess whether it runs now. */
function fromNowOn(relationship: RelationshipDetail, plan: RelationshipPlan, exit: ExitCode): string {
  const rest = exit === EXIT.done ? '' : ' What is still held is in twinscope conflicts.'
  const { name, mode } = relationship
  return mode === 'automatic'
    ? `From now on changes on ${plan.source} are copied to ${plan.target} automatically.${rest}`
    : `Its mode is manual: changes on ${plan.source} are shown, and copied by twinscope replicate --server ${plan.source} --relationship ${name}.${rest}`
}

function cannotApprove(plan: RelationshipPlan): readonly string[] {
  return plan.scopes.flatMap(({ scopeId, obstacles }) =>
    obstacles.filter(({ approvable }) => !approvable).map(({ message }) => `${scopeId}: ${message}`),
  )
}

async function onboard(api: Api, name: string, options: Options, context: CommandContext): Promise<ExitCode> {
  const { terminal } = context
  const relationship = await api.relationship(name)
  if (!relationship.configured) {
    terminal.err(
      `${relationship.name} was found at its servers, but is not in the configuration, so it is only observed. Add it:`,
    )
    terminal.err(yamlFor(relationship))
    return EXIT.held
  }
  for (;;) {
    const plan = await api.diff(relationship.name, options.scopes)
    const report = renderOnboarding(relationship, plan, options.verbose)
    if (options.json && options.whatIf) terminal.out(JSON.stringify(plan, undefined, 2))
    else if (options.whatIf) terminal.out(report)
    else terminal.err(report)
    if (plan.failure !== undefined) return EXIT.error
    const differs = plan.scopes.length + plan.shown.length > 0
    if (relationship.mode === 'observe') {
      terminal.err(
        `${relationship.name} is only observed, so nothing is copied. Put this into the configuration, and restart the services:`,
      )
      terminal.err(yamlFor(relationship))
      return options.whatIf && differs ? EXIT.outOfSync : EXIT.held
    }
    if (options.whatIf) return differs ? EXIT.outOfSync : EXIT.done
    if (plan.refusal !== undefined) {
      terminal.err(`Not now: ${plan.refusal.message}`)
      return exitOfRefusal(plan.refusal.code)
    }
    if (plan.scopes.length === 0) {
      terminal.err(`There is nothing to approve. ${fromNowOn(relationship, plan, EXIT.done)}`)
      return EXIT.done
    }
    for (const line of cannotApprove(plan)) terminal.err(`stays held: ${line}`)
    const held = plan.scopes.filter(({ obstacles }) => obstacles.length > 0)
    const limits = held.filter(({ obstacles }) => obstacles.some(({ code }) => !isFirstContact(code))).length
    const passing =
      limits === 0 ? '' : ` ${plural(limits, 'of them is', 'of them are')} held by a limit too, which your yes passes.`
    const asked = await ask(
      terminal,
      `Overwrite or create ${plural(plan.scopes.length, 'scope')} on ${plan.target} with the settings of ${plan.source}?${passing}`,
      {
        force: false,
        advice: `After a look with --what-if: twinscope approve --relationship ${relationship.name} --force`,
      },
    )
    if (!asked.yes) return asked.exit
    const approvedPlans = plan.digest === undefined ? {} : { [relationship.name]: plan.digest }
    const accepted = await api.replicate({
      server: plan.source,
      relationship: relationship.name,
      actor: context.actor,
      reason: options.reason ?? 'onboarding',
      ...(options.scopes === undefined ? {} : { scopes: plan.scopes.map(({ scope }) => scope) }),
      approvedPlans,
    })
    const ended = await followAndTell(api, accepted.job, terminal, options)
    const exit = exitOfReplication(ended)
    const present = ended.status === 'held' ? await api.diff(relationship.name, options.scopes) : undefined
    if (
      present?.digest === undefined ||
      present.digest === plan.digest ||
      cannotApprove(present).length === present.scopes.length
    ) {
      if (exit === EXIT.done || exit === EXIT.held) terminal.err(fromNowOn(relationship, plan, exit))
      return exit
    }
    terminal.err('Something has changed since the report, so what is held was not written. This is the present state:')
  }
}

export const onboardCommand: Command = {
  name: 'onboard',
  summary: 'first contact: one report of all differences, one approval',
  options: OPTIONS,
  help: HELP,
  async run(args, context) {
    const { values, positionals } = parse(args, OPTIONS, { least: 1, most: 1, names: 'RELATIONSHIP' })
    const options: Options = {
      scopes: scopesOf(values.scope),
      verbose: values.verbose,
      whatIf: values['what-if'],
      json: values.json,
      reason: values.reason,
    }
    return await onboard(context.api(values.url), positionals[0] ?? '', options, context)
  },
}
