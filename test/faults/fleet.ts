// The fleet that every run works on: three servers, two relationships over the first of them, which is the source in
// one and the target in the other, with the two ends of every policy.

import type { ServerDescription } from '#simulator/description.ts'
import { sample } from '#simulator/sample.ts'
import type { Relationship } from './checker/evidence.ts'

export const SERVERS = ['sim1', 'sim2', 'sim3'] as const
export type Server = (typeof SERVERS)[number]

/** Scopes that are there at the start; one more of each relationship is created and deleted during the run. */
const SCOPES = sample({ scopes: 8, first: '10.0.1.0', reservations: 3 })
const FIRST_HALF = SCOPES.slice(0, 4)
const SECOND_HALF = SCOPES.slice(4)
const keys = (scopes: readonly { readonly key: string }[]) => scopes.map(({ key }) => key)

export const RELATIONSHIPS: readonly Relationship[] = [
  {
    name: 'sim1-sim2',
    authority: 'sim1',
    partner: 'sim2',
    scopes: [...keys(FIRST_HALF), '10.0.9.0/24'],
    onForeignEdit: 'hold',
    onConflict: 'hold',
    prune: 'ask',
    onAuthorityLoss: 'agree',
  },
  {
    name: 'sim1-sim3',
    authority: 'sim3',
    partner: 'sim1',
    scopes: [...keys(SECOND_HALF), '10.0.10.0/24'],
    onForeignEdit: 'revert',
    onConflict: 'authority-wins',
    prune: 'on',
    onAuthorityLoss: 'hold',
  },
]

/**
 * A scope as an operator would make it, named so that no two edits give the same content. It has reservations and
 * options as the others do: to remove the last of a kind is held by a limit, and the limits are not what is looked at here.
 */
export function newScope(key: string, name: string) {
  const [made] = sample({ scopes: 1, first: key.slice(0, key.indexOf('/')), reservations: 1 })
  if (made === undefined) throw new Error('a sample of one scope has one')
  return { ...made, id: 1_000 + Number(key.split('.')[2]), properties: { name, 'valid-lifetime': 3_600 } }
}

export function describeServer(server: Server, port: number): ServerDescription {
  const own = RELATIONSHIPS.filter(({ authority, partner }) => authority === server || partner === server)
  const present = new Set(own.flatMap(({ scopes }) => scopes))
  return {
    name: server,
    port,
    scopes: SCOPES.filter(({ key }) => present.has(key)),
    relationships: own.map(({ name, authority, partner, scopes }) => ({
      name,
      partner: authority === server ? partner : authority,
      scopes,
    })),
  }
}

/** The configuration of the services; each server is reached by a way of its own. */
export function configurationText(controls: Readonly<Record<Server, string>>): string {
  const relationships = RELATIONSHIPS.map(
    (one) => `  - name: ${one.name}
    servers: [${one.authority}, ${one.partner}]
    authority: ${one.authority}
    mode: automatic
    quiet-period: 0s
    on-foreign-edit: ${one.onForeignEdit}
    on-conflict: ${one.onConflict}
    prune: ${one.prune}
    on-authority-loss: ${one.onAuthorityLoss}
    limits: { delete-ratio: 1, update-ratio: 1, scopes-ratio: 1, max-scope-deletes: 5 }
`,
  )
  const servers = SERVERS.map((name) => `  - { name: ${name}, kind: simulated, control: "${controls[name]}" }\n`)
  return `servers:\n${servers.join('')}relationships:\n${relationships.join('')}`
}
