// The report of a first contact: everything that differs, grouped, with the direction in words.

import type { PlannedScopeView, RelationshipDetail, RelationshipPlan } from '#contracts/status-api.ts'
import { plural } from './render.ts'

export function isFirstContact(code: string): boolean {
  return code === 'first-contact'
}

function counts({ counts: { added, updated, deleted } }: PlannedScopeView): string {
  return `+${added} ~${updated} -${deleted}`
}

function scopeLines(scopes: readonly PlannedScopeView[], verbose: boolean): readonly string[] {
  const width = Math.max(0, ...scopes.map(({ scopeId }) => scopeId.length))
  return scopes.flatMap((scope) => [
    `      ${scope.scopeId.padEnd(width)}  ${counts(scope)}${isFirstContact(scope.code) || scope.code === 'created' ? '' : `  (${scope.code})`}`,
    ...(verbose ? scope.changes.map((change) => `          ${change}`) : []),
    // The hold of the first contact is what the report is about; what else holds a scope has to be seen.
    ...scope.obstacles
      .filter(({ code }) => !isFirstContact(code))
      .map(({ message, approvable }) => `          ! ${message}${approvable ? '' : ' (no approval removes this)'}`),
  ])
}

export function renderOnboarding(relationship: RelationshipDetail, plan: RelationshipPlan, verbose: boolean): string {
  const { source, target } = plan
  if (plan.failure !== undefined) return `${plan.relationship}: no report: ${plan.failure.message}`
  const created = plan.scopes.filter(({ action }) => action === 'create')
  const differing = plan.scopes.filter(({ action }) => action === 'update')
  const deleted = plan.scopes.filter(({ action }) => action === 'delete')
  const overwritten =
    differing.length === 0 ? '' : `; ${target}'s settings of ${plural(differing.length, 'scope')} are overwritten`
  const lines = [
    `${plan.relationship}, mode ${relationship.mode}`,
    `Direction: ${source} → ${target}: the settings of ${source} are copied${overwritten}.`,
    `The other way round: twinscope authority move ${plan.relationship} --to ${target}`,
    '',
    `  equal on both: ${plural(plan.inSyncCount, 'scope')}`,
  ]
  const group = (title: string, scopes: readonly PlannedScopeView[]) => {
    if (scopes.length > 0) lines.push(`  ${title}: ${plural(scopes.length, 'scope')}`, ...scopeLines(scopes, verbose))
  }
  group(`different, overwritten on ${target}`, differing)
  group(`only on ${source}, created on ${target}`, created)
  group(`deleted on ${source}, deleted on ${target} too`, deleted)
  if (plan.shown.length > 0) {
    lines.push(`  only on ${target}, not touched: ${plural(plan.shown.length, 'scope')}`)
    for (const { scopeId, message } of plan.shown) lines.push(`      ${scopeId}  ${message}`)
  }
  for (const note of plan.notes) lines.push(`  note: ${note}`)
  return lines.join('\n')
}

/** What makes an observed relationship replicate. */
export function yamlFor(relationship: RelationshipDetail): string {
  const servers = relationship.partners.map(({ server }) => server)
  const authority = relationship.authority?.side ?? servers[0] ?? 'SERVER'
  return [
    '',
    '  relationships:',
    `    - name: ${relationship.name}`,
    `      servers: [${servers.join(', ')}]`,
    `      authority: ${authority}   # the side whose settings are copied`,
    '      mode: automatic   # or manual: changes are only shown, and copied on request',
    '',
  ].join('\n')
}
