// Cuts a stream of NATS protocol bytes into its frames, so that single messages can be lost, repeated or reordered
// on their way while the connection stays up.

const END = Buffer.from('\r\n')

export type Frame = {
  readonly bytes: Buffer
  /** Of a message its subject and where an answer is to go; absent for everything else. */
  readonly message?: { readonly subject: string; readonly reply?: string }
}

/** Takes bytes as they come, gives whole frames. */
export function createFrameReader(): (chunk: Buffer) => readonly Frame[] {
  let rest: Buffer = Buffer.alloc(0)
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const frames: Frame[] = []
    for (;;) {
      const lineEnd = rest.indexOf(END)
      if (lineEnd < 0) return frames
      const words = rest.subarray(0, lineEnd).toString('latin1').split(/\s+/)
      const message = messageOf(words)
      const size = message === undefined ? 0 : message.size + END.length
      const length = lineEnd + END.length + size
      if (rest.length < length) return frames
      const bytes = Buffer.from(rest.subarray(0, length))
      rest = rest.subarray(length)
      if (message === undefined) frames.push({ bytes })
      else {
        const { subject, reply } = message
        frames.push({ bytes, message: { subject, ...(reply === undefined ? {} : { reply }) } })
      }
    }
  }
}

function messageOf(words: readonly string[]) {
  const [verb, subject = ''] = words
  const size = Number(words.at(-1))
  switch (verb?.toUpperCase()) {
    case 'PUB': // PUB subject [reply] size
      return { subject, size, reply: words.length > 3 ? words[2] : undefined }
    case 'HPUB': // HPUB subject [reply] header-size size
      return { subject, size, reply: words.length > 4 ? words[2] : undefined }
    case 'MSG': // MSG subject sid [reply] size
      return { subject, size, reply: words.length > 4 ? words[3] : undefined }
    case 'HMSG': // HMSG subject sid [reply] header-size size
      return { subject, size, reply: words.length > 5 ? words[3] : undefined }
    default:
      return undefined
  }
}
