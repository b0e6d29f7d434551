// Kea's HA relationships in our words. The configuration says who takes part, status-get in which state.

import { isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'
import type { DiscoveredRelationship, FailoverState } from '#dhcp/relationship.ts'

const STATES: Readonly<Record<string, FailoverState>> = {
  'load-balancing': 'normal',
  'hot-standby': 'normal',
  'passive-backup': 'normal',
  backup: 'normal',
  'communication-recovery': 'communication-interrupted',
  'partner-down': 'partner-down',
  'partner-in-maintenance': 'maintenance',
  'in-maintenance': 'maintenance',
  ready: 'recovering',
  syncing: 'recovering',
  waiting: 'waiting',
  terminated: 'terminated',
}

/** One entry of `high-availability` in the hook's parameters. */
export type HaConfig = {
  readonly name: string
  readonly ownName: string
  readonly partnerName: string
  readonly partnerAddress?: string
  readonly mode: DiscoveredRelationship['mode']
}

export type HaState = { readonly nativeState: string; readonly state: FailoverState }

function objects(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter(isJsonObject) : []
}

function text(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** The relationships that a configuration names, in its order, which is also the order of `status-get`. */
export function haConfigs(dhcp4: JsonObject): readonly HaConfig[] {
  return objects(dhcp4['hooks-libraries'])
    .filter((hook) => /libdhcp_ha\.so$/.test(text(hook.library) ?? ''))
    .flatMap((hook) => (isJsonObject(hook.parameters) ? objects(hook.parameters['high-availability']) : []))
    .flatMap((relationship) => haConfigOf(relationship) ?? [])
}

function haConfigOf(relationship: JsonObject): HaConfig | undefined {
  const ownName = text(relationship['this-server-name'])
  if (ownName === undefined) return undefined
  const peers = objects(relationship.peers)
  // Backup servers only receive lease updates. The pair is the primary and its secondary or standby,
  // unless there is nothing but backups beside the primary (passive-backup).
  const isBackup = (peer: JsonObject) => peer.role === 'backup'
  const active = peers.filter((peer) => !isBackup(peer))
  const others = active.length > 1 ? active : peers
  const partner = others.find((peer) => peer.name !== ownName)
  const partnerName = text(partner?.name)
  if (partner === undefined || partnerName === undefined) return undefined
  const pair = others.filter((peer) => peer.name === ownName || peer === partner)
  const primaryFirst = [...pair].sort((a, b) => Number(b.role === 'primary') - Number(a.role === 'primary'))
  const partnerAddress = text(partner.url)
  return {
    // The same on both servers, which list the same peers.
    name: primaryFirst.map((peer) => String(peer.name)).join('-'),
    ownName,
    partnerName,
    ...(partnerAddress === undefined ? {} : { partnerAddress }),
    mode: relationship.mode === 'load-balancing' ? 'load-balance' : 'hot-standby',
  }
}

/**
 * The states in `status-get`, one for each relationship. The block is absent without the hook, and on
 * a server that failed to load a configuration.
 */
export function haStates(status: JsonObject): readonly HaState[] {
  const block = status['high-availability']
  // Before 1.7.8 a single object, since then a list.
  const list = isJsonObject(block) ? [block] : objects(block)
  return list.map((entry) => {
    const servers = isJsonObject(entry['ha-servers']) ? entry['ha-servers'] : {}
    const local = isJsonObject(servers.local) ? servers.local : {}
    const remote = isJsonObject(servers.remote) ? servers.remote : {}
    const nativeState = text(local.state) ?? 'unknown'
    const state = STATES[nativeState] ?? 'unknown'
    const isInterrupted = state === 'normal' && remote['communication-interrupted'] === true
    return { nativeState, state: isInterrupted ? 'communication-interrupted' : state }
  })
}

export function relationshipsOf(
  configs: readonly HaConfig[],
  states: readonly HaState[],
): readonly DiscoveredRelationship[] {
  return configs.map((config, index) => ({
    ...config,
    ...(states[index] ?? { nativeState: 'unknown', state: 'unknown' }),
    scopes: 'all',
  }))
}
