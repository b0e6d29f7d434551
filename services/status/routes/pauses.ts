// Pausing and resuming the fleet or one relationship. Written by this service itself: replicators only read it.

import { Type } from 'typebox'
import { Pause } from '#contracts/control.ts'
import { PauseBody, PauseList } from '#contracts/decisions-api.ts'
import { Problem } from '#contracts/problems.ts'
import type { App, AppParts } from '#status/app.ts'
import { checkToken } from '#status/authorize.ts'
import { resolveConfigured } from '#status/names.ts'
import { checkedUntil, standing } from '#status/pauses.ts'

const ByName = Type.Object({ name: Type.String({ maxLength: 253 }) })
const Who = Type.Object(
  { actor: Type.Optional(Type.String({ maxLength: 253, description: 'The person or program that resumes' })) },
  { additionalProperties: false },
)
const SOMEBODY = 'somebody through the API'
const CONSEQUENCE =
  'Changes are seen and wait, requests are refused; restores and moves of the authority go on. Replaces a pause that stands there.'
const REFUSALS = { 400: Problem, 401: Problem, 404: Problem, 409: Problem, 503: Problem } as const

export function pauseRoutes(app: App, parts: AppParts): void {
  async function pause(relationship: string | undefined, body: PauseBody): Promise<Pause> {
    const now = Date.now()
    const until = checkedUntil(body.until, now)
    const set: Pause = {
      ...(relationship === undefined ? {} : { relationship }),
      by: body.actor ?? SOMEBODY,
      at: new Date(now).toISOString(),
      ...(until === undefined ? {} : { until }),
      ...(body.reason === undefined ? {} : { reason: body.reason }),
    }
    await parts.pauses.set(set)
    return set
  }

  app.get(
    '/v1/pauses',
    { schema: { summary: 'Every pause that stands', response: { 200: PauseList, 503: Problem } } },
    () => {
      const { registry } = parts.known()
      if (!registry.loaded) parts.requireMessaging('the pauses have not been read yet')
      return { items: [...standing(registry.pauses.values(), Date.now())] }
    },
  )

  app.put(
    '/v1/pause',
    {
      schema: {
        summary: 'Pauses every relationship',
        description: CONSEQUENCE,
        body: PauseBody,
        response: { 200: Pause, ...REFUSALS },
      },
    },
    async (request) => {
      checkToken(request.headers.authorization, parts.token)
      return await pause(undefined, request.body)
    },
  )

  app.delete(
    '/v1/pause',
    {
      schema: {
        summary: 'Resumes the fleet; a relationship that is paused itself stays paused',
        querystring: Who,
        response: { 204: Type.Null(), ...REFUSALS },
      },
    },
    async (request, reply) => {
      checkToken(request.headers.authorization, parts.token)
      await parts.pauses.clear(undefined, request.query.actor ?? SOMEBODY)
      return reply.code(204).send(null)
    },
  )

  app.put(
    '/v1/relationships/:name/pause',
    {
      schema: {
        summary: 'Pauses one relationship',
        description: CONSEQUENCE,
        params: ByName,
        body: PauseBody,
        response: { 200: Pause, ...REFUSALS },
      },
    },
    async (request) => {
      checkToken(request.headers.authorization, parts.token)
      return await pause(resolveConfigured(parts.known(), request.params.name).name, request.body)
    },
  )

  app.delete(
    '/v1/relationships/:name/pause',
    {
      schema: {
        summary: 'Resumes one relationship; a pause of the fleet stays',
        params: ByName,
        querystring: Who,
        response: { 204: Type.Null(), ...REFUSALS },
      },
    },
    async (request, reply) => {
      checkToken(request.headers.authorization, parts.token)
      const { name } = resolveConfigured(parts.known(), request.params.name)
      await parts.pauses.clear(name, request.query.actor ?? SOMEBODY)
      return reply.code(204).send(null)
    },
  )
}
