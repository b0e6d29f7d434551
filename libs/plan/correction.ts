// Plans that do not come from the decision table: somebody wishes a content onto one side. *Adopt* writes the
// partner's content onto the authoritative side, *restore* puts back what was there before a replication.

import type { ScopeContent } from '#dhcp/fingerprint.ts'
import {
  digestOf,
  type Obstacle,
  type Plan,
  type PlannedScope,
  planScope,
  runObstacles,
  withRunObstacles,
} from './plan.ts'
import type { SafetyLimits } from './policy.ts'

export type CorrectionCode = 'adopted' | 'restored-preimage'

export type CorrectionInput = {
  readonly relationship: string
  /** Where the content comes from. Absent: it is an earlier one of the target itself. */
  readonly source?: string
  /** The server that is written. */
  readonly target: string
  /** Scope → what it gets; `undefined`: it is deleted. */
  readonly wanted: ReadonlyMap<string, ScopeContent | undefined>
  /** Scope → what is there now, of every scope in `wanted`; `undefined`: nothing is. */
  readonly live: ReadonlyMap<string, ScopeContent | undefined>
  readonly limits: SafetyLimits
  readonly code: CorrectionCode
  /** As in a plan of the decision table. */
  readonly leasesOutside?: ReadonlyMap<string, number | undefined>
  /** Scope → why its content cannot be carried faithfully; no approval releases that. */
  readonly unreplicable?: ReadonlyMap<string, string>
}

function act({ code, source, target }: CorrectionInput): Obstacle {
  switch (code) {
    case 'adopted':
      return {
        code: 'adopt',
        message: `${target} is the authoritative side; writing what ${source ?? 'its partner'} has onto it needs the approval of exactly this`,
        approvable: true,
      }
    case 'restored-preimage':
      return {
        code: 'restore',
        message: `putting the earlier content back on ${target} needs the approval of exactly this`,
        approvable: true,
      }
  }
}

/** Every scope that would change is held until exactly this plan is approved; what is already there needs nothing. */
export function makeCorrection(input: CorrectionInput): Plan {
  const { relationship, target, wanted, live, code } = input
  const source = input.source ?? target
  const notes: string[] = []
  const scopes = [...wanted]
    .filter(([scope, content]) => content?.fingerprint !== live.get(scope)?.fingerprint)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([scope, after]): PlannedScope => {
      // A read that failed is never an empty scope.
      if (!live.has(scope)) throw new TypeError(`the present content of ${scope} is needed`)
      const lossy = input.unreplicable?.get(scope)
      const obstacles: readonly Obstacle[] = [
        ...(lossy === undefined
          ? []
          : [{ code: 'unreplicable', message: `it cannot be carried faithfully: ${lossy}`, approvable: false }]),
        act(input),
      ]
      const { note, ...planned } = planScope({ scope, code, before: live.get(scope), after, obstacles }, input)
      if (note !== undefined) notes.push(note)
      return planned
    })
  const run = runObstacles(
    scopes.filter(({ wanted: after }) => after === undefined),
    [],
    input.limits,
  )
  return {
    relationship,
    source,
    target,
    digest: digestOf({ source, target, scopes }),
    // Said of what would be deleted; how many scopes may change is what somebody approves by their list.
    scopes: scopes.map((scope) => (scope.wanted === undefined ? withRunObstacles(scope, run) : scope)),
    shown: [],
    notes,
  }
}
