// What a relationship's owner may choose. The YAML's names and defaults are in libs/contracts/configuration.ts.

/** Policies that the decision table reads. */
export type DecisionPolicy = {
  /** `hold` (default): an edit on the other side waits for a person. `revert`: it is overwritten. */
  readonly onForeignEdit: 'hold' | 'revert'
  /** `hold` (default): both sides changed, a person decides. `authority-wins`: the other side's edit is overwritten. */
  readonly onConflict: 'hold' | 'authority-wins'
  /** What a scope deleted on the authoritative side means: `off` it is shown · `ask` (default) it is held · `on` it is deleted. */
  readonly prune: 'off' | 'ask' | 'on'
}

/** Limits that hold a plan; each is inclusive: exactly the limit still passes. */
export type SafetyLimits = {
  /** Share of a scope's objects on the target that may be deleted. 0–1, default 0.3. */
  readonly maxDeleteRatio: number
  /** Share of a scope's objects on the target that may be updated. 0–1, default 0.3. */
  readonly maxUpdateRatio: number
  /** The two ratios apply to scopes with at least this many objects. Default 10. */
  readonly minObjects: number
  /** Share of a relationship's scopes that may change in one run by other than creation. 0–1, default 0.2, from 5 scopes on. */
  readonly maxScopesRatio: number
  /** Scopes that `prune: on` may delete in one run. Default 1. */
  readonly maxScopeDeletes: number
}

export const DEFAULT_LIMITS: SafetyLimits = {
  maxDeleteRatio: 0.3,
  maxUpdateRatio: 0.3,
  minObjects: 10,
  maxScopesRatio: 0.2,
  maxScopeDeletes: 1,
}
