// The operations of a gate: what is asked, by whom it is decided, what is answered.

import type { GateAnswer, GateErrorCode, GateRequests, GateResponses } from '#contracts/gate.ts'
import type { MatchedRelationship } from '#contracts/relationships.ts'
import type { GateOperation } from '#contracts/subjects.ts'
import { type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import { parseScopeKey, type ScopeKey } from '#dhcp/scope.ts'
import type { DhcpDriver } from '#drivers/driver.ts'
import type { GateReply, GateRequest, ScopeResult } from '#protocol/gate-types.ts'
import { gateCodeOf, messageOf } from './failures.ts'
import type { GateLogger } from './gate.ts'
import type { Journal } from './journal.ts'
import { contentPage, createManifestPages, type Manifest } from './manifest.ts'
import { fieldsOfRelationship, maskContent, maskedFingerprint } from './masks.ts'
import type { Observation } from './observation.ts'
import type { Machine, Served } from './run-machine.ts'
import type { Staged } from './staged.ts'

export type RequestsOptions = {
  readonly server: string
  readonly journal: Journal
  readonly machine: Machine
  /** For what is asked beside the mutex. */
  readonly driver: Pick<DhcpDriver, 'probe' | 'activeLeasesOutside'>
  readonly staged: Staged
  readonly logger: GateLogger
  readonly matched: (relationship: string) => MatchedRelationship | undefined
  readonly newTicket: () => string
  readonly latest: () => Observation | undefined
  /** The last read under the mutex. */
  readonly lastRead: () => Observation | undefined
  readonly read: () => Promise<Observation>
  readonly manifest: (relationship: string, observation: Observation) => Manifest
}

/** How long the look at a server that is to cover may take. Milliseconds. */
const COVER_LOOK_MS = 5_000

/** An answer that is an error, on its way out of the operation. */
class Refusal extends Error {
  readonly code: GateErrorCode
  constructor(code: GateErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

type Operations = { readonly [K in GateOperation]: (request: GateRequests[K]) => Promise<GateResponses[K]> }

export function createRequests(options: RequestsOptions): {
  handle(op: GateOperation, request: unknown): Promise<GateAnswer<unknown>>
} {
  const { server, journal, machine, staged, driver } = options
  const pages = createManifestPages()
  /** Commits that were accepted and not answered yet. */
  const underWay = new Set<string>()

  /** The server has to be read once before its relationships are known. */
  async function known(): Promise<Observation> {
    return options.latest() ?? (await options.read())
  }

  async function readable(relationship: string): Promise<MatchedRelationship> {
    await known()
    const match = options.matched(relationship)
    if (match === undefined)
      throw new Refusal('unknown-relationship', `${server} knows no relationship "${relationship}".`)
    if (match.kind === 'missing') throw new Refusal('unknown-relationship', match.message)
    return match
  }

  async function writable(relationship: string, side?: string): Promise<void> {
    const match = await readable(relationship)
    if (match.kind !== 'configured') {
      throw new Refusal('unknown-relationship', `"${relationship}" is not in the configuration; it is only observed.`)
    }
    if (side !== undefined && !match.policy.servers.includes(side)) {
      throw new Refusal(
        'malformed',
        `${side} is not a server of ${relationship}; they are ${match.policy.servers.join(' and ')}.`,
      )
    }
  }

  function checkScopes(scopes: readonly string[]): void {
    for (const scope of scopes) {
      if (parseScopeKey(scope) !== scope)
        throw new Refusal('malformed', `"${scope}" is not a scope; write 10.0.10.0/24.`)
    }
    if (new Set(scopes).size !== scopes.length) throw new Refusal('malformed', 'A scope is named twice.')
  }

  /** Asks the machine; its refusals become ours. */
  async function ask<K extends GateReply['kind']>(
    request: GateRequest,
    kind: K,
  ): Promise<Served & { readonly reply: Extract<GateReply, { kind: K }> }> {
    const served = await machine.ask(request)
    const { reply } = served
    if (reply.kind === 'refused') throw new Refusal(reply.code, reply.message)
    if (reply.kind !== kind) throw new Error(`the gate answered ${request.op} with ${reply.kind}`)
    return { ...served, reply: reply as Extract<GateReply, { kind: K }> }
  }

  /** What is known of the failover state may be older than a restart of this server. */
  async function servesNow(relationship: string): Promise<boolean> {
    const match = await readable(relationship)
    if (match.kind === 'missing') return false
    const { relationships } = await driver.probe(AbortSignal.timeout(COVER_LOOK_MS))
    return relationships.find(({ name }) => name === match.discovered.name)?.state === 'normal'
  }

  const operations: Operations = {
    async manifest({ relationship, fresh, cursor }) {
      await readable(relationship)
      const page = cursor === undefined ? undefined : pages.next(cursor)
      if (page !== undefined) return page
      // A cursor of a manifest that is gone gets the first page of a newer one; its revision says so.
      const observation = fresh && cursor === undefined ? await options.read() : await known()
      return pages.first(options.manifest(relationship, observation))
    },

    async read(request) {
      const { relationship, of, fresh, cursor } = request
      const match = await readable(relationship)
      const observation = fresh && cursor === undefined ? await options.read() : await known()
      if (of === 'live') {
        return contentPage(request, observation.revision, (scope) => observation.contents.get(scope as ScopeKey))
      }
      const bases = journal.bases.of(relationship)
      const fields = fieldsOfRelationship(match)
      return contentPage(request, observation.revision, (scope) => {
        const fingerprint = bases.get(scope)?.fingerprint
        const text = fingerprint === undefined ? undefined : journal.content(fingerprint)
        if (text === undefined) return undefined
        return maskContent({ fingerprint: fingerprint as ScopeContent['fingerprint'], text }, fields)
      })
    },

    async prepare({ relationship, side, epoch, exception }) {
      await writable(relationship, side)
      if (exception !== undefined) checkScopes(exception.scopes)
      const ticket = options.newTicket()
      const more = exception === undefined ? {} : { exception }
      const { reply } = await ask({ op: 'prepare', relationship, side, epoch, ticket, ...more }, 'prepared')
      staged.clear(relationship)
      const observation = options.lastRead() ?? (await known())
      return { ticket: reply.ticket, manifest: pages.first(options.manifest(relationship, observation)) }
    },

    async stage({ relationship, ticket, contents }) {
      await writable(relationship)
      for (const content of contents) checkContent(content)
      const fingerprints = contents.map(({ fingerprint }) => fingerprint)
      const { reply } = await ask({ op: 'stage', relationship, ticket, fingerprints }, 'staged')
      staged.put(relationship, ticket, contents)
      return { staged: reply.count }
    },

    async commit(request) {
      const { relationship, side, job, scopes } = request
      await writable(relationship, side)
      checkScopes(scopes.map(({ scope }) => scope))
      for (const { scope, wanted } of scopes) {
        const of = wanted === undefined ? undefined : staged.scopeOf(relationship, wanted)
        if (of !== undefined && of !== scope)
          throw new Refusal('bad-content', `The content for ${scope} is that of ${of}.`)
      }
      const id = JSON.stringify([relationship, job])
      underWay.add(id)
      try {
        const { reply, stages } = await ask({ ...request, op: 'commit' }, 'committed')
        const message = reply.persistMessage === undefined ? {} : { persistMessage: reply.persistMessage }
        return { job, results: reply.results.map(onTheWire), ...message, stages: [...stages] }
      } finally {
        underWay.delete(id)
      }
    },

    async result({ relationship, job }) {
      const found = underWay.has(JSON.stringify([relationship, job])) ? 'open' : journal.result(relationship, job)
      if (found === undefined) throw new Refusal('unknown-job', `Job ${job} was never begun at ${server}.`)
      if (found === 'open') throw new Refusal('uncertain', `What became of job ${job} at ${server} is not known yet.`)
      const message = found.persistMessage === undefined ? {} : { persistMessage: found.persistMessage }
      return { job, results: found.results.map(onTheWire), ...message, stages: [] }
    },

    async agree(request) {
      const { relationship, side, scopes } = request
      await writable(relationship, side)
      checkScopes(scopes.map(({ scope }) => scope))
      const { reply } = await ask({ ...request, op: 'agree' }, 'agreed')
      return { agreed: [...reply.scopes], serial: reply.serial }
    },

    async fence({ relationship, side, epoch }) {
      await writable(relationship, side)
      const { reply } = await ask({ op: 'fence', relationship, side, epoch }, 'fenced')
      return { epoch: reply.epoch, side: reply.side }
    },

    async cover({ relationship, job, on }) {
      await writable(relationship)
      const serves = on ? await servesNow(relationship) : true
      const { reply } = await ask({ op: 'cover', relationship, job, on, serves }, 'covered')
      return { covering: reply.covering }
    },

    async leases({ relationship, scope, outside }) {
      await readable(relationship)
      checkScopes([scope])
      const found = (await known()).snapshot.scopes.get(scope as ScopeKey)
      if (driver.activeLeasesOutside === undefined) return { supported: false, count: 0, examples: [] }
      // Of a scope that is not there nobody loses a range.
      if (found === undefined) return { supported: true, count: 0, examples: [] }
      const leases = await driver.activeLeasesOutside(found, outside)
      if (leases === undefined) return { supported: false, count: 0, examples: [] }
      return { supported: true, count: leases.count, examples: [...leases.examples] }
    },

    async claim({ actor }) {
      const { reply } = await ask({ op: 'claim' }, 'claimed')
      options.logger.warn({ server, actor, previous: reply.previous }, 'the server was claimed')
      return reply.previous === undefined ? {} : { previous: reply.previous }
    },

    async preimage({ relationship, job, scope }) {
      const fields = fieldsOfRelationship(options.matched(relationship))
      const found = journal.preImage(relationship, job, scope)
      if (found === undefined)
        throw new Refusal('unknown-job', `The journal of ${server} has no pre-image of ${scope} for job ${job}.`)
      // Kept before a field was ignored, it is given without that field, as it will be written.
      const { content, wanted, at } = found
      return {
        ...(content === undefined ? {} : { content: maskContent(content, fields) }),
        ...(wanted === undefined ? {} : { wanted: maskedFingerprint(journal, wanted, fields) }),
        at,
      }
    },
  }

  return {
    async handle(op, request) {
      try {
        return { ok: await (operations[op] as (request: unknown) => Promise<unknown>)(request) }
      } catch (error) {
        const code = error instanceof Refusal ? error.code : gateCodeOf(error)
        return { error: { code, message: messageOf(error) } }
      }
    },
  }
}

function checkContent({ scope, fingerprint, text }: GateRequests['stage']['contents'][number]): void {
  let key: unknown
  try {
    key = scopeOf({ fingerprint, text } as ScopeContent).key
  } catch (error) {
    throw new Refusal('bad-content', `The content of ${scope} cannot be read: ${messageOf(error)}`)
  }
  if (key !== scope) throw new Refusal('bad-content', `The content named for ${scope} is that of ${String(key)}.`)
}

/** What was wanted is the machine's own note. */
function onTheWire({ wanted: _, ...result }: ScopeResult) {
  return result
}
