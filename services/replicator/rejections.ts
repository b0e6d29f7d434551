// Pairs of contents that somebody does not want to be proposed again, in the bucket `control`.

import type { Rejection, Rejections } from '#contracts/control.ts'
import { rejectedKey } from '#contracts/subjects.ts'
import type { Bucket } from '#messaging/buckets.ts'

export function createRejections(control: Bucket) {
  async function of(relationship: string): Promise<Rejections> {
    const entry = await control.get(rejectedKey(relationship))
    return entry === undefined ? {} : (JSON.parse(entry.value) as Rejections)
  }

  /** Adds to what is rejected; a newer rejection of a scope replaces the older one, whose pair is gone by then. */
  async function add(relationship: string, rejected: Readonly<Record<string, Rejection>>): Promise<void> {
    const key = rejectedKey(relationship)
    for (;;) {
      const entry = await control.get(key)
      const known = entry === undefined ? {} : (JSON.parse(entry.value) as Rejections)
      const value = JSON.stringify({ ...known, ...rejected })
      const stored =
        entry === undefined ? await control.create(key, value) : await control.update(key, value, entry.revision)
      if (stored !== undefined) return
    }
  }

  return { of, add }
}
export type RejectionsView = ReturnType<typeof createRejections>
