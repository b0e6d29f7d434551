// Turns what a schema says about a value into sentences for whoever wrote it.

import type { TSchema, TUnion } from 'typebox'
import { Value } from 'typebox/value'
import type { RelationshipConfig, ServerConfig } from '#contracts/configuration.ts'
import { suggestion } from './nearest.ts'

export type Path = readonly (string | number)[]
type Report = (path: Path, message: string) => void
/** What a text of a pattern is called, where its description says something else. */
export type PatternWords = Readonly<Record<string, string>>
type SchemaError = ReturnType<typeof Value.Errors>[number]
type ObjectSchema = TSchema & {
  readonly properties: Record<
    string,
    TSchema & { description?: string; enum?: string[]; pattern?: string; const?: unknown }
  >
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function pathOf(pointer: string): Path {
  if (pointer === '') return []
  return pointer
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part))
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<string | number, unknown> | undefined)?.[key], value)
}

function schemaAt(schema: TSchema, path: Path): TSchema | undefined {
  return path.reduce<TSchema | undefined>((inner, key) => {
    const object = inner as { properties?: Record<string, TSchema>; items?: TSchema } | undefined
    return typeof key === 'number' ? object?.items : object?.properties?.[key]
  }, schema)
}

function shown(value: unknown): string {
  return JSON.stringify(value) ?? 'nothing'
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  number: 'a number',
  object: 'keys with values',
  string: 'text',
}

type Wanted = {
  readonly type?: string
  readonly description?: string
  readonly enum?: readonly string[]
  readonly pattern?: string
  readonly minItems?: number
  readonly maxItems?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
}

/** `1 or more`, `at most 500`, `1 to 500`. */
function between(least: number | undefined, most: number | undefined): string {
  if (least === undefined) return `at most ${most}`
  return most === undefined ? `${least} or more` : `${least} to ${most}`
}

/** What is expected at a place, in words. */
function expectation(schema: TSchema | undefined, error: SchemaError, words: PatternWords): string {
  const wanted = (schema ?? {}) as Wanted
  if (wanted.enum !== undefined) return `one of ${wanted.enum.join(', ')}`
  if (error.keyword === 'type' && wanted.type !== undefined && wanted.pattern === undefined) {
    return TYPE_WORDS[wanted.type] ?? wanted.type
  }
  if (error.keyword === 'minItems' || error.keyword === 'maxItems') {
    const { minItems = 0, maxItems } = wanted
    return minItems === maxItems
      ? `exactly ${maxItems} entries`
      : `${minItems} to ${maxItems ?? 'any number of'} entries`
  }
  if (error.keyword === 'minLength' || error.keyword === 'maxLength') {
    return `text of ${between(wanted.minLength, wanted.maxLength)} characters`
  }
  if (error.keyword === 'minimum' || error.keyword === 'maximum') return between(wanted.minimum, wanted.maximum)
  if (wanted.pattern !== undefined) {
    return words[wanted.pattern] ?? wanted.description ?? `text like ${wanted.pattern}`
  }
  return error.message.replace(/^must (be|match|have) ?/, (_, verb) => (verb === 'have' ? 'to have ' : ''))
}

/** Reports every place at which a value does not fit a schema: what is there, and what is expected. */
export function reportErrors(
  schema: TSchema,
  value: unknown,
  base: Path,
  report: Report,
  words: PatternWords = {},
): void {
  for (const error of Value.Errors(schema, value)) {
    const path = pathOf(error.instancePath)
    // The same is said with the name of the key by the object that has it.
    if (error.keyword === 'boolean') continue
    if (error.keyword === 'additionalProperties') {
      const known = Object.keys((schemaAt(schema, path) as ObjectSchema | undefined)?.properties ?? {})
      for (const key of (error.params as { additionalProperties: string[] }).additionalProperties) {
        report([...base, ...path, key], `unknown key "${key}".${suggestion(key, known)}`)
      }
    } else if (error.keyword === 'required') {
      for (const key of (error.params as { requiredProperties: string[] }).requiredProperties) {
        const wanted = schemaAt(schema, [...path, key])
        const { description } = (wanted ?? {}) as { description?: string }
        report([...base, ...path], `"${key}" is missing${description === undefined ? '' : `: ${description}`}`)
      }
    } else {
      const wanted = expectation(schemaAt(schema, path), error, words)
      report([...base, ...path], `${shown(at(value, path))}: expected ${wanted}`)
    }
  }
}

/** The kind decides which schema a server must fit, so that only its own keys are talked about. */
function checkServer(schema: TUnion, server: unknown, base: Path, report: Report): void {
  if (!isRecord(server)) {
    report(base, `${shown(server)}: expected a server with name and kind`)
    return
  }
  const kinds = schema.anyOf as unknown as readonly ObjectSchema[]
  const known = kinds.map((kind) => String(kind.properties.kind?.const))
  const index = known.indexOf(String(server.kind))
  const chosen = kinds[index]
  if (chosen !== undefined) reportErrors(chosen, server, base, report)
  else if (server.kind === undefined) report(base, `"kind" is missing: expected one of ${known.join(', ')}`)
  else report([...base, 'kind'], `${shown(server.kind)}: expected one of ${known.join(', ')}`)
}

const TOP_LEVEL = ['servers', 'relationships']

/** Reports every place at which the file does not have the form of a configuration. */
export function checkSchema(
  value: unknown,
  schemas: { readonly ServerConfig: typeof ServerConfig; readonly RelationshipConfig: typeof RelationshipConfig },
  report: Report,
): void {
  if (!isRecord(value)) {
    report([], 'expected the keys servers and relationships')
    return
  }
  for (const key of Object.keys(value)) {
    if (!TOP_LEVEL.includes(key)) report([key], `unknown key "${key}".${suggestion(key, TOP_LEVEL)}`)
  }
  if (!Array.isArray(value.servers) || value.servers.length === 0) {
    report(['servers'], 'expected a list with at least one server')
  } else {
    value.servers.forEach((server, index) => {
      checkServer(schemas.ServerConfig as unknown as TUnion, server, ['servers', index], report)
    })
  }
  if (value.relationships === undefined || value.relationships === null) return
  if (!Array.isArray(value.relationships)) {
    report(['relationships'], 'expected a list of relationships')
    return
  }
  for (const [index, relationship] of value.relationships.entries()) {
    const base = ['relationships', index]
    if (isRecord(relationship)) {
      reportErrors(schemas.RelationshipConfig as unknown as ObjectSchema, relationship, base, report)
    } else report(base, `${shown(relationship)}: expected a relationship`)
  }
}
