// The states that were reached, exactly: every part of a world gets a number, a state is the row of its parts' numbers,
// and the rows stand one after the other in one array. Two states are the same where all numbers are; no hash stands
// for a state, so none is taken for another.

/** Gives equal values the same number, and the value back. */
export class Parts<T extends object> {
  readonly values: T[] = []
  /** The kept values by identity: most parts of a successor are those of its predecessor. */
  private readonly known = new WeakMap<T, number>()
  /** The order of an object's keys depends on who made it, so one value may have several texts. */
  private readonly byText = new Map<string, number>()
  private readonly byCanonicalText = new Map<string, number>()

  number(value: T): number {
    const known = this.known.get(value)
    if (known !== undefined) return known
    const text = JSON.stringify(value)
    let found = this.byText.get(text)
    if (found === undefined) {
      const canonical = canonicalText(value)
      found = this.byCanonicalText.get(canonical)
      if (found === undefined) {
        found = this.values.length
        this.values.push(value)
        this.byCanonicalText.set(canonical, found)
        this.known.set(value, found)
      }
      this.byText.set(text, found)
    }
    return found
  }

  value(number: number): T {
    return this.values[number] as T
  }
}

function sortedKeys(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
}

function canonicalText(value: object): string {
  return JSON.stringify(value, sortedKeys)
}

const START_ROWS = 1 << 14

/** Rows of numbers, each once; open addressing over an array of row indexes. */
export class RowSet {
  private readonly width: number
  private rows: Int32Array
  private table: Int32Array
  size = 0

  constructor(width: number) {
    this.width = width
    this.rows = new Int32Array(START_ROWS * width)
    this.table = new Int32Array(START_ROWS * 2).fill(-1)
  }

  /** The index of a new row, or -1 where it is known. */
  add(row: Int32Array): number {
    const mask = this.table.length - 1
    let slot = this.hash(row, 0) & mask
    for (let index = this.table[slot] as number; index >= 0; index = this.table[slot] as number) {
      if (this.isAt(index, row)) return -1
      slot = (slot + 1) & mask
    }
    const index = this.size++
    if (this.size * this.width > this.rows.length) this.growRows()
    this.rows.set(row, index * this.width)
    this.table[slot] = index
    if (this.size * 2 > this.table.length) this.growTable()
    return index
  }

  read(index: number, into: Int32Array): void {
    into.set(this.rows.subarray(index * this.width, (index + 1) * this.width))
  }

  private isAt(index: number, row: Int32Array): boolean {
    const at = index * this.width
    for (let column = 0; column < this.width; column++) if (this.rows[at + column] !== row[column]) return false
    return true
  }

  /** Murmur's mixing, per number. */
  private hash(row: Int32Array, at: number): number {
    let hash = 0x9747b28c
    for (let column = 0; column < this.width; column++) {
      let mixed = Math.imul(row[at + column] as number, 0xcc9e2d51)
      mixed = (mixed << 15) | (mixed >>> 17)
      hash ^= Math.imul(mixed, 0x1b873593)
      hash = (hash << 13) | (hash >>> 19)
      hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
    }
    hash ^= hash >>> 16
    hash = Math.imul(hash, 0x85ebca6b)
    hash ^= hash >>> 13
    hash = Math.imul(hash, 0xc2b2ae35)
    return (hash ^ (hash >>> 16)) >>> 0
  }

  private growRows(): void {
    const rows = new Int32Array(this.rows.length * 2)
    rows.set(this.rows)
    this.rows = rows
  }

  private growTable(): void {
    this.table = new Int32Array(this.table.length * 2).fill(-1)
    const mask = this.table.length - 1
    for (let index = 0; index < this.size; index++) {
      let slot = this.hash(this.rows, index * this.width) & mask
      while ((this.table[slot] as number) >= 0) slot = (slot + 1) & mask
      this.table[slot] = index
    }
  }
}
