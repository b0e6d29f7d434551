// Why a scope is as it is, for people: the decision table in sentences.

import type { Decision } from '#plan/decide.ts'

type Mode = 'automatic' | 'manual' | 'observe'

const REPLICATE: Record<Extract<Decision, { kind: 'replicate' }>['code'], string> = {
  changed: 'changed on the authoritative side',
  created: 'created on the authoritative side',
  'target-lost-write': 'the partner came up with an earlier configuration after a restart',
  deleted: 'deleted on the authoritative side (prune: on)',
  reverted: 'edited on the partner; the policy takes that back (on-foreign-edit: revert)',
  'authority-wins': 'changed on both sides; the policy lets the authoritative side win',
}

const HOLD: Record<Extract<Decision, { kind: 'hold' }>['code'], string> = {
  regressed: 'the authoritative server came up with an earlier configuration after a restart',
  conflict: 'changed on both sides since they last agreed, or while the partner served alone',
  'foreign-edit': 'edited on the partner, which is not the authoritative side',
  'first-contact': 'the partners differ and have never agreed before',
  deleted: 'deleted on the authoritative side; deleting it on the partner needs an approval (prune: ask)',
  dirty: 'an interrupted write left content that is neither the old nor the new',
  unreplicable: 'it cannot be replicated faithfully',
}

const SHOW: Record<Extract<Decision, { kind: 'show' }>['code'], string> = {
  'only-on-partner': 'exists only on the partner; it is never deleted automatically',
  deleted: 'deleted on the authoritative side, still on the partner (prune: off)',
}

const NEXT: Record<Mode, string> = {
  automatic: 'it will be copied automatically',
  manual: 'the relationship is in manual mode, so it waits for a request',
  observe: 'the relationship is only observed, so nothing is copied',
}

/** One sentence: what happened, and what comes next. */
export function whyOf(decision: Decision, mode: Mode): string {
  switch (decision.kind) {
    case 'converged':
      return 'both sides are equal'
    case 'replicate':
      return `${REPLICATE[decision.code]}; ${NEXT[mode]}`
    case 'show':
      return SHOW[decision.code]
    case 'hold': {
      const detail = decision.detail === undefined ? '' : `: ${decision.detail}`
      const next = mode === 'observe' ? NEXT.observe : 'held until somebody decides'
      return `${HOLD[decision.code]}${detail}; ${next}`
    }
  }
}

export function codeOf(decision: Decision): string {
  return decision.kind === 'converged' ? 'in-sync' : decision.code
}
