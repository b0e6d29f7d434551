// A plan in words that a DHCP administrator uses, one line per change.

import { formatJson, isJsonObject, type Json } from '#dhcp/json.ts'
import type { Change } from './diff.ts'
import type { PlannedScope } from './plan.ts'

const SIGNS = { add: '+', update: '~', delete: '-' } as const

const OPTION_NAMES: Record<string, string> = {
  'dhcp4|3': 'routers',
  'dhcp4|6': 'DNS servers',
  'dhcp4|15': 'domain name',
  'dhcp4|28': 'broadcast address',
  'dhcp4|42': 'NTP servers',
  'dhcp4|51': 'lease time',
  'dhcp4|66': 'TFTP server name',
  'dhcp4|67': 'boot file name',
  'dhcp4|81': 'DNS update settings',
  'dhcp4|119': 'domain search',
  'dhcp4|150': 'TFTP server addresses',
}

function value(json: Json | undefined): string {
  if (json === undefined || json === null) return 'none'
  return typeof json === 'string' ? json : formatJson(json)
}

function member(json: Json | undefined, name: string): Json | undefined {
  return isJsonObject(json) ? json[name] : undefined
}

function optionTitle(key: string): string {
  const [space, code, vendorClass, userClass, policy] = key.split('|')
  const name = OPTION_NAMES[`${space}|${code}`]
  const qualifiers = [
    space === 'dhcp4' ? undefined : space,
    vendorClass && `vendor class ${vendorClass}`,
    userClass && `user class ${userClass}`,
    policy && `policy ${policy}`,
  ].filter(Boolean)
  return `option ${code}${name === undefined ? '' : ` (${name})`}${qualifiers.length === 0 ? '' : ` [${qualifiers.join(', ')}]`}`
}

function titled(change: Change, title: string, of: (json: Json | undefined) => string): string {
  const suffix = change.within === undefined ? '' : ` of ${change.within}`
  switch (change.kind) {
    case 'add':
      return `+ ${title}${suffix}: ${of(change.after)}`
    case 'delete':
      return `- ${title}${suffix}: ${of(change.before)}`
    case 'update':
      return `~ ${title}${suffix}: ${of(change.before)} → ${of(change.after)}`
  }
}

function reservationText(json: Json | undefined): string {
  const name = member(json, 'name')
  const address = member(json, 'address')
  const extra = member(json, 'options')
  const options = Array.isArray(extra) && extra.length > 0 ? `, ${extra.length} options` : ''
  return `${address === undefined ? 'no address' : value(address)}${name === undefined ? '' : ` "${value(name)}"`}${options}`
}

export function renderChange(change: Change): string {
  switch (change.object) {
    case 'scope':
      return change.kind === 'add' ? `+ scope ${change.key}, whole` : `- scope ${change.key}, whole`
    case 'property':
      return titled(change, change.key, value)
    case 'option':
      return titled(change, optionTitle(change.key), (json) => value(member(json, 'data')))
    case 'reservation':
      return titled(change, `reservation ${change.key}`, reservationText)
    case 'range':
      return `${SIGNS[change.kind]} address range ${change.key}`
    case 'exclusion':
      return `${SIGNS[change.kind]} exclusion range ${change.key}`
    case 'policy':
      return `${SIGNS[change.kind]} policy ${change.key}`
  }
}

/** The changes of one scope as lines; more than `most` are cut, saying how many. Default 200. */
export function renderScope(scope: PlannedScope, most = 200): readonly string[] {
  const lines = scope.changes.slice(0, most).map(renderChange)
  return scope.changes.length > most ? [...lines, `… and ${scope.changes.length - most} more changes`] : lines
}

export function countChanges(changes: readonly Change[]): {
  readonly added: number
  readonly updated: number
  readonly deleted: number
} {
  const count = (kind: Change['kind']) => changes.filter((change) => change.kind === kind).length
  return { added: count('add'), updated: count('update'), deleted: count('delete') }
}
