// What goes wrong when Kea is written, with real servers: nothing here is a mock, the world around Kea
// is changed for the moment of one command.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import { parseScopeKey, type Scope, type ScopeKey } from '#dhcp/scope.ts'
import { type DhcpDriver, DriverError, type Snapshot } from '#drivers/driver.ts'
import { type KeaOptions, openKea } from '#drivers/kea/driver.ts'
import { aSubnet, type KeaPair, type KeaPairOptions, startKeaPair, waitFor } from '#harness/kea.ts'
import { startKeaProxy } from '#harness/kea-proxy.ts'
import { aServingPair, losesFailedSet, neededDirectory } from '#harness/kea-serving.ts'

const SCOPE = parseScopeKey('10.0.0.0/24') as ScopeKey
const OTHER_SCOPE = parseScopeKey('10.0.1.0/24') as ScopeKey
const VERSIONS = ['2.2', '3.x'] as const
const needsRoot = process.getuid?.() === 0 ? {} : { skip: 'needs root' }

function read(driver: DhcpDriver): Promise<Snapshot> {
  return driver.read(AbortSignal.timeout(10_000))
}

function scopeIn(snapshot: Snapshot, key = SCOPE): Scope {
  const scope = snapshot.scopes.get(key)
  assert.ok(scope)
  return scope
}

function withReservation(scope: Scope): Scope {
  const reservation = {
    identifierType: 'hw-address',
    identifier: '02:aa:00:00:00:01',
    address: '10.0.0.77',
    properties: {},
    options: [],
  }
  return { ...scope, reservations: [...scope.reservations, reservation] }
}

function textOf(snapshot: Snapshot, key = SCOPE): string {
  return contentOf(scopeIn(snapshot, key)).text
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof DriverError && error.code === code
}

async function aPair(t: TestContext, options: KeaPairOptions = {}): Promise<KeaPair> {
  const pair = await startKeaPair({ heartbeatDelayMs: 100, ...options })
  t.after(() => pair.close())
  return pair
}

async function aDriver(t: TestContext, pair: KeaPair, options: Partial<KeaOptions> = {}): Promise<DhcpDriver> {
  const [server] = pair.servers
  const driver = await openKea({ name: 'dhcp1', control: server.control, configFile: server.configFile, ...options })
  t.after(() => driver.close())
  return driver
}

for (const version of VERSIONS) {
  test(`Kea ${version}: after a config-set that fails half way the server runs its former configuration and serves`, async (t) => {
    const { pair, serves } = await aServingPair(t, { version, ownHooks: version === '2.2' })
    const needed = neededDirectory(pair, version)
    const proxy = await startKeaProxy(pair.servers[0].socket, {
      async before(command, nth) {
        if (command === 'config-set' && nth === 1) await rename(needed, `${needed}.away`)
      },
      async after(command, nth) {
        if (command === 'config-set' && nth === 1) await rename(`${needed}.away`, needed)
        return undefined
      },
    })
    t.after(() => proxy.close())
    const driver = await aDriver(t, pair, { control: proxy.control })
    assert.match(await serves(), /^10\.0\.0\./)
    const before = await read(driver)

    const result = await driver.apply(before, [{ scope: SCOPE, wanted: withReservation(scopeIn(before)) }])

    assert.ok(result.kind === 'rejected')
    assert.match(result.message, /leases4\.csv|hook libraries failed/)
    // In the last moment it is looked whether somebody else was quicker.
    const looksAgain = version === '2.2' ? 'config-get' : 'config-hash-get'
    assert.deepEqual(proxy.commands.slice(-5), ['config-test', looksAgain, 'config-set', 'config-set', 'status-get'])
    assert.equal(textOf(await read(driver)), textOf(before))
    assert.match(await serves(), /^10\.0\.0\./)
  })

  test(`Kea ${version}: where the former configuration cannot be put back either, that is said`, async (t) => {
    const { pair } = await aServingPair(t, { version, ownHooks: version === '2.2' })
    const needed = neededDirectory(pair, version)
    const driver = await aDriver(t, pair)
    const before = await read(driver)
    const proxy = await startKeaProxy(pair.servers[0].socket, {
      async before(command, nth) {
        if (command === 'config-set' && nth === 1) await rename(needed, `${needed}.away`)
      },
    })
    t.after(() => proxy.close())
    const writer = await aDriver(t, pair, { control: proxy.control })

    const apply = writer.apply(before, [{ scope: SCOPE, wanted: withReservation(scopeIn(before)) }])

    await assert.rejects(apply, hasCode('not-serving'))
  })

  test(`Kea ${version}: a failed config-set whose answer is lost does not leave a server that serves nobody`, async (t) => {
    const { pair, serves, offer } = await aServingPair(t, { version, ownHooks: version === '2.2' })
    const proxy = await startKeaProxy(pair.servers[0].socket, losesFailedSet(neededDirectory(pair, version)))
    t.after(() => proxy.close())
    const driver = await aDriver(t, pair, { control: proxy.control })
    await serves()
    const before = await read(driver)

    const apply = driver.apply(before, [{ scope: SCOPE, wanted: withReservation(scopeIn(before)) }])

    await assert.rejects(apply, hasCode('timed-out'))
    assert.equal(await offer(), undefined)
    assert.equal(textOf(await read(driver)), textOf(before))
    assert.match(await serves(), /^10\.0\.0\./)
  })
}

test('Kea 2.2: what config-test refuses never reaches config-set, which would end the service', async (t) => {
  const { pair, serves } = await aServingPair(t, { version: '2.2' })
  const proxy = await startKeaProxy(pair.servers[0].socket, {})
  t.after(() => proxy.close())
  const driver = await aDriver(t, pair, { control: proxy.control })
  const before = await read(driver)
  const wanted = { ...scopeIn(before), ranges: [{ start: '192.0.2.1', end: '192.0.2.2', properties: {}, options: [] }] }

  const result = await driver.apply(before, [{ scope: SCOPE, wanted }])

  assert.ok(result.kind === 'rejected')
  assert.match(result.message, /does not match the prefix/)
  assert.ok(!proxy.commands.includes('config-set'))
  assert.match(await serves(), /^10\.0\.0\./)
})

test('a write that changes nothing leaves the HA state alone', async (t) => {
  const pair = await aPair(t, { heartbeatDelayMs: 500 })
  const driver = await aDriver(t, pair)
  const before = await read(driver)
  const token = await waitFor('the token to settle', async () => {
    const probe = await driver.probe(AbortSignal.timeout(1_000))
    return probe.token.endsWith('/now') ? undefined : probe.token
  })

  const writes = [...before.scopes.values()].map((scope) => ({ scope: scope.key, wanted: scope }))
  assert.deepEqual(await driver.apply(before, writes), { kind: 'applied', changed: false })

  const probe = await driver.probe(AbortSignal.timeout(1_000))
  assert.equal(probe.token, token)
  assert.equal(probe.relationships[0]?.nativeState, 'load-balancing')
})

test('a control agent without its DHCP server is no answer of the server', async (t) => {
  for (const version of VERSIONS) {
    const pair = await aPair(t, { version, control: 'ctrl-agent' })
    const driver = await aDriver(t, pair)
    const before = await read(driver)
    process.kill(pair.servers[0].pid(), 'SIGKILL')
    await waitFor('Kea to be gone', async () => {
      const error = await pair.servers[0].command('status-get').then(
        () => undefined,
        (reason: unknown) => reason,
      )
      return error === undefined ? undefined : true
    })
    await assert.rejects(read(driver), hasCode('unreachable'))
    const wanted = withReservation(scopeIn(before))
    await assert.rejects(driver.apply(before, [{ scope: SCOPE, wanted }]), hasCode('unreachable'))
  }
})

test('Kea 3: a password that is asked for and not given is said', async (t) => {
  const credentials = { user: 'twinscope', password: 'pass:word-7' }
  const pair = await aPair(t, { version: '3.x', control: 'http', credentials })
  const stranger = await aDriver(t, pair)
  await assert.rejects(read(stranger), hasCode('access-denied'))
  const known = await aDriver(t, pair, credentials)
  assert.equal((await read(known)).scopes.size, 2)
  const userFile = path.join(pair.servers[0].directory, 'user')
  await writeFile(userFile, `${credentials.user}:${credentials.password}\n`)
  assert.equal((await read(await aDriver(t, pair, { userFile }))).scopes.size, 2)
})

test('Kea 2.2: a server that a dead process of ours left without service is revived', async (t) => {
  const { pair, serves, offer } = await aServingPair(t, { version: '2.2' })
  const [server] = pair.servers
  await serves()
  const config = (await server.command('config-get')).arguments as unknown as {
    Dhcp4: { subnet4: { pools: unknown }[] }
  }
  for (const subnet of config.Dhcp4.subnet4) subnet.pools = [{ pool: '192.0.2.1 - 192.0.2.2' }]
  assert.equal((await server.command('config-set', config)).result, 1)
  assert.equal(await offer(), undefined)
  const driver = await aDriver(t, pair)
  assert.equal((await read(driver)).scopes.size, 2)

  await driver.revive?.()

  assert.match(await serves(), /^10\.0\.0\./)
})

test('a file with comments is not written over until that is allowed, and is kept', async (t) => {
  const configText = (config: unknown) =>
    `// our site\n${JSON.stringify(config, undefined, 2)}\n# "the" end\n/* http://not.a.comment/ inside */\n`
  const pair = await aPair(t, { configText })
  const [server] = pair.servers
  const original = await readFile(server.configFile, 'utf8')
  const careful = await aDriver(t, pair)
  const before = await read(careful)
  const writes = [{ scope: SCOPE, wanted: withReservation(scopeIn(before)) }]

  const held = await careful.apply(before, writes)

  assert.ok(held.kind === 'held')
  assert.equal(held.code, 'file-has-comments')
  assert.match(held.message, /3 comments.*accept-rewrite/)
  assert.equal(textOf(await read(careful)), textOf(before))
  assert.equal(await readFile(server.configFile, 'utf8'), original)

  const driver = await aDriver(t, pair, { acceptRewrite: true })
  assert.deepEqual(await driver.apply(before, writes), { kind: 'applied', changed: true })
  assert.deepEqual(await driver.persist(), { kind: 'persisted' })
  assert.equal(await readFile(`${server.configFile}.before-twinscope`, 'utf8'), original)
  assert.match(await readFile(server.configFile, 'utf8'), /02:aa:00:00:00:01/)

  // What Kea wrote for us needs no further copy; what somebody wrote since does.
  assert.deepEqual(await driver.persist(), { kind: 'persisted' })
  const copies = async () => (await readdir(server.directory)).filter((name) => name.includes('before-twinscope'))
  assert.equal((await copies()).length, 1)
  await writeFile(server.configFile, `# by hand\n${await readFile(server.configFile, 'utf8')}`)
  assert.deepEqual(await driver.persist(), { kind: 'persisted' })
  assert.equal((await copies()).length, 2)
})

for (const version of VERSIONS) {
  test(`Kea ${version}: a file that Kea may not write is said, with what to do`, needsRoot, async (t) => {
    const pair = await aPair(t, { version, uid: 65_534 })
    const driver = await aDriver(t, pair)
    const before = await read(driver)
    const wanted = withReservation(scopeIn(before))
    assert.deepEqual(await driver.apply(before, [{ scope: SCOPE, wanted }]), { kind: 'applied', changed: true })

    const result = await driver.persist()

    assert.ok(result.kind === 'not-persisted')
    assert.equal(result.code, 'read-only')
    assert.match(result.message, /chown _kea/)
    assert.equal(textOf(await read(driver)), contentOf(wanted).text)
  })

  test(`Kea ${version}: a full disk costs neither the file nor the service`, needsRoot, async (t) => {
    const disk = await mkdtemp(path.join(os.tmpdir(), 'kea-disk-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0755', 'tmpfs', disk])
    t.after(async () => {
      execFileSync('umount', [disk])
      await rm(disk, { recursive: true })
    })
    const pair = await aPair(t, { version, configDirectory: (index) => (index === 0 ? disk : undefined) })
    const [server] = pair.servers
    const filler = path.join(disk, 'filler')
    const fill = () => writeFile(filler, Buffer.alloc(1 << 20)).catch(() => undefined)
    let fillsAtWrite = false
    const proxy = await startKeaProxy(server.socket, {
      async before(command) {
        if (command === 'config-write' && fillsAtWrite) await fill()
      },
    })
    t.after(() => proxy.close())
    const driver = await aDriver(t, pair, { control: proxy.control })
    await read(driver)
    const original = await readFile(server.configFile)

    await fill()
    const early = await driver.persist()
    assert.ok(early.kind === 'not-persisted')
    assert.equal(early.code, 'disk-full')
    assert.ok(!proxy.commands.includes('config-write'))
    assert.deepEqual(await readFile(server.configFile), original)

    await rm(filler)
    fillsAtWrite = true
    const late = await driver.persist()
    assert.ok(late.kind === 'not-persisted')
    assert.equal(late.code, 'disk-full')
    assert.ok(proxy.commands.includes('config-write'))
    assert.deepEqual(await readFile(server.configFile), original)

    fillsAtWrite = false
    await rm(filler)
    assert.deepEqual(await driver.persist(), { kind: 'persisted' })
    assert.ok((await stat(server.configFile)).size > 0)
  })
}

test('Kea 3: a raw option 43, whose content Kea does not give, is neither replicated nor destroyed', async (t) => {
  const raw = { code: 43, 'csv-format': false, data: '0104AABBCCDD' }
  const pair = await aPair(t, { version: '3.x', subnets: [aSubnet(0), { ...aSubnet(1), 'option-data': [raw] }] })
  const driver = await aDriver(t, pair)
  const before = await read(driver)
  assert.match(before.unreplicable.get(OTHER_SCOPE) ?? '', /option 43/)
  assert.equal(before.unreplicable.has(SCOPE), false)

  const result = await driver.apply(before, [{ scope: SCOPE, wanted: withReservation(scopeIn(before)) }])

  assert.ok(result.kind === 'held')
  assert.equal(result.code, 'option-43-unreadable')
  assert.match(result.message, /10\.0\.1\.0\/24/)
})

test('Kea 2.2: a compatibility block, which Kea does not give back, is not written away', async (t) => {
  const pair = await aPair(t, { dhcp4: { compatibility: { 'lenient-option-parsing': true } } })
  const driver = await aDriver(t, pair, { acceptRewrite: true })
  const before = await read(driver)

  const result = await driver.apply(before, [{ scope: SCOPE, wanted: withReservation(scopeIn(before)) }])

  assert.ok(result.kind === 'held')
  assert.equal(result.code, 'compatibility-unreadable')
})

test('the watch tells of a write and of a file that is renamed into place', async (t) => {
  const pair = await aPair(t)
  const [server] = pair.servers
  const driver = await aDriver(t, pair)
  const hints: string[] = []
  const stop = driver.watch?.((hint) => hints.push(hint))
  t.after(() => stop?.())

  await server.command('config-write')
  await waitFor('a hint of config-write', async () => hints[0])
  const seen = hints.length
  await writeFile(`${server.configFile}.new`, await readFile(server.configFile))
  await rename(`${server.configFile}.new`, server.configFile)
  await waitFor('a hint of the rename', async () => hints[seen])
})
