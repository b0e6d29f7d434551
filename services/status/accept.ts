// How a call becomes a job, alike for every route: token, key, what it asks for, 202 with the place to look at.

import { type TSchema, Type } from 'typebox'
import { Problem } from '#contracts/problems.ts'
import { Accepted } from '#contracts/status-api.ts'
import type { AppParts } from './app.ts'
import { checkToken } from './authorize.ts'
import type { Ask } from './requests.ts'

const TRACEPARENT = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/

/** Headers of a route that makes a job. */
export const JobHeaders = Type.Object({
  'idempotency-key': Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 200,
      pattern: '^[\\x21-\\x7e]+$',
      description: 'Repeating the same request with the same key is the same replication; kept for a day',
    }),
  ),
})

/** Answers of a route that makes a job, beside its own. */
export const JOB_RESPONSES = {
  202: Accepted,
  400: Problem,
  401: Problem,
  404: Problem,
  409: Problem,
  422: Problem,
  503: Problem,
} as const satisfies Record<number, TSchema>

type Incoming = {
  readonly headers: { readonly authorization?: string | undefined; readonly 'idempotency-key'?: string | undefined }
}
type Reply = { code(status: number): { header(name: string, value: string): unknown } }

/**
 * Answers 202 once the request is stored. `sent` is what its key stands for. `ask` is called only where it is not a
 * repetition: what was asked for may be done by now and could no longer be asked for.
 */
export async function acceptJob(
  parts: Pick<AppParts, 'requests' | 'token'>,
  request: Incoming,
  reply: Reply,
  sent: unknown,
  ask: () => Ask | Promise<Ask>,
): Promise<Accepted> {
  checkToken(request.headers.authorization, parts.token)
  const { traceparent } = request.headers as { readonly traceparent?: string }
  const key = request.headers['idempotency-key']
  const accepted =
    (await parts.requests.repeated({ sent, key })) ??
    (await parts.requests.accept(await ask(), {
      sent,
      key,
      ...(traceparent !== undefined && TRACEPARENT.test(traceparent) ? { traceparent } : {}),
    }))
  reply.code(202).header('location', `/v1/replications/${accepted.job}`)
  return accepted
}
