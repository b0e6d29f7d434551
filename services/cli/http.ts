// HTTP to the status service: one place for the token, time limits, problems and what is no answer at all.

import type { Problem } from '#contracts/problems.ts'

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

/** Milliseconds until an answer is given up; event streams have no limit. */
const REQUEST_TIMEOUT_MS = 60_000

type Headers = Readonly<Record<string, string>>
export type Answer<T> = { readonly value: T; readonly etag?: string }

export type Http = {
  readonly base: string
  /** Statuses in `alsoGood` are answers too, as 503 is of `/readyz`. */
  get<T>(path: string, alsoGood?: readonly number[]): Promise<T>
  getTagged<T>(path: string): Promise<Answer<T>>
  send<T>(method: 'POST' | 'PUT', path: string, body: unknown, headers?: Headers): Promise<T>
  remove(path: string): Promise<void>
  /** The body as it comes, for server-sent events. */
  stream(path: string): Promise<ReadableStream<Uint8Array> | undefined>
}

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

export function createHttp(options: { readonly url: string; readonly token?: string | undefined }): Http {
  const base = options.url.replace(/\/+$/, '')
  const authorization = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }

  async function fetched(
    path: string,
    init: RequestInit & { readonly headers?: Headers } = {},
    alsoGood: readonly number[] = [],
  ): Promise<Response> {
    const url = `${base}${path}`
    let response: Response
    try {
      response = await fetch(url, { ...init, headers: { ...authorization, ...init.headers } })
    } catch (error) {
      if (error instanceof Error && error.name === 'TimeoutError') throw error
      throw new ApiUnreachable(
        `the status service at ${base} cannot be reached (${reasonOf(error)}). Is it running? Start it (npm start), or name another with --url or TWINSCOPE_URL`,
        { cause: error },
      )
    }
    if (!response.ok && !alsoGood.includes(response.status)) throw await problemOf(response, url)
    return response
  }

  async function jsonOf<T>(response: Response, path: string): Promise<T> {
    try {
      return (await response.json()) as T
    } catch (error) {
      throw new ApiUnreachable(`${base}${path} did not answer with JSON; check --url`, { cause: error })
    }
  }

  const inTime = () => AbortSignal.timeout(REQUEST_TIMEOUT_MS)
  return {
    base,
    get: async (path, alsoGood) => await jsonOf(await fetched(path, { signal: inTime() }, alsoGood), path),
    async getTagged<T>(path: string) {
      const response = await fetched(path, { signal: inTime() })
      const etag = response.headers.get('etag')
      return { value: await jsonOf<T>(response, path), ...(etag === null ? {} : { etag }) }
    },
    async send(method, path, body, headers = {}) {
      const init = {
        method,
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
        signal: inTime(),
      }
      return await jsonOf(await fetched(path, init), path)
    },
    async remove(path) {
      await fetched(path, { method: 'DELETE', signal: inTime() })
    },
    stream: async (path) => (await fetched(path)).body ?? undefined,
  }
}
