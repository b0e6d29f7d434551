// Keeps every relationship's state current: every few seconds, and at once after an
// outcome, a changed scope, or a changed gate.

import type { Configuration } from '#contracts/configuration.ts'
import { ignoresExactly } from '#contracts/gate.ts'
import type { RelationshipDetail } from '#contracts/status-api.ts'
import type { GateClient } from '#messaging/gate-client.ts'
import type { Logger } from '#telemetry/logger.ts'
import { gateErrorText } from './read-sides.ts'
import { isGone, type Registry } from './registry.ts'
import {
  describeRelationship,
  type KnownRelationship,
  knownRelationships,
  type LedgerView,
  type ManifestRead,
} from './relationships.ts'

export type RelationshipWatch = {
  /** By name, in their order. Empty until the first look is over. */
  readonly current: ReadonlyMap<string, RelationshipDetail>
  /** Every relationship was looked at once. */
  readonly looked: boolean
  /** Looks soon; several calls become one look. */
  refreshSoon(): void
  stop(): void
}

const DEFAULT_INTERVAL_MS = 5_000
/** While a relationship is read or agreed on for the first time, which no event tells of. */
const UNSETTLED_INTERVAL_MS = 500
/** Changes come in bursts; one look serves them all. */
const GATHER_MS = 100
const READ_TIMEOUT_MS = 5_000
const PARALLEL = 8
/** A look that takes long is not repeated so often: at most a twentieth of the time is spent on looking. */
const IDLE_FACTOR = 20

/** Everything but the times at which we looked. */
function contentOf(detail: RelationshipDetail): string {
  return JSON.stringify({
    ...detail,
    checkedAt: '',
    partners: detail.partners.map((partner) => ({
      ...partner,
      readAt: '',
      problem: partner.problem?.replace(/\d+ s$/, ''),
    })),
    reason: detail.reason?.replace(/\d+ s\b/g, ''),
  })
}

/**
 * A move of the authority counts from its record on, also where the relationship was not looked at since: whoever moved
 * it asks next who has it.
 */
function withMovedAuthorities(
  details: ReadonlyMap<string, RelationshipDetail>,
  registry: Registry,
): ReadonlyMap<string, RelationshipDetail> {
  const moved = [...details.values()].flatMap((detail): RelationshipDetail[] => {
    const record = registry.authorities.get(detail.name)
    const { authority } = detail
    if (record === undefined || authority === undefined || authority.epoch === record.epoch) return []
    const { side, epoch } = record
    const partners = detail.partners.map((partner) => ({
      ...partner,
      role: partner.server === side ? ('authoritative' as const) : ('partner' as const),
    }))
    return [{ ...detail, authority: { side, epoch, from: 'record' }, partners }]
  })
  return moved.length === 0 ? details : new Map([...details, ...moved.map((detail) => [detail.name, detail] as const)])
}

export function watchRelationships(options: {
  readonly configuration: Configuration
  readonly registry: Registry
  readonly gates: Pick<GateClient, 'readManifest'>
  readonly logger: Logger
  readonly ledger: (relationship: string) => LedgerView
  readonly onChange: () => void
  /** Milliseconds between two looks. Default 5000. */
  readonly intervalMs?: number
}): RelationshipWatch {
  const { registry, logger } = options
  const intervalMs = options.intervalMs ?? DEFAULT_INTERVAL_MS
  let current: ReadonlyMap<string, RelationshipDetail> = new Map()
  let timer: NodeJS.Timeout | undefined
  let dueAt = Number.POSITIVE_INFINITY
  let isLooking = false
  let lookAgain = false
  let looked = false
  let stopped = false

  async function readSide(server: string, relationship: string): Promise<ManifestRead> {
    try {
      const { page } = await options.gates.readManifest(server, relationship, false, { timeoutMs: READ_TIMEOUT_MS })
      const here = options.configuration.relationships.find(({ name }) => name === relationship)?.ignore ?? []
      if (ignoresExactly(page, here)) return { kind: 'read', page }
      const message = `the watcher of ${server} ignores other fields of ${relationship} than this service: one of them runs with another configuration`
      return { kind: 'failed', code: 'settings-differ', message }
    } catch (error) {
      return { kind: 'failed', ...gateErrorText(server, error) }
    }
  }

  async function look(known: KnownRelationship): Promise<RelationshipDetail> {
    const reads = new Map<string, ManifestRead>()
    await Promise.all(
      known.servers.map(async (server) => {
        const gate = registry.gates.get(server)
        // A gate that says nothing is not asked: its silence would only delay the answer for all.
        if (gate === undefined || isGone(gate) || !gate.reachable) return
        reads.set(server, await readSide(server, known.name))
      }),
    )
    return describeRelationship(known, registry, reads, Date.now(), options.ledger(known.name))
  }

  async function lookAtAll(): Promise<void> {
    const known = knownRelationships(options.configuration, registry)
    const next = new Map<string, RelationshipDetail>()
    for (let index = 0; index < known.length; index += PARALLEL) {
      for (const detail of await Promise.all(known.slice(index, index + PARALLEL).map(look))) {
        next.set(detail.name, detail)
      }
    }
    const text = (details: ReadonlyMap<string, RelationshipDetail>) => [...details.values()].map(contentOf).join('\n')
    const changed = !looked || text(current) !== text(next)
    current = next
    looked = registry.loaded
    if (changed) options.onChange()
  }

  function schedule(delayMs: number): void {
    if (stopped) return
    const at = performance.now() + delayMs
    if (timer !== undefined && at >= dueAt) return
    clearTimeout(timer)
    dueAt = at
    timer = setTimeout(run, delayMs)
  }

  async function run(): Promise<void> {
    timer = undefined
    if (isLooking) {
      lookAgain = true
      return
    }
    isLooking = true
    const startedAt = performance.now()
    try {
      await lookAtAll()
    } catch (error) {
      logger.error({ error }, 'the state of the relationships could not be refreshed')
    } finally {
      isLooking = false
    }
    const took = performance.now() - startedAt
    const isUnsettled = [...current.values()].some(
      ({ configured, mode, sync, counts }) =>
        configured && mode !== 'observe' && (sync === 'unknown' || counts.agreed < counts.total),
    )
    const idleMs = Math.max(isUnsettled ? Math.min(UNSETTLED_INTERVAL_MS, intervalMs) : intervalMs, took * IDLE_FACTOR)
    schedule(lookAgain ? Math.max(GATHER_MS, took) : idleMs)
    lookAgain = false
  }

  schedule(0)
  return {
    get current() {
      return withMovedAuthorities(current, registry)
    },
    get looked() {
      return looked
    },
    refreshSoon() {
      if (isLooking) lookAgain = true
      else schedule(GATHER_MS)
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
