// Releasing holds: what is held is gathered as plans, shown, asked about once, and approved by digest, so
// that nothing but what was shown is written. A plan that changed meanwhile is held again, shown again, asked again.

import type { RelationshipPlan, ReplicationDetail } from '#contracts/status-api.ts'
import type { Api } from './api-client.ts'
import { ask } from './ask.ts'
import { type CommandContext, given } from './command.ts'
import { EXIT, type ExitCode, exitOfReplication, mostSevere } from './exit-codes.ts'
import { follow, tellResult, tellWhy } from './follow.ts'
import { overwriteQuestion, renderRelationshipPlan, withoutWaysOut } from './render.ts'

type Who = { readonly actor: string; readonly reason?: string }

/** One plan that is released as a whole. */
export type Approval = {
  readonly plan: RelationshipPlan
  /** Approves exactly `plan`; gives the job that carries it out. */
  submit(api: Api, who: Who): Promise<string>
  /** The same, read freshly. */
  again(api: Api): Promise<Gathered>
}

/** What no approval removes, or what is only told. `exit`: what it means for the command. */
export type NotApprovable = {
  readonly relationship: string
  readonly scopeId?: string
  readonly code: string
  readonly message: string
  readonly exit: ExitCode
}

export type Gathered = { readonly approvals: readonly Approval[]; readonly notApprovable: readonly NotApprovable[] }

export function together(parts: readonly Gathered[]): Gathered {
  return {
    approvals: parts.flatMap(({ approvals }) => approvals),
    notApprovable: parts.flatMap(({ notApprovable }) => notApprovable),
  }
}

export type ApproveOptions = {
  readonly force: boolean
  readonly wait: boolean
  /** Standard output is the caller's. */
  readonly json: boolean
  readonly reason?: string | undefined
}

export type Approved = {
  readonly exit: ExitCode
  /** What the approvals became; empty without waiting. */
  readonly ended: readonly ReplicationDetail[]
  readonly jobs: readonly string[]
}

export function tellNotApprovable({ notApprovable }: Gathered, { terminal }: CommandContext): void {
  if (notApprovable.length === 0) return
  terminal.err('No approval releases:')
  for (const { relationship, scopeId, message } of notApprovable) {
    terminal.err(`  ${relationship}${scopeId === undefined ? '' : `  ${scopeId}`}: ${message}`)
  }
}

function asShown(plan: RelationshipPlan): RelationshipPlan {
  const scopes = plan.scopes.map((scope) => ({
    ...scope,
    obstacles: scope.obstacles.map((obstacle) => ({ ...obstacle, message: withoutWaysOut(obstacle.message) })),
  }))
  return { ...plan, scopes }
}

/** Shows, asks once for all, approves, waits; again for what changed between the answer and the write. */
export async function approveGathered(
  api: Api,
  gathered: Gathered,
  options: ApproveOptions,
  context: CommandContext,
): Promise<Approved> {
  const { terminal } = context
  const who = given({ actor: context.actor, reason: options.reason })
  const exits: ExitCode[] = []
  const ended: ReplicationDetail[] = []
  const jobs: string[] = []
  const done = (): Approved => ({ exit: mostSevere(exits), ended, jobs })
  let open = gathered
  for (;;) {
    exits.push(...open.notApprovable.map(({ exit }) => exit))
    for (const { plan } of open.approvals) terminal.err(renderRelationshipPlan(asShown(plan)))
    tellNotApprovable(open, context)
    if (open.approvals.length === 0) return done()
    const asked = await ask(terminal, overwriteQuestion(open.approvals.map(({ plan }) => plan)), {
      force: options.force,
      advice: 'Use --force to approve, without the question, what is shown above.',
    })
    if (!asked.yes) {
      exits.push(asked.exit)
      return done()
    }
    const submitted: { readonly approval: Approval; readonly job: string }[] = []
    for (const approval of open.approvals) submitted.push({ approval, job: await approval.submit(api, who) })
    jobs.push(...submitted.map(({ job }) => job))
    if (!options.wait) return done()
    const heldAgain: Approval[] = []
    for (const { approval, job } of submitted) {
      const end = await follow(api, job, terminal)
      ended.push(end)
      if (options.json) tellWhy(end, terminal)
      else tellResult(end, terminal)
      if (end.status === 'held') heldAgain.push(approval)
      else exits.push(exitOfReplication(end))
    }
    const next = together(await Promise.all(heldAgain.map(async (approval) => await afterHold(api, approval))))
    if (heldAgain.length > 0 && (options.force || next.approvals.length === 0)) {
      if (options.force)
        terminal.err('It is held again: the plan is not the one that was approved. Look, and approve again.')
      tellNotApprovable(next, context)
      exits.push(EXIT.held)
      return done()
    }
    if (heldAgain.length === 0) return done()
    terminal.err('What was approved is not the present plan any more, so it was not written. This is the present one:')
    open = next
  }
}

/** The present plan, where it is another one than that which was approved and held all the same. */
async function afterHold(api: Api, approval: Approval): Promise<Gathered> {
  const next = await approval.again(api)
  return { ...next, approvals: next.approvals.filter(({ plan }) => plan.digest !== approval.plan.digest) }
}
