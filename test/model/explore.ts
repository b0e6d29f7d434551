// Visits every state that a scenario can reach, breadth first, and stops at the first broken rule with the shortest
// way to it.

import { Parts, RowSet } from './hash-set.ts'
import { isCalm, problemAtRest } from './settle.ts'
import { initialWorld, steps } from './steps.ts'
import { type Next, PARTS, type Scenario, type World } from './world.ts'

export type Found = { readonly problem: string; readonly trace: readonly string[] }
export type Exploration = {
  readonly scenario: string
  readonly states: number
  readonly transitions: number
  /** Steps on the longest shortest way. */
  readonly depth: number
  /** Every state within the bounds was visited. */
  readonly isComplete: boolean
  readonly found?: Found
  readonly seconds: number
}

type Numbered = { readonly [K in (typeof PARTS)[number]]: Parts<World[K]> }

function emptyParts(): Numbered {
  const workers = new Parts<World['w0']>()
  const servers = new Parts<World['sa']>()
  return {
    w0: workers,
    w1: workers,
    ga: new Parts(),
    gb: new Parts(),
    ja: new Parts(),
    jb: new Parts(),
    sa: servers,
    sb: servers,
    net: new Parts(),
    kv: new Parts(),
    mover: new Parts(),
    corrector: new Parts(),
    budget: new Parts(),
    ghost: new Parts(),
  }
}

/** Which ways lead to which state, for the trace: a step's place among its state's steps is enough to take it again. */
class Ways {
  private from = new Int32Array(1 << 14)
  private step = new Uint16Array(1 << 14)

  put(index: number, from: number, step: number): void {
    if (index >= this.from.length) {
      const [olderFrom, olderStep] = [this.from, this.step]
      this.from = new Int32Array(index * 2)
      this.from.set(olderFrom)
      this.step = new Uint16Array(index * 2)
      this.step.set(olderStep)
    }
    this.from[index] = from
    this.step[index] = step
  }

  /** Steps from the beginning to a state. */
  to(index: number): number[] {
    const found: number[] = []
    for (let at = index; at > 0; at = this.from[at] as number) found.push(this.step[at] as number)
    return found.reverse()
  }
}

export type Limits = { readonly maxStates?: number }

export class Explorer {
  private readonly parts = emptyParts()
  private readonly rows = new RowSet(PARTS.length)
  private readonly ways = new Ways()
  private readonly row = new Int32Array(PARTS.length)
  private readonly rests = new Map<string, string | undefined>()
  private readonly scenario: Scenario

  constructor(scenario: Scenario) {
    this.scenario = scenario
  }

  run({ maxStates = Number.POSITIVE_INFINITY }: Limits = {}): Exploration {
    const startedAt = performance.now()
    let transitions = 0
    let found: Found | undefined
    this.add(initialWorld(this.scenario))
    let at = 0
    // States stand in the order of their distance; the end of one distance is where the queue was when it began.
    let depth = 0
    let endOfDepth = 1
    for (; at < this.rows.size && found === undefined && this.rows.size <= maxStates; at++) {
      if (at === endOfDepth) {
        depth++
        endOfDepth = this.rows.size
      }
      const world = this.world(at)
      const next = this.next(world)
      const problem = typeof next === 'string' ? next : this.problemOf(world, next)
      if (problem !== undefined) found = { problem, trace: this.trace(this.ways.to(at)) }
      if (typeof next === 'string') break
      for (let step = 0; step < next.length && found === undefined; step++) {
        const one = next[step] as Next
        transitions++
        if (one.problem !== undefined) {
          found = { problem: one.problem, trace: this.trace([...this.ways.to(at), step]) }
          break
        }
        const index = this.add(one.world)
        if (index >= 0) this.ways.put(index, at, step)
      }
    }
    return {
      scenario: this.scenario.name,
      states: this.rows.size,
      transitions,
      depth,
      isComplete: found === undefined && at === this.rows.size,
      ...(found === undefined ? {} : { found }),
      seconds: (performance.now() - startedAt) / 1_000,
    }
  }

  /** A machine that throws got an input that it must never get. */
  private next(world: World): readonly Next[] | string {
    try {
      return steps(world, this.scenario)
    } catch (error) {
      return `a machine failed: ${error instanceof Error ? error.message : String(error)}`
    }
  }

  private problemOf(world: World, next: readonly Next[]): string | undefined {
    if (!isCalm(world)) return next.length === 0 ? 'nothing goes on' : undefined
    const key = this.restKey(world)
    if (!this.rests.has(key)) this.rests.set(key, problemAtRest(world, this.scenario))
    return this.rests.get(key)
  }

  /** What the rest of the way depends on; not what may still happen. */
  private restKey(world: World): string {
    return PARTS.filter((part) => part !== 'budget')
      .map((part) => (this.parts[part] as Parts<object>).number(world[part]))
      .join()
  }

  /** The two workers are the same program: exchanging them changes nothing but their names. */
  private isSwapped(first: number, second: number): boolean {
    return this.scenario.workers === 2 && first > second
  }

  private add(world: World): number {
    const { row } = this
    for (let index = 0; index < PARTS.length; index++) {
      const part = PARTS[index] as (typeof PARTS)[number]
      row[index] = (this.parts[part] as Parts<object>).number(world[part])
    }
    if (this.isSwapped(row[0] as number, row[1] as number)) [row[0], row[1]] = [row[1] as number, row[0] as number]
    return this.rows.add(row)
  }

  private world(index: number): World {
    this.rows.read(index, this.row)
    const entries = PARTS.map((part, at) => [part, (this.parts[part] as Parts<object>).value(this.row[at] as number)])
    return Object.fromEntries(entries) as World
  }

  /** The way again, in words; who was exchanged keeps the name that he began with. */
  private trace(way: readonly number[]): readonly string[] {
    let world = initialWorld(this.scenario)
    let isExchanged = false
    const names = (label: string) =>
      label.replace(/worker w([01])/g, (_, digit: string) => `worker ${(digit === '0') === isExchanged ? 2 : 1}`)
    return way.map((step) => {
      const one = steps(world, this.scenario)[step]
      if (one === undefined) return '(not found again)'
      const label = names(one.label)
      world = one.world
      this.add(world)
      const [first, second] = [this.parts.w0.number(world.w0), this.parts.w1.number(world.w1)]
      if (this.isSwapped(first, second)) {
        world = { ...world, w0: world.w1, w1: world.w0 }
        isExchanged = !isExchanged
      }
      return label
    })
  }
}
