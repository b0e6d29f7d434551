// Kea's JSON on the wire. Kea writes text byte by byte: `ü` arrives as the two bytes of its UTF-8
// form, escaped one by one (`\u00c3\u00bc`) in values and raw in keys, and is read back the same
// way. Read and written as ordinary JSON, every hop would encode such text once more.

import { formatJson, isJsonObject, isReal, type Json, parseJson, realOf } from '#dhcp/json.ts'

/** Bytes that are no UTF-8 travel as U+DC80…U+DCFF, so that they come out as they went in. */
const ESCAPED_BYTE = 0xdc00

/** Parameters that Kea only takes as real numbers: `1` is an error where `1.0` is meant. */
const REAL_PARAMETERS: ReadonlySet<string> = new Set([
  't1-percent',
  't2-percent',
  'cache-threshold',
  'adaptive-lease-time-threshold',
  'ddns-ttl-percent',
])

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Parses an answer of Kea or a file that Kea wrote. Throws `SyntaxError` on malformed text. */
export function parseKeaJson(bytes: Buffer): Json {
  const text = bytes.toString('latin1')
  const value = parseJson(text)
  // Most configurations are plain ASCII: nothing to decode in a whole tree then.
  return /[\x80-\xff]|\\u00[89a-f]/i.test(text) ? mapStrings(value, decodeText) : value
}

/** The bytes that Kea understands as `value`. */
export function formatKeaJson(value: Json): Buffer {
  return Buffer.from(formatJson(mapStrings(value, encodeText)), 'latin1')
}

/** The bytes of a file as Kea writes it: indented by four, and text beyond ASCII escaped byte by byte. */
export function formatKeaFile(value: Json): Buffer {
  const text = formatJson(mapStrings(value, encodeText), 4)
  const escaped = text.replace(/[\x7f-\xff]/g, (byte) => `\\u00${byte.charCodeAt(0).toString(16)}`)
  return Buffer.from(`${escaped}\n`, 'latin1')
}

/** A parameter's value as Kea wants it written. */
export function asWritten(name: string, value: Json): Json {
  return typeof value === 'number' && REAL_PARAMETERS.has(name) ? realOf(value) : value
}

function mapStrings(value: Json, map: (text: string) => string): Json {
  if (typeof value === 'string') return map(value)
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, map))
  if (isReal(value) || !isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [map(key), mapStrings(item, map)]))
}

/** One character per byte → text. */
function decodeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the question is whether it is ASCII
  if (/^[\x00-\x7f]*$/.test(text) || /[^\x00-\xff]/.test(text)) return text
  const bytes = Buffer.from(text, 'latin1')
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return decodePieces(bytes)
  }
}

function decodePieces(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] as number
    const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2
    try {
      text += strictUtf8.decode(bytes.subarray(at, at + length))
      at += length
    } catch {
      text += String.fromCharCode(ESCAPED_BYTE + first)
      at += 1
    }
  }
  return text
}

/** Text → one character per byte. */
function encodeText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the question is whether it is ASCII
  if (/^[\x00-\x7f]*$/.test(text)) return text
  let bytes = ''
  for (const character of text) {
    const code = character.codePointAt(0) as number
    const isEscapedByte = code >= ESCAPED_BYTE + 0x80 && code <= ESCAPED_BYTE + 0xff
    bytes += isEscapedByte ? String.fromCharCode(code - ESCAPED_BYTE) : Buffer.from(character).toString('latin1')
  }
  return bytes
}
