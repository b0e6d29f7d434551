// JSON that survives the round trip. DHCP servers use integers beyond 2^53 and
// tell reals from integers ("1.0" is not "1"), which JavaScript's JSON does not.

import { isLosslessNumber, LosslessNumber, parse, stringify } from 'lossless-json'

/** A number token that JavaScript's `number` cannot hold without loss: a real, kept as its text. */
export type Real = LosslessNumber

/**
 * Any JSON value without loss: safe integers are `number`, larger ones `bigint`,
 * reals (anything with a point or an exponent) {@link Real}.
 */
export type Json = null | boolean | string | number | bigint | Real | readonly Json[] | { readonly [key: string]: Json }

export type JsonObject = { readonly [key: string]: Json }

function parseNumber(text: string): number | bigint | Real {
  if (!/^-?\d+$/.test(text)) return new LosslessNumber(text)
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

/** Parses JSON text and keeps every number as it was written. Throws `SyntaxError` on malformed text. */
export function parseJson(text: string): Json {
  return parse(text, undefined, { parseNumber }) as Json
}

/** The JSON text of a value; the inverse of {@link parseJson}. Keys in the order they have. */
export function formatJson(value: Json, indent?: number): string {
  return stringify(value, undefined, indent) as string
}

export function isReal(value: unknown): value is Real {
  return isLosslessNumber(value)
}

/** A real number as a JSON value: 1 becomes `1.0`. */
export function realOf(value: number): Real {
  const text = String(value)
  return new LosslessNumber(/[.eE]/.test(text) ? text : `${text}.0`)
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !isLosslessNumber(value)
}

/**
 * Canonical JSON text in the manner of RFC 8785: no white space, keys sorted by
 * UTF-16 code units. Numbers are written by value: `1.50` and `1.5` are the same
 * real, but the real `1.0` and the integer `1` are not.
 */
export function canonicalJson(value: Json): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new TypeError(`not a safe integer: ${value}`)
    return String(value)
  }
  if (typeof value === 'bigint') return value.toString()
  if (isLosslessNumber(value)) return realOf(Number(value.value)).value
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  const object = value as JsonObject
  const members = Object.keys(object)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(object[key] as Json)}`)
  return `{${members.join(',')}}`
}
