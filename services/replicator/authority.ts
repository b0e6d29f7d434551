// Who is copied from: the record in the bucket `authority`, and what the gates have made durable.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Authority } from '#contracts/messages.ts'
import { authorityKey } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import type { Logger } from '#telemetry/logger.ts'

export type AuthorityAnswer =
  | { readonly kind: 'known'; readonly side: string; readonly epoch: number }
  | { readonly kind: 'unknown'; readonly message: string }

export type RecordedAuthority = Authority & { readonly revision: number }

/** Milliseconds for the question what a gate has made durable. */
const ASK_TIMEOUT_MS = 5_000

/** The gate that was last told counts: one that was away while the authority moved still names the side from before. */
function lostMessage(
  relationship: string,
  gates: readonly { readonly side: string; readonly epoch: number }[],
): string {
  const newest = gates.toSorted((a, b) => b.epoch - a.epoch)
  const highest = newest.filter(({ epoch }) => epoch === newest[0]?.epoch)
  const known = [...new Set(newest.map(({ side, epoch }) => `${side} (epoch ${epoch})`))].join(' and ')
  const moves = [...new Set(highest.map(({ side }) => `\`twinscope authority move ${relationship} --to ${side}\``))]
  return `NATS has lost the authority record of ${relationship}; the gates know ${known}, and the highest epoch is the newest. Nothing is written until somebody confirms it: ${moves.join(' or ')}. With on-authority-loss: agree it is recorded again where both gates name the same`
}

export function createAuthorities(bucket: Bucket, gateClient: GateClient, logger: Logger) {
  /** Relationship → the side whose difference from the configuration was reported. */
  const reported = new Map<string, string>()

  async function record(relationship: string): Promise<RecordedAuthority | undefined> {
    const entry = await bucket.get(authorityKey(relationship))
    return entry === undefined ? undefined : { ...(JSON.parse(entry.value) as Authority), revision: entry.revision }
  }

  /** What a gate has made durable; `undefined`: it knows nothing. Throws where it cannot be asked. */
  async function atGate(relationship: string, server: string): Promise<{ side: string; epoch: number } | undefined> {
    const body = { relationship, fresh: false }
    return (await gateClient.request(server, 'manifest', body, { timeoutMs: ASK_TIMEOUT_MS })).authority
  }

  /** Replaces the record of that revision, or creates one; false where somebody was faster. */
  async function publish(authority: Authority, revision: number | undefined): Promise<boolean> {
    const [key, value] = [authorityKey(authority.relationship), JSON.stringify(authority)]
    const stored = revision === undefined ? await bucket.create(key, value) : await bucket.update(key, value, revision)
    if (stored !== undefined) logger.info({ ...authority }, 'authority recorded')
    return stored !== undefined
  }

  async function seed(policy: RelationshipPolicy, side: string, epoch: number, changedBy: string): Promise<void> {
    await publish({ relationship: policy.name, side, epoch, changedAt: new Date().toISOString(), changedBy }, undefined)
  }

  /** The configuration only seeds the record; what it says later is reported, never applied. */
  function reportDifference(policy: RelationshipPolicy, side: string): void {
    if (reported.get(policy.name) === side) return
    reported.set(policy.name, side)
    if (side === policy.authority) return
    logger.warn(
      { relationship: policy.name, recorded: side, configured: policy.authority },
      'the configuration names another authority than the record; the record counts',
    )
  }

  /**
   * The authoritative side and its epoch. The configuration seeds it only where neither NATS nor a gate
   * knows one; a record lost from NATS is restored only as the policy allows.
   */
  async function authorityOf(policy: RelationshipPolicy): Promise<AuthorityAnswer> {
    const known = await record(policy.name)
    if (known !== undefined) {
      reportDifference(policy, known.side)
      return { kind: 'known', side: known.side, epoch: known.epoch }
    }
    // Each has to be asked: one that is silent may know a higher epoch than the other.
    const gates = await Promise.all(policy.servers.map((server) => atGate(policy.name, server)))
    const [first, ...others] = gates.filter((gate) => gate !== undefined)
    if (first === undefined) {
      await seed(policy, policy.authority, 1, 'configuration')
    } else {
      const doAgree =
        others.length === 1 && others.every(({ side, epoch }) => side === first.side && epoch === first.epoch)
      if (policy.onAuthorityLoss !== 'agree' || !doAgree) {
        return { kind: 'unknown', message: lostMessage(policy.name, [first, ...others]) }
      }
      await seed(policy, first.side, first.epoch, 'gates')
    }
    const seeded = await record(policy.name)
    return seeded === undefined
      ? { kind: 'unknown', message: `the authority record of ${policy.name} cannot be read back` }
      : { kind: 'known', side: seeded.side, epoch: seeded.epoch }
  }

  return { record, atGate, publish, authorityOf }
}
export type Authorities = ReturnType<typeof createAuthorities>
