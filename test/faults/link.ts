// One way from a part to another: a TCP proxy that can be cut, stalled, slowed down, or lose single messages.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createFrameReader, type Frame } from './nats-frames.ts'
import type { Random } from './random.ts'

/** Shares of the messages between replicators and gates, and of deliveries and their acks. */
export type Garble = { readonly drop: number; readonly duplicate: number; readonly swap: number }

export type Link = {
  readonly name: string
  readonly port: number
  /** Breaks every connection and refuses new ones. */
  cut(): void
  /** Bytes of both directions wait; nothing is lost, and nobody is told. */
  stall(): void
  /** Milliseconds that every byte is on its way, in each direction. */
  slow(delayMs: number): void
  garble(garble: Garble): void
  /**
   * Takes the next message to this subject with this in it out of the way towards the server, once, and hands it over;
   * all others pass. Returns how to give that up.
   */
  catchNext(what: Wanted, onCaught: (caught: Caught) => void): () => boolean
  /** As it should be. What waited goes on. */
  heal(): void
  close(): Promise<void>
}

/** A message that has been sent and has not arrived: what a gate sees of a worker that stood still. */
export type Caught = {
  readonly link: string
  /** Where its answer is to go. */
  readonly reply?: string
  /** Lets it go on its way; each further time it arrives once more. */
  send(): void
}

export type Wanted = { readonly subject: string; readonly text: string }

export type LinkOptions = {
  readonly name: string
  readonly port: number
  /** What NATS speaks can be garbled. */
  readonly isNats?: boolean
  readonly random: Random
}

/** Messages that may be lost: who sent them asks again. A lost publish acknowledgement would only cost its timeout. */
function mayBeGarbled({ message }: Frame, toServer: boolean): boolean {
  if (message === undefined) return false
  const isGate = message.subject.startsWith('twinscope.gate.')
  const isGateAnswer = toServer && message.subject.startsWith('_INBOX.')
  const isDelivery = message.subject.startsWith('$JS.ACK.') || message.reply?.startsWith('$JS.ACK.') === true
  return isGate || isGateAnswer || isDelivery
}

function isWanted({ message, bytes }: Frame, { subject, text }: Wanted): boolean {
  return message?.subject === subject && bytes.includes(text)
}

export async function openLink(options: LinkOptions): Promise<Link> {
  const { random } = options
  let isCut = false
  let isStalled = false
  let delayMs = 0
  let garble: Garble | undefined
  const catchers = new Set<{ readonly what: Wanted; readonly onCaught: (caught: Caught) => void }>()
  const sockets = new Set<Socket>()
  const waiting = new Set<() => void>()

  function carry(from: Socket, to: Socket, toServer: boolean): void {
    const frames = options.isNats === true ? createFrameReader() : undefined
    const queue: { readonly bytes: Buffer; readonly dueMs: number }[] = []
    let swapped: Buffer | undefined
    let timer: NodeJS.Timeout | undefined
    const flush = () => {
      timer = undefined
      if (isStalled) return
      for (let first = queue[0]; first !== undefined; first = queue[0]) {
        const leftMs = first.dueMs - performance.now()
        if (leftMs > 0) {
          timer = setTimeout(flush, leftMs)
          return
        }
        queue.shift()
        if (!to.destroyed) to.write(first.bytes)
      }
    }
    const send = (bytes: Buffer) => {
      const dueMs = Math.max(queue.at(-1)?.dueMs ?? 0, performance.now() + delayMs)
      queue.push({ bytes, dueMs })
      if (timer === undefined) flush()
    }
    /** A message that waits for the next one to overtake it does not wait for ever. */
    const release = () => {
      const bytes = swapped
      swapped = undefined
      if (bytes !== undefined) send(bytes)
    }
    const sendFrame = (frame: Frame) => {
      const catcher = toServer ? [...catchers].find(({ what }) => isWanted(frame, what)) : undefined
      if (catcher !== undefined) {
        catchers.delete(catcher)
        const { reply } = frame.message ?? {}
        return catcher.onCaught({
          link: options.name,
          ...(reply === undefined ? {} : { reply }),
          send: () => send(frame.bytes),
        })
      }
      if (garble === undefined || !mayBeGarbled(frame, toServer)) {
        send(frame.bytes)
        return release()
      }
      if (random.chance(garble.drop)) return
      if (swapped === undefined && random.chance(garble.swap)) {
        swapped = frame.bytes
        setTimeout(release, 100)
        return
      }
      send(frame.bytes)
      if (random.chance(garble.duplicate)) send(frame.bytes)
      release()
    }
    from.on('data', (chunk: Buffer) => {
      if (frames === undefined) send(chunk)
      else for (const frame of frames(chunk)) sendFrame(frame)
    })
    from.on('close', () => {
      clearTimeout(timer)
      waiting.delete(flush)
      to.destroy()
    })
    waiting.add(flush)
  }

  const server = createServer((client) => {
    // Who is cut off sees the connection break; that is all that there is to say about it.
    client.on('error', () => client.destroy())
    if (isCut) return void client.destroy()
    const upstream = connect(options.port, '127.0.0.1')
    upstream.on('error', () => client.destroy())
    client.setNoDelay(true)
    upstream.setNoDelay(true)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
    }
    carry(client, upstream, true)
    carry(upstream, client, false)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function breakAll(): void {
    for (const socket of sockets) socket.resetAndDestroy()
  }

  return {
    name: options.name,
    port: (server.address() as AddressInfo).port,
    cut() {
      isCut = true
      breakAll()
    },
    stall() {
      isStalled = true
    },
    slow(ms) {
      delayMs = ms
    },
    garble(shares) {
      garble = shares
    },
    catchNext(what, onCaught) {
      const own = { what, onCaught }
      catchers.add(own)
      return () => catchers.delete(own)
    },
    heal() {
      isCut = false
      isStalled = false
      delayMs = 0
      garble = undefined
      for (const flush of waiting) flush()
    },
    async close() {
      server.close()
      breakAll()
      await once(server, 'close')
    },
  }
}
