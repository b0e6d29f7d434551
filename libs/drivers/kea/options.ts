// Kea's `option-data` ⇄ option values.

import { isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'
import { type OptionValue, optionKey } from '#dhcp/scope.ts'

/** Space of the sub-options of option 43. */
const ENCAPSULATED_SPACE = 'vendor-encapsulated-options-space'
const VENDOR_ENCAPSULATED_OPTIONS = 43

/**
 * Options that are a server's own, however they are set: 54, the address it answers with.
 * Not part of a scope; the target keeps its own.
 */
export const LOCAL_OPTIONS: ReadonlySet<number> = new Set([54])

export function objectsOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter(isJsonObject) : []
}

function spaceOf(option: JsonObject): string {
  return typeof option.space === 'string' && option.space !== '' ? option.space : 'dhcp4'
}

function isLocal(option: JsonObject): boolean {
  return spaceOf(option) === 'dhcp4' && LOCAL_OPTIONS.has(Number(option.code))
}

/** The option values of one `option-data` list, without the server's own. */
export function optionsOf(list: Json | undefined): readonly OptionValue[] {
  return objectsOf(list)
    .filter((option) => !isLocal(option))
    .map(({ space: _space, code, data, ...properties }) => ({
      space: spaceOf({ space: _space ?? '' }),
      code: Number(code),
      data: data ?? '',
      properties,
    }))
}

/** The `option-data` list for `wanted`, with the server's own options of the list that was there. */
export function optionDataOf(wanted: readonly OptionValue[], existing: Json | undefined): readonly Json[] {
  const written = wanted.map(({ space, code, data, properties }): JsonObject => ({ ...properties, space, code, data }))
  return [...written, ...objectsOf(existing).filter(isLocal)]
}

/** Options that only another product has: Kea has no vendor class, user class or policy of an option value. */
export function foreignOption(options: readonly OptionValue[]): string | undefined {
  const option = options.find(
    (one) => one.vendorClass !== undefined || one.userClass !== undefined || one.policy !== undefined,
  )
  return option && optionKey(option)
}

/**
 * Whether the list has an option 43 whose content config-get does not give (Kea 2.4 and later, raw
 * option 43): it comes back empty, and writing it back would send an empty option to the clients.
 * With sub-options beside it Kea builds the content from them, and nothing is lost.
 */
export function hasLostOption43(list: Json | undefined): boolean {
  const options = objectsOf(list)
  const isEmptied = options.some(
    (option) =>
      spaceOf(option) === 'dhcp4' &&
      Number(option.code) === VENDOR_ENCAPSULATED_OPTIONS &&
      (option.data === undefined || option.data === ''),
  )
  return isEmptied && !options.some((option) => spaceOf(option) === ENCAPSULATED_SPACE)
}
