import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type AuthorityRecord,
  type KnownAtGate,
  startTakeover,
  stepTakeover,
  type TakeoverEffect,
  type TakeoverInput,
  type TakeoverRequest,
  type TakeoverResult,
  type TakeoverState,
} from './takeover.ts'

/** A record and two gates, and the accidents that a test wants. */
class AuthorityWorld {
  record: AuthorityRecord | undefined
  readonly gates: Record<string, KnownAtGate> = { dhcp1: { kind: 'knows-nothing' }, dhcp2: { kind: 'knows-nothing' } }
  readonly log: string[] = []
  before: (effect: TakeoverEffect) => TakeoverInput | undefined = () => undefined

  private moving: string | undefined

  move(to: string, more: Partial<TakeoverRequest> = {}): TakeoverResult {
    this.moving = more.job
    let step = startTakeover({ relationship: 'r', servers: ['dhcp1', 'dhcp2'], to, force: false, ...more })
    for (let count = 0; count < 100; count++) {
      const [effect] = step.effects
      assert(effect !== undefined, `no effect in phase ${step.state.phase}`)
      this.log.push(effect.kind)
      if (effect.kind === 'finish') return effect.result
      step = stepTakeover(step.state, this.before(effect) ?? this.answer(effect))
    }
    throw new Error('does not end')
  }

  private answer(effect: Exclude<TakeoverEffect, { kind: 'finish' }>): TakeoverInput {
    switch (effect.kind) {
      case 'read-authority':
        return { kind: 'authority', ...(this.record === undefined ? {} : { record: this.record }) }
      case 'read-gates':
        return { kind: 'gates', gates: { ...this.gates } }
      case 'fence':
      case 'inform': {
        const known = this.gates[effect.server]
        if (known?.kind === 'unreachable') return { kind: 'unreachable', message: known.message }
        if (known?.kind === 'knows' && known.epoch >= effect.epoch) return { kind: 'outdated' }
        this.gates[effect.server] = { kind: 'knows', side: effect.side, epoch: effect.epoch }
        return effect.kind === 'fence' ? { kind: 'fenced' } : { kind: 'informed' }
      }
      case 'publish': {
        if (effect.revision !== this.record?.revision) return { kind: 'outdated' }
        const job = this.moving === undefined ? {} : { job: this.moving }
        this.record = { side: effect.side, epoch: effect.epoch, revision: (this.record?.revision ?? 0) + 1, ...job }
        return { kind: 'published' }
      }
    }
  }
}

function world(side = 'dhcp1', epoch = 3): AuthorityWorld {
  const made = new AuthorityWorld()
  made.record = { side, epoch, revision: 7 }
  made.gates.dhcp1 = { kind: 'knows', side, epoch }
  made.gates.dhcp2 = { kind: 'knows', side, epoch }
  return made
}

test('a planned move fences the new side, then publishes, then tells the old side', () => {
  const made = world()
  assert.deepEqual(made.move('dhcp2'), { kind: 'moved', from: 'dhcp1', side: 'dhcp2', epoch: 4 })
  assert.deepEqual(made.log, ['read-authority', 'read-gates', 'fence', 'publish', 'inform', 'finish'])
  assert.deepEqual(made.record, { side: 'dhcp2', epoch: 4, revision: 8 })
  assert.deepEqual(made.gates.dhcp1, { kind: 'knows', side: 'dhcp2', epoch: 4 })
})

test('moving it where it is changes nothing', () => {
  const made = world()
  assert.deepEqual(made.move('dhcp1'), { kind: 'already', side: 'dhcp1', epoch: 3 })
  assert.equal(made.record?.revision, 7)
})

test('the new epoch is above whatever a gate knows: an interrupted move is finished', () => {
  const made = world()
  made.gates.dhcp2 = { kind: 'knows', side: 'dhcp2', epoch: 9 }
  assert.deepEqual(made.move('dhcp2'), { kind: 'moved', from: 'dhcp1', side: 'dhcp2', epoch: 10 })
})

test('an interrupted move is cancelled by moving to where the record says', () => {
  const made = world()
  made.gates.dhcp2 = { kind: 'knows', side: 'dhcp2', epoch: 4 }
  assert.deepEqual(made.move('dhcp1'), { kind: 'moved', from: 'dhcp1', side: 'dhcp1', epoch: 5 })
})

test('a lost record is confirmed by an operator above both gates', () => {
  const made = world()
  made.record = undefined
  assert.deepEqual(made.move('dhcp1'), { kind: 'moved', side: 'dhcp1', epoch: 4 })
  assert.deepEqual(made.record, { side: 'dhcp1', epoch: 4, revision: 1 })
})

test('the new side must answer, with or without force', () => {
  const made = world()
  made.gates.dhcp2 = { kind: 'unreachable', message: 'its watcher is down' }
  for (const force of [false, true]) {
    const result = made.move('dhcp2', { force })
    assert(result.kind === 'refused')
    assert.equal(result.code, 'unreachable')
    assert.match(result.message, /its watcher is down/)
  }
  assert.equal(made.record?.epoch, 3)
})

test('an unplanned move, with the old side away, needs force and is not told to it', () => {
  const made = world()
  made.gates.dhcp1 = { kind: 'unreachable', message: 'its watcher is down' }
  const refused = made.move('dhcp2')
  assert(refused.kind === 'refused')
  assert.equal(refused.code, 'partner-unreachable')
  made.log.length = 0
  assert.deepEqual(made.move('dhcp2', { force: true }), { kind: 'moved', from: 'dhcp1', side: 'dhcp2', epoch: 4 })
  assert(!made.log.includes('inform'))
})

test('another epoch than the one that was looked at is refused', () => {
  const made = world()
  const result = made.move('dhcp2', { expectedEpoch: 2 })
  assert(result.kind === 'refused')
  assert.equal(result.code, 'authority-changed')
  assert.match(result.message, /dhcp1 has it in epoch 3/)
  assert.equal(made.move('dhcp2', { expectedEpoch: 3 }).kind, 'moved')
})

test('two moves at once: the record is replaced once, and the later one goes above it', () => {
  const made = world()
  let interfered = false
  made.before = (effect) => {
    if (effect.kind === 'publish' && !interfered) {
      interfered = true
      made.record = { side: 'dhcp2', epoch: 6, revision: 8 }
    }
    return undefined
  }
  assert.deepEqual(made.move('dhcp2'), { kind: 'already', side: 'dhcp2', epoch: 6 })
})

test('a move that is overtaken again and again gives up and says so', () => {
  const made = world()
  made.before = (effect) => (effect.kind === 'publish' ? { kind: 'outdated' } : undefined)
  const result = made.move('dhcp2')
  assert(result.kind === 'refused')
  assert.equal(result.code, 'contended')
})

test('a gate that does not confirm the fence leaves the record as it was', () => {
  const made = world()
  made.before = (effect) => (effect.kind === 'fence' ? { kind: 'unreachable', message: 'timed out' } : undefined)
  const result = made.move('dhcp2')
  assert(result.kind === 'refused')
  assert.match(result.message, /Nothing was moved/)
  assert.deepEqual(made.record, { side: 'dhcp1', epoch: 3, revision: 7 })
})

test('a move that was interrupted after it was recorded is done, and does not find itself in the way', () => {
  const made = world()
  made.before = (effect) => {
    if (effect.kind === 'inform') throw new Error('killed')
    return undefined
  }
  assert.throws(() => made.move('dhcp2', { expectedEpoch: 3, job: 'J1' }), /killed/)
  made.before = () => undefined
  assert.deepEqual(made.move('dhcp2', { expectedEpoch: 3, job: 'J1' }), { kind: 'moved', side: 'dhcp2', epoch: 4 })
  assert.equal(made.record?.epoch, 4)
  // Another move with the same expectation is too late all the same.
  const late = made.move('dhcp1', { expectedEpoch: 3, job: 'J2' })
  assert.ok(late.kind === 'refused' && late.code === 'authority-changed')
})

test('a gate that names the other side in the same epoch is overruled, whichever side is meant', () => {
  // Two moves without the lock: the one fenced dhcp2 in epoch 4, the other had recorded dhcp1 in epoch 4 meanwhile.
  const torn = () => {
    const made = world('dhcp1', 4)
    made.gates.dhcp2 = { kind: 'knows', side: 'dhcp2', epoch: 4 }
    return made
  }
  assert.deepEqual(torn().move('dhcp1'), { kind: 'moved', from: 'dhcp1', side: 'dhcp1', epoch: 5 })
  assert.deepEqual(torn().move('dhcp2'), { kind: 'moved', from: 'dhcp1', side: 'dhcp2', epoch: 5 })
})

test('an answer that nobody waits for changes nothing', () => {
  const { state } = startTakeover({ relationship: 'r', servers: ['dhcp1', 'dhcp2'], to: 'dhcp2', force: false })
  const inputs: TakeoverInput[] = [{ kind: 'fenced' }, { kind: 'published' }, { kind: 'informed' }]
  for (const input of inputs) {
    const next: { state: TakeoverState; effects: readonly TakeoverEffect[] } = stepTakeover(state, input)
    assert.deepEqual(next, { state, effects: [] })
  }
})
