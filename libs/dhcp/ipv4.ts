// IPv4 addresses as numbers: ranges and containment are arithmetic.

/** The unsigned 32-bit value of a dotted-quad address, or `undefined` if the text is none. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return undefined
  let value = 0
  for (const part of match.slice(1)) {
    const octet = Number(part)
    if (octet > 255 || (part.length > 1 && part.startsWith('0'))) return undefined
    value = value * 256 + octet
  }
  return value
}

export function formatIpv4(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.')
}

/** First and last address of `network/prefixLength`. */
export function prefixBounds(network: number, prefixLength: number): { readonly first: number; readonly last: number } {
  const size = 2 ** (32 - prefixLength)
  const first = Math.floor(network / size) * size
  return { first, last: first + size - 1 }
}
