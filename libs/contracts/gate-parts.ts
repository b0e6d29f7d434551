// A request to a gate, or its answer, that is larger than one message (a scope with thousands of reservations,
// a commit of thousands of scopes) travels in parts: slices of its JSON bytes, numbered by a header.
//
//   request   each part is a request of its own to the same subject, one after the other, with
//             Twinscope-Part. All but the last are acknowledged: empty, with the same header. The last one
//             is answered as the whole request would be.
//   answer    comes as its first part, with Twinscope-Part. The others are fetched: an empty request to the
//             same subject with Twinscope-Fetch for each, answered by that part.
//   lost      an answer with Twinscope-Lost: the gate does not have the other parts (any more), because its
//             watcher was restarted in between. A request that is answered so was not begun.

export const PART_HEADER = 'Twinscope-Part'
export const FETCH_HEADER = 'Twinscope-Fetch'
export const LOST_HEADER = 'Twinscope-Lost'

/** The most parts of one request or answer: with parts of 384 KiB, 48 MiB. */
export const MAX_PARTS = 128

/** The value of the headers: `ID:INDEX/COUNT`, counted from 1. */
export type PartName = { readonly id: string; readonly index: number; readonly count: number }

export function formatPart({ id, index, count }: PartName): string {
  return `${id}:${index}/${count}`
}

/** `undefined` where the text is no name of a part. */
export function parsePart(text: string): PartName | undefined {
  const match = /^([0-9A-Za-z-]{1,64}):(\d{1,3})\/(\d{1,3})$/.exec(text)
  if (!match) return undefined
  const [id, index, count] = [match[1] as string, Number(match[2]), Number(match[3])]
  return index >= 1 && index <= count && count <= MAX_PARTS ? { id, index, count } : undefined
}
