// A real pair of Kea servers in HA, with one relationship over all scopes. Everything but their talk with each other
// goes through a recorder each (harness/kea-recorder.ts), which keeps the write log that the checker judges by.

import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { aSubnet, type KeaPair, prepareKeaPair } from '#harness/kea.ts'
import { type KeaRecorder, startKeaRecorder } from '#harness/kea-recorder.ts'
import type { KeaVersion } from '#harness/kea-versions.ts'
import { type Relationship, TWINSCOPE } from './checker/evidence.ts'
import { type Fleet, type FleetPlace, type RunningFleet, relationshipText, type Server } from './fleet.ts'
import { type KeaEditor, keaEditor, keyOf } from './kea-edit.ts'
import { createKeaPart, type KeaPart } from './kea-part.ts'

const SERVERS = ['server1', 'server2'] as const

/** Scopes that are there at the start; one more is created and deleted during the run. */
const SUBNETS = Array.from({ length: 8 }, (_, n) => aSubnet(n))
const NEW_SUBNET = aSubnet(9)

/** Kea's own defaults of its HA, before they are divided. Milliseconds. */
const HEARTBEAT_MS = 10_000
const RESPONSE_MS = 60_000
const ACK_MS = 10_000
/** Shorter than this, a busy machine makes partners believe that they have lost each other. Milliseconds. */
const LEAST_HEARTBEAT_MS = 100
/** Who may not do everything: a server that runs as root would write a file that is read-only. */
const KEA_USER = 65_534
const WRITABLE = 0o644
const READ_ONLY = 0o444
/** For a busy machine. Milliseconds. */
const NORMAL_MS = 120_000

export function keaFleet(seed: number, wanted?: KeaVersion): Fleet {
  // Over sixteen seeds each version with each end of the policies, each side and each mode.
  const bit = (n: number) => ((seed >> n) & 1) === 1
  const version = wanted ?? (bit(0) ? '3.x' : '2.2')
  const [authority, partner] = bit(2) ? ([SERVERS[1], SERVERS[0]] as const) : SERVERS
  const mode = bit(3) ? 'hot-standby' : 'load-balancing'
  const relationship: Relationship = {
    name: SERVERS.join('-'),
    authority,
    partner,
    scopes: [...SUBNETS, NEW_SUBNET].map(keyOf),
    ...(bit(1)
      ? { onForeignEdit: 'hold', onConflict: 'hold', prune: 'ask', onAuthorityLoss: 'agree' }
      : { onForeignEdit: 'revert', onConflict: 'authority-wins', prune: 'on', onAuthorityLoss: 'hold' }),
  }
  return {
    title: `Kea ${version} ${mode}, ${authority} → ${partner}, foreign edits: ${relationship.onForeignEdit}`,
    servers: SERVERS,
    relationships: [relationship],
    lengthMs: 400_000,
    edits: { min: 22, max: 30 },
    // Longer than Kea takes to give its partner up.
    serverDownMs: 100_000,
    aloneAfterMs: RESPONSE_MS + 2 * HEARTBEAT_MS,
    isConfirming: !bit(4),
    open: (place) => open(place, { version, mode, relationship }),
  }
}

type Kind = {
  readonly version: KeaVersion
  readonly mode: 'load-balancing' | 'hot-standby'
  readonly relationship: Relationship
}

type KeaOne = {
  readonly part: KeaPart
  readonly recorder: KeaRecorder
  readonly configFile: string
  /** What the file was, the latest last. */
  readonly files: string[]
  isReadOnly: boolean
}

async function open({ directory, scale }: FleetPlace, kind: Kind): Promise<RunningFleet> {
  const pair = await prepare({ directory, scale }, kind)
  const logs = join(directory, 'dhcp')
  mkdirSync(logs, { recursive: true })
  const known = new Map<Server, KeaOne>()
  for (const server of pair.servers) {
    const { name, configFile } = server
    const part = createKeaPart(server, join(directory, `${name}.log`))
    const files = [readFileSync(configFile, 'utf8')]
    if (server.http === undefined) throw new Error(`${name} is not reached by HTTP`)
    const recorder = await startKeaRecorder({
      client: TWINSCOPE,
      socket: server.socket,
      http: server.http,
      instance: part.instance,
      file: join(logs, `${name}.writes.jsonl`),
      onPersist: () => keepFile(configFile, files),
    })
    known.set(name, { part, recorder, configFile, files, isReadOnly: false })
  }
  const of = (server: Server) => {
    const found = known.get(server)
    if (found === undefined) throw new Error(`there is no server ${server}`)
    return found
  }
  const editor: KeaEditor = keaEditor({
    relationships: [kind.relationship],
    send: (server, who, command, args) => of(server).recorder.send(who, command, args),
    newSubnet: (scope) => [...SUBNETS, NEW_SUBNET].find((subnet) => keyOf(subnet) === scope),
  })

  return {
    parts: [...known.values()].map(({ part }) => part),
    portOf: (server) => of(server).recorder.port,
    configurationText(ports) {
      const servers = SERVERS.map(
        (name) =>
          `  - { name: ${name}, kind: kea, control: "http://127.0.0.1:${ports(name)}/", config-file: "${of(name).configFile}" }\n`,
      )
      return `servers:\n${servers.join('')}relationships:\n${relationshipText(kind.relationship)}`
    },
    edit: (wanted) => editor.edit(wanted),
    async restart(server, file) {
      const one = of(server)
      if (!one.part.isRunning) throw new Error(`${server} does not run`)
      await one.part.kill()
      keepFile(one.configFile, one.files)
      const [initial = '', latest = ''] = [one.files[0], one.files.at(-1)]
      const text = file === 'initial' ? initial : file === 'previous' ? (one.files.at(-2) ?? initial) : latest
      setMode(one.configFile, WRITABLE)
      writeFileSync(one.configFile, text)
      if (one.isReadOnly) setMode(one.configFile, READ_ONLY)
      one.part.start()
    },
    async trouble(server, trouble) {
      const one = of(server)
      one.isReadOnly = trouble === 'read-only'
      setMode(one.configFile, one.isReadOnly ? READ_ONLY : WRITABLE)
      one.recorder.trouble = trouble === 'read-only' ? undefined : trouble
    },
    async calm(server) {
      const one = of(server)
      one.isReadOnly = false
      setMode(one.configFile, WRITABLE)
      one.recorder.trouble = undefined
    },
    writeLogs: () => Object.fromEntries([...known].map(([name, { recorder }]) => [name, [...recorder.lines]])),
    normal: () => pair.waitSteady(NORMAL_MS),
    async close() {
      await Promise.all([...known.values()].map(({ recorder }) => recorder.close()))
      await pair.close()
    },
  }
}

async function prepare({ directory, scale }: FleetPlace, { version, mode }: Kind): Promise<KeaPair> {
  // Kea runs as somebody else, and must come to its own directory in it.
  chmodSync(directory, 0o755)
  const scaled = (ms: number) => Math.round(ms / scale)
  const asRoot = process.getuid?.() === 0
  const pair = await prepareKeaPair({
    version,
    mode,
    control: version === '2.2' ? 'ctrl-agent' : 'http',
    heartbeatDelayMs: Math.max(LEAST_HEARTBEAT_MS, scaled(HEARTBEAT_MS)),
    ha: {
      'max-response-delay': Math.max(3 * LEAST_HEARTBEAT_MS, scaled(RESPONSE_MS)),
      'max-ack-delay': Math.max(LEAST_HEARTBEAT_MS, scaled(ACK_MS)),
      // There are no clients by whose silence Kea could tell that its partner is down.
      'max-unacked-clients': 0,
    },
    subnets: SUBNETS,
    root: join(directory, 'kea'),
    ...(asRoot ? { uid: KEA_USER } : {}),
  })
  if (asRoot) for (const { configFile } of pair.servers) chownSync(configFile, KEA_USER, KEA_USER)
  return pair
}

/** Somebody is about to replace it. */
function keepFile(file: string, files: string[]): void {
  const text = readFileSync(file, 'utf8')
  if (text !== files.at(-1)) files.push(text)
}

function setMode(file: string, mode: number): void {
  if ((statSync(file).mode & 0o777) !== mode) chmodSync(file, mode)
}
