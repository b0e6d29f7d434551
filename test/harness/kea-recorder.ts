// Stands before a Kea server as its only way in, and records what is written to it, by whom, in the form of the
// simulated servers' write logs: Kea itself keeps no such record. Commands pass one after the other, as Kea takes them.
//
// The configuration is read back past everybody after each command that may have changed it, so that what the log says
// is what Kea runs, not what somebody sent.

import { once } from 'node:events'
import { appendFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { contentOf } from '#dhcp/fingerprint.ts'
import { isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'
import { subnetsOf } from '#drivers/kea/configuration.ts'
import { haStates } from '#drivers/kea/ha.ts'
import { formatKeaJson, parseKeaJson } from '#drivers/kea/kea-json.ts'
import { scopeOfSubnet } from '#drivers/kea/scopes.ts'
import type { LogLine } from '../faults/checker/evidence.ts'
import { keaExchange, keaRaw } from './kea.ts'

/** What happens on the way of the client's commands; `lose`, `swallow` and `refuse` to its next write, once. */
export type KeaTrouble = 'lose' | 'swallow' | 'refuse' | 'slow' | 'truncate'

export type KeaRecorder = {
  /** The client's way, by HTTP. */
  readonly port: number
  readonly lines: readonly LogLine[]
  trouble: KeaTrouble | undefined
  /** Everybody else's way: a command that succeeds; rejects with Kea's words, or where Kea does not run. */
  send(who: string, command: string, args?: JsonObject): Promise<JsonObject>
  close(): Promise<void>
}

export type KeaRecorderOptions = {
  /** What the log calls the client. */
  readonly client: string
  readonly socket: string
  /** Where HTTP reaches Kea. */
  readonly http: string
  /** Names the process that runs, never two alike; `undefined`: none does. */
  readonly instance: () => string | undefined
  /** Where the log is kept, one JSON object a line. */
  readonly file: string
  /** Before Kea writes its file. */
  readonly onPersist?: () => void
}

/** Commands after which Kea may run something else. */
const CHANGING = /^(config-set|config-reload|subnet4-|network4-|reservation-|class-|config-backend-)/
const SLOW_MS = 200
/** Between two looks at the failover state. Milliseconds. */
const POLL_MS = 50
const REFUSED = 'this configuration is not acceptable today'

type Scopes = ReadonlyMap<string, string>
/** What a client has read: the token of the configuration, and whether it has read since it tested or wrote one. */
type Reader = { token?: string; isConfirmed: boolean }

export async function startKeaRecorder(options: KeaRecorderOptions): Promise<KeaRecorder> {
  const { client, socket, instance, file } = options
  const lines: LogLine[] = []
  const readers = new Map<string, Reader>()
  let known: string | undefined
  let loads = 0
  let scopes: Scopes = new Map()
  let state: string | undefined
  let isClosed = false
  let last: Promise<unknown> = Promise.resolve()
  writeFileSync(file, '')

  function exclusively<T>(act: () => Promise<T>): Promise<T> {
    const done = last.then(act)
    last = done.catch(() => undefined)
    return done
  }

  const token = () => `${known}/${loads}`
  function note(line: LogLine extends infer L ? (L extends LogLine ? Omit<L, 'monotonicMs'> : never) : never): void {
    const complete = { monotonicMs: Number(process.hrtime.bigint()) / 1e6, ...line } as LogLine
    lines.push(complete)
    appendFileSync(file, `${JSON.stringify(complete)}\n`)
  }

  async function running(): Promise<Scopes> {
    const { Dhcp4 } = await keaRaw(socket, { command: 'config-get' })
    return new Map(
      subnetsOf(Dhcp4 as JsonObject).map((placed) => [placed.key, contentOf(scopeOfSubnet(placed)).fingerprint]),
    )
  }

  /** Before anybody can see it: whether another process runs than before, and with what. */
  async function notice(): Promise<void> {
    const now = instance()
    if (now === undefined) throw new Error('Kea does not run')
    if (now === known) return
    const read = await running()
    if (instance() !== now) throw new Error('Kea was started again')
    known = now
    loads = 0
    scopes = read
    state = undefined
    note({ kind: 'start', token: token(), scopes: Object.fromEntries(read) })
  }

  function noteState(answer: JsonObject): void {
    const [seen] = haStates(isJsonObject(answer.arguments) ? answer.arguments : {})
    if (seen === undefined || seen.nativeState === state) return
    state = seen.nativeState
    note({ kind: 'state', token: token(), state })
  }

  function noteRead(who: string): void {
    const reader = readers.get(who) ?? { isConfirmed: false }
    // The first read after a test is the one that the writer compares with; later ones may be another part's.
    if (!reader.isConfirmed) readers.set(who, { token: token(), isConfirmed: true })
  }

  function expectRead(who: string): void {
    const reader = readers.get(who)
    if (reader !== undefined) readers.set(who, { ...reader, isConfirmed: false })
  }

  async function noteWrite(who: string, command: string, isDone: boolean): Promise<void> {
    const read = await running()
    const before = scopes
    scopes = read
    const changed = [...new Set([...before.keys(), ...read.keys()])].filter((key) => before.get(key) !== read.get(key))
    if (changed.length > 0) loads++
    const readToken = readers.get(who)?.token
    const by = { who, token: token(), ...(readToken === undefined ? {} : { readToken }) }
    for (const scope of changed) {
      const [old, now] = [before.get(scope), read.get(scope)]
      note({ kind: 'write', scope, ...(old && { before: old }), ...(now && { after: now }), ...by })
    }
    if (isDone && changed.length === 0 && command === 'config-set') note({ kind: 'unchanged', ...by, isWhole: true })
    expectRead(who)
  }

  const noteUnanswered = (who: string) => note({ kind: 'unanswered', who, token: token() })

  /** Passes a command on and records what it did. */
  async function pass(who: string, command: string, forward: () => Promise<Buffer>): Promise<Buffer> {
    await notice()
    if (command === 'config-write') options.onPersist?.()
    const isWrite = CHANGING.test(command)
    let bytes: Buffer
    try {
      bytes = await forward()
    } catch (error) {
      if (isWrite) {
        // Where Kea is gone, what it comes up with is noticed then.
        await noteWrite(who, command, false).catch(() => undefined)
        noteUnanswered(who)
      }
      throw error
    }
    const answer = answerOf(bytes)
    if (isWrite) {
      await noteWrite(who, command, answer.result === 0)
      if (answer.result !== 0) noteUnanswered(who)
    } else if (command === 'config-get' || command === 'config-hash-get') noteRead(who)
    else if (command === 'config-test') expectRead(who)
    else if (command === 'status-get') noteState(answer)
    return bytes
  }

  /** For the client's command: what it gets, or that its connection breaks. */
  async function passWithTrouble(body: Buffer): Promise<Buffer | 'broken'> {
    const { command } = parseKeaJson(body) as JsonObject
    const name = String(command)
    const trouble = name === 'config-set' ? recorder.trouble : undefined
    if (trouble === 'lose' || trouble === 'refuse' || trouble === 'swallow') recorder.trouble = undefined
    if (trouble === 'lose' || trouble === 'refuse') {
      await notice()
      noteUnanswered(client)
      expectRead(client)
      return trouble === 'lose' ? 'broken' : formatKeaJson([{ result: 1, text: REFUSED }])
    }
    const bytes = await pass(client, name, () => httpExchange(options.http, body))
    if (trouble === 'swallow') {
      noteUnanswered(client)
      return 'broken'
    }
    if (name === 'config-get' && recorder.trouble === 'truncate') return bytes.subarray(0, bytes.length / 2)
    return bytes
  }

  const server = http.createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const body = Buffer.concat(chunks)
      const answer = await exclusively(() => passWithTrouble(body))
      if (recorder.trouble === 'slow') await sleep(SLOW_MS)
      const isWrite = body.includes('"config-set"')
      if (answer === 'broken') return void response.destroy()
      if (response.destroyed && isWrite) noteUnanswered(client)
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
      response.end(answer)
    })().catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const recorder: KeaRecorder = {
    port: (server.address() as AddressInfo).port,
    lines,
    trouble: undefined,
    async send(who, command, args) {
      const request: JsonObject = { command, ...(args === undefined ? {} : { arguments: args }) }
      const bytes = await exclusively(() => pass(who, command, () => keaExchange(socket, formatKeaJson(request))))
      const answer = answerOf(bytes)
      if (answer.result !== 0) throw new Error(`Kea refused ${command}: ${String(answer.text)}`)
      return isJsonObject(answer.arguments) ? answer.arguments : {}
    },
    async close() {
      isClosed = true
      await polling
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }

  /** What nobody asks for is seen too: a process that came up, a state that was left again. */
  async function poll(): Promise<void> {
    const request = formatKeaJson({ command: 'status-get' })
    while (!isClosed) {
      // Kea is away, or on its way: that is seen when it is back.
      await exclusively(() => pass('recorder', 'status-get', () => keaExchange(socket, request))).catch(() => undefined)
      await sleep(POLL_MS)
    }
  }
  const polling = poll()
  return recorder
}

/** Over HTTP a list with one answer, over a unix socket the answer itself. */
function answerOf(bytes: Buffer): JsonObject {
  const value = parseKeaJson(bytes)
  const answer: Json | undefined = Array.isArray(value) ? (value as readonly Json[])[0] : value
  if (!isJsonObject(answer)) throw new Error('Kea did not answer')
  return answer
}

/** A connection for each command: one that Kea has just closed would break it. */
async function httpExchange(url: string, body: Buffer): Promise<Buffer> {
  const request = http.request(url, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', 'content-length': body.length },
  })
  request.end(body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
