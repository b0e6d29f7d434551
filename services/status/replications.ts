// Replications as the API shows them, made of what the ledger says of a job.

import type { Outcome } from '#contracts/messages.ts'
import { scopeIdsOf } from '#contracts/scope-ids.ts'
import type { Replication, ReplicationChild, ReplicationDetail, RunStatus } from '#contracts/status-api.ts'
import { parseScopeKey } from '#dhcp/scope.ts'
import type { LedgerEntry } from './projection.ts'

/** Scope IDs that a row of a list carries. */
const MAX_LISTED_SCOPES = 20

function newest(entry: LedgerEntry): Outcome {
  const outcome = entry.final ?? entry.progress ?? entry.accepted
  if (outcome === undefined) throw new Error(`the view has an empty entry for job ${entry.job}`)
  return outcome
}

function runStatus(outcome: Outcome): RunStatus {
  if (outcome.status !== undefined) return outcome.status
  return outcome.kind === 'final' ? 'failed' : outcome.kind === 'progress' ? 'running' : 'pending'
}

/** Scope IDs; what a refused request asked for may be no scope at all and stays as it was written. */
function scopeTexts(concerned: readonly string[]): string[] {
  const ids = scopeIdsOf(concerned.filter((text) => parseScopeKey(text) !== undefined))
  return concerned.map((text) => ids.get(text) ?? text)
}

export function replicationOf(entry: LedgerEntry): Replication {
  const outcome = newest(entry)
  const { final } = entry
  const requestedScopes = outcome.requestedScopes ?? entry.accepted?.requestedScopes
  const noticedAt = outcome.noticedAt ?? entry.accepted?.noticedAt
  const concerned = outcome.scopes?.map(({ scope }) => scope) ?? requestedScopes ?? []
  const progress = final === undefined ? entry.progress?.progress : undefined
  const target = outcome.target ?? entry.accepted?.target
  const act = outcome.act ?? entry.accepted?.act ?? 'replicate'
  const of = outcome.of ?? entry.accepted?.of ?? outcome.cause.approves
  return {
    job: entry.job,
    level: outcome.level,
    automatic: outcome.automatic,
    ...(outcome.relationship === undefined ? {} : { relationship: outcome.relationship }),
    source: outcome.source,
    ...(target === undefined ? {} : { target }),
    status: runStatus(outcome),
    ...(outcome.code === undefined ? {} : { code: outcome.code }),
    ...(outcome.message === undefined ? {} : { message: outcome.message }),
    cause: outcome.cause,
    ...(requestedScopes === undefined ? {} : { requestedScopes }),
    scopeIds: scopeTexts(concerned.slice(0, MAX_LISTED_SCOPES)),
    scopeCount: outcome.scopeCount ?? concerned.length,
    ...(progress === undefined ? {} : { progress }),
    ...(outcome.parent === undefined ? {} : { parent: outcome.parent.job }),
    ...(outcome.planDigest === undefined ? {} : { planDigest: outcome.planDigest }),
    act,
    ...(of === undefined ? {} : { of }),
    createdAt: outcome.createdAt,
    ...(noticedAt === undefined ? {} : { noticedAt }),
    updatedAt: outcome.at,
    ...(final === undefined
      ? {}
      : {
          finishedAt: final.at,
          durationMs: Math.max(0, Math.round(Date.parse(final.at) - Date.parse(noticedAt ?? final.createdAt))),
        }),
  }
}

export function childOf(entry: LedgerEntry): ReplicationChild {
  const outcome = newest(entry)
  return {
    ...replicationOf(entry),
    scopes: outcome.scopes ?? [],
    stages: outcome.stages ?? [],
    ...(outcome.refusedRelationships === undefined ? {} : { refused: outcome.refusedRelationships }),
    ...(outcome.epoch === undefined ? {} : { epoch: outcome.epoch }),
    ...(outcome.replicator === undefined ? {} : { replicator: outcome.replicator }),
  }
}

export function detailOf(entry: LedgerEntry, children: readonly LedgerEntry[]): ReplicationDetail {
  return { ...childOf(entry), children: children.map(childOf) }
}
