// Waits for the first agreement of a new system: from then on a difference is a change that somebody made.

import { setTimeout as delay } from 'node:timers/promises'

type Relationships = {
  readonly items: readonly {
    readonly name: string
    readonly sync: string
    readonly counts: { readonly agreed: number; readonly total: number }
  }[]
}

/**
 * Resolves when every relationship is in sync and the base of all its scopes is recorded.
 *
 * @param timeoutMs default 30000
 */
export async function untilAgreed(console: string, timeoutMs = 30_000): Promise<void> {
  const endsAt = performance.now() + timeoutMs
  let seen = 'no answer'
  while (performance.now() < endsAt) {
    const items = await relationships(console)
    if (items !== undefined) {
      const open = items.filter(({ sync, counts }) => sync !== 'in-sync' || counts.agreed !== counts.total)
      if (items.length > 0 && open.length === 0) return
      seen = open
        .map(({ name, sync, counts }) => `${name} ${sync}, ${counts.agreed} of ${counts.total} agreed`)
        .join('; ')
    }
    await delay(50)
  }
  throw new Error(`the relationships did not agree within ${timeoutMs / 1000} s: ${seen}`)
}

async function relationships(console: string): Promise<Relationships['items'] | undefined> {
  try {
    const response = await fetch(new URL('/v1/relationships', console))
    return response.ok ? ((await response.json()) as Relationships).items : undefined
  } catch {
    return undefined // the status service is just coming back
  }
}
