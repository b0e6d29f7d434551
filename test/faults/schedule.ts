// What happens in one run, and when: made of a seed and nothing else, so that it can be made again.

import type { Edit, FleetShape, RestartFile, Server, Trouble } from './fleet.ts'
import { type LinkName, layoutOf, type PartName, type Service } from './layout.ts'
import { createRandom, type Random } from './random.ts'

export type Fault =
  | { readonly kind: 'kill'; readonly part: PartName; readonly downMs: number }
  /** SIGSTOP, and SIGCONT after longer than the lock lives. */
  | { readonly kind: 'pause'; readonly part: PartName; readonly forMs: number }
  | { readonly kind: 'wipe-nats'; readonly downMs: number; readonly withRedis: boolean }
  | { readonly kind: 'flush-redis' }
  | { readonly kind: 'cut' | 'stall'; readonly links: readonly LinkName[]; readonly forMs: number }
  | { readonly kind: 'slow'; readonly links: readonly LinkName[]; readonly delayMs: number; readonly forMs: number }
  | {
      readonly kind: 'garble'
      readonly links: readonly LinkName[]
      readonly drop: number
      readonly duplicate: number
      readonly swap: number
      readonly forMs: number
    }
  /** Messages that NATS has already are stored again under other message ids, in another order. */
  | { readonly kind: 'replay'; readonly what: 'changes' | 'requests' | 'wakeups'; readonly count: number }
  | { readonly kind: 'drop'; readonly what: 'changes' | 'wakeups' }
  | { readonly kind: 'restart-dhcp'; readonly server: Server; readonly file: RestartFile }
  | {
      readonly kind: 'dhcp-trouble'
      readonly server: Server
      readonly trouble: Trouble
      readonly forMs: number
    }
  | { readonly kind: 'clock'; readonly services: readonly Service[]; readonly byMs: number; readonly forMs: number }

export type Ask = {
  readonly kind: 'request'
  readonly job: string
  readonly level: 'server' | 'relationship' | 'scope'
  readonly server: Server
  readonly relationship?: string
  readonly scopes?: readonly string[]
  readonly via: 'nats' | 'api'
}

export type Act = Fault | Edit | Ask
export type Step = { readonly atMs: number; readonly act: Act }
export type Schedule = {
  readonly seed: number
  readonly faults: number
  readonly lengthMs: number
  readonly steps: readonly Step[]
  /** Edits in the healed world: `atMs` counts from when everything runs again. */
  readonly afterwards: readonly (Step & { readonly act: Edit })[]
}

export type Timing = {
  /** Every time is divided by it. */
  readonly scale: number
  /** Of the part with faults, before it is divided. Milliseconds. */
  readonly lengthMs: number
}

/** Before it is divided: a lock lives for so long. Milliseconds. */
export const LOCK_TTL_MS = 30_000
/** Before it is divided: between two comparisons of a relationship. Milliseconds. */
export const RECONCILE_MS = 60_000

const FAULTS = { min: 20, max: 26 }
const EDITS_AFTERWARDS = { min: 20, max: 26 }
/** For how long they go on, before it is divided. Milliseconds. */
const AFTERWARDS_MS = 80_000
/** Of each relationship so many scopes are edited afterwards: what the faults left of the others must be seen. */
const SCOPES_AFTERWARDS = 2
/** Share of the edits that are made on the authoritative side; of the others many hold their scope for the rest of the run. */
const SOURCE_SHARE = 0.9
const REQUESTS = { min: 6, max: 12 }

/** How often each kind is drawn, in parts. */
const KINDS: readonly (readonly [Fault['kind'], number])[] = [
  ['kill', 7],
  ['pause', 5],
  ['wipe-nats', 1],
  ['flush-redis', 2],
  ['cut', 4],
  ['stall', 3],
  ['slow', 3],
  ['garble', 4],
  ['replay', 4],
  ['drop', 3],
  ['restart-dhcp', 3],
  ['dhcp-trouble', 4],
  ['clock', 3],
]

export function makeSchedule(seed: number, timing: Timing, fleet: FleetShape): Schedule {
  const random = createRandom(seed)
  const { scale, lengthMs } = timing
  const count = random.integer(FAULTS.min, FAULTS.max)
  const deck = KINDS.flatMap(([kind, parts]) => Array.from({ length: parts }, () => kind))
  // Of each run the commonest faults, and over many runs everything.
  const kinds = random.shuffled([...deck]).slice(0, count)
  const steps: Step[] = kinds.map((kind) => ({
    atMs: random.between(0, lengthMs) / scale,
    act: makeFault(kind, random, scale, fleet),
  }))
  const edits = random.integer(fleet.edits.min, fleet.edits.max)
  for (let index = 0; index < edits; index++) {
    steps.push({ atMs: random.between(0, lengthMs) / scale, act: makeEdit(`e${seed}-${index}`, random, fleet) })
  }
  steps.push(...makeAlone(seed, random, timing, fleet))
  const requests = random.integer(REQUESTS.min, REQUESTS.max)
  for (let index = 0; index < requests; index++) {
    steps.push({ atMs: random.between(0, lengthMs) / scale, act: makeRequest(`R${seed}-${index}`, random, fleet) })
  }
  const edited = fleet.relationships.flatMap(({ authority, scopes }) =>
    random
      .shuffled(scopes.slice(0, -1))
      .slice(0, SCOPES_AFTERWARDS)
      .map((scope) => ({ server: authority, scope })),
  )
  const afterwards = Array.from({ length: random.integer(EDITS_AFTERWARDS.min, EDITS_AFTERWARDS.max) }, (_, index) => ({
    atMs: random.between(0, AFTERWARDS_MS) / scale,
    act: {
      kind: 'edit',
      ...random.pick(edited),
      how: 'change',
      name: `a${seed}-${index}`,
      persist: random.chance(0.8),
    } as const,
  }))
  return {
    seed,
    faults: steps.filter(({ act }) => act.kind !== 'edit' && act.kind !== 'request').length,
    lengthMs: lengthMs / scale,
    steps: steps.toSorted((a, b) => a.atMs - b.atMs),
    afterwards: afterwards.toSorted((a, b) => a.atMs - b.atMs),
  }
}

function makeFault(kind: Fault['kind'], random: Random, scale: number, fleet: FleetShape): Fault {
  const { servers } = fleet
  const { services: all, parts, natsLinks, links } = layoutOf(servers)
  const span = (min: number, max: number) => random.between(min, max) / scale
  const someLinks = (from: readonly LinkName[]) => random.shuffled(from).slice(0, random.integer(1, 3))
  switch (kind) {
    case 'kill': {
      const part = random.pick(parts)
      return { kind, part, downMs: span(500, servers.includes(part) ? fleet.serverDownMs : 20_000) }
    }
    case 'pause':
      return { kind, part: random.pick(parts), forMs: span(1.1 * LOCK_TTL_MS, 1.6 * LOCK_TTL_MS) }
    case 'wipe-nats':
      return { kind, downMs: span(500, 10_000), withRedis: random.chance(0.5) }
    case 'flush-redis':
      return { kind }
    case 'cut':
    case 'stall':
      return { kind, links: someLinks(links), forMs: span(2_000, 25_000) }
    case 'slow':
      return { kind, links: someLinks(links), delayMs: random.between(5, 150), forMs: span(10_000, 40_000) }
    case 'garble': {
      const shares = {
        drop: random.between(0, 0.15),
        duplicate: random.between(0.1, 0.5),
        swap: random.between(0, 0.4),
      }
      return { kind, links: random.shuffled(natsLinks).slice(0, 3), ...shares, forMs: span(10_000, 40_000) }
    }
    case 'replay':
      return { kind, what: random.pick(['changes', 'requests', 'wakeups']), count: random.integer(1, 8) }
    case 'drop':
      return { kind, what: random.pick(['changes', 'wakeups']) }
    case 'restart-dhcp':
      return { kind, server: random.pick(servers), file: random.pick(['latest', 'previous', 'previous', 'initial']) }
    case 'dhcp-trouble':
      return {
        kind,
        server: random.pick(servers),
        trouble: random.pick(['lose', 'swallow', 'swallow', 'refuse', 'read-only', 'slow', 'truncate']),
        forMs: span(10_000, 40_000),
      }
    case 'clock': {
      const byMs = Math.round(random.between(1_000, 3_600_000)) * random.pick([1, -1])
      const services = random.chance(0.4) ? all : [random.pick(all)]
      return { kind, services, byMs, forMs: span(10_000, 60_000) }
    }
  }
}

/** The authoritative side is gone for so long that its partner serves alone, and is edited then. */
function makeAlone(seed: number, random: Random, { scale, lengthMs }: Timing, fleet: FleetShape): readonly Step[] {
  const { aloneAfterMs } = fleet
  if (aloneAfterMs === undefined) return []
  const { authority, partner, scopes } = random.pick(fleet.relationships)
  const goneMs = random.between(0, Math.max(0, lengthMs - 1.3 * aloneAfterMs))
  const kill: Fault = { kind: 'kill', part: authority, downMs: (1.3 * aloneAfterMs) / scale }
  const edit: Edit = {
    kind: 'edit',
    server: partner,
    scope: random.pick(scopes.slice(0, -1)),
    how: 'change',
    name: `l${seed}`,
    persist: random.chance(0.8),
  }
  return [
    { atMs: goneMs / scale, act: kill },
    { atMs: (goneMs + random.between(1.1, 1.25) * aloneAfterMs) / scale, act: edit },
  ]
}

function makeEdit(name: string, random: Random, { relationships }: FleetShape): Edit {
  const relationship = random.pick(relationships)
  const isSource = random.chance(SOURCE_SHARE)
  const scope = random.pick(relationship.scopes)
  const how = random.chance(isSource ? 0.8 : 0.4)
    ? 'change'
    : random.pick(
        isSource
          ? (['delete', 'create', 'agree'] as const)
          : (['delete', 'create', 'agree', 'agree', 'agree', 'agree'] as const),
      )
  return {
    kind: 'edit',
    server: isSource ? relationship.authority : relationship.partner,
    scope,
    how,
    name,
    persist: random.chance(0.8),
  }
}

function makeRequest(job: string, random: Random, { relationships }: FleetShape): Ask {
  const relationship = random.pick(relationships)
  // Now and then the wrong side is named: it must be refused, once.
  const server = random.chance(0.8) ? relationship.authority : relationship.partner
  const via = random.pick(['nats', 'api'] as const)
  const base = { kind: 'request', job, server, via } as const
  switch (random.integer(1, 3)) {
    case 1:
      return { ...base, level: 'server' }
    case 2:
      return { ...base, level: 'relationship', relationship: relationship.name }
    default:
      return {
        ...base,
        level: 'scope',
        scopes: random.shuffled(relationship.scopes).slice(0, random.integer(1, 3)),
      }
  }
}

export function describeAct(act: Act): string {
  const { kind, ...rest } = act
  const words = Object.entries(rest).map(([name, value]) => {
    const text = Array.isArray(value)
      ? value.join('+')
      : typeof value === 'number'
        ? value.toFixed(value < 1 ? 2 : 0)
        : value
    return `${name}=${text}`
  })
  return `${kind} ${words.join(' ')}`
}
