// The driver of Kea DHCPv4: reads by config-get, writes by config-set, and knows what goes wrong between.

import { readFile } from 'node:fs/promises'
import { formatJson, isJsonObject, type JsonObject } from '#dhcp/json.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import {
  type ApplyResult,
  type DhcpDriver,
  DriverError,
  type Probe,
  type ScopeWrite,
  type Snapshot,
} from '../driver.ts'
import { revive, setConfiguration } from './apply.ts'
import { claimInstallation } from './claim.ts'
import { type FileSighting, sightingOf } from './config-file.ts'
import { ambiguousKeys, lostOption43, providedBy, subnetsOf } from './configuration.ts'
import { type KeaAnswer, openControl, type SendOptions } from './control.ts'
import { type HaConfig, haConfigs, haStates, relationshipsOf } from './ha.ts'
import type { HttpCredentials } from './http.ts'
import { keaLeasesOutside } from './leases.ts'
import { mergeScopes, writtenForm } from './merge.ts'
import { reasonToHold, writeConfiguration } from './persist.ts'
import { type Identity, LoadTracker } from './probe.ts'
import { scopeOfSubnet, unreplicableReason } from './scopes.ts'
import { watchConfigFile } from './watch.ts'

export type KeaOptions = {
  /** The server as the configuration calls it; named in errors. */
  readonly name: string
  /** `unix:/path`, `http://…` or `https://…`. */
  readonly control: string
  /** Kea's configuration file, where this process runs on Kea's host. */
  readonly configFile?: string
  /** Let Kea write over a file with comments or includes. Default false. */
  readonly acceptRewrite?: boolean
  /** HTTP basic authentication. */
  readonly user?: string
  readonly password?: string
  /** A file with `user:password`, in place of both. */
  readonly userFile?: string
  /** How long the cheap look may take. Milliseconds, default 5000. */
  readonly probeTimeoutMs?: number
  /** How long a full read may take; 10,000 subnets take 4 s. Milliseconds, default 60000. */
  readonly readTimeoutMs?: number
}

/** Opens a server. Connects with the first call, so a server that is down is no error here. */
export async function openKea(options: KeaOptions): Promise<DhcpDriver> {
  const { name, configFile, acceptRewrite = false, probeTimeoutMs = 5_000, readTimeoutMs = 60_000 } = options
  const credentials = await credentialsOf(options)
  const control = openControl({
    name,
    control: options.control,
    ...(credentials === undefined ? {} : { credentials }),
  })
  const policy = { file: configFile, acceptRewrite }
  const isLocal = options.control.startsWith('unix:') || configFile !== undefined
  const tracker = new LoadTracker()
  let known: { readonly identity: Identity; readonly ha: readonly HaConfig[] } | undefined
  let version: { readonly instance: string; readonly text: string } | undefined
  let runningSize = 0
  /** What else was seen of the server when this configuration was read. */
  const sightings = new WeakMap<JsonObject, { readonly hash?: string; readonly file?: FileSighting }>()
  /** The configuration from which the last write started. */
  let writtenFrom: JsonObject | undefined
  /** The end of a config-set is unknown: the server may be alive without serving. */
  let isUncertain = false
  let settling: Promise<void> | undefined

  async function ask(command: string, settings: SendOptions): Promise<KeaAnswer> {
    const answer = await control.send(command, undefined, settings)
    if (answer.result !== 0) {
      throw new DriverError('rejected', `${control.where} refused ${command}: ${answer.text}`)
    }
    return answer
  }

  async function look(signal?: AbortSignal): Promise<{ readonly identity: Identity; readonly status: JsonObject }> {
    const sentAt = performance.now()
    const { arguments: status } = await ask('status-get', {
      timeoutMs: probeTimeoutMs,
      ...(signal === undefined ? {} : { signal }),
    })
    if (typeof status.pid !== 'number' || typeof status.reload !== 'number') {
      throw new DriverError('protocol', `${control.where} answered status-get without pid and reload; is it kea-dhcp4?`)
    }
    const identity = await tracker.look(status, { sentAt, answeredAt: performance.now() }, isLocal)
    return { identity, status }
  }

  async function configuration(signal?: AbortSignal): Promise<JsonObject> {
    const answer = await ask('config-get', { timeoutMs: readTimeoutMs, ...(signal === undefined ? {} : { signal }) })
    // `hash` stands beside it since 2.4, and config-set refuses it.
    const dhcp4 = answer.arguments.Dhcp4
    if (!isJsonObject(dhcp4)) {
      throw new DriverError('protocol', `${control.where} answered config-get without Dhcp4; is it kea-dhcp4?`)
    }
    runningSize = answer.size
    const { hash } = answer.arguments
    sightings.set(dhcp4, {
      ...(typeof hash === 'string' ? { hash } : {}),
      ...(configFile === undefined ? {} : { file: await sightingOf(configFile) }),
    })
    return dhcp4
  }

  /**
   * After a config-set without an answer. No status-get before this: where the lease database could not
   * be opened, Kea 2.2 dies of it.
   */
  function settle(): Promise<void> {
    settling ??= configuration()
      .then((dhcp4) => revive({ control, isLocal }, writtenForm(dhcp4)))
      .then(() => {
        isUncertain = false
      })
      .finally(() => {
        settling = undefined
        tracker.forgetLoad()
      })
    return settling
  }

  async function versionOf(instance: string, signal: AbortSignal): Promise<string> {
    if (version?.instance !== instance) {
      const answer = await ask('version-get', { timeoutMs: probeTimeoutMs, signal })
      version = { instance, text: `Kea ${answer.text.split(/\s/)[0]}` }
    }
    return version.text
  }

  async function read(signal: AbortSignal): Promise<Snapshot> {
    if (isUncertain) await settle()
    const before = await look(signal)
    const dhcp4 = await configuration(signal)
    const readAt = new Date().toISOString()
    const text = await versionOf(before.identity.instance, signal)
    const { identity, status } = await look(signal)
    if (identity.instance !== before.identity.instance) {
      // It was restarted in the middle: whose configuration that was is unknown.
      return read(signal)
    }
    const ha = haConfigs(dhcp4)
    known = { identity, ha }
    return {
      ...scopesIn(dhcp4),
      instance: identity.instance,
      readAt,
      version: text,
      relationships: relationshipsOf(ha, haStates(status)),
      provides: providedBy(dhcp4),
      native: dhcp4,
    }
  }

  /** Compares without reading everything where Kea names its configuration by a hash (since 2.4). */
  async function isAsRead(dhcp4: JsonObject): Promise<boolean> {
    const hash = sightings.get(dhcp4)?.hash
    if (hash === undefined) return formatJson(await configuration()) === formatJson(dhcp4)
    const answer = await ask('config-hash-get', { timeoutMs: readTimeoutMs })
    return answer.arguments.hash === hash
  }

  async function apply(from: Snapshot, writes: readonly ScopeWrite[]): Promise<ApplyResult> {
    const dhcp4 = from.native as JsonObject
    const merge = mergeScopes(dhcp4, writes)
    if (merge.kind === 'unchanged') return { kind: 'applied', changed: false }
    if (merge.kind === 'refused') {
      const message = merge.scopes.map((one) => one.message).join('; ')
      return { kind: 'rejected', message, scopes: merge.scopes }
    }
    const held = await reasonToHold(policy, dhcp4)
    if (held !== undefined) return { kind: 'held', ...held }
    const lost = lostOption43(merge.dhcp4)
    if (lost !== undefined) {
      return {
        kind: 'held',
        code: 'option-43-unreadable',
        message: `${control.where} does not give the content of its raw option 43 at ${lost}, and config-set, which has to repeat the whole configuration, would send an empty one to clients. Define it by sub-options in the space vendor-encapsulated-options-space`,
      }
    }
    try {
      writtenFrom = dhcp4
      return await setConfiguration({ control, isLocal }, writtenForm(dhcp4), merge.dhcp4, () => isAsRead(dhcp4))
    } catch (error) {
      isUncertain = error instanceof DriverError && error.code !== 'unreachable'
      throw error
    } finally {
      tracker.forgetLoad()
    }
  }

  return {
    product: 'kea',
    async probe(signal): Promise<Probe> {
      if (isUncertain) await settle()
      const { identity, status } = await look(signal)
      // Who takes part is in the configuration only, and can only have changed with it.
      if (known === undefined || known.identity.token !== identity.token) {
        known = { identity, ha: haConfigs(await configuration(signal)) }
      }
      return { ...identity, relationships: relationshipsOf(known.ha, haStates(status)) }
    },
    read,
    ...(configFile === undefined ? {} : { watch: (onHint) => watchConfigFile(configFile, onHint) }),
    claim: (installation, { replace = false } = {}) => claimInstallation(configFile, installation, replace),
    apply,
    async persist() {
      if (runningSize === 0) await configuration()
      const before = writtenFrom === undefined ? undefined : sightings.get(writtenFrom)?.file
      const result = await writeConfiguration(control, policy, runningSize, before)
      if (result.kind === 'persisted') writtenFrom = undefined
      return result
    },
    revive: settle,
    activeLeasesOutside: (scope, ranges) => keaLeasesOutside(control, scope, ranges),
    async close() {
      control.close()
    },
  }
}

function scopesIn(dhcp4: JsonObject): Pick<Snapshot, 'scopes' | 'unreplicable'> {
  const placed = subnetsOf(dhcp4)
  const ambiguous = ambiguousKeys(placed)
  const unreplicable = placed.flatMap((one): readonly (readonly [ScopeKey, string])[] => {
    const reason = ambiguous.has(one.key)
      ? `${one.key} is on this server twice, written with different host bits; correct one of the two subnets`
      : unreplicableReason(one)
    return reason === undefined ? [] : [[one.key, reason]]
  })
  return {
    scopes: new Map(placed.map((one) => [one.key, scopeOfSubnet(one)])),
    unreplicable: new Map(unreplicable),
  }
}

async function credentialsOf({ name, user, password, userFile }: KeaOptions): Promise<HttpCredentials | undefined> {
  if (userFile === undefined) return user === undefined ? undefined : { user, password: password ?? '' }
  let line: string
  try {
    line = (await readFile(userFile, 'utf8')).split('\n')[0] ?? ''
  } catch (error) {
    throw new DriverError(
      'access-denied',
      `${name}: user-file ${userFile} cannot be read: ${(error as Error).message}`,
      {
        cause: error,
      },
    )
  }
  const colon = line.indexOf(':')
  if (colon < 0) throw new DriverError('access-denied', `${name}: user-file ${userFile} has no line user:password`)
  return { user: line.slice(0, colon), password: line.slice(colon + 1) }
}
