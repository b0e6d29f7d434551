// Where the job of a request is. A request that is handled twice (delivered again, stored again, by two replicators)
// may be resolved differently each time: the authority moved, a server did not answer. The first slot counts, so that
// the one subject of its final outcome, on which the ledger lets nobody be second, is the same for everybody.

import { idempotencyKey } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'

/** Somebody else is faster once; whoever is refused again and again has met a NATS that contradicts itself. */
const MAX_TRIES = 10

export function createPlaces(bucket: Bucket) {
  const keyOf = (job: string) => idempotencyKey(`placed ${job}`)

  /** The slot that a job is bound to; `undefined` where nobody has placed it. */
  async function find(job: string): Promise<string | undefined> {
    return (await bucket.get(keyOf(job)))?.value
  }

  /** Binds a job to a slot, once; resolves with the slot of whoever was first. */
  async function bind(job: string, slot: string): Promise<string> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const bound = await find(job)
      if (bound !== undefined) return bound
      if ((await bucket.create(keyOf(job), slot)) !== undefined) return slot
    }
    throw new Error(`job ${job} can neither be placed in ${slot} nor found where somebody else has placed it`)
  }

  return { find, bind }
}
export type Places = ReturnType<typeof createPlaces>
