// What the checker judges by, read from where it is kept; and NATS' store wiped with its ledger read in the last moment.

import type { NatsConnection } from 'nats'
import type { Evidence } from './checker/evidence.ts'
import { connectPast, type LedgerReader } from './ledger-reader.ts'
import type { Operator } from './operate.ts'
import { monotonicMs, type World } from './world.ts'

type Sources = {
  readonly world: World
  readonly operator: Operator
  readonly ledger: LedgerReader
  readonly nats: NatsConnection
}

/** Reads everything afresh with each call; `happened` is what only the caller knows, as it is then. */
export function gatherer(
  { world, operator, ledger, nats }: Sources,
  happened: () => Pick<Evidence, 'wipes' | 'confirmations' | 'interruptions' | 'healedAtMs' | 'moves'>,
): (settledAtMs?: number) => Promise<Evidence> {
  return async (settledAtMs) => {
    await ledger.read(nats)
    return {
      relationships: world.fleet.relationships,
      logs: world.dhcp.writeLogs(),
      ledger: [...ledger.entries],
      requests: [...operator.requests],
      ...happened(),
      ...(settledAtMs === undefined ? {} : { settledAtMs }),
      endedAtMs: monotonicMs(),
    }
  }
}

/** NATS is down by now. What was in its ledger is read before it is gone. */
export async function wipeNats(world: World, ledger: LedgerReader): Promise<void> {
  const store = await world.openStore()
  const connection = await connectPast(store.url)
  await ledger.read(connection)
  await connection.close()
  await store.close()
  await world.wipeNats()
  ledger.wiped()
}
