// The cheap look: status-get. `uptime` and `reload` are differences between whole seconds of Kea's
// clock, so each look tells the second in which Kea started or took its configuration, but not how
// that second lies in our time: each look narrows an interval for its beginning, and a look that
// does not fit into it means that it happened again.

import type { JsonObject } from '#dhcp/json.ts'
import { startOf } from './process.ts'

/** When a look was taken: the command was sent and answered at these moments. Milliseconds of a monotonic clock. */
export type LookTime = { readonly sentAt: number; readonly answeredAt: number }

/** The beginning of a second of Kea's clock, in ours. */
type Moment = { readonly earliest: number; readonly latest: number; readonly name: string }

/** Room for two clocks that do not run alike, and for Kea's rounding. Milliseconds. */
const TOLERANCE_MS = 20

export type Identity = { readonly instance: string; readonly token: string }

/**
 * Gives a server's process and its configuration names that stay the same as long as they do, and do
 * not jitter with Kea's seconds. Two configurations within one second cannot be told apart, so the
 * token changes once more when that second is over: who reads at each change has then seen the last.
 */
export class LoadTracker {
  private pid: number | undefined
  private started: Moment | undefined
  private loaded: Moment | undefined

  /** We gave it a configuration ourselves: whatever the seconds say, this is another one. */
  forgetLoad(): void {
    this.loaded = undefined
  }

  async look(status: JsonObject, time: LookTime, isLocal: boolean): Promise<Identity> {
    const pid = Number(status.pid)
    const isSamePid = this.pid === pid
    const started = isSamePid ? narrow(this.started, Number(status.uptime), time) : undefined
    if (started === undefined || this.started === undefined) {
      const exact = isLocal ? await startOf(pid, Number(status.uptime)) : undefined
      const moment = momentOf(Number(status.uptime), time)
      this.started = exact === undefined ? moment : { ...moment, name: exact }
      this.loaded = undefined
    } else {
      this.started = started
    }
    this.pid = pid
    this.loaded = narrow(this.loaded, Number(status.reload), time) ?? momentOf(Number(status.reload), time)
    const instance = `${pid}@${this.started.name}`
    // From 1 on nothing that comes can fall into the same second.
    const isOver = Number(status.reload) >= 1
    return { instance, token: `${instance}/${this.loaded.name}${isOver ? '' : '/now'}` }
  }
}

function momentOf(seconds: number, { sentAt, answeredAt }: LookTime): Moment {
  const earliest = sentAt - (seconds + 1) * 1_000
  const latest = answeredAt - seconds * 1_000
  const wall = performance.timeOrigin + (earliest + latest) / 2
  return { earliest, latest, name: new Date(wall).toISOString() }
}

/** `known` narrowed by another look; `undefined` where they cannot be the same moment. */
function narrow(known: Moment | undefined, seconds: number, time: LookTime): Moment | undefined {
  if (known === undefined) return undefined
  const seen = momentOf(seconds, time)
  const earliest = Math.max(known.earliest, seen.earliest)
  const latest = Math.min(known.latest, seen.latest)
  if (earliest > latest + TOLERANCE_MS) return undefined
  return { earliest: Math.min(earliest, latest), latest: Math.max(earliest, latest), name: known.name }
}
