// Manifests as a run sees them.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { ignoresExactly, type ManifestPage, type ManifestRow } from '#contracts/gate.ts'
import type { GateClient, Manifest } from '#messaging/gate-client.ts'
import type { Side } from '#protocol/job-types.ts'
import { READ_TIMEOUT_MS, SettingsDiffer } from './disposition.ts'

/** Throws {@link SettingsDiffer}. */
export function sideOf(manifest: Manifest, policy: Pick<RelationshipPolicy, 'name' | 'ignore'>): Side {
  const { failover, authority, server, ignored = [] } = manifest.page
  if (!ignoresExactly(manifest.page, policy.ignore))
    throw new SettingsDiffer(server, policy.name, ignored, policy.ignore)
  return {
    rows: manifest.page.rows,
    normal: failover.state === 'normal',
    state: failover.nativeState || failover.state,
    ...(authority === undefined ? {} : { authority }),
  }
}

/** The rows of all pages that follow `first`; `undefined` where the server was read again in between. */
export async function allRows(
  gateClient: GateClient,
  server: string,
  relationship: string,
  first: ManifestPage,
): Promise<ManifestRow[] | undefined> {
  const rows = [...first.rows]
  for (let cursor = first.next; cursor !== undefined; ) {
    const body = { relationship, fresh: false, cursor }
    const page = await gateClient.request(server, 'manifest', body, { timeoutMs: READ_TIMEOUT_MS })
    if (page.revision !== first.revision) return undefined
    rows.push(...page.rows)
    cursor = page.next
  }
  return rows
}
