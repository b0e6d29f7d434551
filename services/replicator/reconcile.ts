// What makes sure that nothing is forgotten: a tick per relationship, and a timer per waiting job.
// Every replicator keeps both; equal message ids make the first one count.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import type { Job } from '#contracts/job.ts'
import { ALL_PAUSES, parseJobKey, parsePauseKey } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'
import type { Messaging } from '#messaging/connection.ts'
import { publishWakeup } from '#messaging/publish.ts'
import type { Logger } from '#telemetry/logger.ts'

/** Ticks are spread by this share of the period to either side, so that relationships do not tick in step. */
const JITTER = 0.25
/** A timer that is due later looks again then; the platform's own end at 24 days. Milliseconds. */
const LONGEST_TIMER_MS = 6 * 60 * 60_000

export type ReconcileOptions = {
  readonly messaging: Messaging
  readonly jobs: Bucket
  readonly control: Bucket
  readonly policies: readonly RelationshipPolicy[]
  readonly periodMs: number
  readonly logger: Logger
  readonly signal: AbortSignal
}

export function startReconcile({
  messaging,
  jobs,
  control,
  policies,
  periodMs,
  logger,
  signal,
}: ReconcileOptions): void {
  const timers = new Map<string, NodeJS.Timeout>()
  const wake = (slot: string, id: string) => {
    publishWakeup(messaging, slot, id).catch((error: unknown) => {
      if (!signal.aborted) logger.warn({ err: error, slot }, 'wake-up could not be published; the next tick repeats it')
    })
  }

  function armTimer(key: string, job: Job, revision: number): void {
    clearTimeout(timers.get(key))
    timers.delete(key)
    if (job.runningSince !== undefined) return
    const dueMs = job.dueAt === undefined ? Date.now() : Date.parse(job.dueAt)
    const timer = setTimeout(
      () => {
        timers.delete(key)
        if (dueMs > Date.now()) return armTimer(key, job, revision)
        // Equal for all replicators, and another one each time that the job is put back.
        wake(job.slot, `due/${key}/${revision}`)
      },
      Math.min(Math.max(0, dueMs - Date.now()), LONGEST_TIMER_MS),
    )
    timers.set(key, timer)
  }

  async function watchJobs(): Promise<void> {
    await jobs.watch(
      undefined,
      (entry) => {
        const key = parseJobKey(entry.key)
        if (key === undefined) return
        if ('value' in entry) return armTimer(entry.key, JSON.parse(entry.value) as Job, entry.revision)
        clearTimeout(timers.get(entry.key))
        timers.delete(entry.key)
      },
      signal,
    )
  }

  /** Whoever waits for the end of a pause need not wait for its own look: resuming wakes it. */
  async function watchPauses(): Promise<void> {
    await control.watch(
      ALL_PAUSES,
      ({ key }) => {
        const pause = parsePauseKey(key)
        if (pause === undefined) return
        for (const { name } of policies) {
          if (pause.relationship === undefined || pause.relationship === name)
            wake(name, `${key}/${name}/${Date.now()}`)
        }
      },
      signal,
    )
  }

  function scheduleTick(slot: string): void {
    const delayMs = periodMs * (1 - JITTER + 2 * JITTER * Math.random())
    const timer = setTimeout(() => {
      timers.delete(`tick ${slot}`)
      wake(slot, `tick/${slot}/${Math.floor(Date.now() / periodMs)}`)
      scheduleTick(slot)
    }, delayMs)
    timers.set(`tick ${slot}`, timer)
  }

  for (const { name } of policies) {
    scheduleTick(name)
    wake(name, `start/${name}/${Date.now()}`)
  }
  const servers = new Set(policies.flatMap((policy) => policy.servers))
  for (const server of servers) scheduleTick(`_${server}`)
  watchJobs().catch((error: unknown) => {
    if (!signal.aborted) logger.error({ err: error }, 'waiting jobs cannot be watched; ticks go on')
  })
  watchPauses().catch((error: unknown) => {
    if (!signal.aborted) logger.error({ err: error }, 'pauses cannot be watched; paused jobs look again by themselves')
  })
  signal.addEventListener('abort', () => {
    for (const timer of timers.values()) clearTimeout(timer)
    timers.clear()
  })
}
