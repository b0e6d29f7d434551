// Recovery's question: is what the server has now put together of nothing but the pre-image and the wanted content?

import { canonicalJson, type Json } from '#dhcp/json.ts'
import { optionKey, rangeKey, reservationKey, type Scope } from '#dhcp/scope.ts'

/** Every object of a scope by its natural key, as text. */
function objectsOf(scope: Scope | undefined): ReadonlyMap<string, string> {
  const objects = new Map<string, string>()
  if (scope === undefined) return objects
  const put = (key: string, value: unknown) => objects.set(key, canonicalJson(value as Json))
  if (scope.id !== undefined) put('id', scope.id)
  if (scope.group !== undefined) put('group', scope.group)
  for (const [name, value] of Object.entries(scope.properties)) put(`property ${name}`, value)
  for (const range of scope.ranges) put(`range ${rangeKey(range)}`, range)
  for (const range of scope.exclusions) put(`exclusion ${rangeKey(range)}`, range)
  for (const reservation of scope.reservations) put(`reservation ${reservationKey(reservation)}`, reservation)
  for (const option of scope.options) put(`option ${optionKey(option)}`, option)
  for (const policy of scope.policies) put(`policy ${policy.name}`, policy)
  return objects
}

/** True where every object is as in the pre-image or as in the wanted content; an absent scope has no objects. */
export function isMixture(live: Scope | undefined, preImage: Scope | undefined, wanted: Scope | undefined): boolean {
  // Neither side of the write was "no such scope", so somebody else has deleted it.
  if (live === undefined && preImage !== undefined && wanted !== undefined) return false
  const [now, before, after] = [objectsOf(live), objectsOf(preImage), objectsOf(wanted)]
  const keys = new Set([...now.keys(), ...before.keys(), ...after.keys()])
  return [...keys].every((key) => now.get(key) === before.get(key) || now.get(key) === after.get(key))
}
