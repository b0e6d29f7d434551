// A relationship's policy under the names of the configuration file, defaults filled in.

import type { RelationshipPolicy } from '#contracts/configuration.ts'
import { durationText } from '#contracts/durations.ts'
import type { Relationship } from '#contracts/status-api.ts'

export function policyView(policy: RelationshipPolicy): NonNullable<Relationship['policy']> {
  const { windows, limits } = policy
  return {
    authority: policy.authority,
    mode: policy.mode,
    'quiet-period': durationText(policy.quietPeriodMs),
    'soak-delay': durationText(policy.soakDelayMs),
    'allow-windows': [...windows.allow],
    'freeze-windows': [...windows.freeze],
    'time-zone': windows.timeZone,
    ignore: [...policy.ignore],
    'on-foreign-edit': policy.onForeignEdit,
    'on-conflict': policy.onConflict,
    prune: policy.prune,
    'on-authority-loss': policy.onAuthorityLoss,
    'delete-ratio': limits.maxDeleteRatio,
    'update-ratio': limits.maxUpdateRatio,
    'min-objects': limits.minObjects,
    'scopes-ratio': limits.maxScopesRatio,
    'max-scope-deletes': limits.maxScopeDeletes,
  }
}
