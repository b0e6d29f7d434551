// One command to Kea's unix socket: what an administrator's own tools do. The demo and the sample pair
// speak to Kea through this and not through our driver, so that they do not believe what the driver says.

import { connect } from 'node:net'
import { formatJson, type Json, type JsonObject, parseJson } from '#dhcp/json.ts'

export type KeaAnswer = {
  /** 0 success, 1 error, 2 unsupported, 3 empty. */
  readonly result: number
  readonly text?: string
  readonly arguments?: JsonObject
}

/**
 * Sends a command and waits for the answer; Kea closes the connection after it. Bytes go in and out as
 * Latin-1, since Kea escapes text beyond ASCII per byte of its UTF-8.
 *
 * @param timeoutMs default 10000
 */
export function keaCommand(socketPath: string, command: string, args?: Json, timeoutMs = 10_000): Promise<KeaAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath)
    const parts: Uint8Array[] = []
    socket.setTimeout(timeoutMs, () =>
      socket.destroy(new Error(`${socketPath}: no answer to ${command} in ${timeoutMs} ms`)),
    )
    socket.on('connect', () => {
      const text = formatJson(args === undefined ? { command } : { command, arguments: args })
      socket.write(Buffer.from(text, 'latin1'))
    })
    socket.on('data', (part: Buffer) => parts.push(part))
    socket.on('error', reject)
    socket.on('close', () => {
      try {
        resolve(parseJson(Buffer.concat(parts).toString('latin1')) as unknown as KeaAnswer)
      } catch (error) {
        reject(new Error(`${socketPath}: no complete answer to ${command}`, { cause: error }))
      }
    })
  })
}

/** As {@link keaCommand}, for a command that must succeed. */
export async function keaCommandOk(socketPath: string, command: string, args?: Json): Promise<JsonObject> {
  const answer = await keaCommand(socketPath, command, args)
  if (answer.result !== 0) throw new Error(`${command}: ${answer.text ?? `result ${answer.result}`}`)
  return answer.arguments ?? {}
}
