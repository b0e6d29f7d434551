// Pauses: written into the bucket `control`, from where replicators and every status service take them.

import type { Pause } from '#contracts/control.ts'
import { BUCKETS } from '#contracts/streams.ts'
import { pauseKey } from '#contracts/subjects.ts'
import { openBucket } from '#messaging/buckets.ts'
import type { Messaging } from '#messaging/connection.ts'
import type { Logger } from '#telemetry/logger.ts'
import { inTime } from './in-time.ts'
import { ProblemError } from './problems.ts'
import type { Registry } from './registry.ts'

export type Pauses = {
  /** Replaces a pause that stands there. */
  set(pause: Pause): Promise<void>
  /** Of the relationship, or of the fleet; nothing where there is none. */
  clear(relationship: string | undefined, actor: string): Promise<void>
}

/** Of these pauses, those that have not ended by themselves. The fleet's first. */
export function standing(pauses: Iterable<Pause>, nowMs: number): readonly Pause[] {
  return [...pauses]
    .filter(({ until }) => until === undefined || Date.parse(until) > nowMs)
    .sort((a, b) => ((a.relationship ?? '') < (b.relationship ?? '') ? -1 : 1))
}

/** The pauses that keep a relationship waiting: the fleet's and its own. */
export function pausesOf(registry: Pick<Registry, 'pauses'>, relationship: string, nowMs: number): readonly Pause[] {
  const found = [registry.pauses.get(pauseKey()), registry.pauses.get(pauseKey(relationship))]
  return standing(
    found.filter((pause) => pause !== undefined),
    nowMs,
  )
}

/** A pause that would be over at once is a mistake of the caller. */
export function checkedUntil(until: string | undefined, nowMs: number): string | undefined {
  if (until === undefined) return undefined
  const atMs = Date.parse(until)
  if (Number.isNaN(atMs))
    throw new ProblemError('invalid-request', `until: "${until}" is no time; write it as 2026-12-24T18:00:00Z`)
  if (atMs <= nowMs) {
    throw new ProblemError(
      'invalid-request',
      `until: ${until} is over; give a time to come, or none to pause until somebody resumes`,
    )
  }
  return new Date(atMs).toISOString()
}

const AGAIN = 'Try again when it is back; repeating it does no harm'

export async function createPauses(messaging: Messaging, logger: Logger): Promise<Pauses> {
  const bucket = await openBucket(messaging, BUCKETS.control)
  return {
    async set(pause) {
      await inTime(messaging, AGAIN, () => bucket.put(pauseKey(pause.relationship), JSON.stringify(pause)))
      logger.info({ ...pause, relationship: pause.relationship ?? 'all' }, 'paused')
    },
    async clear(relationship, actor) {
      const key = pauseKey(relationship)
      const cleared = await inTime(messaging, AGAIN, async () => {
        if ((await bucket.get(key)) === undefined) return false
        return await bucket.delete(key)
      })
      if (cleared) logger.info({ relationship: relationship ?? 'all', by: actor }, 'resumed')
    },
  }
}
