// The decision per scope. First match wins; `auth` is the authoritative side, `other` its partner,
// `base` the content both last agreed on. This table is also what keeps our own writes from echoing.
//
//   auth                    other                      meaning                     action
//   not readable in full    or the other is not        cannot be replicated        hold unreplicable
//   = other                 = auth                     converged                   base := it
//   dirty                   or the other is            a recovery met strange      hold dirty
//                                                        content
//   earlier base, after     any                        came up with an old file    hold regressed
//     a restart
//   present                 earlier base, after        the target lost our write   replicate
//                             a restart
//   any                     changed while alone        both may be right           hold conflict
//   present                 missing, never known       created                     replicate
//   present                 missing, base known        deleted on the wrong side   hold foreign-edit / revert
//   missing                 = base                     deleted                     show / hold / delete (prune)
//   missing                 present, otherwise         only on the partner         show
//   present                 present, base unknown      first contact               hold first-contact
//   ≠ base                  = base                     the normal change           replicate
//   = base                  ≠ base                     edit on the wrong side      hold foreign-edit / revert
//   ≠ base                  ≠ base, ≠ auth             both changed                hold conflict / authority-wins
//
// Two things that people decided stand above what the table says to write or to hold, whatever the policy; both
// wait for an approval. What is only shown stays shown: no approval makes it be written.
//
//   restored                or the other is            a restore put it there      hold restored
//   = rejected              = rejected                 somebody said no to this    hold rejected
//                                                        pair of contents

import type { DecisionPolicy } from './policy.ts'

/** A restore put this content there: the job, and when. */
export type RestoredMark = { readonly job: string; readonly at: string }

/** A pair of contents that somebody does not want to be proposed again; absent: the scope is not there. */
export type RejectedPair = { readonly source?: string; readonly target?: string }

/** One side's knowledge of one scope. */
export type ScopeSide = {
  /** Fingerprint of the live content; absent: the scope is not there. */
  readonly live?: string
  /** The live content is an earlier base, first seen after a restart of that server. */
  readonly regressed: boolean
  /** It changed while that server served alone (partner-down). */
  readonly changedAlone: boolean
  /** A recovery found content there that is neither what was before nor what was wanted. */
  readonly dirty: boolean
  /** Why its content cannot be replicated faithfully. */
  readonly unreplicable?: string
  /** Nothing overwrites it, or copies it, until somebody approves. */
  readonly restored?: RestoredMark
  /** The job of ours that wrote the live content; absent where somebody else did. */
  readonly writtenBy?: string
}

/** `known: true` without `content`: both sides last agreed that the scope is absent. */
export type ScopeBase = { readonly known: boolean; readonly content?: string }

export type HoldCode =
  | 'regressed'
  | 'conflict'
  | 'foreign-edit'
  | 'first-contact'
  | 'deleted'
  | 'dirty'
  | 'unreplicable'
  | 'restored'
  | 'rejected'

export type Decision =
  | { readonly kind: 'converged'; readonly code: 'equal' }
  /** Equal because we wrote it: what the watcher sees of our own write ends here. */
  | { readonly kind: 'converged'; readonly code: 'echo'; readonly job: string }
  | {
      readonly kind: 'replicate'
      readonly code: 'changed' | 'created' | 'target-lost-write' | 'deleted' | 'reverted' | 'authority-wins'
    }
  | { readonly kind: 'hold'; readonly code: HoldCode; readonly detail?: string }
  /** Shown to operators; never written, and no approval makes it be written. */
  | { readonly kind: 'show'; readonly code: 'only-on-partner' | 'deleted' }

/** Whether a decision may be released by approving the plan that shows it. */
export function isApprovable(code: HoldCode): boolean {
  // What cannot be read in full, and what nobody understands, must be set right first.
  return code !== 'unreplicable' && code !== 'dirty'
}

function converged(auth: ScopeSide, other: ScopeSide, base: ScopeBase): Decision {
  const job = other.writtenBy ?? auth.writtenBy
  const isOurs = base.known && base.content === other.live
  return job !== undefined && isOurs ? { kind: 'converged', code: 'echo', job } : { kind: 'converged', code: 'equal' }
}

export function decideScope(
  auth: ScopeSide,
  other: ScopeSide,
  base: ScopeBase,
  policy: DecisionPolicy,
  rejected?: RejectedPair,
): Decision {
  // What cannot be read in full may look equal without being so, and cannot be put back once overwritten.
  const unreplicable = auth.unreplicable ?? other.unreplicable
  if (unreplicable !== undefined) return { kind: 'hold', code: 'unreplicable', detail: unreplicable }
  if (auth.live === other.live) return converged(auth, other, base)
  if (auth.dirty || other.dirty) return { kind: 'hold', code: 'dirty' }
  const decision = decideByTable(auth, other, base, policy)
  if (decision.kind === 'show') return decision
  if (rejected !== undefined && rejected.source === auth.live && rejected.target === other.live) {
    return { kind: 'hold', code: 'rejected' }
  }
  const restored = other.restored ?? auth.restored
  if (restored !== undefined) {
    return { kind: 'hold', code: 'restored', detail: `job ${restored.job}, ${restored.at}` }
  }
  return decision
}

type Differing = Exclude<Decision, { readonly kind: 'converged' }>

function decideByTable(auth: ScopeSide, other: ScopeSide, base: ScopeBase, policy: DecisionPolicy): Differing {
  if (auth.regressed) return { kind: 'hold', code: 'regressed' }
  if (auth.live !== undefined && other.regressed) return { kind: 'replicate', code: 'target-lost-write' }
  // It was changed while it served alone, so somebody may have had a reason. Copying over it would lose that change.
  if (other.changedAlone) return { kind: 'hold', code: 'conflict' }

  const foreignEdit = (): Differing =>
    policy.onForeignEdit === 'revert' ? { kind: 'replicate', code: 'reverted' } : { kind: 'hold', code: 'foreign-edit' }

  if (other.live === undefined) {
    return base.known && base.content !== undefined ? foreignEdit() : { kind: 'replicate', code: 'created' }
  }
  if (auth.live === undefined) {
    if (!base.known || base.content !== other.live) return { kind: 'show', code: 'only-on-partner' }
    if (policy.prune === 'on') return { kind: 'replicate', code: 'deleted' }
    return policy.prune === 'ask' ? { kind: 'hold', code: 'deleted' } : { kind: 'show', code: 'deleted' }
  }
  if (!base.known) return { kind: 'hold', code: 'first-contact' }
  if (other.live === base.content) return { kind: 'replicate', code: 'changed' }
  if (auth.live === base.content) return foreignEdit()
  return policy.onConflict === 'authority-wins'
    ? { kind: 'replicate', code: 'authority-wins' }
    : { kind: 'hold', code: 'conflict' }
}
