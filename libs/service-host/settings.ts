// Settings of the environment, declared once: name, meaning, unit, range, default.

import { resolve } from 'node:path'

export type Setting<T> = {
  readonly description: string
  /** In the form of the environment; absent: the setting must be given. */
  readonly default?: string
  /** The value, or what was expected. */
  readonly parse: (text: string) => { readonly ok: T } | { readonly expected: string }
}

function text(description: string, fallback?: string): Setting<string> {
  return {
    description,
    ...(fallback === undefined ? {} : { default: fallback }),
    parse: (given) => ({ ok: given }),
  }
}

function path(description: string, fallback: string): Setting<string> {
  return { description, default: fallback, parse: (given) => ({ ok: resolve(given) }) }
}

function integer(description: string, fallback: number, min: number, max: number): Setting<number> {
  return {
    description,
    default: String(fallback),
    parse: (given) => {
      const value = Number(given)
      if (/^\d+$/.test(given) && value >= min && value <= max) return { ok: value }
      return { expected: `a whole number from ${min} to ${max}` }
    },
  }
}

function url(description: string, fallback: string, protocols: readonly string[]): Setting<string> {
  return {
    description,
    default: fallback,
    parse: (given) => {
      const good = given
        .split(',')
        .every((part) => URL.canParse(part) && protocols.includes(new URL(part).protocol.replace(':', '')))
      return good
        ? { ok: given }
        : { expected: `a URL that begins with ${protocols.map((p) => `${p}://`).join(' or ')}` }
    },
  }
}

function oneOf<const T extends string>(description: string, values: readonly T[], fallback: T): Setting<T> {
  return {
    description,
    default: fallback,
    parse: (given) => {
      const value = values.find((known) => known === given)
      return value === undefined ? { expected: `one of ${values.join(', ')}` } : { ok: value }
    },
  }
}

function list(description: string): Setting<readonly string[]> {
  const names = (given: string) => given.split(',').map((name) => name.trim())
  return { description, default: '', parse: (given) => ({ ok: names(given).filter((name) => name !== '') }) }
}

export const SETTINGS = {
  NATS_URL: url('Where NATS is; several servers separated by commas', 'nats://127.0.0.1:4222', ['nats', 'tls']),
  TWINSCOPE_NATS_REPLICAS: integer('Copies of each stream in a NATS cluster', 1, 1, 5),
  REDIS_URL: url('Where Redis is', 'redis://127.0.0.1:6379', ['redis', 'rediss']),
  TWINSCOPE_CONFIG: path('The YAML file with servers, relationships and policies', 'twinscope.yaml'),
  TWINSCOPE_STATE_DIR: path(
    'Directory of what a service keeps: the journals of the watcher, the view of the status service',
    '.twinscope',
  ),
  TWINSCOPE_SERVERS: list('Servers that this watcher serves, separated by commas. Default: all of the configuration'),
  TWINSCOPE_LOG_LEVEL: oneOf(
    'Least severe level that is logged',
    ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    'info',
  ),
  TWINSCOPE_HEALTH_PORT: integer('TCP port of /livez, /readyz and /metrics; 0 takes a free one', 0, 0, 65_535),
  TWINSCOPE_PROBE_MS: integer('Milliseconds between two cheap looks of the watcher at a DHCP server', 200, 50, 60_000),
  TWINSCOPE_FULL_READ_SECONDS: integer(
    'Seconds after which the watcher reads a DHCP server in full without any other reason',
    30,
    1,
    86_400,
  ),
  TWINSCOPE_HTTP_HOST: text('Address on which the status service listens', '127.0.0.1'),
  TWINSCOPE_HTTP_PORT: integer('TCP port of the status service; 0 takes a free one', 8420, 0, 65_535),
  TWINSCOPE_LOCK_TTL_MS: integer(
    'Milliseconds after which the lock of a replicator that died is free',
    30_000,
    300,
    600_000,
  ),
  TWINSCOPE_ACK_WAIT_MS: integer(
    'Milliseconds after which NATS gives a message to another replicator, where the first died or hangs',
    30_000,
    500,
    600_000,
  ),
  TWINSCOPE_GATE_TIMEOUT_MS: integer(
    'Milliseconds that a replicator waits at most for any answer of a watcher; loading thousands of scopes takes long',
    120_000,
    500,
    600_000,
  ),
  TWINSCOPE_REGISTRATION_MS: integer(
    'Milliseconds after which a watcher that does not renew its registration counts as gone',
    20_000,
    500,
    20_000,
  ),
  TWINSCOPE_JOURNAL_DAYS: integer(
    'Days for which a watcher keeps what was there before each write, so that it can be restored',
    90,
    1,
    3_650,
  ),
  TWINSCOPE_COVER_MS: integer(
    'Milliseconds after which a server is written again that serves alone for a partner whose write never ended',
    30_000,
    500,
    600_000,
  ),
  TWINSCOPE_RECONCILE_SECONDS: integer('Seconds between two comparisons of each relationship', 60, 1, 86_400),
} as const satisfies Record<string, Setting<unknown>>

type ValueOf<S> = S extends Setting<infer T> ? T : never
export type Settings<Spec extends Record<string, Setting<unknown>>> = { readonly [K in keyof Spec]: ValueOf<Spec[K]> }

export class SettingsError extends Error {
  readonly problems: readonly string[]
  constructor(problems: readonly string[]) {
    super(`settings of the environment are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.name = 'SettingsError'
    this.problems = problems
  }
}

/** Reads the settings of a spec, all of {@link SETTINGS} or a part of it; names every problem in one error. */
export function readSettings<Spec extends Record<string, Setting<unknown>>>(
  spec: Spec,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Settings<Spec> {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, setting] of Object.entries(spec)) {
    const given = environment[name]
    const value = given === undefined || given === '' ? setting.default : given
    if (value === undefined) {
      problems.push(`${name} is missing: ${setting.description}`)
      continue
    }
    const parsed = setting.parse(value)
    if ('ok' in parsed) values[name] = parsed.ok
    else problems.push(`${name}="${value}": expected ${parsed.expected}`)
  }
  if (problems.length > 0) throw new SettingsError(problems)
  return values as Settings<Spec>
}
