// What doctor looks at. Each finding says what to do where something is to be done.

import type { Pause } from '#contracts/control.ts'
import type { Server } from '#contracts/servers-api.ts'
import type { Relationship } from '#contracts/status-api.ts'
import type { Api } from './api-client.ts'
import { given } from './command.ts'
import { plural } from './render.ts'
import { pauseText } from './render-decisions.ts'

export type Finding = {
  readonly level: 'ok' | 'warn' | 'bad'
  readonly about: string
  readonly message: string
  readonly advice?: string
}

/** Milliseconds after which a job that no replicator has touched means that none works. Wake-ups come every minute. */
const UNTOUCHED_MS = 90_000

function finding(level: Finding['level'], about: string, message: string, advice?: string): Finding {
  return given({ level, about, message, advice })
}

function ofServer(server: Server): readonly Finding[] {
  const { name, watcher, problem, reachable } = server
  if (watcher === undefined) {
    const advice = `start a watcher beside ${name}, with the same configuration and NATS_URL`
    return [finding('bad', name, 'no watcher has reported for it', advice)]
  }
  if (reachable) {
    const about = [server.product, server.version].filter(Boolean).join(' ')
    return [finding('ok', name, `its watcher on ${watcher.host} reaches it${about === '' ? '' : ` (${about})`}`)]
  }
  const text = problem ?? 'its watcher cannot reach it'
  if (text.includes('another installation') || text.includes('foreign')) {
    return [finding('bad', name, text, `stop the other installation, then: twinscope claim-server ${name}`)]
  }
  return [finding('bad', name, text, `look at the DHCP server and at the watcher's log on ${watcher.host}`)]
}

function ofFailover({ partners }: Relationship): readonly Finding[] {
  return partners
    .filter(({ reachable, failoverState }) => reachable && failoverState !== 'normal')
    .map(({ server, failoverState, nativeState }) => {
      const native = nativeState === undefined || nativeState === failoverState ? '' : ` (${nativeState})`
      return finding(
        'warn',
        server,
        `its failover state is ${failoverState}${native}`,
        'writing waits until it is normal, and goes on by itself; if it stays so, look at the link between the partners',
      )
    })
}

function ofAuthority({ name, authority, authorityProblem }: Relationship): readonly Finding[] {
  if (authorityProblem !== undefined) {
    const level = authorityProblem.code === 'unseeded' ? 'warn' : 'bad'
    const advice = `twinscope authority show ${name}, then: twinscope authority move ${name} --to SERVER`
    return [finding(level, name, authorityProblem.message, level === 'bad' ? advice : undefined)]
  }
  if (authority === undefined) {
    return [finding('bad', name, 'its authoritative side is not known', `twinscope authority show ${name}`)]
  }
  return []
}

function ofJobs({ name, pending }: Relationship, now: number): readonly Finding[] {
  const untouched = pending.filter(
    ({ running, reason, createdAt }) => !running && reason === undefined && now - Date.parse(createdAt) > UNTOUCHED_MS,
  )
  if (untouched.length === 0) return []
  const advice = 'start a replicator, or look at the log of those that run: they need NATS and Redis'
  return [
    finding(
      'bad',
      name,
      `${plural(untouched.length, 'job waits', 'jobs wait')}, and no replicator has taken up any`,
      advice,
    ),
  ]
}

/** What waits for a person; of that, what somebody has rejected waits for nobody. */
type Undecided = { readonly held: number; readonly rejected: number }

function waitText({ held, rejected }: Undecided): string {
  const waiting = held === rejected ? undefined : plural(held - rejected, 'scope waits', 'scopes wait')
  const left = rejected === 0 ? undefined : `${plural(rejected, 'scope')} left different, as somebody rejected it`
  return [waiting && `${waiting} for a decision`, left].filter((part) => part !== undefined).join('; ')
}

function ofState(relationship: Relationship, undecided: Undecided): Finding {
  const { name, sync, counts, mode, configured, reason } = relationship
  if (sync === 'unknown') {
    return finding('bad', name, reason ?? 'its state is unknown', `twinscope status ${name} --why`)
  }
  if (!configured) {
    return finding('warn', name, 'it is not in the configuration and only observed', `twinscope onboard ${name}`)
  }
  if (undecided.held > 0) return finding('warn', name, waitText(undecided), `twinscope conflicts ${name}`)
  if (sync !== 'in-sync') {
    const differing = plural(counts.outOfSync + counts.conflict, 'scope')
    return finding('warn', name, `${differing} not in sync`, `twinscope status ${name} --why`)
  }
  if (mode === 'observe') {
    return finding('ok', name, `in sync; only observed, so nothing is copied (mode: observe)`)
  }
  return finding('ok', name, `${plural(counts.total, 'scope')} in sync, mode ${mode}`)
}

function ofPauses(pauses: readonly Pause[]): readonly Finding[] {
  return pauses.map((pause) => {
    const of = pause.relationship === undefined ? '' : ` --relationship ${pause.relationship}`
    return finding('warn', pause.relationship ?? 'the whole fleet', pauseText(pause), `twinscope resume${of}`)
  })
}

export async function findingsOf(api: Api, now = Date.now()): Promise<readonly Finding[]> {
  const { ready, missing } = await api.readiness()
  const [servers, relationships] = await Promise.all([api.servers(), api.relationships()])
  const findings: Finding[] = [finding('ok', 'status service', `${api.url} answers`)]
  if (ready) findings.push(finding('ok', 'NATS', 'connected, and the ledger is read to its end'))
  else {
    const advice = 'see whether nats-server runs, and NATS_URL of the services; what is written meanwhile waits'
    for (const message of missing) findings.push(finding('bad', 'status service', message, advice))
  }
  for (const server of servers) findings.push(...ofServer(server))
  if (relationships.length === 0) {
    findings.push(
      finding('bad', 'relationships', 'none is known', 'add one to the configuration; twinscope config check FILE'),
    )
  }
  for (const relationship of relationships) {
    const isRead = relationship.sync !== 'unknown' && relationship.configured && relationship.mode !== 'observe'
    // Without NATS nobody can be asked for contents; that is said already.
    const items =
      ready && isRead && relationship.sync !== 'in-sync'
        ? (await api.conflicts(relationship.name, undefined)).items
        : []
    const rejected = items.filter((item) => item.rejected !== undefined).length
    findings.push(ofState(relationship, { held: items.length, rejected }), ...ofFailover(relationship))
    if (relationship.configured) findings.push(...ofAuthority(relationship))
    findings.push(...ofJobs(relationship, now))
  }
  findings.push(...ofPauses(ready ? await api.pauses() : relationships.flatMap(({ pauses }) => pauses)))
  return findings
}
