// What the gate machine's effects are in the world: reads and writes of the driver, entries of the journal.

import type { GateErrorCode } from '#contracts/gate.ts'
import { type ScopeContent, scopeOf } from '#dhcp/fingerprint.ts'
import { maskScope, mergeIgnored } from '#dhcp/mask.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { ApplyResult, DhcpDriver, OverwrittenEdit, ScopeWrite } from '#drivers/driver.ts'
import type { GateInput, OpenCommit } from '#protocol/gate-types.ts'
import { gateCodeOf, messageOf, writeFailure } from './failures.ts'
import type { GateLogger } from './gate.ts'
import type { Journal } from './journal.ts'
import { isMixture } from './mixture.ts'
import type { Observation } from './observation.ts'
import type { AnsweredEffect } from './run-machine.ts'

function overwrittenMessage({ by, at }: OverwrittenEdit): string {
  return `${by ?? 'Somebody'} edited this scope on the target${at === undefined ? '' : ` at ${at}`}, between the last look and the write, so that nobody could see it; that edit is gone. What was there before it is in the journal: restore brings it back, and the edit has to be made again on the authoritative side.`
}

export type EffectsOptions = {
  readonly server: string
  readonly driver: DhcpDriver
  readonly journal: Journal
  readonly installation: string
  readonly exclusive: boolean
  readonly logger: GateLogger
  readonly now: () => string
  /** One full read, recorded as seen. */
  readonly read: () => Promise<Observation>
  readonly isNormal: (relationship: string, observation: Observation) => boolean
  /** Text of a staged content. */
  readonly stagedText: (fingerprint: string) => string | undefined
}

export type Effects = {
  perform(effect: AnsweredEffect): Promise<GateInput>
  /** The error of the last read, where it failed. */
  lastFailure(): unknown
  /** The last read under the mutex, from which a write starts. */
  lastRead(): Observation | undefined
}

function failed(code: GateErrorCode, message: string): Extract<GateInput, { kind: 'readFailed' }> {
  return { kind: 'readFailed', code, message }
}

function foreignMessage(server: string, owner: string): string {
  return `Another installation of Twinscope (${owner}) writes to ${server}. If that one does not run any more, take the server over: twinscope claim-server ${server}. If it does, stop it first, or take ${server} out of this configuration.`
}

function unsupportedMessage(server: string): string {
  return `${server} cannot keep the mark of an installation, so two could write to it unnoticed. If no other Twinscope writes to it, say so with "exclusive: true" at this server in the configuration; a Kea server can name its "config-file" instead.`
}

export function createEffects(options: EffectsOptions): Effects {
  const { server, driver, journal, logger, now } = options
  let last: Observation | undefined
  let failure: unknown
  /** An earlier process died in the middle of a write. Its end is found out once, before anything else is asked. */
  let mustRevive = journal.openCommit() !== undefined

  const journalled = (work: () => GateInput): GateInput => {
    try {
      return work()
    } catch (error) {
      logger.error({ server, err: error }, 'the journal could not be written')
      return { kind: 'journalFailed', message: `The journal of ${server} could not be written: ${messageOf(error)}` }
    }
  }

  /** A note that is not stored costs nothing but the note. */
  const note = (work: () => void) => {
    journalled(() => {
      work()
      return { kind: 'begun' }
    })
  }

  /** Texts that the journal may not have yet: staged ones, and those just read. */
  function texts(fingerprints: Iterable<string | undefined>): ReadonlyMap<string, string> {
    const live = new Map(
      [...(last?.contents.values() ?? [])].map((content) => [content.fingerprint as string, content.text]),
    )
    const found = new Map<string, string>()
    for (const fingerprint of fingerprints) {
      if (fingerprint === undefined) continue
      const text = live.get(fingerprint) ?? options.stagedText(fingerprint) ?? journal.content(fingerprint)
      if (text !== undefined) found.set(fingerprint, text)
    }
    return found
  }

  function journalContent(fingerprint: string | undefined): ScopeContent | undefined {
    const text = fingerprint === undefined ? undefined : journal.content(fingerprint)
    return text === undefined ? undefined : { fingerprint: fingerprint as ScopeContent['fingerprint'], text }
  }

  function mixedScopes(open: OpenCommit | undefined, observation: Observation): readonly string[] {
    return (open?.intents ?? [])
      .filter(({ scope, preImage, wanted }) => {
        const [before, after] = [journalContent(preImage), journalContent(wanted)]
        const whole = observation.snapshot.scopes.get(scope as ScopeKey)
        const live = whole && maskScope(whole, observation.fieldsOf(scope as ScopeKey))
        return isMixture(live, before && scopeOf(before), after && scopeOf(after))
      })
      .map(({ scope }) => scope)
  }

  async function writeProblem(): Promise<Extract<GateInput, { kind: 'readFailed' }> | undefined> {
    const claim = await driver.claim(options.installation)
    if (claim.kind === 'ours' || (claim.kind === 'unsupported' && options.exclusive)) return undefined
    const message = claim.kind === 'foreign' ? foreignMessage(server, claim.owner) : unsupportedMessage(server)
    return failed('foreign-installation', message)
  }

  /** Puts our mark in the place of any other. */
  async function claim(): Promise<GateInput> {
    try {
      const claimed = await driver.claim(options.installation, { replace: true })
      switch (claimed.kind) {
        case 'ours': {
          if (claimed.previous === undefined) return { kind: 'claimed' }
          logger.warn({ server, previous: claimed.previous }, 'the mark of another installation was replaced by ours')
          return { kind: 'claimed', previous: claimed.previous }
        }
        case 'foreign':
          return failed('foreign-installation', foreignMessage(server, claimed.owner))
        case 'unsupported':
          return failed('foreign-installation', unsupportedMessage(server))
        default:
          return claimed satisfies never
      }
    } catch (error) {
      return failed(gateCodeOf(error), messageOf(error))
    }
  }

  /** A server may say that it has what it had before, and serve nobody: the driver makes sure that it does. */
  async function reviveOnce(): Promise<void> {
    if (!mustRevive) return
    if (driver.revive !== undefined) {
      logger.warn({ server }, 'a write was interrupted; making sure that the server serves')
      await driver.revive()
    }
    mustRevive = false
  }

  async function readLive(effect: Extract<AnsweredEffect, { kind: 'readLive' }>): Promise<GateInput> {
    try {
      // A recovery may revive the server, restore and persist: all of them are writes.
      const problem = effect.toWrite || effect.recovering ? await writeProblem() : undefined
      if (problem !== undefined) {
        failure = undefined
        return problem
      }
      if (effect.recovering) await reviveOnce()
      last = await options.read()
      failure = undefined
      const live: Record<string, string> = {}
      for (const [scope, content] of last.contents) live[scope] = content.fingerprint
      const mixed = effect.recovering ? { mixed: mixedScopes(journal.openCommit(), last) } : {}
      return { kind: 'read', live, normal: options.isNormal(effect.relationship, last), ...mixed }
    } catch (error) {
      failure = error
      const code = gateCodeOf(error)
      if (code === 'internal') logger.error({ server, err: error }, 'reading the server failed unexpectedly')
      return { kind: 'readFailed', code, message: messageOf(error) }
    }
  }

  /** The contents to write, with what is ignored of them as the server has it. */
  function driverWrites(effect: Extract<AnsweredEffect, { kind: 'write' }>, from: Observation): readonly ScopeWrite[] {
    return effect.writes.map(({ scope, fingerprint }) => {
      if (fingerprint === undefined) return { scope: scope as ScopeKey }
      const content = journalContent(fingerprint)
      if (content === undefined) throw new Error(`the journal lacks the content ${fingerprint} of ${scope}`)
      const key = scope as ScopeKey
      const fields = from.fieldsOf(key)
      const live = from.snapshot.scopes.get(key)
      const wanted = scopeOf(content)
      return { scope: key, wanted: fields.length === 0 ? wanted : mergeIgnored(wanted, live, fields) }
    })
  }

  async function write(effect: Extract<AnsweredEffect, { kind: 'write' }>): Promise<GateInput> {
    if (last === undefined) throw new Error('a write without a read before it')
    const { snapshot } = last
    const writes = driverWrites(effect, last)
    logger.info({ server, scopes: writes.length }, 'writing scopes')
    try {
      const result = await driver.apply(snapshot, writes)
      if (result.kind === 'applied') {
        note(() => journal.mark('written'))
        return { kind: 'writeAnswered', answer: { kind: 'applied', ...overwrittenIn(result) } }
      }
      logger.warn({ server, result: result.kind, reason: result.message }, 'the server did not take the scopes')
      return { kind: 'writeAnswered', answer: result }
    } catch (error) {
      const answer = writeFailure(error)
      logger.error({ server, err: error, answer: answer.kind }, 'writing to the server failed')
      return { kind: 'writeAnswered', answer }
    }
  }

  function overwrittenIn({ overwrote = [] }: Extract<ApplyResult, { kind: 'applied' }>) {
    if (overwrote.length === 0) return {}
    logger.error({ server, overwrote }, 'edits of this moment were overwritten')
    return { overwrote: Object.fromEntries(overwrote.map((edit) => [edit.scope, overwrittenMessage(edit)])) }
  }

  async function persist(again: boolean): Promise<GateInput> {
    let message: string | undefined
    let overwrote: string | undefined
    try {
      // Since the write that could not be persisted, somebody else may have claimed the server.
      const problem = again ? await writeProblem() : undefined
      if (problem !== undefined) return { kind: 'persistAnswered', persisted: false, message: problem.message }
      const result = await driver.persist()
      if (result.kind === 'not-persisted') message = result.message
      else overwrote = result.overwrote
      if (result.kind === 'persisted' && result.note !== undefined)
        logger.warn({ server, reason: result.note }, 'persisted, with a reservation')
    } catch (error) {
      message = messageOf(error)
    }
    if (message !== undefined) logger.warn({ server, reason: message }, 'what runs on the server is not persisted')
    note(() => {
      if (message === undefined) journal.mark('persisted')
      journal.setUnpersisted(message)
    })
    if (overwrote !== undefined) logger.error({ server, reason: overwrote }, 'an edit of this moment was overwritten')
    return {
      kind: 'persistAnswered',
      persisted: message === undefined,
      ...(message === undefined ? {} : { message }),
      ...(overwrote === undefined ? {} : { overwrote }),
    }
  }

  return {
    lastRead: () => last,
    lastFailure: () => failure,
    async perform(effect) {
      switch (effect.kind) {
        case 'storeEpoch':
          return journalled(() => {
            journal.storeAuthority(effect.relationship, effect.authority, now())
            return { kind: 'epochStored' }
          })
        case 'lookUp':
          return journalled(() => {
            const found = journal.result(effect.relationship, effect.job)
            return { kind: 'lookedUp', results: found === undefined || found === 'open' ? [] : found.results }
          })
        case 'readLive':
          return await readLive(effect)
        case 'journalBegin':
          return journalled(() => {
            const { intents } = effect.commit
            journal.begin(effect.commit, texts(intents.flatMap(({ preImage, wanted }) => [preImage, wanted])), now())
            return { kind: 'begun' }
          })
        case 'write':
          return await write(effect)
        case 'persist':
          return await persist(effect.again === true)
        case 'claim':
          return await claim()
        case 'journalEnd':
          return journalled(() => {
            const serial = journal.end(
              effect,
              effect.bases,
              texts(effect.bases.map(({ fingerprint }) => fingerprint)),
              now(),
            )
            return { kind: 'ended', serial }
          })
        case 'storeBases':
          return journalled(() => {
            const { relationship, epoch, scopes } = effect
            const found = texts(scopes.map(({ fingerprint }) => fingerprint))
            return { kind: 'basesStored', ...journal.bases.agree(relationship, epoch, scopes, found, now()) }
          })
        default:
          return effect satisfies never
      }
    },
  }
}
