// What is wrong with a request, in words: at which place, what was given, and what is expected there.

import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { type Path, reportErrors } from '#service-host/check-schema.ts'

/** A request as it came, and the schemas of its route. */
export type Asked = {
  readonly schemas: Readonly<Record<string, unknown>>
  readonly values: Readonly<Record<string, unknown>>
}

const WORDS = {
  '^\\d{1,3}(\\.\\d{1,3}){3}(/\\d{1,2})?$': 'a scope ID such as 10.0.10.0 or 10.0.10.0/24',
  '^[0-9a-f]{64}$': 'the digest of a plan, 64 hexadecimal digits',
  '^\\d{4}-\\d{2}-\\d{2}T[\\d:.]+Z$': 'a time in UTC such as 2026-12-24T18:00:00Z',
  '^\\d{4}-\\d{2}-\\d{2}': 'a time such as 2026-12-24 or 2026-12-24T18:00:00Z',
  '^[\\x21-\\x7e]+$': 'letters, digits and signs without spaces',
} as const

/** `where`: `body`, `querystring`, `params` or `headers`. */
export function plainErrors(
  where: string,
  { schemas, values }: Asked,
): readonly { readonly path: string; readonly message: string }[] {
  const schema = schemas[where] as TSchema | undefined
  const given = values[where]
  const errors: { path: string; message: string }[] = []
  const report = (path: Path, message: string) => errors.push({ path: `/${[where, ...path].join('/')}`, message })
  if (schema === undefined) return errors
  if (where === 'body' && (typeof given !== 'object' || given === null)) {
    report([], 'expected a JSON object')
    return errors
  }
  // All of a URL is text; it was read as what the schema wants.
  reportErrors(schema, where === 'body' ? given : Value.Convert(schema, given), [], report, WORDS)
  return errors
}
