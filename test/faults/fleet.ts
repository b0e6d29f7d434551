// What a run works on: DHCP servers of one kind, and the relationships between them. A kind says how its servers are
// started, edited, restarted and disturbed, and where each of them records what is written to it.

import type { LogLine, Relationship } from './checker/evidence.ts'
import type { Part } from './part.ts'

/** A server's name: of its part, in the configuration and in the evidence. */
export type Server = string

/** Which file a DHCP server comes up with: the one it would read, the one before the last persist, the first one. */
export type RestartFile = 'latest' | 'previous' | 'initial'

/**
 * `lose`: the next write does not arrive; `swallow`: it does, and is not answered; `refuse`: it is answered with an
 * error; `read-only`: the file cannot be written; `slow`: answers take longer; `truncate`: reads give half of the text.
 */
export const TROUBLES = ['lose', 'swallow', 'refuse', 'read-only', 'slow', 'truncate'] as const
export type Trouble = (typeof TROUBLES)[number]

/** What somebody does to one scope of a server, past Twinscope. */
export type Edit = {
  readonly kind: 'edit'
  readonly server: Server
  readonly scope: string
  /** `agree`: the same as the other side has, as when somebody undoes a foreign edit. */
  readonly how: 'change' | 'delete' | 'create' | 'agree'
  /** Unique: no two edits give the same content. */
  readonly name: string
  /** False: it runs, and is gone after a restart. */
  readonly persist: boolean
}

/** What schedules are made by. Nothing is started for it. */
export type FleetShape = {
  /** For the line of a run. */
  readonly title: string
  readonly servers: readonly Server[]
  readonly relationships: readonly Relationship[]
  /** Of the part with faults, before it is divided. Milliseconds. */
  readonly lengthMs: number
  /** How many edits there are meanwhile. */
  readonly edits: { readonly min: number; readonly max: number }
  /** For how long a server that is killed stays away at most, before it is divided. Milliseconds. */
  readonly serverDownMs: number
  /**
   * Once a run the authoritative side is away until its partner serves alone, and somebody edits that one then: after
   * how long, before it is divided. Milliseconds; absent: such servers do not serve alone.
   */
  readonly aloneAfterMs?: number
  /** An operator confirms an authority that went with NATS. */
  readonly isConfirming: boolean
}

export type Fleet<F extends RunningFleet = RunningFleet> = FleetShape & {
  /** Makes everything ready for the servers' parts to be started. */
  open(place: FleetPlace): Promise<F>
}

export type FleetPlace = {
  /** Of the run. */
  readonly directory: string
  /** What all times are divided by. */
  readonly scale: number
  /** Directory for compiled modules, shared by many runs. */
  readonly compiled?: string
}

export type RunningFleet = {
  /** One of each server, with its name. */
  readonly parts: readonly Part[]
  /** Where a server is reached by TCP: what a link leads to. */
  portOf(server: Server): number
  /** The configuration of the services; each server is reached by a port of its link. */
  configurationText(ports: (server: Server) => number): string
  /** Says what was done, or why not. A server that is down cannot be edited: that rejects. */
  edit(edit: Edit): Promise<string>
  restart(server: Server, file: RestartFile): Promise<void>
  trouble(server: Server, trouble: Trouble): Promise<void>
  /** Ends the trouble. */
  calm(server: Server): Promise<void>
  writeLogs(): Record<Server, readonly LogLine[]>
  /** Resolves when the servers, all of which run, serve together as they are meant to. */
  normal(): Promise<void>
  /** After the parts have ended. */
  close(): Promise<void>
}

export function partnerIn(relationships: readonly Relationship[], { server, scope }: Edit): Server {
  const relationship = relationships.find(({ scopes }) => scopes.includes(scope))
  if (relationship === undefined) throw new Error(`${scope} is in no relationship`)
  const { authority, partner } = relationship
  return authority === server ? partner : authority
}

/** A relationship in the services' configuration. The limits are not what is looked at here. */
export function relationshipText(one: Relationship): string {
  return `  - name: ${one.name}
    servers: [${one.authority}, ${one.partner}]
    authority: ${one.authority}
    mode: automatic
    quiet-period: 0s
    on-foreign-edit: ${one.onForeignEdit}
    on-conflict: ${one.onConflict}
    prune: ${one.prune}
    on-authority-loss: ${one.onAuthorityLoss}
    limits: { delete-ratio: 1, update-ratio: 1, scopes-ratio: 1, max-scope-deletes: 5 }
`
}
