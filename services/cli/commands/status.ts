// The state of every relationship, or of one.

import { COMMON_HELP, COMMON_OPTIONS, type Command, parse, scopesOf, UsageError } from '#cli/command.ts'
import { exitOfSync, mostSevere } from '#cli/exit-codes.ts'
import { renderRelationships } from '#cli/render.ts'
import { renderScopeWhy, renderWhy } from '#cli/render-why.ts'
import { scopesNamed } from '#contracts/scope-ids.ts'
import type { RelationshipDetail, ScopeView } from '#contracts/status-api.ts'
import { suggestion } from '#service-host/nearest.ts'

const OPTIONS = {
  ...COMMON_OPTIONS,
  why: { type: 'boolean', default: false },
  scope: { type: 'string', multiple: true },
} as const

const HELP = `twinscope status [RELATIONSHIP] [--why] [--scope ID,ID]

Sync state, authoritative side, mode, failover state and waiting jobs of each relationship.

  --why            the reason for everything that is not in sync, held, paused, waiting or unknown; with
                   RELATIONSHIP also why nothing was written for the scopes that are in sync
  --scope ID,ID    why these scopes of RELATIONSHIP are as they are; the exit code is theirs
${COMMON_HELP}

Examples
  twinscope status
  twinscope status dhcp1-dhcp2 --why
  twinscope status dhcp1-dhcp2 --scope 10.0.10.0

Exit codes: 0 in sync, 1 error, or a state is unknown, 2 usage, 3 out of sync, 4 conflict`

function named({ name, scopes }: RelationshipDetail, texts: readonly string[]): readonly ScopeView[] {
  const keys = scopes.map(({ scope }) => scope)
  const wanted = new Set(
    texts.flatMap((text) => {
      const found = scopesNamed(text, keys)
      if (found.length > 0) return found
      const ids = scopes.map(({ scopeId }) => scopeId)
      throw new UsageError(`${name} has no scope ${text}.${suggestion(text, ids)}`)
    }),
  )
  return scopes.filter(({ scope }) => wanted.has(scope))
}

export const statusCommand: Command = {
  name: 'status',
  summary: 'sync state of the relationships; --why for the reasons',
  options: OPTIONS,
  help: HELP,
  async run(args, { api, terminal }) {
    const { values, positionals } = parse(args, OPTIONS, { least: 0, most: 1, names: 'RELATIONSHIP' })
    const [name] = positionals
    const texts = scopesOf(values.scope)
    if (texts !== undefined && name === undefined) throw new UsageError('--scope needs a RELATIONSHIP before it')
    const client = api(values.url)
    const detail = name === undefined ? undefined : await client.relationship(name)
    if (texts !== undefined && detail !== undefined) {
      const scopes = named(detail, texts)
      if (values.json) terminal.out(JSON.stringify({ items: scopes }, undefined, 2))
      else for (const scope of scopes) terminal.out(renderScopeWhy(detail.name, scope))
      return mostSevere([
        ...scopes.map(({ sync }) => exitOfSync(sync)),
        ...(detail.sync === 'unknown' ? [exitOfSync('unknown')] : []),
      ])
    }
    const relationships = detail === undefined ? await client.relationships() : [detail]
    if (values.json) terminal.out(JSON.stringify(detail ?? { items: relationships }, undefined, 2))
    else if (relationships.length === 0) {
      terminal.err('No failover relationship is known: none is in the configuration, and no watcher has reported one.')
    } else {
      terminal.out(renderRelationships(relationships))
      const why = relationships.flatMap(renderWhy)
      if (values.why && why.length > 0) terminal.out(`\n${why.join('\n')}`)
      if (values.why && detail !== undefined) {
        const inSync = detail.scopes.filter(({ sync }) => sync === 'in-sync')
        for (const scope of inSync) terminal.out(renderScopeWhy(detail.name, scope))
      }
      if (!values.why && why.length > 0) terminal.err('(--why says why)')
    }
    return mostSevere(relationships.map(({ sync }) => exitOfSync(sync)))
  },
}
