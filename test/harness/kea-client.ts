// A DHCP client behind a relay, on the loopback interface: asks a server for an address, to see whether
// it serves. It needs no raw socket; the server must be told this client's port (`-P`).

import dgram from 'node:dgram'
import { once } from 'node:events'

const MAGIC_COOKIE = Buffer.from([99, 130, 83, 99])

/** A DHCPDISCOVER with hop and relay address, as a relay at 127.0.0.1 passes it on. */
function discover(transaction: number): Buffer {
  const packet = Buffer.alloc(240)
  packet.set([1, 1, 6, 1])
  packet.writeUInt32BE(transaction, 4)
  packet.set([127, 0, 0, 1], 24)
  packet.set([2, 0, 0, 0xaa, 0xbb, 0xcc], 28)
  MAGIC_COOKIE.copy(packet, 236)
  return Buffer.concat([packet, Buffer.from([53, 1, 1, 255])])
}

/** The address that the server offers within the time; `undefined` where it is silent. */
export async function offeredAddress(
  serverPort: number,
  clientPort: number,
  timeoutMs = 300,
): Promise<string | undefined> {
  const socket = dgram.createSocket('udp4')
  socket.bind(clientPort, '127.0.0.1')
  await once(socket, 'listening')
  try {
    const transaction = Math.floor(Math.random() * 2 ** 32)
    socket.send(discover(transaction), serverPort, '127.0.0.1')
    const signal = AbortSignal.timeout(timeoutMs)
    for (;;) {
      const [answer] = (await once(socket, 'message', { signal })) as [Buffer]
      if (answer.readUInt32BE(4) === transaction) return [...answer.subarray(16, 20)].join('.')
    }
  } catch {
    return undefined
  } finally {
    socket.close()
  }
}
