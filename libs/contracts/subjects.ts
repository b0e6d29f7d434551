// The one file that builds and parses subjects and keys. A name may hold anything;
// a subject token may not, so names are escaped reversibly.

import { parseScopeKey, type ScopeKey } from '#dhcp/scope.ts'

const ROOT = 'twinscope'

/** A name as one subject or key token: letters, digits and `-` stay, all else is `=XX` per UTF-8 byte. */
export function escapeName(name: string): string {
  return name.replace(/[^A-Za-z0-9-]/gu, (char) =>
    [...Buffer.from(char, 'utf8')].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}

/** The inverse of {@link escapeName}; `undefined` if the token cannot come from it. */
export function unescapeName(token: string): string | undefined {
  if (!/^(?:[A-Za-z0-9-]|=[0-9A-F]{2})*$/.test(token)) return undefined
  const bytes = token.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  const name = Buffer.from(bytes, 'latin1').toString('utf8')
  return escapeName(name) === token ? name : undefined
}

/** `10.0.10.0/24` as one token: `10-0-10-0_24`. */
export function scopeToken(scope: ScopeKey): string {
  return scope.replaceAll('.', '-').replace('/', '_')
}

export function parseScopeToken(token: string): ScopeKey | undefined {
  const key = parseScopeKey(token.replaceAll('-', '.').replace('_', '/'))
  return key !== undefined && scopeToken(key) === token ? key : undefined
}

function tokensOf(subject: string, prefix: readonly string[], count: number): readonly string[] | undefined {
  const tokens = subject.split('.')
  if (tokens.length !== prefix.length + count) return undefined
  return prefix.every((token, index) => tokens[index] === token) ? tokens.slice(prefix.length) : undefined
}

// --- changes

export const ALL_SCOPE_CHANGES = `${ROOT}.scope.changed.>`

export function scopeChangedSubject(server: string, scope: ScopeKey): string {
  return `${ROOT}.scope.changed.${escapeName(server)}.${scopeToken(scope)}`
}

export function parseScopeChangedSubject(
  subject: string,
): { readonly server: string; readonly scope: ScopeKey } | undefined {
  const [serverToken, scope] = tokensOf(subject, [ROOT, 'scope', 'changed'], 2) ?? []
  if (serverToken === undefined || scope === undefined) return undefined
  const server = unescapeName(serverToken)
  const key = parseScopeToken(scope)
  return server === undefined || key === undefined ? undefined : { server, scope: key }
}

// --- requests

export type RequestLevel = 'server' | 'relationship' | 'scope'
export const ALL_REQUESTS = `${ROOT}.replication.requested.>`

export function replicationRequestedSubject(level: RequestLevel, requester: string): string {
  return `${ROOT}.replication.requested.${level}.${escapeName(requester)}`
}

export function parseReplicationRequestedSubject(
  subject: string,
): { readonly level: RequestLevel; readonly requester: string } | undefined {
  const [level, token] = tokensOf(subject, [ROOT, 'replication', 'requested'], 2) ?? []
  if (level !== 'server' && level !== 'relationship' && level !== 'scope') return undefined
  const requester = unescapeName(token as string)
  return requester === undefined || requester === '' ? undefined : { level, requester }
}

// --- wake-ups

export const ALL_WAKEUPS = `${ROOT}.wakeup.*`

export function wakeupSubject(slot: string): string {
  return `${ROOT}.wakeup.${slotToken(slot)}`
}

export function parseWakeupSubject(subject: string): string | undefined {
  const [token] = tokensOf(subject, [ROOT, 'wakeup'], 1) ?? []
  return token === undefined ? undefined : parseSlotToken(token)
}

// --- outcomes

export type OutcomeKind = 'accepted' | 'progress' | 'final'
export const ALL_OUTCOMES = `${ROOT}.outcome.>`

export function outcomeSubject(slot: string, job: string, kind: OutcomeKind): string {
  return `${ROOT}.outcome.${slotToken(slot)}.${escapeName(job)}.${kind}`
}

export function parseOutcomeSubject(
  subject: string,
): { readonly slot: string; readonly job: string; readonly kind: OutcomeKind } | undefined {
  const [slotText, jobText, kind] = tokensOf(subject, [ROOT, 'outcome'], 3) ?? []
  if (kind !== 'accepted' && kind !== 'progress' && kind !== 'final') return undefined
  const slot = parseSlotToken(slotText as string)
  const job = unescapeName(jobText as string)
  return slot === undefined || job === undefined ? undefined : { slot, job, kind }
}

// --- dead letters

export const ALL_DEADLETTERS = `${ROOT}.deadletter.*`

export function deadletterSubject(stream: string): string {
  return `${ROOT}.deadletter.${escapeName(stream)}`
}

// --- gates (request/reply)

export const GATE_OPERATIONS = [
  'prepare',
  'manifest',
  'read',
  'stage',
  'commit',
  'result',
  'agree',
  'fence',
  'cover',
  'leases',
  'claim',
  'preimage',
] as const
export type GateOperation = (typeof GATE_OPERATIONS)[number]

export function gateSubject(server: string, operation: GateOperation): string {
  return `${ROOT}.gate.${escapeName(server)}.${operation}`
}

/** Subscribes a watcher to all operations of its server. */
export function gateSubscription(server: string): string {
  return `${ROOT}.gate.${escapeName(server)}.*`
}

export function parseGateOperation(subject: string): GateOperation | undefined {
  const operation = subject.slice(subject.lastIndexOf('.') + 1)
  return GATE_OPERATIONS.find((known) => known === operation)
}

// --- slots: where a job waits

/**
 * The slot of a job: the relationship it belongs to, or `_` and the server for a
 * server job, which belongs to several. The escaped form of a relationship never starts with `_`.
 */
export function serverSlot(server: string): string {
  return `_${server}`
}

function slotToken(slot: string): string {
  return slot.startsWith('_') ? `_${escapeName(slot.slice(1))}` : escapeName(slot)
}

function parseSlotToken(token: string): string | undefined {
  if (!token.startsWith('_')) return unescapeName(token)
  const server = unescapeName(token.slice(1))
  return server === undefined ? undefined : `_${server}`
}

// --- keys of the buckets

export function jobKey(slot: string, job: string): string {
  return `${slotToken(slot)}.${escapeName(job)}`
}

/** Every job waiting in a slot. */
export function jobKeysOf(slot: string): string {
  return `${slotToken(slot)}.*`
}

export function parseJobKey(key: string): { readonly slot: string; readonly job: string } | undefined {
  const tokens = key.split('.')
  if (tokens.length !== 2) return undefined
  const slot = parseSlotToken(tokens[0] as string)
  const job = unescapeName(tokens[1] as string)
  return slot === undefined || job === undefined ? undefined : { slot, job }
}

export function authorityKey(relationship: string): string {
  return escapeName(relationship)
}

export const ALL_PAUSES = 'pause.>'
export const ALL_REJECTIONS = 'rejected.*'

/** Bucket `control`: a pause of one relationship; absent: of the whole fleet. */
export function pauseKey(relationship?: string): string {
  return relationship === undefined ? 'pause.fleet' : `pause.relationship.${escapeName(relationship)}`
}

/** The relationship of a pause's key, none for the fleet's; `undefined` for another key. */
export function parsePauseKey(key: string): { readonly relationship?: string } | undefined {
  if (key === pauseKey()) return {}
  const [token] = tokensOf(key, ['pause', 'relationship'], 1) ?? []
  const relationship = token === undefined ? undefined : unescapeName(token)
  return relationship === undefined ? undefined : { relationship }
}

/** Bucket `control`: the contents that somebody rejected in a relationship. */
export function rejectedKey(relationship: string): string {
  return `rejected.${escapeName(relationship)}`
}

export function gateKey(server: string): string {
  return escapeName(server)
}

export function idempotencyKey(key: string): string {
  return escapeName(key)
}
