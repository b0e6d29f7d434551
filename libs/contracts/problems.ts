// RFC 9457 problem details of the HTTP API: every error has a stable `type`.

import { type Static, Type } from 'typebox'

/** Every `type` is this and the code; the code is also a member of its own. */
export const PROBLEM_TYPE_PREFIX = 'urn:twinscope:problem:'

/** Stable codes with the status and title that go with them. */
export const PROBLEMS = {
  'invalid-request': { status: 400, title: 'The request is not understood' },
  'ambiguous-scope': { status: 400, title: 'The scope ID stands for more than one scope' },
  'invalid-cursor': { status: 400, title: 'The cursor is not one of this list' },
  unauthorized: { status: 401, title: 'A token is needed' },
  'not-found': { status: 404, title: 'There is nothing at this address' },
  'unknown-server': { status: 404, title: 'The server is not known' },
  'unknown-relationship': { status: 404, title: 'The failover relationship is not known' },
  'unknown-scope': { status: 404, title: 'The scope is not known' },
  'unknown-replication': { status: 404, title: 'The replication is not known' },
  'not-in-relationship': { status: 409, title: 'The server is not a partner of this relationship' },
  'no-relationship': { status: 409, title: 'The server takes part in no failover relationship' },
  'no-authority': { status: 409, title: 'The authoritative side is not known' },
  'not-configured': { status: 409, title: 'The relationship is not in the configuration' },
  'not-finished': { status: 409, title: 'The replication is not finished' },
  'nothing-held': { status: 409, title: 'The replication holds nothing of this' },
  'not-approvable': { status: 409, title: 'An approval does not release this' },
  'plan-cut': { status: 409, title: 'The ledger does not have the whole plan' },
  'several-relationships': { status: 409, title: 'The replication concerns several relationships' },
  'nothing-to-restore': { status: 409, title: 'There is nothing to restore' },
  'gate-refused': { status: 409, title: 'The watcher of the server refuses it' },
  'authority-changed': { status: 412, title: 'The authority is not the one that was looked at' },
  'payload-too-large': { status: 413, title: 'The request is too large' },
  'unsupported-media-type': { status: 415, title: 'The request body is not JSON' },
  'idempotency-key-reused': { status: 422, title: 'The idempotency key belongs to another request' },
  'approval-required': { status: 428, title: 'The plan has to be looked at and approved' },
  'precondition-required': { status: 428, title: 'The request has to say which state it is about' },
  'server-unreachable': { status: 502, title: 'A DHCP server could not be read' },
  'messaging-unavailable': { status: 503, title: 'NATS is not reachable' },
  internal: { status: 500, title: 'The status service failed' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>
export type ProblemCode = keyof typeof PROBLEMS

export const Problem = Type.Object(
  {
    type: Type.String(),
    code: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What is wrong here, and what to do' }),
    instance: Type.Optional(Type.String()),
    errors: Type.Optional(
      Type.Array(Type.Object({ path: Type.String(), message: Type.String() }), {
        description: 'Where a request is not understood: every place',
      }),
    ),
    near: Type.Optional(Type.Array(Type.String(), { description: 'Known names like the one that was given' })),
  },
  { title: 'Problem', description: 'RFC 9457 problem details' },
)
export type Problem = Static<typeof Problem>
