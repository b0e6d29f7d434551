// A real pair of Kea servers of which the first gives addresses to a client on the loopback interface,
// and what to take away from it so that a config-set fails half way.

import { rename } from 'node:fs/promises'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { aSubnet, freePort, type KeaPair, type KeaPairOptions, startKeaPair, waitFor } from './kea.ts'
import { offeredAddress } from './kea-client.ts'
import type { KeaProxyHooks } from './kea-proxy.ts'
import type { KeaVersion } from './kea-versions.ts'

export type ServingPair = {
  readonly pair: KeaPair
  /** Waits for an offer. */
  serves(): Promise<string>
  /** The address that a client is offered now. */
  offer(): Promise<string | undefined>
}

export async function aServingPair(t: TestContext, options: KeaPairOptions): Promise<ServingPair> {
  const [serverPort, clientPort, otherPort] = [await freePort(), await freePort(), await freePort()]
  const pair = await startKeaPair({
    mode: 'hot-standby',
    heartbeatDelayMs: 100,
    subnets: [{ ...aSubnet(0), relay: { 'ip-addresses': ['127.0.0.1'] } }, aSubnet(1)],
    dhcp4: { 'interfaces-config': { interfaces: ['lo/127.0.0.1'], 'dhcp-socket-type': 'udp' } },
    dhcp4Arguments: (index) => ['-p', String(index === 0 ? serverPort : otherPort), '-P', String(clientPort)],
    ...options,
  })
  t.after(() => pair.close())
  const serves = () => waitFor('an offer', () => offeredAddress(serverPort, clientPort), { deadlineMs: 8_000 })
  return { pair, serves, offer: () => offeredAddress(serverPort, clientPort) }
}

/**
 * A directory that config-test does not look into and config-set needs. Without its lease database Kea 2.2
 * dies of the partner's next heartbeat, so there it is the one of a hook (`ownHooks`).
 */
export function neededDirectory(pair: KeaPair, version: KeaVersion): string {
  return path.join(pair.servers[0].directory, version === '2.2' ? 'hooks' : 'leases')
}

/** The first config-set fails half way, and its answer is lost. */
export function losesFailedSet(needed: string): KeaProxyHooks {
  return {
    async before(command, nth) {
      if (command === 'config-set' && nth === 1) await rename(needed, `${needed}.away`)
    },
    async after(command, nth) {
      if (command !== 'config-set' || nth !== 1) return undefined
      await rename(`${needed}.away`, needed)
      return 'lose'
    },
  }
}
