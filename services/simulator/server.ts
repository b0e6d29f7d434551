// One simulated DHCP server: scopes that run, a file they are kept in, failover states that can
// be set, and a log of every write. No network here; see control.ts and admin.ts.

import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { escapeName } from '#contracts/subjects.ts'
import { contentOf } from '#dhcp/fingerprint.ts'
import { parseIpv4, prefixBounds } from '#dhcp/ipv4.ts'
import { formatJson, type Json, parseJson } from '#dhcp/json.ts'
import type { DiscoveredRelationship, FailoverState } from '#dhcp/relationship.ts'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import type { ScopeRejection, ScopeWrite } from '#drivers/driver.ts'
import type {
  ApplyAnswer,
  ClaimAnswer,
  ConfigurationAnswer,
  PersistAnswer,
  ProbeAnswer,
} from '#drivers/simulated/wire.ts'
import { rejectionsOf } from './check-writes.ts'
import { discoveredOf, type ServerDescription, scopesOf } from './description.ts'
import type { Faults } from './faults.ts'
import { openWriteLog, type WriteLog } from './write-log.ts'

type Scopes = ReadonlyMap<ScopeKey, Scope>

export type SimulatedServer = {
  readonly name: string
  readonly log: WriteLog
  /** The file that a restart reads. */
  readonly file: string
  faults: Faults
  probe(): ProbeAnswer
  configuration(): ConfigurationAnswer
  /** `readToken`: the configuration that the writer had read. */
  write(who: string, writes: readonly ScopeWrite[], readToken?: string): ApplyAnswer
  persist(): PersistAnswer
  claim(installation: string, replace?: boolean): ClaimAnswer
  /** Addresses that clients hold; they outlive a restart. */
  leases: readonly string[]
  leasesIn(scope: ScopeKey): readonly string[]
  /**
   * Starts the server again: what was not persisted is gone. `initial` takes the file this process
   * began with, `previous` the one before the last persist, as after a restore from a backup.
   */
  restart(file: 'latest' | 'previous' | 'initial'): void
  /** Throws where there is no such relationship. */
  setFailoverState(relationship: string, state: FailoverState, nativeState?: string): void
  /** Calls back after each change of the configuration. Returns how to stop. */
  onChange(listener: (what: string) => void): () => void
}

/** The process and its count of loads in a token. */
function splitToken(token: string): readonly [instance: string, loads: number] {
  const slash = token.lastIndexOf('/')
  return [token.slice(0, slash), Number(token.slice(slash + 1))]
}

/** Makes a server that keeps its file, its log and its installation id in `directory`. */
export function createServer(description: ServerDescription, directory: string): SimulatedServer {
  const { name } = description
  mkdirSync(directory, { recursive: true })
  const path = (suffix: string) => join(directory, `${escapeName(name)}${suffix}`)
  const file = path('.json')
  const installationFile = path('.installation')
  const log = openWriteLog(name, path('.writes.jsonl'))
  const provides = new Set(description.provides ?? [])
  const listeners = new Set<(what: string) => void>()

  const started = existsSync(file) ? scopesOfText(readFileSync(file, 'utf8')) : mapOf(scopesOf(description))
  const files: string[] = [textOf(started)]
  let running: Scopes = started
  let relationships = discoveredOf(description)
  let instance = newInstance()
  let loads = 0
  writeFile(file, files[0] as string)

  const token = () => `${instance}/${loads}`
  log.note({
    kind: 'start',
    token: token(),
    scopes: Object.fromEntries([...started].map(([key, scope]) => [key, contentOf(scope).fingerprint])),
  })

  function load(
    next: Scopes,
    kind: 'write' | 'restart',
    keys: Iterable<ScopeKey>,
    by: { readonly who: string; readonly readToken?: string },
  ): void {
    const previous = running
    running = next
    loads++
    for (const scope of keys) {
      const before = fingerprintIn(previous, scope)
      const after = fingerprintIn(next, scope)
      if (before === after) continue
      log.append({ kind, ...by, scope, ...(before && { before }), ...(after && { after }), token: token() })
    }
    for (const listener of listeners) listener(kind)
  }

  /** Who changed these scopes after that configuration was read: what a real server's event log tells. */
  function editsSince(readToken: string, keys: readonly ScopeKey[]) {
    const [of, loadsThen] = splitToken(readToken)
    if (of !== instance) return []
    return log.entries
      .filter((entry) => {
        const [entryInstance, load] = splitToken(entry.token)
        return entryInstance === instance && load > loadsThen && keys.includes(entry.scope)
      })
      .map(({ scope, who, time }) => ({ scope, by: who, at: time }))
  }

  const server: SimulatedServer = {
    name,
    log,
    file,
    faults: {},
    leases: [],
    probe: () => ({
      instance,
      token: String(loads),
      relationships: relationships.map(({ name: of, ownName, state, nativeState }) => ({
        name: of,
        ownName,
        state,
        nativeState,
      })),
    }),
    configuration: () => ({
      instance,
      token: token(),
      readAt: new Date().toISOString(),
      version: 'Simulated 1.0',
      scopes: [...running.values()],
      relationships,
      provides: [...provides],
    }),
    write(who, writes, readToken) {
      const refused = refusalOf(server.faults, writes)
      if (refused) {
        delete server.faults.refuseNextWrite
        return refused
      }
      const next = new Map(running)
      for (const { scope, wanted } of writes) {
        if (wanted === undefined) next.delete(scope)
        else next.set(scope, wanted)
      }
      const keys = writes.map((write) => write.scope)
      const scopes = rejectionsOf(next, keys, provides)
      const first = scopes[0]
      if (first) return { kind: 'rejected', message: first.message, scopes }
      const by = { who, ...(readToken === undefined ? {} : { readToken }) }
      const replaced = keys.filter((key) => fingerprintIn(running, key) !== fingerprintIn(next, key))
      const overwrote = readToken === undefined ? [] : editsSince(readToken, replaced)
      const changed = replaced.length > 0
      if (changed) load(next, 'write', keys, by)
      else log.note({ kind: 'unchanged', ...by, token: token() })
      return { kind: 'applied', changed, ...(overwrote.length === 0 ? {} : { overwrote }) }
    },
    persist() {
      const fault = server.faults.persist
      if (fault === 'read-only')
        return { kind: 'not-persisted', code: fault, message: `Unable to open file ${file} for writing` }
      if (fault === 'disk-full')
        return { kind: 'not-persisted', code: fault, message: `No space left on device: ${file}` }
      const text = textOf(running)
      writeFile(file, text)
      if (text !== files.at(-1)) files.push(text)
      return { kind: 'persisted' }
    },
    leasesIn(scope) {
      const [network, length] = scope.split('/')
      const { first, last } = prefixBounds(parseIpv4(network as string) as number, Number(length))
      return server.leases.filter((address) => {
        const number = parseIpv4(address) as number
        return number >= first && number <= last
      })
    },
    claim(installation, replace = false) {
      const owner = existsSync(installationFile) ? readFileSync(installationFile, 'utf8') : undefined
      if (owner === undefined || (replace && owner !== installation)) writeFile(installationFile, installation)
      if (replace && owner !== undefined && owner !== installation) return { kind: 'ours', previous: owner }
      return owner === undefined || owner === installation ? { kind: 'ours' } : { kind: 'foreign', owner }
    },
    restart(which) {
      const text = which === 'initial' ? files[0] : which === 'previous' ? (files.at(-2) ?? files[0]) : files.at(-1)
      const next = scopesOfText(text as string)
      writeFile(file, text as string)
      instance = newInstance()
      load(next, 'restart', new Set([...running.keys(), ...next.keys()]), { who: 'restart' })
    },
    setFailoverState(relationship, state, nativeState = state) {
      if (!relationships.some((known) => known.name === relationship)) {
        throw new Error(
          `${name} has no relationship "${relationship}"; it has: ${relationships.map((known) => known.name).join(', ')}`,
        )
      }
      relationships = relationships.map(
        (known): DiscoveredRelationship => (known.name === relationship ? { ...known, state, nativeState } : known),
      )
    },
    onChange(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return server
}

function refusalOf(faults: Faults, writes: readonly ScopeWrite[]): ApplyAnswer | undefined {
  if (faults.refuseNextWrite !== undefined) return { kind: 'rejected', message: faults.refuseNextWrite, scopes: [] }
  const culprits = writes.flatMap(({ scope }): ScopeRejection[] => {
    const message = faults.refuseScopes?.[scope]
    return message === undefined ? [] : [{ scope, code: 'rejected', message }]
  })
  const first = culprits[0]
  return first && { kind: 'rejected', message: first.message, scopes: faults.nameCulprits ? culprits : [] }
}

function newInstance(): string {
  return randomBytes(6).toString('hex')
}

function fingerprintIn(scopes: Scopes, key: ScopeKey) {
  const scope = scopes.get(key)
  return scope && contentOf(scope).fingerprint
}

function mapOf(scopes: readonly Scope[]): Scopes {
  return new Map(scopes.map((scope) => [scope.key, scope]))
}

function textOf(scopes: Scopes): string {
  return formatJson([...scopes.values()] as unknown as Json)
}

function scopesOfText(text: string): Scopes {
  return mapOf(parseJson(text) as unknown as readonly Scope[])
}

function writeFile(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}
