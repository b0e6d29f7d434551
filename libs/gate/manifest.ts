// The manifest of one relationship at one server, in pages.

import type { GateRequests, GateResponses, ManifestPage, ManifestRow } from '#contracts/gate.ts'
import { MAX_PART_BYTES } from '#contracts/streams.ts'
import type { ScopeContent } from '#dhcp/fingerprint.ts'
import type { DiscoveredRelationship } from '#dhcp/relationship.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import type { GateAuthority } from '#protocol/gate-types.ts'
import { isForgotten } from './bases.ts'
import type { Journal } from './journal.ts'
import { type Fields, maskedFingerprint } from './masks.ts'
import type { Observation } from './observation.ts'

export type Manifest = Omit<ManifestPage, 'next'>

/** What a manifest is made of, beside the journal. */
export type ManifestSource = {
  readonly server: string
  /** The relationship's name in the configuration, or as discovered. */
  readonly relationship: string
  readonly discovered: DiscoveredRelationship | undefined
  readonly observation: Observation
  readonly authority: GateAuthority | undefined
  /** What the relationship ignores. */
  readonly fields: Fields
  /** The same as the configuration has it. */
  readonly ignored: readonly string[]
  /** How long it is remembered that both sides agreed on a scope not being there. Milliseconds. */
  readonly retentionMs: number
}

export function manifestOf(source: ManifestSource, journal: Journal): Manifest {
  const { server, discovered, observation, authority, ignored } = source
  const since = discovered === undefined ? undefined : journal.seen.stateSince(discovered.name)
  return {
    server,
    revision: observation.revision,
    readAt: observation.readAt,
    version: observation.version,
    failover: { state: discovered?.state ?? 'unknown', nativeState: discovered?.nativeState ?? 'unknown' },
    ...(since === undefined ? {} : { failoverSince: since }),
    ...(authority === undefined ? {} : { authority: { side: authority.side, epoch: authority.epoch } }),
    rows: rowsOf(source, journal),
    provides: [...observation.provides].sort(),
    ...(ignored.length === 0 ? {} : { ignored: [...ignored].sort() }),
  }
}

function rowsOf(
  { relationship, discovered, observation, fields, retentionMs }: ManifestSource,
  journal: Journal,
): ManifestRow[] {
  const keptSince = new Date(Date.parse(observation.readAt) - retentionMs).toISOString()
  const known = [...journal.bases.of(relationship)]
  const isThere = (scope: string) => observation.contents.has(scope as ScopeKey)
  const bases = new Map(known.filter(([scope, base]) => isThere(scope) || !isForgotten(base, keptSince)))
  // Agreed on before a field was ignored, it is compared without that field all the same.
  const maskedBase = (fingerprint: string) => maskedFingerprint(journal, fingerprint, fields)
  const dirty = journal.marks.dirty(relationship)
  const restored = journal.marks.restored(relationship)
  const present = [...observation.contents.keys(), ...observation.unreplicable.keys()]
  const listed = discovered === undefined ? [] : discovered.scopes
  const members = new Set<string>(listed === 'all' ? present : listed)
  const member = present.filter((scope) => members.has(scope))
  const scopes = [...new Set<string>([...member, ...bases.keys(), ...restored.keys()])].sort()
  return scopes.map((scope) => {
    const live = observation.contents.get(scope as ScopeKey)?.fingerprint
    const base = bases.get(scope)
    const seen = journal.seen.of(scope)
    const current = seen !== undefined && seen.fingerprint === live ? seen : undefined
    const agreed = base?.fingerprint === undefined ? undefined : maskedBase(base.fingerprint)
    const isBase = base !== undefined && agreed === live
    const regressed = current?.afterRestart === true && journal.bases.isEarlier(relationship, scope, live)
    const unreplicable = observation.unreplicable.get(scope as ScopeKey)
    const mark = restored.get(scope)
    const writer = current === undefined ? undefined : journal.marks.writer(scope)
    return {
      scope,
      ...(live === undefined ? {} : { live }),
      ...(current === undefined ? {} : { since: current.since }),
      ...(agreed === undefined ? {} : { base: agreed }),
      ...(base === undefined ? {} : { baseEpoch: base.epoch, baseSerial: base.serial }),
      ...(regressed ? { regressed } : {}),
      ...(current?.afterRestart === true && journal.seen.wasBefore(scope, live) ? { returned: true } : {}),
      // What both sides have agreed on since is nobody's lone change any more.
      ...(current?.alone === true && !isBase ? { changedAlone: true } : {}),
      ...(dirty.has(scope) ? { dirty: true } : {}),
      ...(mark === undefined ? {} : { restored: mark }),
      // Seen anew since that write: somebody else has changed it, even if it is the same again.
      ...(writer !== undefined && writer.revision === current?.revision ? { writtenBy: writer.job } : {}),
      ...(unreplicable === undefined ? {} : { unreplicable }),
    }
  })
}

/** Whole manifests between the first and the last of their pages; a few, so that callers do not disturb each other. */
const KEPT_MANIFESTS = 8

export type ManifestPages = {
  first(manifest: Manifest): ManifestPage
  /** `undefined`: that manifest is not kept any more; begin again. */
  next(cursor: string): ManifestPage | undefined
}

/** A cursor is the index of the page's first row and the name of the kept manifest; opaque to callers. */
export function createManifestPages(maxBytes = MAX_PART_BYTES): ManifestPages {
  const kept = new Map<string, Manifest>()
  let count = 0

  function page(id: string, manifest: Manifest, from: number): ManifestPage {
    const { rows, provides = [], ...head } = manifest
    const shown: ManifestRow[] = []
    // Only the first page says what the server provides.
    const extras = from === 0 ? { provides } : {}
    let size = Buffer.byteLength(JSON.stringify({ ...head, ...extras })) + 200
    let index = from
    for (; index < rows.length; index++) {
      const row = rows[index] as ManifestRow
      size += Buffer.byteLength(JSON.stringify(row)) + 1
      if (size > maxBytes && shown.length > 0) break
      shown.push(row)
    }
    const next = index < rows.length ? { next: `${index}:${id}` } : {}
    return { ...head, rows: shown, ...extras, ...next }
  }

  return {
    first(manifest) {
      const id = `${manifest.revision}:${++count}`
      const first = page(id, manifest, 0)
      if (first.next === undefined) return first
      kept.set(id, manifest)
      for (const key of kept.keys()) if (kept.size > KEPT_MANIFESTS) kept.delete(key)
      return first
    },
    next(cursor) {
      const colon = cursor.indexOf(':')
      const from = Number(cursor.slice(0, colon))
      const id = cursor.slice(colon + 1)
      const manifest = kept.get(id)
      if (manifest === undefined || !Number.isSafeInteger(from) || from < 0 || from > manifest.rows.length)
        return undefined
      return page(id, manifest, from)
    },
  }
}

/** One page of contents, from the scope that `cursor` names the index of. */
export function contentPage(
  request: GateRequests['read'],
  revision: number,
  find: (scope: string) => ScopeContent | undefined,
  maxBytes = MAX_PART_BYTES,
): GateResponses['read'] {
  const contents: GateResponses['read']['contents'] = []
  let index = request.cursor === undefined ? 0 : Number(request.cursor)
  if (!Number.isSafeInteger(index) || index < 0) index = 0
  for (let size = 200; index < request.scopes.length; index++) {
    const scope = request.scopes[index] as string
    const content = find(scope)
    // Texts are JSON inside JSON: quotes are escaped on the way.
    size += 40 + (content === undefined ? 0 : 100 + Buffer.byteLength(JSON.stringify(content.text)))
    if (size > maxBytes && contents.length > 0) break
    contents.push({ scope, ...(content === undefined ? {} : { content }) })
  }
  return { revision, contents, ...(index < request.scopes.length ? { next: String(index) } : {}) }
}
