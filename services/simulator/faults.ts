// The bad days a simulated server can have. Everything is off at start.

import { isJsonObject, type Json } from '#dhcp/json.ts'
import type { Scope } from '#dhcp/scope.ts'

export type Faults = {
  /** Refuses the next write with these words, once. */
  refuseNextWrite?: string
  /** Scope → words: every batch with this scope is refused as a whole. */
  refuseScopes?: Readonly<Record<string, string>>
  /** Whether a refusal by `refuseScopes` names the scope. Default false: the caller has to find it. */
  nameCulprits?: boolean
  /** Waits before every command is looked at. Milliseconds. */
  delayMs?: number
  /** Waits before a write is answered, after it has taken effect. Milliseconds. */
  answerDelayMs?: number
  /**
   * The next write takes effect but is never answered, once: `reset` breaks the connection,
   * `hang` leaves it open.
   */
  swallowNextAnswer?: 'reset' | 'hang'
  /** The same before the write takes effect: the command is lost, once. */
  loseNextWrite?: 'reset' | 'hang'
  /** Somebody edits a scope in the moment before the next write takes effect, once: the scope as that one leaves it. */
  editBeforeNextWrite?: Scope
  /** Nobody listens on the control port. */
  unreachable?: boolean
  /** Answers reads of the configuration with half of the text. */
  truncateReads?: boolean
  /** Why writing the file fails. */
  persist?: 'read-only' | 'disk-full'
}

const CHECKS: { readonly [K in keyof Faults]-?: (value: Json) => boolean } = {
  refuseNextWrite: (value) => typeof value === 'string',
  refuseScopes: (value) => isJsonObject(value),
  nameCulprits: (value) => typeof value === 'boolean',
  delayMs: (value) => typeof value === 'number',
  answerDelayMs: (value) => typeof value === 'number',
  swallowNextAnswer: (value) => value === 'reset' || value === 'hang',
  loseNextWrite: (value) => value === 'reset' || value === 'hang',
  editBeforeNextWrite: (value) => isJsonObject(value) && typeof value.key === 'string',
  unreachable: (value) => typeof value === 'boolean',
  truncateReads: (value) => typeof value === 'boolean',
  persist: (value) => value === 'read-only' || value === 'disk-full',
}

/** Checks what an admin sent. A misspelt fault would make a test pass for the wrong reason, so it throws. */
export function parseFaults(value: Json): Faults {
  if (!isJsonObject(value)) throw new TypeError('expected an object of faults')
  for (const [name, given] of Object.entries(value)) {
    const isGood = CHECKS[name as keyof Faults]
    if (isGood === undefined) throw new TypeError(`unknown fault "${name}"; known: ${Object.keys(CHECKS).join(', ')}`)
    if (!isGood(given)) throw new TypeError(`the fault "${name}" cannot have this value`)
  }
  return value as Faults
}
