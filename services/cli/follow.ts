// Waits for a replication, showing where it stands, and tells what became of it.

import type { ReplicationDetail } from '#contracts/status-api.ts'
import type { Api } from './api-client.ts'
import { renderResult, replicatedScopeIds } from './render.ts'
import type { Terminal } from './terminal.ts'

function progressText(replication: ReplicationDetail): string {
  const running = replication.children.find(({ status }) => status === 'running') ?? replication
  const { progress } = running
  const where = running.relationship ?? running.source
  const stage = progress === undefined ? '' : ` · ${progress.stage} ${progress.done}/${progress.total}`
  const why = running.status === 'pending' && running.message !== undefined ? ` · ${running.message}` : ''
  return `${where}: ${running.status}${stage}${why}`
}

export async function follow(api: Api, job: string, terminal: Terminal): Promise<ReplicationDetail> {
  let latest: ReplicationDetail | undefined
  const startedAt = performance.now()
  const show = () => {
    if (latest === undefined) return
    const seconds = Math.round((performance.now() - startedAt) / 1_000)
    terminal.progress(`${progressText(latest)}${seconds > 1 ? ` · ${seconds} s · ${job}` : ''}`)
  }
  const timer = setInterval(show, 1_000)
  try {
    return await api.follow(job, (replication) => {
      latest = replication
      show()
    })
  } finally {
    clearInterval(timer)
    terminal.progress(undefined)
  }
}

/** Follows a replication to its end and tells it: as the cmdlet does, or all of it as JSON. */
export async function followAndTell(
  api: Api,
  job: string,
  terminal: Terminal,
  { json }: { readonly json: boolean },
): Promise<ReplicationDetail> {
  const ended = await follow(api, job, terminal)
  if (json) terminal.out(JSON.stringify(ended, undefined, 2))
  else tellResult(ended, terminal)
  return ended
}

/** Standard output has the scope IDs that were written, as the cmdlet prints them; the rest goes to standard error. */
export function tellResult(ended: ReplicationDetail, terminal: Terminal): void {
  tellWhy(ended, terminal)
  for (const scope of replicatedScopeIds(ended)) terminal.out(scope)
}

/** Where standard output belongs to JSON. */
export function tellWhy(ended: ReplicationDetail, terminal: Terminal): void {
  for (const line of renderResult(ended)) terminal.err(line)
}
