// The YAML file: servers, relationships, policies. Loading, defaults and error messages
// with line numbers are in libs/service-host/configuration.ts.

import { type Static, Type } from 'typebox'
import { DEFAULT_LIMITS, type DecisionPolicy, type SafetyLimits } from '#plan/policy.ts'
import { ALWAYS, type MaintenanceWindows } from '#plan/windows.ts'

const Duration = Type.String({
  pattern: '^\\d+(ms|s|m|h)$',
  description: 'A number and `ms`, `s`, `m` or `h`: `500ms`, `2s`',
})
const Ratio = Type.Number({ minimum: 0, maximum: 1 })
const ServerName = Type.String({ minLength: 1, maxLength: 253, pattern: '^[^\\s*>]+$' })

const KeaServer = Type.Object(
  {
    name: ServerName,
    kind: Type.Literal('kea'),
    control: Type.String({
      pattern: '^(unix:/.+|https?://.+)$',
      description: '`unix:/path/of/socket` or the URL of the control agent (2.x) or HTTP control socket (3.x)',
    }),
    'config-file': Type.Optional(
      Type.String({ pattern: '^/', description: "Kea's configuration file, where the watcher runs on Kea's host" }),
    ),
    exclusive: Type.Optional(
      Type.Boolean({
        description:
          'No other Twinscope writes to this server. Default false. Needed for writing where `config-file` is absent',
      }),
    ),
    'accept-rewrite': Type.Optional(
      Type.Boolean({
        description:
          'Let Kea rewrite a file that has comments or includes; the original is kept beside it. Default false',
      }),
    ),
    'user-file': Type.Optional(Type.String({ description: 'File with `user:password` for HTTP basic authentication' })),
  },
  { additionalProperties: false },
)

const SimulatedServer = Type.Object(
  {
    name: ServerName,
    kind: Type.Literal('simulated'),
    control: Type.String({ pattern: '^http://' }),
    exclusive: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

const WindowsServer = Type.Object(
  {
    name: ServerName,
    kind: Type.Literal('windows'),
    transport: Type.Unsafe<'local' | 'ssh'>(Type.String({ enum: ['local', 'ssh'] })),
    ssh: Type.Optional(
      Type.Object(
        { host: Type.String(), user: Type.String(), 'key-file': Type.String(), 'host-key': Type.String() },
        { additionalProperties: false },
      ),
    ),
    exclusive: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
)

export const ServerConfig = Type.Union([KeaServer, SimulatedServer, WindowsServer])
export type ServerConfig = Static<typeof ServerConfig>

export const RelationshipConfig = Type.Object(
  {
    name: ServerName,
    servers: Type.Array(ServerName, { minItems: 2, maxItems: 2 }),
    authority: ServerName,
    mode: Type.Optional(
      Type.Unsafe<'automatic' | 'manual' | 'observe'>(Type.String({ enum: ['automatic', 'manual', 'observe'] })),
    ),
    'quiet-period': Type.Optional(Duration),
    'soak-delay': Type.Optional(Duration),
    // Their grammar is in libs/plan/window-grammar.ts.
    'allow-windows': Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    'freeze-windows': Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    'time-zone': Type.Optional(Type.String({ minLength: 1 })),
    ignore: Type.Optional(Type.Array(Type.String({ minLength: 1 }))),
    'on-foreign-edit': Type.Optional(Type.Unsafe<'hold' | 'revert'>(Type.String({ enum: ['hold', 'revert'] }))),
    'on-conflict': Type.Optional(
      Type.Unsafe<'hold' | 'authority-wins'>(Type.String({ enum: ['hold', 'authority-wins'] })),
    ),
    prune: Type.Optional(Type.Unsafe<'off' | 'ask' | 'on'>(Type.String({ enum: ['off', 'ask', 'on'] }))),
    'on-authority-loss': Type.Optional(Type.Unsafe<'hold' | 'agree'>(Type.String({ enum: ['hold', 'agree'] }))),
    limits: Type.Optional(
      Type.Object(
        {
          'delete-ratio': Type.Optional(Ratio),
          'update-ratio': Type.Optional(Ratio),
          'min-objects': Type.Optional(Type.Integer({ minimum: 0 })),
          'scopes-ratio': Type.Optional(Ratio),
          'max-scope-deletes': Type.Optional(Type.Integer({ minimum: 0 })),
        },
        { additionalProperties: false },
      ),
    ),
  },
  { additionalProperties: false },
)
export type RelationshipConfig = Static<typeof RelationshipConfig>

export const ConfigurationFile = Type.Object(
  {
    servers: Type.Array(ServerConfig, { minItems: 1 }),
    relationships: Type.Optional(Type.Array(RelationshipConfig)),
  },
  { additionalProperties: false },
)
export type ConfigurationFile = Static<typeof ConfigurationFile>

/** A relationship's policy with every default filled in. */
export type RelationshipPolicy = DecisionPolicy & {
  readonly name: string
  readonly servers: readonly [string, string]
  readonly authority: string
  /** Default `observe`. */
  readonly mode: 'automatic' | 'manual' | 'observe'
  /** Milliseconds a scope must have been unchanged before it is replicated. Default 2000; 0 allowed. */
  readonly quietPeriodMs: number
  /**
   * Milliseconds a scope must have been unchanged before an automatic job copies it; counted from the last change, as
   * the quiet period is, so the longer of the two counts. Default 0.
   */
  readonly soakDelayMs: number
  /** When it may be written; default: always. */
  readonly windows: MaintenanceWindows
  /** Fields that each server keeps for itself. Default none. */
  readonly ignore: readonly string[]
  /**
   * When the authority's record in NATS is lost but the gates know it: `hold` (default) waits for an operator,
   * `agree` restores it where both gates name the same side and epoch.
   */
  readonly onAuthorityLoss: 'hold' | 'agree'
  readonly limits: SafetyLimits
}

/** What holds for a relationship that says nothing but its name, its servers and its authority. */
export const DEFAULT_POLICY: Omit<RelationshipPolicy, 'name' | 'servers' | 'authority'> = {
  mode: 'observe',
  quietPeriodMs: 2_000,
  soakDelayMs: 0,
  windows: ALWAYS,
  ignore: [],
  onForeignEdit: 'hold',
  onConflict: 'hold',
  prune: 'ask',
  onAuthorityLoss: 'hold',
  limits: DEFAULT_LIMITS,
}

/** A configuration after validation. */
export type Configuration = {
  readonly servers: readonly ServerConfig[]
  readonly relationships: readonly RelationshipPolicy[]
}
