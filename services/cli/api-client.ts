// Talks to the status API. Nothing else of Twinscope is ever contacted by the CLI.

import type { Problem } from '#contracts/problems.ts'
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

export const DEFAULT_URL = 'http://127.0.0.1:8420'

/** The service answered with a problem (RFC 9457). */
export class ApiProblem extends Error {
  readonly problem: Problem
  constructor(problem: Problem) {
    super(problem.detail)
    this.name = 'ApiProblem'
    this.problem = problem
  }
}

/** The service could not be reached, or did not answer as it should. */
export class ApiUnreachable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ApiUnreachable'
  }
}

export interface Api {
  readonly url: string
  relationships(): Promise<readonly Relationship[]>
  relationship(name: string): Promise<RelationshipDetail>
  diff(name: string, scopes: readonly string[] | undefined): Promise<RelationshipPlan>
  plan(body: ReplicationBody): Promise<PlanAnswer>
  replicate(body: ReplicationBody, idempotencyKey: string): Promise<Accepted>
  replications(query: Readonly<Record<string, string>>): Promise<ReplicationList>
  replication(job: string): Promise<ReplicationDetail>
  /** Follows a replication to its end; calls back at every change. Connects again where the connection breaks. */
  follow(job: string, onChange: (replication: ReplicationDetail) => void): Promise<ReplicationDetail>
}

/** Milliseconds in which a lost connection must come back while following. */
const GIVE_UP_MS = 60_000
const RECONNECT_MS = 500
const REQUEST_TIMEOUT_MS = 60_000

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { cause } = error
  if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return cause.errors[0].message
  return cause instanceof Error ? cause.message : error.message
}

async function problemOf(response: Response, url: string): Promise<ApiProblem | ApiUnreachable> {
  if (response.headers.get('content-type')?.includes('application/problem+json')) {
    return new ApiProblem((await response.json()) as Problem)
  }
  return new ApiUnreachable(`${url} answered ${response.status}, but is no Twinscope status service; check --url`)
}

export function createApi(options: { readonly url: string; readonly token?: string | undefined }): Api {
  const base = options.url.replace(/\/+$/, '')
  const authorization = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }

  async function send(path: string, init: RequestInit & { readonly headers?: Record<string, string> } = {}) {
    const url = `${base}${path}`
    let response: Response
    try {
      response = await fetch(url, { ...init, headers: { ...authorization, ...init.headers } })
    } catch (error) {
      throw new ApiUnreachable(
        `the status service at ${base} cannot be reached (${reasonOf(error)}). Is it running? Start it (npm start), or name another with --url or TWINSCOPE_URL`,
        { cause: error },
      )
    }
    if (!response.ok) throw await problemOf(response, url)
    return response
  }

  async function get<T>(path: string): Promise<T> {
    const response = await send(path, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) })
    return await bodyOf<T>(response, path)
  }

  async function post<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
    const response = await send(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    })
    return await bodyOf<T>(response, path)
  }

  async function bodyOf<T>(response: Response, path: string): Promise<T> {
    try {
      return (await response.json()) as T
    } catch (error) {
      throw new ApiUnreachable(`${base}${path} did not answer with JSON; check --url`, { cause: error })
    }
  }

  /** One connection; `undefined`: it broke before the end. */
  async function followOnce(job: string, onChange: (replication: ReplicationDetail) => void) {
    const response = await send(`/v1/replications/${encodeURIComponent(job)}/events`)
    if (response.body === null) return undefined
    for await (const { event, data } of readEvents(response.body)) {
      if (event !== 'replication') continue
      const replication = JSON.parse(data) as ReplicationDetail
      onChange(replication)
      if (replication.finishedAt !== undefined) return replication
    }
    return undefined
  }

  return {
    url: base,
    relationships: async () => (await get<{ items: Relationship[] }>('/v1/relationships')).items,
    relationship: (name) => get(`/v1/relationships/${encodeURIComponent(name)}`),
    diff: (name, scopes) =>
      get(
        `/v1/relationships/${encodeURIComponent(name)}/diff${scopes === undefined ? '' : `?${new URLSearchParams({ scope: scopes.join(',') })}`}`,
      ),
    plan: (body) => post('/v1/plans', body),
    replicate: (body, idempotencyKey) => post('/v1/replications', body, { 'idempotency-key': idempotencyKey }),
    replications: (query) => get(`/v1/replications?${new URLSearchParams(query)}`),
    replication: (job) => get(`/v1/replications/${encodeURIComponent(job)}`),
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
