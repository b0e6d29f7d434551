// Per server and scope: what it was, from when to when, and by whose hand. Read from the server's own log.

import { type LogLine, TWINSCOPE } from './evidence.ts'

/** `absent`: the scope was not there. */
export type Content = string | undefined

export type Version = {
  readonly content: Content
  readonly fromMs: number
  /** `restart`: the server came up with it. */
  readonly by: 'start' | 'operator' | 'twinscope' | 'restart'
}

export type History = readonly Version[]

/** A write of Twinscope that changed one scope. */
export type Written = {
  readonly scope: string
  readonly atMs: number
  readonly before: Content
  readonly after: Content
  /** What the scope was in the configuration that the writer had read; `unknown`: the server was restarted since. */
  readonly seen: Content | 'unknown'
  /** Whether Twinscope wrote to this server between this write and the read before it. */
  readonly isInterleaved: boolean
}

/** A write that changed nothing though its author had read exactly this configuration. */
export type Needless = {
  readonly atMs: number
  /** It repeated the whole, and would be right if something had kept its author from seeing the end of the write then. */
  readonly afterWriteAtMs?: number
}

/** A time in which a server served without its partner. */
export type Alone = { readonly fromMs: number; readonly toMs: number }

export type ServerHistory = {
  readonly scopes: ReadonlyMap<string, History>
  readonly written: readonly Written[]
  readonly needless: readonly Needless[]
  /** In order. */
  readonly alone: readonly Alone[]
}

/** The words of DHCP servers for serving without the partner. */
const ALONE_STATES: ReadonlySet<string> = new Set(['partner-down'])

export function historyOf(log: readonly LogLine[]): ServerHistory {
  const versions = new Map<string, Version[]>()
  const written: Written[] = []
  const needless: Needless[] = []
  const alone: Alone[] = []
  let aloneFromMs: number | undefined
  /** Of Twinscope's last write; and whether its end was not told. */
  let lastWriteAtMs = Number.NEGATIVE_INFINITY
  let isUnanswered = false
  /** Token → how many lines had been there when that configuration began to run. */
  const tokens = new Map<string, number>()
  const current = (scope: string): Content => versions.get(scope)?.at(-1)?.content
  const put = (scope: string, version: Version) => {
    const known = versions.get(scope)
    if (known !== undefined) known.push(version)
    // A scope that comes later was absent at first: a server that is without it again has its old file.
    else if (version.by === 'start') versions.set(scope, [version])
    else versions.set(scope, [{ content: undefined, fromMs: log[0]?.monotonicMs ?? 0, by: 'start' }, version])
  }

  const isAlone = (now: boolean, atMs: number) => {
    if (now) aloneFromMs ??= atMs
    else if (aloneFromMs !== undefined) {
      alone.push({ fromMs: aloneFromMs, toMs: atMs })
      aloneFromMs = undefined
    }
  }

  for (const [index, line] of log.entries()) {
    if (line.kind === 'state') {
      isAlone(ALONE_STATES.has(line.state), line.monotonicMs)
      continue
    }
    if (line.kind === 'unanswered') {
      if (line.who === TWINSCOPE) isUnanswered = true
      continue
    }
    if (line.kind === 'start') {
      isAlone(false, line.monotonicMs)
      for (const scope of new Set([...versions.keys(), ...Object.keys(line.scopes)])) {
        const content = line.scopes[scope]
        const isFirst = index === 0
        if (isFirst || current(scope) !== content)
          put(scope, { content, fromMs: line.monotonicMs, by: isFirst ? 'start' : 'restart' })
      }
      tokens.set(line.token, index)
      continue
    }
    if (line.kind === 'unchanged') {
      if (line.who !== TWINSCOPE) continue
      const isRepeat = line.isWhole === true && isUnanswered
      if (line.readToken === line.token && !isRepeat)
        needless.push({ atMs: line.monotonicMs, ...(line.isWhole && { afterWriteAtMs: lastWriteAtMs }) })
      isUnanswered = false
      continue
    }
    if (line.kind === 'write' && line.who === TWINSCOPE) {
      written.push(writtenAt(log, index, line, tokens))
      lastWriteAtMs = line.monotonicMs
      isUnanswered = false
    }
    const by = line.kind === 'restart' ? 'restart' : line.who === TWINSCOPE ? 'twinscope' : 'operator'
    put(line.scope, { content: line.after, fromMs: line.monotonicMs, by })
    // Several scopes of one write share a token; the configuration is complete with the last of them.
    tokens.set(line.token, index)
  }
  isAlone(false, Number.POSITIVE_INFINITY)
  return { scopes: versions, written, needless, alone }
}

function writtenAt(
  log: readonly LogLine[],
  index: number,
  line: Extract<LogLine, { kind: 'write' | 'restart' }>,
  tokens: ReadonlyMap<string, number>,
): Written {
  const readAt = line.readToken === undefined ? undefined : tokens.get(line.readToken)
  const between = readAt === undefined ? [] : log.slice(readAt + 1, index).filter(({ token }) => token !== line.token)
  const firstOfScope = between.find((other): other is typeof line => 'scope' in other && other.scope === line.scope)
  const isRestarted = readAt === undefined || between.some(({ kind }) => kind === 'start' || kind === 'restart')
  return {
    scope: line.scope,
    atMs: line.monotonicMs,
    before: line.before,
    after: line.after,
    seen: isRestarted ? 'unknown' : firstOfScope === undefined ? line.before : firstOfScope.before,
    isInterleaved: between.some((other) => other.kind === 'write' && other.who === TWINSCOPE),
  }
}

export function lastOf(history: History | undefined): Version | undefined {
  return history?.at(-1)
}

export function contentAt(history: History | undefined, atMs: number): Content {
  return history?.findLast(({ fromMs }) => fromMs <= atMs)?.content
}

/** Whether the scope was `content` at any time from `fromMs` to `toMs`. A scope without a history was never there. */
export function wasBetween(history: History | undefined, content: Content, fromMs: number, toMs: number): boolean {
  if (history === undefined) return content === undefined
  return history.some((version, index) => {
    if (version.content !== content || version.fromMs > toMs) return false
    const endsAtMs = history[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY
    return endsAtMs >= fromMs
  })
}
