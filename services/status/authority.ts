// The authority of a relationship as people need to see it: the record, what each gate has made durable, and what is
// wrong between them. Pure.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { AuthorityView } from '#contracts/decisions-api.ts'
import type { Authority } from '#contracts/messages.ts'

export type GateAuthority = AuthorityView['gates'][number]
export type AuthorityProblem = NonNullable<AuthorityView['problem']>

function knownText(gates: readonly GateAuthority[]): string {
  const known = gates.flatMap(({ server, side, epoch }) =>
    side === undefined || epoch === undefined ? [] : [`the gate of ${server} knows ${side} in epoch ${epoch}`],
  )
  return known.join(', ')
}

/** Why nothing is written until somebody moves or confirms the authority; `undefined`: nothing is wrong with it. */
export function authorityProblem(
  policy: RelationshipPolicy,
  record: Pick<Authority, 'side' | 'epoch'> | undefined,
  gates: readonly GateAuthority[],
): AuthorityProblem | undefined {
  const highest = Math.max(0, ...gates.map(({ epoch }) => epoch ?? 0))
  const move = `twinscope authority move ${policy.name} --to SERVER`
  if (record === undefined && highest > 0) {
    const byItself =
      policy.onAuthorityLoss === 'agree'
        ? ' It is recorded again by itself where both gates name the same (on-authority-loss: agree).'
        : ''
    return {
      code: 'lost',
      message: `NATS has lost the record of the authority of ${policy.name}; ${knownText(gates)}.${byItself} To confirm the side that counts: ${move}`,
    }
  }
  if (record === undefined) {
    return {
      code: 'unseeded',
      message: `nobody knows an authority of ${policy.name} yet; the first look of a replicator takes ${policy.authority} from the configuration`,
    }
  }
  const isTorn = gates.some(({ side, epoch }) => epoch === record.epoch && side !== record.side)
  if (highest > record.epoch || isTorn) {
    return {
      code: 'interrupted',
      message: `a move of the authority of ${policy.name} was interrupted: the record names ${record.side} in epoch ${record.epoch}, ${knownText(gates)}. To finish or to cancel it, say which side counts: ${move}`,
    }
  }
  return undefined
}

/** The configuration only seeds the record; what it says later is reported, never applied. */
export function authorityNote(policy: RelationshipPolicy, side: string | undefined): string | undefined {
  if (side === undefined || side === policy.authority) return undefined
  return `the configuration names ${policy.authority} as authority; the recorded one, ${side}, counts. Nothing has to be done; the file may follow`
}

export function authorityView(
  policy: RelationshipPolicy,
  record: Authority | undefined,
  gates: readonly GateAuthority[],
): AuthorityView {
  const problem = authorityProblem(policy, record, gates)
  const note = authorityNote(policy, record?.side)
  return {
    relationship: policy.name,
    ...(record === undefined
      ? {}
      : { side: record.side, epoch: record.epoch, changedAt: record.changedAt, changedBy: record.changedBy }),
    configured: policy.authority,
    gates: [...gates],
    ...(problem === undefined ? {} : { problem }),
    ...(note === undefined ? {} : { note }),
  }
}

/** What a client has looked at, as an entity tag. No record has epoch 0. */
export function etagOf(epoch: number | undefined): string {
  return `"${epoch ?? 0}"`
}

/** The epoch of an `If-Match`; `undefined`: it is none of ours. */
export function epochOf(ifMatch: string): number | undefined {
  const match = /^(?:W\/)?"?(\d+)"?$/.exec(ifMatch.trim())
  return match === null ? undefined : Number(match[1])
}
