// The file that Kea starts from, after Twinscope wrote to the server: real servers, restarted.

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmod, chown, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import test, { type TestContext } from 'node:test'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { JsonObject } from '#dhcp/json.ts'
import { parseScopeKey, type Scope, type ScopeKey } from '#dhcp/scope.ts'
import type { DhcpDriver, Snapshot } from '#drivers/driver.ts'
import { openKea } from '#drivers/kea/driver.ts'
import { formatKeaFile, parseKeaJson } from '#drivers/kea/kea-json.ts'
import { aSubnet, type KeaPair, type KeaServer, keaExchange, startKeaPair, waitFor } from '#harness/kea.ts'
import { type KeaProxyHooks, startKeaProxy } from '#harness/kea-proxy.ts'
import type { KeaVersion } from '#harness/kea-versions.ts'

const CHANGED = parseScopeKey('10.0.0.0/24') as ScopeKey
const OTHER = parseScopeKey('10.0.1.0/24') as ScopeKey
const IN_NETWORK = parseScopeKey('10.0.2.0/24') as ScopeKey
const OWN_LIFETIME = parseScopeKey('10.0.3.0/24') as ScopeKey
const VERSIONS = ['2.2', '3.x'] as const

async function aPair(t: TestContext, version: KeaVersion): Promise<KeaPair> {
  const context = { 'user-context': { größe: 'Zürich\u0001 ✓', big: 1 } }
  const pair = await startKeaPair({
    version,
    heartbeatDelayMs: 100,
    subnets: [aSubnet(0), { ...aSubnet(1), ...context }, { ...aSubnet(3), 'valid-lifetime': 777 }],
    dhcp4: {
      'shared-networks': [{ name: 'floor', 'renew-timer': 500, subnet4: [aSubnet(2)] }],
    },
  })
  t.after(() => pair.close())
  return pair
}

async function aDriver(t: TestContext, server: KeaServer, hooks: KeaProxyHooks = {}): Promise<DhcpDriver> {
  const proxy = await startKeaProxy(server.socket, hooks)
  const driver = await openKea({ name: 'dhcp1', control: proxy.control, configFile: server.configFile })
  t.after(async () => {
    await driver.close()
    await proxy.close()
  })
  return driver
}

function read(driver: DhcpDriver): Promise<Snapshot> {
  return driver.read(AbortSignal.timeout(10_000))
}

async function changeOneScope(driver: DhcpDriver): Promise<void> {
  const before = await read(driver)
  const scope = before.scopes.get(CHANGED) as Scope
  const wanted = { ...scope, properties: { ...scope.properties, 'renew-timer': 900 } }
  assert.deepEqual(await driver.apply(before, [{ scope: CHANGED, wanted }]), { kind: 'applied', changed: true })
}

async function restart(server: KeaServer): Promise<void> {
  await server.stop()
  await server.start()
}

async function fileOf(server: KeaServer): Promise<{ readonly Dhcp4: JsonObject }> {
  return parseKeaJson(await readFile(server.configFile)) as { readonly Dhcp4: JsonObject }
}

for (const version of VERSIONS) {
  test(`Kea ${version}: what was written follows the server's values after a restart`, async (t) => {
    const pair = await aPair(t, version)
    const [server] = pair.servers
    await chmod(server.configFile, 0o640)
    if (process.getuid?.() === 0) await chown(server.configFile, 65_534, 65_534)
    const owned = await stat(server.configFile)
    const driver = await aDriver(t, server)
    await changeOneScope(driver)
    const hints: string[] = []
    const stop = driver.watch?.((hint) => hints.push(hint))
    t.after(() => stop?.())

    assert.deepEqual(await driver.persist(), { kind: 'persisted' })

    const { uid, gid, mode } = await stat(server.configFile)
    assert.deepEqual([uid, gid, mode], [owned.uid, owned.gid, owned.mode])
    await waitFor('the hint of the write', async () => hints[0])
    const mark = path.join(server.directory, `.${path.basename(server.configFile)}.twinscope-written`)
    const hash = createHash('sha256').update(await readFile(server.configFile))
    assert.equal((await readFile(mark, 'utf8')).trim(), hash.digest('hex'))
    const names = await readdir(server.directory)
    assert.deepEqual(
      names.filter((name) => name.endsWith('-new') || name.endsWith('.new')),
      [],
    )

    const running = () => keaExchange(server.socket, '{ "command": "config-get" }')
    const before = await running()
    await restart(server)
    assert.equal((await running()).toString('latin1'), before.toString('latin1'))

    const { Dhcp4, ...rest } = await fileOf(server)
    assert.equal(Dhcp4['valid-lifetime'], 4000)
    await writeFile(server.configFile, formatKeaFile({ ...rest, Dhcp4: { ...Dhcp4, 'valid-lifetime': 5000 } }))
    await restart(server)
    const { scopes } = await read(driver)
    const lifetimes = [CHANGED, OTHER, IN_NETWORK, OWN_LIFETIME].map(
      (key) => scopes.get(key)?.properties['valid-lifetime'],
    )
    assert.deepEqual(lifetimes, [5000, 5000, 5000, 777])
    assert.equal(scopes.get(CHANGED)?.properties['renew-timer'], 900)
    assert.equal(scopes.get(IN_NETWORK)?.properties['renew-timer'], 500)
  })

  test(`Kea ${version}: where the form cannot be put there, Kea's own file stays, and that is said`, async (t) => {
    const pair = await aPair(t, version)
    const [server] = pair.servers
    let byKea: Buffer | undefined
    let editedTo: string | undefined
    const driver = await aDriver(t, server, {
      async after(command, nth) {
        // The first test is that of the write itself.
        if (command !== 'config-test' || nth === 1) return undefined
        if (nth > 2) {
          editedTo = `# by hand\n${await readFile(server.configFile, 'utf8')}`
          await writeFile(server.configFile, editedTo)
          return undefined
        }
        byKea = await readFile(server.configFile)
        return 'lose'
      },
    })
    await changeOneScope(driver)
    const running = contentOf((await read(driver)).scopes.get(OTHER) as Scope)

    const unverified = await driver.persist()

    assert.ok(unverified.kind === 'persisted')
    assert.match(unverified.note ?? '', /as Kea wrote it.*config-test/)
    assert.deepEqual(await readFile(server.configFile), byKea)

    const edited = await driver.persist()

    assert.ok(edited.kind === 'persisted')
    assert.match(edited.note ?? '', /somebody changed the file/)
    assert.equal(await readFile(server.configFile, 'utf8'), editedTo)
    await restart(server)
    assert.deepEqual(contentOf((await read(driver)).scopes.get(OTHER) as Scope), running)
  })
}
