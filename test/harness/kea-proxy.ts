// Stands between a client and Kea's control socket, so that a test can change the world around Kea at
// the moment of one command, or lose an answer. Requests and answers pass through as they are.

import { once } from 'node:events'
import net from 'node:net'
import type { JsonObject } from '#dhcp/json.ts'
import { parseKeaJson } from '#drivers/kea/kea-json.ts'
import { keaExchange } from './kea.ts'

export type KeaProxy = {
  /** As in Twinscope's configuration. */
  readonly control: string
  /** The commands that passed, in their order. */
  readonly commands: readonly string[]
  close(): Promise<void>
}

export type KeaProxyHooks = {
  before?(command: string, nth: number): Promise<void>
  /** Returns `lose` to close the connection without the answer. */
  after?(command: string, nth: number): Promise<'lose' | undefined>
}

export async function startKeaProxy(socket: string, hooks: KeaProxyHooks): Promise<KeaProxy> {
  const commands: string[] = []
  const address = `${socket}.proxy`
  const server = net.createServer((client) => {
    const chunks: Buffer[] = []
    client.on('error', () => undefined)
    client.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      const request = Buffer.concat(chunks)
      const command = commandOf(request)
      if (command !== undefined) void pass(client, request, command)
    })
  })

  async function pass(client: net.Socket, request: Buffer, command: string): Promise<void> {
    commands.push(command)
    const nth = commands.filter((one) => one === command).length
    try {
      await hooks.before?.(command, nth)
      const answer = await keaExchange(socket, request)
      if ((await hooks.after?.(command, nth)) === 'lose') client.destroy()
      else client.end(answer)
    } catch {
      client.destroy()
    }
  }

  server.listen(address)
  await once(server, 'listening')
  return {
    control: `unix:${address}`,
    commands,
    async close() {
      server.close()
      await once(server, 'close')
    },
  }
}

/** The command of a request that has arrived as a whole. */
function commandOf(request: Buffer): string | undefined {
  try {
    return String((parseKeaJson(request) as JsonObject).command)
  } catch {
    return undefined
  }
}
