// What every driver must do, as data: a list of desired states, each brought about twice. The second
// time nothing may be sent. A driver's own test opens a server of its product and runs this over it.

import assert from 'node:assert/strict'
import test from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import { type Json, realOf } from '#dhcp/json.ts'
import { parseScopeKey, type Scope, type ScopeKey } from '#dhcp/scope.ts'
import { type DhcpDriver, DriverError, type Probe, type Snapshot } from '#drivers/driver.ts'
import { waitFor } from '#harness/kea.ts'

/** A server of one product, with at least two scopes. */
export type Subject = {
  readonly driver: DhcpDriver
  /** A scope with at least one range, two reservations and two option values. */
  readonly scope: ScopeKey
  /** Adds a reservation for `address`, or sets a parameter that the model does not know, by other means than the driver. */
  editByOtherTool(scope: ScopeKey, edit: OtherEdit): Promise<void>
  /** Content that the server refuses, made of content that it has. */
  refused(current: Scope): Scope
  /** How many writes of the configuration the server has seen. */
  writesSeen(): Promise<number>
  /** Everything of the server outside of its scopes, in a comparable form. */
  rest(snapshot: Snapshot): Json
  /** Whether the server gives service; throws or false where it does not. */
  serves(): Promise<boolean>
  /** Gives leases of the scope to clients; those of `ended` are not held by anybody any more. */
  lease(scope: Scope, active: readonly string[], ended: readonly string[]): Promise<void>
  /** Starts the server again with what it has made durable. */
  restart(): Promise<void>
  /** Stops the server, so that it cannot be reached. */
  stop(): Promise<void>
  close(): Promise<void>
}

export type OtherEdit =
  | { readonly kind: 'add-reservation'; readonly identifier: string; readonly address: string }
  | { readonly kind: 'set-unknown-parameter'; readonly value: Json }

type DesiredState = { readonly title: string; readonly of: (scope: Scope) => Scope }

/** An address of the scope, by its last octet. */
function addressIn(scope: Scope, octet: number): string {
  return scope.key.replace(/\.\d+\/\d+$/, `.${octet}`)
}

function withProperties(scope: Scope, properties: Scope['properties']): Scope {
  return { ...scope, properties: { ...scope.properties, ...properties } }
}

const DESIRED_STATES: readonly DesiredState[] = [
  {
    title: 'a reservation more',
    of: (scope) => ({
      ...scope,
      reservations: [
        ...scope.reservations,
        {
          identifierType: 'hw-address',
          identifier: '0a:bc:de:00:00:01',
          address: addressIn(scope, 31),
          name: 'Printer.Example',
          properties: {},
          options: [],
        },
      ],
    }),
  },
  {
    title: 'reservations by other identifiers, without an address, with parameters and options of their own',
    of: (scope) => ({
      ...scope,
      reservations: [
        ...scope.reservations,
        {
          identifierType: 'client-id',
          identifier: '01:11:22:aa:bb:cc',
          address: addressIn(scope, 32),
          properties: {},
          options: [],
        },
        { identifierType: 'duid', identifier: '00:01:02:03:04:05', name: 'only-a-name', properties: {}, options: [] },
        {
          identifierType: 'circuit-id',
          identifier: '65:74:68:30',
          address: addressIn(scope, 33),
          properties: { 'next-server': '192.0.2.1', 'user-context': { floor: 3 } },
          options: scope.options.slice(0, 1),
        },
      ],
    }),
  },
  {
    title: 'another address of a reservation',
    of: (scope) => ({
      ...scope,
      reservations: scope.reservations.map((reservation) =>
        reservation.identifier === '0a:bc:de:00:00:01'
          ? { ...reservation, address: addressIn(scope, 34) }
          : reservation,
      ),
    }),
  },
  {
    title: 'the same in another order',
    of: (scope) => ({
      ...scope,
      reservations: scope.reservations.toReversed(),
      options: scope.options.toReversed(),
      ranges: scope.ranges.toReversed(),
    }),
  },
  {
    title: 'a second range, with an option value of its own',
    of: (scope) => ({
      ...scope,
      ranges: [
        ...scope.ranges,
        {
          start: addressIn(scope, 224),
          end: addressIn(scope, 239),
          properties: {},
          options: scope.options.slice(0, 1),
        },
        {
          start: addressIn(scope, 241),
          end: addressIn(scope, 241),
          properties: { 'user-context': { use: 'guests' } },
          options: [],
        },
      ],
    }),
  },
  {
    title: 'other data of an option',
    of: (scope) => ({
      ...scope,
      options: scope.options.map((option, index) =>
        index === 0 ? { ...option, data: addressIn(scope, 254) } : option,
      ),
    }),
  },
  { title: 'an option less', of: (scope) => ({ ...scope, options: scope.options.slice(0, -1) }) },
  {
    title: 'another lease duration',
    of: (scope) =>
      withProperties(scope, { 'valid-lifetime': 7200, 'min-valid-lifetime': 3600, 'max-valid-lifetime': 86_400 }),
  },
  {
    title: 'reals that are whole numbers',
    of: (scope) => withProperties(scope, { 't1-percent': realOf(0), 't2-percent': realOf(1) }),
  },
  {
    title: 'a parameter nobody knows, with an integer beyond 2^53, reals and text of any kind',
    of: (scope) =>
      withProperties(scope, {
        'user-context': {
          serial: 2n ** 60n + 1n,
          negative: -(2n ** 62n),
          ratio: realOf(0.25),
          whole: realOf(3),
          text: 'Büro – 東京 🖨',
          'schlüssel €': ['ß', '"\\/\t', ''],
          nothing: null,
          nested: { empty: {}, list: [] },
        },
      }),
  },
  {
    title: 'text beyond ASCII in a name',
    of: (scope) => ({
      ...scope,
      reservations: scope.reservations.map((one, index) => (index === 0 ? { ...one, name: 'büro-ß' } : one)),
    }),
  },
  { title: 'no reservations', of: (scope) => ({ ...scope, reservations: [] }) },
  { title: 'no options and no ranges', of: (scope) => ({ ...scope, options: [], ranges: [] }) },
]

function read(subject: Subject): Promise<Snapshot> {
  return subject.driver.read(AbortSignal.timeout(30_000))
}

function scopeIn(snapshot: Snapshot, key: ScopeKey): Scope {
  const scope = snapshot.scopes.get(key)
  assert.ok(scope, `${key} is not there`)
  return scope
}

function contents(snapshot: Snapshot, except: readonly ScopeKey[] = []): Record<string, string> {
  const rows = [...snapshot.scopes].filter(([key]) => !except.includes(key))
  return Object.fromEntries(rows.map(([key, scope]) => [key, contentOf(scope).text]).sort())
}

/** Brings `key` to `wanted`, twice, and checks everything that must hold. */
async function bringAbout(subject: Subject, key: ScopeKey, wanted: Scope | undefined): Promise<void> {
  const before = await read(subject)
  const current = before.scopes.get(key)
  const write = wanted === undefined ? { scope: key } : { scope: key, wanted }
  const isSame =
    current !== undefined && wanted !== undefined && contentOf(current).fingerprint === contentOf(wanted).fingerprint

  assert.deepEqual(await subject.driver.apply(before, [write]), { kind: 'applied', changed: !isSame })

  const after = await read(subject)
  assert.equal(after.scopes.get(key) && contentOf(scopeIn(after, key)).text, wanted && contentOf(wanted).text)
  assert.deepEqual(contents(after, [key]), contents(before, [key]), 'other scopes changed')
  assert.deepEqual(subject.rest(after), subject.rest(before), 'something outside of the scopes changed')

  const writes = await subject.writesSeen()
  assert.deepEqual(await subject.driver.apply(after, [write]), { kind: 'applied', changed: false })
  assert.equal(await subject.writesSeen(), writes, 'the second time something was written')
  assert.ok(await subject.serves(), 'the server does not serve')
}

/** A probe whose token did not change for longer than the second in which some servers count. */
async function settledProbe(driver: DhcpDriver): Promise<Probe> {
  let probe = await driver.probe(AbortSignal.timeout(5_000))
  let since = performance.now()
  return waitFor('the token to settle', async () => {
    const now = await driver.probe(AbortSignal.timeout(5_000))
    if (now.token !== probe.token) since = performance.now()
    probe = now
    return performance.now() - since > 1_100 ? now : undefined
  })
}

/** Registers the suite's tests for one kind of server. */
export function conformanceOf(title: string, open: () => Promise<Subject>): void {
  test(`${title} conforms`, async (t) => {
    const subject = await open()
    t.after(() => subject.close())
    const { driver, scope: key } = subject

    for (const state of DESIRED_STATES) {
      await t.test(`brings about ${state.title}, and nothing the second time`, async () => {
        await bringAbout(subject, key, state.of(scopeIn(await read(subject), key)))
      })
    }

    const created = parseScopeKey('10.250.7.0/24') as ScopeKey
    await t.test('creates a scope', async () => {
      const other = [...(await read(subject)).scopes.values()].find((scope) => scope.key !== key)
      assert.ok(other)
      const { group: _group, ...model } = other
      await bringAbout(subject, created, {
        ...model,
        key: created,
        id: 4_000_000_000,
        ranges: [{ start: '10.250.7.10', end: '10.250.7.20', properties: {}, options: [] }],
        reservations: [],
      })
    })

    await t.test('deletes a scope', async () => {
      await bringAbout(subject, created, undefined)
    })

    await t.test('writes several scopes at once', async () => {
      const before = await read(subject)
      const wanted = [...before.scopes.values()]
        .slice(0, 2)
        .map((scope) =>
          withProperties(scope, { 'valid-lifetime': 6000, 'min-valid-lifetime': 6000, 'max-valid-lifetime': 6000 }),
        )
      const writes = wanted.map((scope) => ({ scope: scope.key, wanted: scope }))
      assert.deepEqual(await driver.apply(before, writes), { kind: 'applied', changed: true })
      const after = await read(subject)
      for (const scope of wanted) assert.equal(contentOf(scopeIn(after, scope.key)).text, contentOf(scope).text)
    })

    await t.test(
      'leaves everything as it was, and serving, where the server refuses one scope of a batch',
      async () => {
        const before = await read(subject)
        const good = [...before.scopes.values()].find((scope) => scope.key !== key) as Scope
        const result = await driver.apply(before, [
          { scope: good.key, wanted: withProperties(good, { 'user-context': { fine: true } }) },
          { scope: key, wanted: subject.refused(scopeIn(before, key)) },
        ])
        assert.equal(result.kind, 'rejected')
        assert.ok(result.kind === 'rejected' && result.message.length > 0)
        assert.deepEqual(contents(await read(subject)), contents(before))
        assert.ok(await subject.serves())
      },
    )

    await t.test('sees what another tool changed', async () => {
      const address = addressIn(scopeIn(await read(subject), key), 77)
      const before = await settledProbe(driver)
      await subject.editByOtherTool(key, { kind: 'add-reservation', identifier: '02:77:00:00:00:01', address })
      await waitFor('the probe to notice it', async () => {
        const now = await driver.probe(AbortSignal.timeout(5_000))
        assert.equal(now.instance, before.instance)
        return now.token === before.token ? undefined : true
      })
      const edited = scopeIn(await read(subject), key)
      assert.ok(edited.reservations.some((one) => one.address === address))
    })

    await t.test('keeps a parameter that it does not know', async () => {
      const value = { owner: 'somebody else', since: 2n ** 61n }
      await subject.editByOtherTool(key, { kind: 'set-unknown-parameter', value })
      const edited = scopeIn(await read(subject), key)
      assert.deepEqual(edited.properties['user-context'], value)
      await bringAbout(subject, key, { ...edited, reservations: [] })
    })

    await t.test('has after a restart what was made durable', async () => {
      const before = await read(subject)
      assert.deepEqual(await driver.persist(), { kind: 'persisted' })
      await subject.restart()
      const after = await read(subject)
      assert.notEqual(after.instance, before.instance)
      assert.deepEqual(contents(after), contents(before))
    })

    await t.test('knows whose server it is', async () => {
      const first = await driver.claim('installation-1')
      if (first.kind === 'unsupported') return
      assert.deepEqual(first, { kind: 'ours' })
      assert.deepEqual(await driver.claim('installation-1'), { kind: 'ours' })
      assert.deepEqual(await driver.claim('installation-2'), { kind: 'foreign', owner: 'installation-1' })
    })

    await t.test('changes its owner only where that is asked for, and says whose it was', async () => {
      const taken = await driver.claim('installation-2', { replace: true })
      if (taken.kind === 'unsupported') return
      assert.deepEqual(taken, { kind: 'ours', previous: 'installation-1' })
      assert.deepEqual(await driver.claim('installation-2', { replace: true }), { kind: 'ours' })
      assert.deepEqual(await driver.claim('installation-1'), { kind: 'foreign', owner: 'installation-2' })
    })

    await t.test('counts the active leases of a scope outside of ranges', async () => {
      const scope = scopeIn(await read(subject), key)
      const at = (octet: number) => addressIn(scope, octet)
      const range = { start: at(10), end: at(20) }
      assert.deepEqual(await driver.activeLeasesOutside?.(scope, [range]), { count: 0, examples: [] })
      await subject.lease(scope, [at(9), at(10), at(20), at(21), at(200)], [at(8), at(201)])
      const found = await driver.activeLeasesOutside?.(scope, [range, { start: at(200), end: at(200) }])
      assert.deepEqual(found, { count: 2, examples: [at(9), at(21)] })
      const other = [...(await read(subject)).scopes.values()].find((one) => one.key !== key) as Scope
      assert.deepEqual(await driver.activeLeasesOutside?.(other, []), { count: 0, examples: [] })
    })

    await t.test('says that a server cannot be reached, and that nothing was sent', async () => {
      const before = await read(subject)
      const wanted = withProperties(scopeIn(before, key), { 'user-context': { late: true } })
      await subject.stop()
      const isUnreachable = (error: unknown) => error instanceof DriverError && error.code === 'unreachable'
      await assert.rejects(driver.probe(AbortSignal.timeout(5_000)), isUnreachable)
      await assert.rejects(read(subject), isUnreachable)
      await assert.rejects(driver.apply(before, [{ scope: key, wanted }]), isUnreachable)
    })
  })
}
