// Job ids: sortable by time, unique, safe in subjects, keys and URLs.

import { createHash, randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

function base32(bytes: Uint8Array, length: number): string {
  let value = BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`)
  let text = ''
  for (let index = 0; index < length; index++) {
    text = ALPHABET[Number(value % 32n)] + text
    value /= 32n
  }
  return text
}

/** A new id in the form of a ULID: 48 bits of milliseconds, 80 random bits, 26 characters. */
export function newJobId(now = Date.now()): string {
  const time = Buffer.alloc(6)
  time.writeUIntBE(now, 0, 6)
  return base32(time, 10) + base32(randomBytes(10), 16)
}

/** The same id for the same message: a redelivered request becomes the same job. */
export function jobIdOf(messageId: string, at: number): string {
  const time = Buffer.alloc(6)
  time.writeUIntBE(at, 0, 6)
  return base32(time, 10) + base32(createHash('sha256').update(messageId).digest().subarray(0, 10), 16)
}
