// What changes between two contents of one scope, object by object, in DHCP words.

import { canonicalJson, type Json, type JsonObject } from '#dhcp/json.ts'
import {
  type AddressRange,
  type OptionValue,
  optionKey,
  type Policy,
  type Reservation,
  rangeKey,
  reservationKey,
  type Scope,
} from '#dhcp/scope.ts'

export type ChangedObject = 'scope' | 'property' | 'range' | 'exclusion' | 'reservation' | 'option' | 'policy'

/** One object that is added, updated or deleted on the target. */
export type Change = {
  readonly kind: 'add' | 'update' | 'delete'
  readonly object: ChangedObject
  /** Its natural key within the scope. */
  readonly key: string
  /** The object it belongs to (`reservation hw-address=…`), where it is not the scope itself. */
  readonly within?: string
  readonly before?: Json
  readonly after?: Json
}

type Keyed<T> = { readonly object: ChangedObject; readonly key: (item: T) => string; readonly within?: string }

function changesOf<T>(before: readonly T[], after: readonly T[], { object, key, within }: Keyed<T>): Change[] {
  const place = within === undefined ? {} : { within }
  const old = new Map(before.map((item) => [key(item), item]))
  const changes: Change[] = []
  const seen = new Set<string>()
  for (const item of after) {
    const name = key(item)
    seen.add(name)
    const previous = old.get(name)
    if (previous === undefined) changes.push({ kind: 'add', object, key: name, ...place, after: item as Json })
    else if (canonicalJson(previous as Json) !== canonicalJson(item as Json)) {
      changes.push({ kind: 'update', object, key: name, ...place, before: previous as Json, after: item as Json })
    }
  }
  for (const [name, item] of old) {
    if (!seen.has(name)) changes.push({ kind: 'delete', object, key: name, ...place, before: item as Json })
  }
  return changes
}

function propertyChanges(before: JsonObject, after: JsonObject, within?: string): Change[] {
  const entries = (object: JsonObject) => Object.entries(object).map(([name, value]) => ({ name, value }))
  const changes = changesOf(entries(before), entries(after), {
    object: 'property',
    key: (entry) => entry.name,
    ...(within === undefined ? {} : { within }),
  })
  const payload = (entry: Json | undefined) => (entry as { readonly value: Json } | undefined)?.value
  return changes.map(({ before: old, after: wanted, ...change }) => ({
    ...change,
    ...(old === undefined ? {} : { before: payload(old) as Json }),
    ...(wanted === undefined ? {} : { after: payload(wanted) as Json }),
  }))
}

/** Options of a container that stays; the container itself is compared without them. */
function optionChanges(before: readonly OptionValue[], after: readonly OptionValue[], within?: string): Change[] {
  return changesOf(before, after, { object: 'option', key: optionKey, ...(within === undefined ? {} : { within }) })
}

function containerChanges<T extends { readonly options: readonly OptionValue[] }>(
  before: readonly T[],
  after: readonly T[],
  keyed: Keyed<T>,
): Change[] {
  const bare = (item: T) => ({ ...item, options: [] as readonly OptionValue[] })
  const byKey = new Map(after.map((item) => [keyed.key(item), item]))
  const changes = changesOf(
    before.map(bare),
    after.map(bare),
    keyed as Keyed<{ readonly options: readonly OptionValue[] }>,
  ).map(
    // What comes or goes as a whole is shown as a whole, options included.
    (change): Change => (change.kind === 'add' ? { ...change, after: byKey.get(change.key) as Json } : change),
  )
  for (const item of before) {
    const wanted = byKey.get(keyed.key(item))
    if (wanted !== undefined)
      changes.push(...optionChanges(item.options, wanted.options, `${keyed.object} ${keyed.key(item)}`))
  }
  return changes
}

/** `before` absent: the scope is created; `after` absent: it is deleted. Equal contents give no changes. */
export function diffScopes(before: Scope | undefined, after: Scope | undefined): readonly Change[] {
  if (before === undefined && after === undefined) return []
  if (before === undefined || after === undefined) {
    const scope = (before ?? after) as Scope
    const whole = scope as unknown as Json
    return [
      before === undefined
        ? { kind: 'add', object: 'scope', key: scope.key, after: whole }
        : { kind: 'delete', object: 'scope', key: scope.key, before: whole },
    ]
  }
  const own = (scope: Scope): JsonObject => ({
    ...scope.properties,
    ...(scope.id === undefined ? {} : { id: scope.id }),
    ...(scope.group === undefined ? {} : { group: scope.group }),
  })
  return [
    ...propertyChanges(own(before), own(after)),
    ...containerChanges<AddressRange>(before.ranges, after.ranges, { object: 'range', key: rangeKey }),
    ...changesOf(before.exclusions, after.exclusions, { object: 'exclusion', key: rangeKey }),
    ...containerChanges<Reservation>(before.reservations, after.reservations, {
      object: 'reservation',
      key: reservationKey,
    }),
    ...optionChanges(before.options, after.options),
    ...changesOf<Policy>(before.policies, after.policies, { object: 'policy', key: (policy) => policy.name }),
  ]
}

/** What the limits count; properties always exist and are only ever updated. */
export type CountedObject = Exclude<ChangedObject, 'scope' | 'property'>

/** Objects of a scope that the limits count, by kind; option values at every level. */
export function countByKind(scope: Scope): Readonly<Record<CountedObject, number>> {
  const nested = [...scope.ranges, ...scope.reservations].reduce((sum, item) => sum + item.options.length, 0)
  return {
    range: scope.ranges.length,
    exclusion: scope.exclusions.length,
    reservation: scope.reservations.length,
    option: scope.options.length + nested,
    policy: scope.policies.length,
  }
}
