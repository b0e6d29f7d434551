// Fields that each partner keeps for itself: they are not compared, and a write leaves them as they are.
//
//   NAME, properties.NAME          a parameter of the scope, by the server's own name: `properties.valid-lifetime`
//   options.CODE                   an option value of the scope, in the space `dhcp4`: `options.66`
//   options.SPACE.CODE             in another space
//   group                          the shared network or superscope that it is in
//   exclusions, reservations, policies   all of them
//
// What a scope is cannot be ignored: its key, its number, its ranges.

import type { Scope } from './scope.ts'

const LISTS = ['exclusions', 'reservations', 'policies'] as const

export type IgnoredField =
  | { readonly kind: 'property'; readonly name: string }
  | { readonly kind: 'option'; readonly space: string; readonly code: number }
  | { readonly kind: 'list'; readonly list: (typeof LISTS)[number] }
  | { readonly kind: 'group' }

/** In words for whoever wrote something else. */
export const IGNORED_FIELD_EXPECTED =
  'expected a parameter of the scope (properties.valid-lifetime), an option value (options.66, options.SPACE.CODE), group, exclusions, reservations or policies'

/** `undefined` where the text names nothing that can be ignored. */
export function parseIgnoredField(text: string): IgnoredField | undefined {
  if (text === 'group') return { kind: 'group' }
  const list = LISTS.find((known) => known === text)
  if (list !== undefined) return { kind: 'list', list }
  const option = /^options\.(?:(.+)\.)?(\d{1,3})$/.exec(text)
  if (option !== null) {
    const code = Number(option[2])
    return code >= 1 && code <= 254 ? { kind: 'option', space: option[1] ?? 'dhcp4', code } : undefined
  }
  const name = /^(?:properties\.)?([A-Za-z0-9][\w-]*)$/.exec(text)?.[1]
  const isReserved = name === text && ['key', 'id', 'ranges', 'options', 'properties'].includes(text)
  return name === undefined || isReserved ? undefined : { kind: 'property', name }
}

/** The scope without its ignored fields: what is compared, copied and remembered. */
export function maskScope(scope: Scope, fields: readonly IgnoredField[]): Scope {
  return fields.reduce(withoutField, scope)
}

/**
 * What is written: the wanted content with the ignored fields as the target has them. A scope that the target does
 * not have is created without them.
 */
export function mergeIgnored(wanted: Scope, live: Scope | undefined, fields: readonly IgnoredField[]): Scope {
  const masked = maskScope(wanted, fields)
  return live === undefined ? masked : fields.reduce((merged, field) => withFieldOf(merged, live, field), masked)
}

function withoutField(scope: Scope, field: IgnoredField): Scope {
  switch (field.kind) {
    case 'property': {
      if (!(field.name in scope.properties)) return scope
      const { [field.name]: _, ...properties } = scope.properties
      return { ...scope, properties }
    }
    case 'option':
      return { ...scope, options: scope.options.filter((option) => !isOption(option, field)) }
    case 'list':
      return { ...scope, [field.list]: [] }
    case 'group': {
      const { group: _, ...rest } = scope
      return rest
    }
    default:
      return field satisfies never
  }
}

function withFieldOf(scope: Scope, live: Scope, field: IgnoredField): Scope {
  switch (field.kind) {
    case 'property': {
      const own = live.properties[field.name]
      return own === undefined ? scope : { ...scope, properties: { ...scope.properties, [field.name]: own } }
    }
    case 'option': {
      // Named twice, it is there once.
      const others = scope.options.filter((option) => !isOption(option, field))
      return { ...scope, options: [...others, ...live.options.filter((option) => isOption(option, field))] }
    }
    case 'list':
      return { ...scope, [field.list]: live[field.list] }
    case 'group':
      return live.group === undefined ? scope : { ...scope, group: live.group }
    default:
      return field satisfies never
  }
}

function isOption(option: Scope['options'][number], field: Extract<IgnoredField, { kind: 'option' }>): boolean {
  return option.code === field.code && option.space === field.space
}
