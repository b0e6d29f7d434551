// What each watcher says of its server in the bucket `gates`: the registry from which
// replicators and the status service know servers, relationships and failover states.

import { type Static, Type } from 'typebox'

export const RegisteredRelationship = Type.Object({
  /** Its name in the configuration; where it is not configured, the name discovered at the servers. */
  name: Type.String(),
  configured: Type.Boolean(),
  /** The partner's name in the configuration, where it is known there. */
  partner: Type.Optional(Type.String()),
  /** Failover mode, `hot-standby` or `load-balance`; absent where the server does not have it. */
  mode: Type.Optional(Type.String()),
  state: Type.String(),
  nativeState: Type.String(),
  scopeCount: Type.Integer(),
  /** Configured, but the server does not have it: says so, and nothing is written. */
  problem: Type.Optional(Type.String()),
})
export type RegisteredRelationship = Static<typeof RegisteredRelationship>

export const RegisteredGate = Type.Object({
  server: Type.String(),
  product: Type.String(),
  version: Type.Optional(Type.String()),
  /** Random id of the watcher process; a second live one for the same server refuses to start. */
  holder: Type.String(),
  host: Type.String(),
  pid: Type.Integer(),
  startedAt: Type.String(),
  /** Renewed every 5 s; older than 20 s means that the watcher is gone. */
  renewedAt: Type.String(),
  reachable: Type.Boolean(),
  /** Why the server is not reachable or not writable. */
  problem: Type.Optional(Type.String()),
  relationships: Type.Array(RegisteredRelationship),
})
export type RegisteredGate = Static<typeof RegisteredGate>
