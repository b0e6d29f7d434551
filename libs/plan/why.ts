// The decision table in sentences: what happened, what comes next, and how a person lets it through.
// Said once here, for outcomes, plans, the console and the command line.

import type { Decision, HoldCode } from './decide.ts'

/** Names for a sentence; without them it speaks of the authoritative side, the partner, and `ID`. */
export type Place = {
  readonly relationship?: string
  /** The authoritative server. */
  readonly source?: string
  readonly target?: string
  /** The job whose plan shows it; what `approve` takes. */
  readonly job?: string
  /** The scope that is spoken of. */
  readonly scope?: string
}

type Names = {
  readonly auth: string
  readonly partner: string
  readonly relationship: string
  /** The command that lets the authoritative side be copied. */
  readonly approve: string
  /** The command that picks the partner's content for this scope. */
  readonly adopt: string
}

function namesOf({ relationship = 'RELATIONSHIP', source, target, job = 'ID', scope }: Place): Names {
  const approve = `twinscope approve ${job}`
  return {
    auth: source ?? 'the authoritative side',
    partner: target ?? 'the partner',
    relationship,
    approve: `\`${approve}\``,
    adopt: `\`${approve}${scope === undefined ? '' : ` --scope ${scope}`} --side ${target ?? 'PARTNER'}\``,
  }
}

type Words = { readonly what: (names: Names) => string; readonly waysOut: (names: Names) => string }

const toOverwrite = (names: Names) => `to copy ${names.auth} over it: ${names.approve}`
const toKeep = (names: Names) => `to keep what ${names.partner} has: ${names.adopt}`

const HOLD: Readonly<Record<HoldCode, Words>> = {
  regressed: {
    what: ({ auth }) => `${auth} came up with an earlier configuration after a restart`,
    waysOut: (names) =>
      `to bring the newer one back from ${names.partner}: ${names.adopt}; to copy the earlier one all the same: ${names.approve}`,
  },
  conflict: {
    what: ({ partner }) => `both sides changed since they last agreed, or ${partner} changed while it served alone`,
    waysOut: (names) =>
      `to see both: \`twinscope conflicts ${names.relationship}\`; ${toOverwrite(names)}; ${toKeep(names)}`,
  },
  'foreign-edit': {
    what: ({ partner }) => `it was edited on ${partner}, which is not the authoritative side`,
    waysOut: (names) => `${toOverwrite(names)}; ${toKeep(names)}`,
  },
  'first-contact': {
    what: () => 'the partners differ and have never agreed before',
    waysOut: (names) =>
      `to look at all such scopes and let ${names.auth} be copied: \`twinscope onboard ${names.relationship}\`; ${toKeep(names)}`,
  },
  deleted: {
    what: ({ auth }) => `it was deleted on ${auth}`,
    waysOut: (names) =>
      `to delete it on ${names.partner} too: ${names.approve}; to have it back on ${names.auth}: ${names.adopt}`,
  },
  dirty: {
    what: () => 'an interrupted write left content that is neither the old nor the new',
    waysOut: () =>
      'no approval releases it; make both sides equal, or set it right on the partner, and it goes on by itself',
  },
  unreplicable: {
    what: () => 'it cannot be replicated faithfully',
    waysOut: () => 'no approval releases it; change what is named, and it goes on by itself',
  },
  restored: {
    what: () => 'a restore put this content there, and nothing undoes that until somebody decides',
    waysOut: (names) => `${toOverwrite(names)}; ${toKeep(names)}`,
  },
  rejected: {
    what: () => 'somebody rejected exactly this change; it is not proposed again until one side changes',
    waysOut: (names) =>
      `to copy ${names.auth} all the same: ${names.approve}; ${toKeep(names)}; to see both: \`twinscope conflicts ${names.relationship}\``,
  },
}

const SHOW: Readonly<Record<Extract<Decision, { kind: 'show' }>['code'], Words>> = {
  'only-on-partner': {
    what: ({ partner }) => `it exists only on ${partner}; it is never deleted there`,
    waysOut: ({ auth, partner }) => `create it on ${auth}, or delete it on ${partner} by hand`,
  },
  deleted: {
    what: ({ auth, partner }) => `it was deleted on ${auth} and still exists on ${partner} (prune: off)`,
    waysOut: ({ partner }) => `delete it on ${partner} by hand, or set prune to ask in the configuration`,
  },
}

const REPLICATE: Readonly<Record<Extract<Decision, { kind: 'replicate' }>['code'], (names: Names) => string>> = {
  changed: ({ auth }) => `it was changed on ${auth}`,
  created: ({ auth }) => `it was created on ${auth}`,
  'target-lost-write': ({ partner }) => `${partner} came up with an earlier configuration after a restart`,
  deleted: ({ auth }) => `it was deleted on ${auth} (prune: on)`,
  reverted: ({ partner }) => `it was edited on ${partner}; the policy takes that back (on-foreign-edit: revert)`,
  'authority-wins': ({ auth }) => `both sides changed; the policy lets ${auth} win (on-conflict: authority-wins)`,
}

/** What happened to a scope, without what is to be done. */
export function whatHappened(decision: Decision, place: Place = {}): string {
  const names = namesOf(place)
  switch (decision.kind) {
    case 'converged':
      return decision.code === 'echo'
        ? `both sides are equal: our own write, job ${decision.job}`
        : 'both sides are equal'
    case 'replicate':
      return REPLICATE[decision.code](names)
    case 'show':
      return SHOW[decision.code].what(names)
    case 'hold': {
      const what = HOLD[decision.code].what(names)
      return decision.detail === undefined ? what : `${what} (${decision.detail})`
    }
  }
}

/** Why a difference is not written, and the ways out, for the operator. */
export function explain(decision: Extract<Decision, { readonly kind: 'hold' | 'show' }>, place: Place = {}): string {
  const words = decision.kind === 'show' ? SHOW[decision.code] : HOLD[decision.code]
  return `${whatHappened(decision, place)}. ${sentence(words.waysOut(namesOf(place)))}`
}

function sentence(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

/** Why a planned scope is held: everything that stands in the way, and the way out where only limits do. */
export function heldMessage(
  {
    code,
    obstacles,
  }: {
    readonly code: string
    readonly obstacles: readonly { readonly code: string; readonly message: string; readonly approvable: boolean }[]
  },
  place: Place = {},
): string {
  const text = obstacles.map(({ message }) => message).join('; ')
  // What the decision holds has said its ways out itself; a correction is approved where it was asked for.
  const isByLimits = ![code, 'adopt', 'restore'].includes(obstacles[0]?.code ?? code)
  return isByLimits && obstacles.every(({ approvable }) => approvable)
    ? `${text}. To write it all the same: ${namesOf(place).approve}`
    : text
}

export type Circumstances = Place & {
  readonly mode: 'automatic' | 'manual' | 'observe'
  /** What an automatic copy waits for, in words: a pause, a window, the soak delay. */
  readonly waits?: string
}

function nextOf({ mode, waits }: Circumstances): string {
  switch (mode) {
    case 'observe':
      return 'the relationship is only observed, so nothing is copied'
    case 'manual':
      return 'the relationship is in manual mode, so it waits for a request'
    case 'automatic':
      return waits === undefined ? 'it will be copied automatically' : `it waits: ${waits}`
  }
}

/** Why a scope is as it is, and what comes next. Always answered, also where nothing is to be written. */
export function whyOf(decision: Decision, circumstances: Circumstances): string {
  const what = whatHappened(decision, circumstances)
  switch (decision.kind) {
    case 'converged':
      return what
    case 'replicate':
      return `${what}; ${nextOf(circumstances)}`
    case 'show':
      return explain(decision, circumstances)
    case 'hold':
      return circumstances.mode === 'observe'
        ? `${what}; ${nextOf(circumstances)}`
        : `${explain(decision, circumstances)}`
  }
}
