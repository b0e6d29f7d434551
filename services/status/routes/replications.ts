// Requesting replications and following them.

import { Type } from 'typebox'
import { literals } from '#contracts/literals.ts'
import { Problem } from '#contracts/problems.ts'
import { ReplicationBody, ReplicationDetail, ReplicationList, RUN_STATUSES } from '#contracts/status-api.ts'
import { acceptJob, JOB_RESPONSES, JobHeaders } from '#status/accept.ts'
import type { App, AppParts } from '#status/app.ts'
import { openEventStream } from '#status/live.ts'
import { replicateAsk, resolveRelationship, resolveRequest, resolveServer } from '#status/names.ts'
import { ProblemError } from '#status/problems.ts'
import type { EntryFilter } from '#status/projection.ts'
import { detailOf, replicationOf } from '#status/replications.ts'

const ByJob = Type.Object({ job: Type.String({ maxLength: 64 }) })
const DEFAULT_LIMIT = 50
const ReplicationQuery = Type.Object(
  {
    relationship: Type.Optional(Type.String()),
    server: Type.Optional(Type.String({ description: 'As source or target' })),
    status: Type.Optional(literals(RUN_STATUSES)),
    automatic: Type.Optional(Type.Boolean()),
    since: Type.Optional(
      Type.String({ pattern: '^\\d{4}-\\d{2}-\\d{2}', description: 'RFC 3339; created at or after' }),
    ),
    children: Type.Optional(Type.Boolean({ description: 'False: without the children of server jobs. Default true' })),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 500, default: 50 })),
    cursor: Type.Optional(Type.String({ maxLength: 512 })),
  },
  { additionalProperties: false },
)

export function cursorOf(last: { readonly createdAt: string; readonly job: string }): string {
  return Buffer.from(JSON.stringify([last.createdAt, last.job])).toString('base64url')
}

export function parseCursor(text: string): { readonly createdAt: string; readonly job: string } {
  try {
    const [createdAt, job] = JSON.parse(Buffer.from(text, 'base64url').toString()) as unknown[]
    if (typeof createdAt === 'string' && typeof job === 'string') return { createdAt, job }
  } catch {}
  throw new ProblemError('invalid-cursor', 'give `next` of the page before, or none for the first page')
}

/** A known name in full; an unknown one stays, since the ledger may know more names than the present. */
function orAsGiven(resolve: () => string, text: string): string {
  try {
    return resolve()
  } catch (error) {
    if (error instanceof ProblemError) return text
    throw error
  }
}

export function replicationRoutes(app: App, parts: AppParts): void {
  const { projection, live } = parts

  async function detail(job: string): Promise<ReplicationDetail> {
    const entry = projection.get(job)
    const found = entry === undefined ? await parts.requests.pending(job) : detailOf(entry, projection.childrenOf(job))
    if (found !== undefined) return found
    const still = parts.isConnected() ? '' : '; NATS is not reachable, so it may only not be known here yet'
    throw new ProblemError('unknown-replication', `there is no replication ${job}${still}`)
  }

  app.post(
    '/v1/replications',
    {
      schema: {
        summary: 'Requests a replication on one of the three levels',
        description:
          'Level scope where `scopes` is given, else relationship where `relationship` is given, else server. With an Idempotency-Key, repeating the same request is the same replication.',
        headers: JobHeaders,
        body: ReplicationBody,
        response: JOB_RESPONSES,
      },
    },
    async (request, reply) =>
      await acceptJob(parts, request, reply, request.body, () =>
        replicateAsk(resolveRequest(parts.known(), request.body), request.body),
      ),
  )

  app.get(
    '/v1/replications',
    {
      schema: {
        summary: 'Replications, newest first',
        querystring: ReplicationQuery,
        response: { 200: ReplicationList, 400: Problem },
      },
    },
    (request) => {
      const { relationship, server, since, cursor, limit = DEFAULT_LIMIT, ...rest } = request.query
      const known = parts.known()
      const filter: EntryFilter = {
        ...rest,
        ...(relationship === undefined
          ? {}
          : { relationship: orAsGiven(() => resolveRelationship(known, relationship).name, relationship) }),
        ...(server === undefined ? {} : { server: orAsGiven(() => resolveServer(known, server), server) }),
        ...(since === undefined ? {} : { since: sinceOf(since) }),
        ...(cursor === undefined ? {} : { after: parseCursor(cursor) }),
        limit: limit + 1,
      }
      const found = projection.list(filter).map(replicationOf)
      const items = found.slice(0, limit)
      const last = items.at(-1)
      return { items, ...(found.length > limit && last !== undefined ? { next: cursorOf(last) } : {}) }
    },
  )

  app.get(
    '/v1/replications/:job',
    {
      schema: {
        summary: 'One replication with its scopes, stages and children',
        params: ByJob,
        response: { 200: ReplicationDetail, 404: Problem },
      },
    },
    async (request) => await detail(request.params.job),
  )

  app.get(
    '/v1/replications/:job/events',
    {
      schema: {
        summary: 'One replication live (server-sent events)',
        description: '`replication` with the whole replication at every change; ends after its final outcome.',
        params: ByJob,
        response: { 404: Problem },
      },
    },
    async (request, reply) => {
      const { job } = request.params
      // Listening begins before the first look: an outcome that comes in between must not be missed.
      let changed = () => {}
      const stop = live.onJob(job, () => changed())
      let first: ReplicationDetail
      try {
        first = await detail(job)
      } catch (error) {
        stop()
        throw error
      }
      reply.hijack()
      const connection = openEventStream(reply.raw)
      const tell = (replication: ReplicationDetail) => {
        connection.send('replication', replication)
        if (replication.finishedAt === undefined) return
        connection.send('end', {})
        connection.close()
      }
      const tellCurrent = () => {
        const entry = projection.get(job)
        if (entry !== undefined) tell(detailOf(entry, projection.childrenOf(job)))
        return entry !== undefined
      }
      changed = tellCurrent
      connection.onClose(stop)
      // What came while the first look waited is in the view by now.
      if (!tellCurrent()) tell(first)
    },
  )

  app.get(
    '/v1/live',
    {
      schema: {
        summary: 'Everything live (server-sent events)',
        description:
          '`snapshot` {relationships, replications} at first; then `replication` and `relationships` as they change. A Last-Event-ID is answered with what was missed, or, where it belongs to another ledger, with `reset` and a `snapshot`.',
        headers: Type.Object({ 'last-event-id': Type.Optional(Type.String({ maxLength: 200 })) }),
      },
    },
    (request, reply) => {
      reply.hijack()
      const connection = openEventStream(reply.raw)
      live.follow(connection, request.headers['last-event-id'])
    },
  )
}

/** As the ledger writes times, so that texts can be compared. */
function sinceOf(text: string): string {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new ProblemError('invalid-request', `since: "${text}" is no RFC 3339 time`)
  return new Date(time).toISOString()
}
