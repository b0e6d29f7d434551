// A DHCP server in memory for the unit tests of the gate; the simulated server is another process.

import { contentOf, type ScopeContent } from '#dhcp/fingerprint.ts'
import { leasesOutside } from '#dhcp/leases.ts'
import type { FailoverState } from '#dhcp/relationship.ts'
import { parseScopeKey, type Scope, type ScopeKey } from '#dhcp/scope.ts'
import {
  type ApplyResult,
  type Claim,
  type DhcpDriver,
  DriverError,
  type PersistResult,
  type Snapshot,
} from '#drivers/driver.ts'

export function aScope(key: string, lifetime = 3600): Scope {
  const parsed = parseScopeKey(key)
  if (parsed === undefined) throw new Error(key)
  const properties = { 'valid-lifetime': lifetime }
  return { key: parsed, properties, ranges: [], exclusions: [], reservations: [], options: [], policies: [] }
}

export class FakeServer {
  readonly scopes = new Map<ScopeKey, Scope>()
  readonly unreplicable = new Map<ScopeKey, string>()
  instance = 'first'
  state: FailoverState = 'normal'
  /** The scopes of its relationship. */
  members: 'all' | readonly ScopeKey[] = 'all'
  /** Thrown by the next reads while it is set. */
  failure: DriverError | undefined
  claimed: Claim = { kind: 'ours' }
  /** Addresses that are leased; the server cannot say for scopes that are not here. */
  readonly leases = new Map<ScopeKey, readonly string[]>()
  persistResult: PersistResult = { kind: 'persisted' }
  /** Called in the place of a write; default: takes it. */
  onApply: ((take: () => void) => ApplyResult) | undefined
  readonly applied: (readonly ScopeKey[])[] = []
  reads = 0
  /** When it is read, in milliseconds since 1970; default: now. */
  now: number | undefined
  /** Reads, revivals and persists, in their order. */
  readonly asked: ('read' | 'revive' | 'persist')[] = []
  /** Thrown by the next revivals while it is set. */
  reviveFailure: DriverError | undefined
  private isHolding = false
  private readonly held = Promise.withResolvers<void>()

  /** The next read sees what is there now and gives it only after {@link releaseReads}. */
  holdNextRead(): void {
    this.isHolding = true
  }

  releaseReads(): void {
    this.held.resolve()
  }

  put(...scopes: readonly Scope[]): void {
    for (const scope of scopes) this.scopes.set(scope.key, scope)
  }

  content(key: string): ScopeContent | undefined {
    const scope = this.scopes.get(key as ScopeKey)
    return scope === undefined ? undefined : contentOf(scope)
  }

  private snapshot(): Snapshot {
    const relationship = {
      name: 'dhcp1-dhcp2',
      mode: 'hot-standby' as const,
      ownName: 'two',
      partnerName: 'one',
      state: this.state,
      nativeState: this.state === 'normal' ? 'hot-standby' : this.state,
      scopes: this.members,
    }
    return {
      instance: this.instance,
      readAt: new Date(this.now ?? Date.now()).toISOString(),
      version: 'Fake 1',
      scopes: new Map(this.scopes),
      unreplicable: new Map(this.unreplicable),
      relationships: [relationship],
      provides: new Set(['class:KNOWN']),
      native: null,
    }
  }

  driver(): DhcpDriver {
    return {
      product: 'simulated',
      probe: async () => {
        if (this.failure !== undefined) throw this.failure
        return { instance: this.instance, token: '', relationships: this.snapshot().relationships }
      },
      read: async () => {
        this.reads++
        this.asked.push('read')
        if (this.failure !== undefined) throw this.failure
        const snapshot = this.snapshot()
        if (this.isHolding) {
          this.isHolding = false
          await this.held.promise
        }
        return snapshot
      },
      close: async () => {},
      claim: async (_installation, { replace = false } = {}) => {
        if (!replace || this.claimed.kind !== 'foreign') return this.claimed
        const { owner } = this.claimed
        this.claimed = { kind: 'ours' }
        return { kind: 'ours', previous: owner }
      },
      activeLeasesOutside: async ({ key }, ranges) => {
        const addresses = this.leases.get(key)
        return addresses === undefined ? undefined : leasesOutside(addresses, ranges)
      },
      apply: async (_from, writes) => {
        this.applied.push(writes.map(({ scope }) => scope))
        const take = () => {
          for (const { scope, wanted } of writes) {
            if (wanted === undefined) this.scopes.delete(scope)
            else this.scopes.set(scope, wanted)
          }
        }
        if (this.onApply !== undefined) return this.onApply(take)
        take()
        return { kind: 'applied', changed: true }
      },
      persist: async () => {
        this.asked.push('persist')
        return this.persistResult
      },
      revive: async () => {
        this.asked.push('revive')
        if (this.reviveFailure !== undefined) throw this.reviveFailure
      },
    }
  }
}

export const noAnswer = new DriverError('timed-out', 'no answer in 5 s')
export const noConnection = new DriverError('unreachable', 'connection refused')
