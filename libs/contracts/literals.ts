// A text that is one of a few, as a schema: the type is their union, the document lists them.

import { Type } from 'typebox'

export function literals<const T extends readonly string[]>(values: T, description?: string) {
  return Type.Unsafe<T[number]>(Type.String({ enum: [...values], ...(description ? { description } : {}) }))
}
