// What a scope refers to outside of itself, so that a partner without it is named instead of
// the server's own, later and vaguer, complaint.

import { isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'
import type { OptionValue, Scope } from '#dhcp/scope.ts'
import { providedBy, subnetsOf } from './configuration.ts'
import { scopeOfSubnet } from './scopes.ts'

/** Parameters that hold one or several names of client classes: 2.x and 3.x spelling. */
const CLASS_PARAMETERS = ['client-class', 'client-classes', 'require-client-classes', 'evaluate-additional-classes']

/** Classes that Kea or its hooks make up; nobody defines them. */
const BUILT_IN_CLASS = /^(ALL|KNOWN|UNKNOWN|BOOTP|DROP|SKIP_DDNS)$|^(VENDOR_CLASS_|HA_|AFTER_|EXTERNAL_|SPAWN_)/

/**
 * Codes of the space `dhcp4` that Kea 3.0.4 has no definition for, by config-test of each. Kea 2.2.0
 * lacks a few more (121, 122, 143, 151-157, 162); there its own words must do.
 */
const UNDEFINED_CODES: readonly (readonly [number, number])[] = [
  [80, 80],
  [83, 84],
  [95, 96],
  [102, 107],
  [109, 111],
  [115, 115],
  [120, 120],
  [123, 123],
  [126, 135],
  [139, 140],
  [142, 142],
  [144, 145],
  [147, 150],
  [158, 158],
  [160, 161],
  [163, 211],
  [214, 254],
]

/** Spaces whose options Kea defines itself. */
const DEFINED_SPACES = /^(vendor-4491|vendor-4874|vendor-25506|dhcp-agent-options-space)$/

function classNames(properties: JsonObject): readonly string[] {
  return CLASS_PARAMETERS.flatMap((name) => {
    const value: Json | undefined = properties[name]
    if (typeof value === 'string') return value === '' ? [] : [value]
    return Array.isArray(value) ? (value as readonly Json[]).filter((one) => typeof one === 'string') : []
  })
}

function levelsOf(
  scope: Scope,
): readonly { readonly properties: JsonObject; readonly options: readonly OptionValue[] }[] {
  return [scope, ...scope.ranges, ...scope.reservations]
}

function needsDefinition({ space, code, properties }: OptionValue): boolean {
  // Data given as plain bytes needs no definition.
  if (properties['csv-format'] !== true) return false
  return space === 'dhcp4'
    ? UNDEFINED_CODES.some(([first, last]) => first <= code && code <= last)
    : !DEFINED_SPACES.test(space)
}

/** Names in the form of a snapshot's `provides`. */
export function referencesOf(scope: Scope): ReadonlySet<string> {
  const levels = levelsOf(scope)
  return new Set([
    ...(scope.group === undefined ? [] : [`group:${scope.group}`]),
    ...levels
      .flatMap((level) => classNames(level.properties))
      .filter((name) => !BUILT_IN_CLASS.test(name))
      .map((name) => `class:${name}`),
    ...levels
      .flatMap((level) => level.options)
      .filter(needsDefinition)
      .map((option) => `option-definition:${option.space}/${option.code}`),
  ])
}

/** Everything that scopes of a server may refer to. */
export function referable(dhcp4: JsonObject): ReadonlySet<string> {
  // A class that some hook assigns is defined nowhere; that the server uses it already is proof enough.
  const used = subnetsOf(dhcp4)
    .flatMap((placed) => [...referencesOf(scopeOfSubnet(placed))])
    .filter((name) => name.startsWith('class:'))
  return new Set([...providedBy(dhcp4), ...used, ...classOptionDefinitions(dhcp4)])
}

/** Definitions of options 43 and 224-254 may stand in a client class. */
function classOptionDefinitions(dhcp4: JsonObject): readonly string[] {
  const classes = dhcp4['client-classes']
  if (!Array.isArray(classes)) return []
  return (classes as readonly Json[])
    .filter(isJsonObject)
    .flatMap((one) => [...providedBy({ 'option-def': one['option-def'] ?? [] })])
}
