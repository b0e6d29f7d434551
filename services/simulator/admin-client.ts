// The other tools' hand as functions: edits, restarts, failover states and faults by HTTP.

import { formatJson, type Json, parseJson } from '#dhcp/json.ts'
import type { FailoverState } from '#dhcp/relationship.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { CLIENT_HEADER } from '#drivers/simulated/wire.ts'
import type { Faults } from './faults.ts'
import type { LogEntry } from './write-log.ts'

export type SimulatorAdmin = {
  scopes(server: string): Promise<readonly Scope[]>
  /** Throws where the server does not have it. */
  scope(server: string, scope: ScopeKey): Promise<Scope>
  /** `persist: false` leaves the server's file as it is. */
  putScope(server: string, scope: Scope, options?: EditOptions): Promise<void>
  deleteScope(server: string, scope: ScopeKey, options?: EditOptions): Promise<void>
  /** Reads a scope, changes it, writes it back. Returns what was written. */
  editScope(server: string, scope: ScopeKey, change: (scope: Scope) => Scope, options?: EditOptions): Promise<Scope>
  /** Replaces all faults; `{}` ends them. */
  setFaults(server: string, faults: Faults): Promise<void>
  restart(server: string, file?: 'latest' | 'previous' | 'initial'): Promise<void>
  setFailoverState(server: string, relationship: string, state: FailoverState, nativeState?: string): Promise<void>
  /** Replaces the addresses that clients hold. */
  setLeases(server: string, addresses: readonly string[]): Promise<void>
  log(server: string): Promise<readonly LogEntry[]>
}

export type EditOptions = { readonly persist?: boolean; readonly who?: string }

/** Talks to the admin endpoint at `address`, as the simulator's "ready" line names it. */
export function createSimulatorAdmin(address: string): SimulatorAdmin {
  async function call(method: string, path: readonly string[], body?: Json, who = 'admin'): Promise<Json> {
    const query = path.at(-1)?.startsWith('?') ? path.at(-1) : ''
    const segments = path.filter((segment) => !segment.startsWith('?')).map(encodeURIComponent)
    const response = await fetch(new URL(`/servers/${segments.join('/')}${query}`, address), {
      method,
      headers: { [CLIENT_HEADER]: who, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: formatJson(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path.join('/')}: ${response.status} ${text}`)
    return parseJson(text)
  }
  const persistQuery = (options: EditOptions | undefined) => `?persist=${options?.persist ?? true}`

  const admin: SimulatorAdmin = {
    async scopes(server) {
      return (await call('GET', [server, 'scopes'])) as unknown as readonly Scope[]
    },
    async scope(server, scope) {
      return (await call('GET', [server, 'scopes', ...scope.split('/')])) as unknown as Scope
    },
    async putScope(server, scope, options) {
      const path = [server, 'scopes', ...scope.key.split('/'), persistQuery(options)]
      await call('PUT', path, scope as unknown as Json, options?.who)
    },
    async deleteScope(server, scope, options) {
      await call('DELETE', [server, 'scopes', ...scope.split('/'), persistQuery(options)], undefined, options?.who)
    },
    async editScope(server, key, change, options) {
      const changed = change(await admin.scope(server, key))
      await admin.putScope(server, changed, options)
      return changed
    },
    async setFaults(server, faults) {
      await call('PUT', [server, 'faults'], faults as unknown as Json)
    },
    async restart(server, file = 'latest') {
      await call('POST', [server, 'restart'], { file })
    },
    async setFailoverState(server, relationship, state, nativeState) {
      const body = { state, ...(nativeState === undefined ? {} : { nativeState }) }
      await call('PUT', [server, 'relationships', relationship, 'state'], body)
    },
    async setLeases(server, addresses) {
      await call('PUT', [server, 'leases'], { addresses })
    },
    async log(server) {
      return (await call('GET', [server, 'log'])) as unknown as readonly LogEntry[]
    },
  }
  return admin
}
