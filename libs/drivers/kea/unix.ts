// Kea's unix control socket: one command per connection, the answer ends with the connection.

import net from 'node:net'
import { DriverError } from '../driver.ts'
import type { Exchange } from './http.ts'

/** How long a connection may take to come to be. Milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000

export function unixExchange(socketPath: string, where: string): Exchange {
  return {
    send(body, { command, signal, timeoutMs }) {
      return new Promise((resolve, reject) => {
        let isConnected = false
        const chunks: Buffer[] = []
        const socket = net.connect(socketPath)
        const finish = (settle: () => void) => {
          signal?.removeEventListener('abort', onAbort)
          socket.destroy()
          settle()
        }
        const onAbort = () => finish(() => reject(signal?.reason))
        const fail = (reason: string, cause?: unknown) => {
          const failure = failureOf({ where, command, socketPath, reason, isConnected, cause })
          finish(() => reject(failure))
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        socket.setTimeout(Math.min(CONNECT_TIMEOUT_MS, timeoutMs), () => fail(`nothing for ${timeoutMs} ms`))
        socket.once('connect', () => {
          isConnected = true
          socket.setTimeout(timeoutMs)
          socket.write(body)
        })
        socket.on('data', (chunk: Buffer) => chunks.push(chunk))
        socket.once('error', (error) => fail(error.message, error))
        socket.once('end', () => {
          // A Kea that dies closes its connections, which looks like the end of an answer.
          if (chunks.length === 0) fail('it closed the connection')
          else finish(() => resolve(Buffer.concat(chunks)))
        })
      })
    },
    close() {},
  }
}

type Failure = {
  readonly where: string
  readonly command: string
  readonly socketPath: string
  readonly reason: string
  readonly isConnected: boolean
  readonly cause: unknown
}

function failureOf({ where, command, socketPath, reason, isConnected, cause }: Failure): DriverError {
  if (isConnected) {
    return new DriverError('timed-out', `${where} gave no answer to ${command}: ${reason}`, { cause })
  }
  if ((cause as NodeJS.ErrnoException | undefined)?.code === 'EACCES') {
    return new DriverError(
      'access-denied',
      `${where}: this process may not use the control socket ${socketPath}; run the watcher as Kea's user or root, or give it the group of the socket`,
      { cause },
    )
  }
  return new DriverError(
    'unreachable',
    `${where} cannot be reached: ${reason}. Is kea-dhcp4 running, with its control socket at ${socketPath}?`,
    { cause },
  )
}
