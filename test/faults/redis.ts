// FLUSHALL past every link.

import { once } from 'node:events'
import { connect } from 'node:net'

/** Rejects where Redis does not answer within a second: it is away or stopped, which is a fault of its own. */
export async function flushRedis(port: number): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(1_000, () => socket.destroy(new Error('Redis does not answer')))
  try {
    await once(socket, 'connect')
    socket.write('FLUSHALL\r\n')
    const [answer] = await once(socket, 'data')
    if (!String(answer).startsWith('+OK')) throw new Error(`FLUSHALL: ${String(answer).trim()}`)
  } finally {
    socket.destroy()
  }
}
