// Talks to the status API. Nothing else of Twinscope is ever contacted by the CLI.

import { randomUUID } from 'node:crypto'
import type { Pause } from '#contracts/control.ts'
import type {
  ApproveBody,
  AuthorityBody,
  AuthorityView,
  ClaimBody,
  Claimed,
  ConflictList,
  PauseBody,
  PickBody,
  RejectBody,
  RestoreBody,
  RestorePlan,
} from '#contracts/decisions-api.ts'
import type { Server } from '#contracts/servers-api.ts'
import type {
  Accepted,
  PlanAnswer,
  Relationship,
  RelationshipDetail,
  RelationshipPlan,
  ReplicationBody,
  ReplicationDetail,
  ReplicationList,
} from '#contracts/status-api.ts'
import { readEvents } from './events.ts'
import { type Answer, ApiProblem, createHttp } from './http.ts'

export const DEFAULT_URL = 'http://127.0.0.1:8420'

/** What `/readyz` answers. */
export type Readiness = { readonly ready: boolean; readonly missing: readonly string[] }

export interface Api {
  readonly url: string
  readiness(): Promise<Readiness>
  servers(): Promise<readonly Server[]>
  relationships(): Promise<readonly Relationship[]>
  relationship(name: string): Promise<RelationshipDetail>
  diff(name: string, scopes: readonly string[] | undefined): Promise<RelationshipPlan>
  plan(body: ReplicationBody): Promise<PlanAnswer>
  replicate(body: ReplicationBody): Promise<Accepted>
  replications(query: Readonly<Record<string, string>>): Promise<ReplicationList>
  replication(job: string): Promise<ReplicationDetail>
  approve(job: string, body: ApproveBody): Promise<Accepted>
  reject(job: string, body: RejectBody): Promise<Accepted>
  planRestore(job: string, body: RestoreBody): Promise<RestorePlan>
  restore(job: string, body: RestoreBody): Promise<Accepted>
  pauses(): Promise<readonly Pause[]>
  /** `relationship` absent: the whole fleet. */
  pause(relationship: string | undefined, body: PauseBody): Promise<Pause>
  resume(relationship: string | undefined, actor: string): Promise<void>
  authority(relationship: string): Promise<Answer<AuthorityView>>
  /** Only where the authority is still the one that was read with `etag`. */
  moveAuthority(relationship: string, body: AuthorityBody, etag: string): Promise<Accepted>
  conflicts(relationship: string, scopes: readonly string[] | undefined): Promise<ConflictList>
  /** Keeps one side's content of exactly these scopes. */
  pick(relationship: string, body: PickBody): Promise<Accepted>
  claimServer(server: string, body: ClaimBody): Promise<Claimed>
  /** Follows a replication to its end; calls back at every change. Connects again where the connection breaks. */
  follow(job: string, onChange: (replication: ReplicationDetail) => void): Promise<ReplicationDetail>
}

/** Milliseconds in which a lost connection must come back while following. */
const GIVE_UP_MS = 60_000
const RECONNECT_MS = 500

function scopeQuery(scopes: readonly string[] | undefined): string {
  return scopes === undefined ? '' : `?${new URLSearchParams({ scope: scopes.join(',') })}`
}

export function createApi(options: { readonly url: string; readonly token?: string | undefined }): Api {
  const http = createHttp(options)
  const of = encodeURIComponent
  // A key of its own for each call: the CLI never repeats one by itself, and what is on the way is carried out once.
  const request = <T>(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    http.send<T>('POST', path, body, { 'idempotency-key': randomUUID(), ...headers })
  const pausePath = (relationship: string | undefined) =>
    relationship === undefined ? '/v1/pause' : `/v1/relationships/${of(relationship)}/pause`

  /** One connection; `undefined`: it broke before the end. */
  async function followOnce(job: string, onChange: (replication: ReplicationDetail) => void) {
    const body = await http.stream(`/v1/replications/${of(job)}/events`)
    if (body === undefined) return undefined
    for await (const { event, data } of readEvents(body)) {
      if (event !== 'replication') continue
      const replication = JSON.parse(data) as ReplicationDetail
      onChange(replication)
      if (replication.finishedAt !== undefined) return replication
    }
    return undefined
  }

  return {
    url: http.base,
    readiness: () => http.get('/readyz', [503]),
    servers: async () => (await http.get<{ items: Server[] }>('/v1/servers')).items,
    relationships: async () => (await http.get<{ items: Relationship[] }>('/v1/relationships')).items,
    relationship: (name) => http.get(`/v1/relationships/${of(name)}`),
    diff: (name, scopes) => http.get(`/v1/relationships/${of(name)}/diff${scopeQuery(scopes)}`),
    plan: (body) => http.send('POST', '/v1/plans', body),
    replicate: (body) => request('/v1/replications', body),
    replications: (query) => http.get(`/v1/replications?${new URLSearchParams(query)}`),
    replication: (job) => http.get(`/v1/replications/${of(job)}`),
    approve: (job, body) => request(`/v1/replications/${of(job)}/approve`, body),
    reject: (job, body) => request(`/v1/replications/${of(job)}/reject`, body),
    planRestore: (job, body) => http.send('POST', `/v1/replications/${of(job)}/restore/plan`, body),
    restore: (job, body) => request(`/v1/replications/${of(job)}/restore`, body),
    pauses: async () => (await http.get<{ items: Pause[] }>('/v1/pauses')).items,
    pause: (relationship, body) => http.send('PUT', pausePath(relationship), body),
    resume: (relationship, actor) => http.remove(`${pausePath(relationship)}?${new URLSearchParams({ actor })}`),
    authority: (relationship) => http.getTagged(`/v1/relationships/${of(relationship)}/authority`),
    moveAuthority: (relationship, body, etag) =>
      http.send('PUT', `/v1/relationships/${of(relationship)}/authority`, body, {
        'if-match': etag,
        'idempotency-key': randomUUID(),
      }),
    conflicts: (relationship, scopes) =>
      http.get(`/v1/relationships/${of(relationship)}/conflicts${scopeQuery(scopes)}`),
    pick: (relationship, body) => request(`/v1/relationships/${of(relationship)}/conflicts/pick`, body),
    claimServer: (server, body) => http.send('POST', `/v1/servers/${of(server)}/claim`, body),
    async follow(job, onChange) {
      let lastSeenAt = performance.now()
      const seen = (replication: ReplicationDetail) => {
        lastSeenAt = performance.now()
        onChange(replication)
      }
      for (;;) {
        try {
          const end = await followOnce(job, seen)
          if (end !== undefined) return end
        } catch (error) {
          if (error instanceof ApiProblem && error.problem.status < 500) throw error
          if (performance.now() - lastSeenAt > GIVE_UP_MS) throw error
        }
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS))
      }
    },
  }
}
