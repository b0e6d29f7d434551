// Free ports, remembered: a restarted system uses the ports it had, as far as they are still free.

import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** Below the range from which Linux takes ports for outgoing connections, which could take ours in between. */
const LOWEST = 20_000
const HIGHEST = 32_000

const givenOut = new Set<number>()

/** Whether nothing listens on this port of 127.0.0.1. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A port of 127.0.0.1 that is free and was not given out before by this process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST))
    if (givenOut.has(port) || !(await isFree(port))) continue
    givenOut.add(port)
    return port
  }
  throw new Error(`found no free port between ${LOWEST} and ${HIGHEST}`)
}

export interface Ports {
  /** The port that `name` had in an earlier run if it is free, else a new one; remembered in the file. */
  take(name: string): Promise<number>
}

/** Opens the memory of ports; a missing or unreadable file is an empty one. */
export function openPorts(file: string): Ports {
  let known: Record<string, number> = {}
  try {
    known = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>
  } catch {
    // The first run, or somebody tidied up: any ports will do.
  }
  return {
    async take(name) {
      const before = known[name]
      if (before !== undefined && (await isFree(before))) {
        givenOut.add(before)
        return before
      }
      const port = await freePort()
      known[name] = port
      writeFileSync(file, `${JSON.stringify(known, undefined, 2)}\n`)
      return port
    },
  }
}
