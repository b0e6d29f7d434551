// The HTTP API of the status service: DHCP servers.

import { type Static, Type } from 'typebox'

export const Server = Type.Object(
  {
    name: Type.String(),
    shortName: Type.Optional(Type.String({ description: 'Accepted instead of the name' })),
    kind: Type.Optional(Type.String()),
    product: Type.Optional(Type.String()),
    version: Type.Optional(Type.String()),
    reachable: Type.Boolean(),
    problem: Type.Optional(Type.String()),
    watcher: Type.Optional(Type.Object({ host: Type.String(), startedAt: Type.String(), renewedAt: Type.String() })),
    relationships: Type.Array(Type.String()),
  },
  { title: 'Server' },
)
export type Server = Static<typeof Server>
export const ServerList = Type.Object({ items: Type.Array(Server) }, { title: 'ServerList' })
export type ServerList = Static<typeof ServerList>
