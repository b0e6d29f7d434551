// Loads the YAML file: every problem of the file in one error, each with its line and what was expected.

import { readFileSync } from 'node:fs'
import { isNode, LineCounter, parseDocument, type Document as YamlDocument } from 'yaml'
import {
  type Configuration,
  type ConfigurationFile,
  DEFAULT_POLICY,
  RelationshipConfig,
  type RelationshipPolicy,
  ServerConfig,
} from '#contracts/configuration.ts'
import { shortName } from '#contracts/relationships.ts'
import { checkSchema } from './check-schema.ts'
import { checkIgnored, checkWindows, warnAboutPolicies } from './configuration-policies.ts'
import { suggestion } from './nearest.ts'

export type ConfigurationProblem = {
  readonly file: string
  /** 1 is the first line. */
  readonly line: number
  /** `relationships[0].authority` */
  readonly path: string
  /** What is wrong and what was expected. */
  readonly message: string
}

export class ConfigurationError extends Error {
  readonly problems: readonly ConfigurationProblem[]
  constructor(problems: readonly ConfigurationProblem[]) {
    const lines = problems.map(
      ({ file, line, path, message }) => `${file}:${line}: ${path ? `${path}: ` : ''}${message}`,
    )
    super(lines.join('\n'))
    this.name = 'ConfigurationError'
    this.problems = problems
  }
}

/** A configuration with what is allowed but probably not meant. */
export type LoadedConfiguration = Configuration & {
  readonly file: string
  readonly warnings: readonly ConfigurationProblem[]
}

type Path = readonly (string | number)[]
type Report = (path: Path, message: string) => void

function pathText(path: Path): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('')
}

/** The line of the nearest part of the path that is in the file: a missing key is reported at what lacks it. */
function lineOf(document: YamlDocument, counter: LineCounter, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return counter.linePos(node.range[0]).line
  }
  return 1
}

/** Milliseconds of `500ms`, `2s`, `5m`, `1h`. */
export function parseDuration(text: string): number {
  const match = /^(\d+)(ms|s|m|h)$/.exec(text)
  if (match === null) throw new TypeError(`no duration: ${text}`)
  const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] as 'ms' | 's' | 'm' | 'h']
  return Number(match[1]) * unitMs
}

function durationOf(text: string | undefined, fallbackMs: number): number {
  return text === undefined ? fallbackMs : parseDuration(text)
}

function policyOf(config: RelationshipConfig): RelationshipPolicy {
  const fallback = DEFAULT_POLICY
  const limits = config.limits ?? {}
  const [first, second] = config.servers as [string, string]
  return {
    name: config.name,
    servers: [first, second],
    authority: config.authority,
    mode: config.mode ?? fallback.mode,
    quietPeriodMs: durationOf(config['quiet-period'], fallback.quietPeriodMs),
    soakDelayMs: durationOf(config['soak-delay'], fallback.soakDelayMs),
    windows: {
      allow: config['allow-windows'] ?? fallback.windows.allow,
      freeze: config['freeze-windows'] ?? fallback.windows.freeze,
      timeZone: config['time-zone'] ?? fallback.windows.timeZone,
    },
    ignore: config.ignore ?? fallback.ignore,
    onForeignEdit: config['on-foreign-edit'] ?? fallback.onForeignEdit,
    onConflict: config['on-conflict'] ?? fallback.onConflict,
    prune: config.prune ?? fallback.prune,
    onAuthorityLoss: config['on-authority-loss'] ?? fallback.onAuthorityLoss,
    limits: {
      maxDeleteRatio: limits['delete-ratio'] ?? fallback.limits.maxDeleteRatio,
      maxUpdateRatio: limits['update-ratio'] ?? fallback.limits.maxUpdateRatio,
      minObjects: limits['min-objects'] ?? fallback.limits.minObjects,
      maxScopesRatio: limits['scopes-ratio'] ?? fallback.limits.maxScopesRatio,
      maxScopeDeletes: limits['max-scope-deletes'] ?? fallback.limits.maxScopeDeletes,
    },
  }
}

function checkDuplicates(key: string, named: readonly Named[], report: Report): void {
  const first = new Map<string, number>()
  for (const { name, index } of named) {
    const folded = name.toLowerCase()
    const earlier = first.get(folded)
    if (earlier === undefined) first.set(folded, index)
    else report([key, index, 'name'], `"${name}" is there twice; first as ${key}[${earlier}]. Names must be unique`)
  }
}

/** Names that refer to each other, as far as the file has them: its other problems do not hide these. */
function checkNames(value: unknown, report: Report): void {
  const servers = namedIn(value, 'servers')
  const known = servers.map(({ name }) => name)
  checkDuplicates('servers', servers, report)
  const relationships = namedIn(value, 'relationships')
  checkDuplicates('relationships', relationships, report)
  const pairs = new Map<string, { readonly authority: string; readonly index: number }>()
  for (const { entry, index } of relationships) {
    const at = (...path: Path) => ['relationships', index, ...path]
    const named = Array.isArray(entry.servers) ? entry.servers.filter((name) => typeof name === 'string') : []
    const sides = named.map((name, place) => {
      const resolved = resolveName(known, name)
      if (resolved === undefined) report(at('servers', place), `unknown server "${name}".${suggestion(name, known)}`)
      return resolved ?? name
    })
    if (sides.length !== 2) continue
    if (sides[0] === sides[1]) {
      report(at('servers'), `both servers are "${sides[0]}"; expected the two partners of a failover relationship`)
    }
    if (typeof entry.authority !== 'string') continue
    const authority = resolveName(known, entry.authority)
    if (authority === undefined || !sides.includes(authority)) {
      report(
        at('authority'),
        `"${entry.authority}" is none of its servers; expected ${[...new Set(sides)].join(' or ')}`,
      )
      continue
    }
    const pair = [...sides].sort().join(' ')
    const other = pairs.get(pair)
    if (other === undefined) pairs.set(pair, { authority, index })
    else if (other.authority !== authority) {
      report(
        at('authority'),
        `relationships[${other.index}] is between the same servers and names ${other.authority}; expected one authority for both, or changes would be copied both ways`,
      )
    }
  }
}

function checkPolicies(value: unknown, report: Report): void {
  for (const { entry, index } of namedIn(value, 'relationships')) {
    const reportAt: Report = (path, message) => report(['relationships', index, ...path], message)
    checkWindows(entry, reportAt)
    checkIgnored(entry, reportAt)
  }
}

type Named = { readonly name: string; readonly index: number; readonly entry: Readonly<Record<string, unknown>> }

/** The entries of a list of the file that have a name, with their places. */
function namedIn(value: unknown, key: 'servers' | 'relationships'): readonly Named[] {
  const list = (value as Record<string, unknown> | null)?.[key]
  if (!Array.isArray(list)) return []
  return list.flatMap((entry: unknown, index) => {
    const { name } = (entry ?? {}) as { name?: unknown }
    return typeof name === 'string' ? [{ name, index, entry: entry as Record<string, unknown> }] : []
  })
}

/** A relationship with full server names; the names were checked. */
function withFullNames(relationship: RelationshipConfig, known: readonly string[]): RelationshipConfig {
  const full = (name: string) => resolveName(known, name) ?? name
  return { ...relationship, servers: relationship.servers.map(full), authority: full(relationship.authority) }
}

function warnAbout(file: ConfigurationFile, warn: Report): void {
  file.servers.forEach((server, index) => {
    if (server.kind === 'kea' && server['config-file'] === undefined && server.exclusive !== true) {
      warn(
        ['servers', index],
        `${server.name} can be read, not written: writing needs config-file, or exclusive: true where no other Twinscope writes to it`,
      )
    }
    if (server.kind === 'windows') {
      warn(['servers', index], `${server.name}: the driver for Windows comes with a later version`)
    }
  })
  file.relationships?.forEach((relationship, index) => {
    warnAboutPolicies(relationship, policyOf(relationship), (path, message) =>
      warn(['relationships', index, ...path], message),
    )
  })
}

/** Parses the text of a configuration. `file` is only for messages. Throws {@link ConfigurationError}. */
export function parseConfiguration(text: string, file: string): LoadedConfiguration {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true })
  const syntax = document.errors.map((error) => ({
    file,
    line: counter.linePos(error.pos[0]).line,
    path: '',
    message: `not YAML: ${error.message}`,
  }))
  if (syntax.length > 0) throw new ConfigurationError(syntax)

  const problems: ConfigurationProblem[] = []
  const warnings: ConfigurationProblem[] = []
  const reporter = (to: ConfigurationProblem[]): Report => {
    return (path, message) => to.push({ file, line: lineOf(document, counter, path), path: pathText(path), message })
  }
  const report = reporter(problems)
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  checkSchema(value, { ServerConfig, RelationshipConfig }, report)
  checkNames(value, report)
  checkPolicies(value, report)
  if (problems.length > 0) throw new ConfigurationError(problems.toSorted((a, b) => a.line - b.line))

  const configuration = value as ConfigurationFile
  const known = configuration.servers.map(({ name }) => name)
  const relationships = (configuration.relationships ?? []).map((relationship) => withFullNames(relationship, known))
  warnAbout(configuration, reporter(warnings))
  return { file, servers: configuration.servers, relationships: relationships.map(policyOf), warnings }
}

/** Reads and checks the file. Throws {@link ConfigurationError} with all problems. */
export function loadConfiguration(path: string): LoadedConfiguration {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw new ConfigurationError([{ file: path, line: 1, path: '', message: `${reason}; expected the configuration` }])
  }
  return parseConfiguration(text, path)
}

/**
 * Of `known` names the one that is meant: in full, or by a short name that only one has; as DNS does, without case
 * and with or without the dot at the end.
 */
export function resolveName(known: readonly string[], text: string): string | undefined {
  const wanted = text.toLowerCase().replace(/\.$/, '')
  const exact = known.find((name) => name.toLowerCase() === wanted)
  if (exact !== undefined) return exact
  const short = known.filter((name) => shortName(name).toLowerCase() === wanted)
  return short.length === 1 ? short[0] : undefined
}

/** The server that is meant: its name, or a short name that only one has. `undefined` if none or several. */
export function resolveServerName(config: Pick<Configuration, 'servers'>, text: string): string | undefined {
  return resolveName(
    config.servers.map((server) => server.name),
    text,
  )
}
