// Three simulated servers, two relationships over the first of them, which is the source in one and the target in the
// other, with the two ends of every policy.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Scope, ScopeKey } from '#dhcp/scope.ts'
import { freePort } from '#harness/free-port.ts'
import { createSimulatorAdmin, type SimulatorAdmin } from '#simulator/admin-client.ts'
import { formatDescription, type ServerDescription } from '#simulator/description.ts'
import { sample } from '#simulator/sample.ts'
import type { Relationship } from './checker/evidence.ts'
import {
  type Edit,
  type Fleet,
  type FleetPlace,
  partnerIn,
  type RunningFleet,
  relationshipText,
  type Server,
} from './fleet.ts'
import { createPart, type Part } from './part.ts'
import { linesOf } from './write-lines.ts'

const SERVERS = ['sim1', 'sim2', 'sim3'] as const

/** Scopes that are there at the start; one more of each relationship is created and deleted during the run. */
const SCOPES = sample({ scopes: 8, first: '10.0.1.0', reservations: 3 })
const FIRST_HALF = SCOPES.slice(0, 4)
const SECOND_HALF = SCOPES.slice(4)
const keys = (scopes: readonly { readonly key: string }[]) => scopes.map(({ key }) => key)

const RELATIONSHIPS: readonly Relationship[] = [
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

export type SimulatedServers = RunningFleet & { admin(server: Server): SimulatorAdmin }

/** `seed`: in three runs of four an operator confirms the authorities that went with NATS; in the others they stay lost. */
export function simulatedFleet(seed = 0): Fleet<SimulatedServers> {
  return {
    title: 'simulated',
    servers: SERVERS,
    relationships: RELATIONSHIPS,
    lengthMs: 200_000,
    edits: { min: 56, max: 76 },
    serverDownMs: 20_000,
    isConfirming: seed % 4 !== 3,
    open,
  }
}

/**
 * A scope as an operator would make it, named so that no two edits give the same content. It has reservations and
 * options as the others do: to remove the last of a kind is held by a limit, and the limits are not what is looked at here.
 */
export function newScope(key: string, name: string): Scope {
  const [made] = sample({ scopes: 1, first: key.slice(0, key.indexOf('/')), reservations: 1 })
  if (made === undefined) throw new Error('a sample of one scope has one')
  return { ...made, id: 1_000 + Number(key.split('.')[2]), properties: { name, 'valid-lifetime': 3_600 } }
}

function describeServer(server: Server, port: number): ServerDescription {
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

const TROUBLES = {
  lose: { loseNextWrite: 'reset' },
  swallow: { swallowNextAnswer: 'reset' },
  refuse: { refuseNextWrite: 'this configuration is not acceptable today' },
  'read-only': { persist: 'read-only' },
  slow: { answerDelayMs: 200 },
  truncate: { truncateReads: true },
} as const

const isReady = (line: string) => line.includes('"msg":"ready"')

async function open({ directory, compiled }: FleetPlace): Promise<SimulatedServers> {
  const logs = join(directory, 'dhcp')
  mkdirSync(logs, { recursive: true })
  const parts: Part[] = []
  const known = new Map<Server, { readonly port: number; readonly admin: SimulatorAdmin }>()
  for (const name of SERVERS) {
    const [port, adminPort] = [await freePort(), await freePort()]
    const file = join(logs, `${name}.description.json`)
    writeFileSync(file, formatDescription({ servers: [describeServer(name, port)] }))
    const main = new URL('../../services/simulator/main.ts', import.meta.url).pathname
    const args = [main, file, '--directory', logs, '--admin-port', String(adminPort)]
    const env = compiled === undefined ? {} : { NODE_COMPILE_CACHE: compiled }
    parts.push(
      createPart({ name, command: process.execPath, args, env, isReady, logFile: join(directory, `${name}.log`) }),
    )
    known.set(name, { port, admin: createSimulatorAdmin(`http://127.0.0.1:${adminPort}`) })
  }
  const of = (server: Server) => {
    const found = known.get(server)
    if (found === undefined) throw new Error(`there is no server ${server}`)
    return found
  }
  const admin = (server: Server) => of(server).admin

  async function edit(wanted: Edit): Promise<string> {
    const { server, scope, how, name, persist } = wanted
    const scopeAt = async (at: Server) => (await admin(at).scopes(at)).find(({ key }) => key === scope)
    const options = { persist, who: `operator ${name}` }
    const present = await scopeAt(server)
    const put = async (content: Scope | undefined, what: string): Promise<string> => {
      if (content === undefined) {
        if (present === undefined) return 'it is not there'
        await admin(server).deleteScope(server, scope as ScopeKey, options)
      } else await admin(server).putScope(server, content, options)
      return what
    }
    switch (how) {
      case 'agree':
        return await put(await scopeAt(partnerIn(RELATIONSHIPS, wanted)), 'made as the other side has it')
      case 'delete':
        return await put(undefined, 'deleted')
      case 'create':
      case 'change':
        return present === undefined
          ? await put(newScope(scope, name), 'created')
          : await put({ ...present, properties: { ...present.properties, name } }, 'changed')
    }
  }

  return {
    parts,
    admin,
    portOf: (server) => of(server).port,
    configurationText(ports) {
      const servers = SERVERS.map(
        (name) => `  - { name: ${name}, kind: simulated, control: "http://127.0.0.1:${ports(name)}" }\n`,
      )
      return `servers:\n${servers.join('')}relationships:\n${RELATIONSHIPS.map(relationshipText).join('')}`
    },
    edit,
    restart: (server, file) => admin(server).restart(server, file),
    trouble: (server, trouble) => admin(server).setFaults(server, TROUBLES[trouble]),
    calm: (server) => admin(server).setFaults(server, {}),
    writeLogs: () =>
      Object.fromEntries(SERVERS.map((server) => [server, linesOf(join(logs, `${server}.writes.jsonl`))])),
    async normal() {},
    async close() {},
  }
}
