// Contents in parts that fit one message each.

import { MAX_PART_BYTES } from '#contracts/streams.ts'

/** Splits contents into parts that stay under the message limit; a content that is larger has one of its own. */
export function parts<T extends { readonly text: string }>(contents: readonly T[]): readonly (readonly T[])[] {
  const all: T[][] = [[]]
  let size = 0
  for (const content of contents) {
    // Text is escaped once more inside the message's JSON.
    const bytes = Buffer.byteLength(JSON.stringify(content.text)) + 200
    if (size + bytes > MAX_PART_BYTES && size > 0) {
      all.push([])
      size = 0
    }
    all.at(-1)?.push(content)
    size += bytes
  }
  return all.filter((part) => part.length > 0)
}
