// A change made by any tool is noticed and copied: config-set, config-reload, a restart with an edited file,
// and on Kea 3 the subnet commands, which leave no trace in Kea's cheap answers.

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { stringify } from 'yaml'
import { formatJson, type JsonObject, parseJson } from '#dhcp/json.ts'
import { eventually } from '#harness/eventually.ts'
import { type KeaPair, startKeaPair } from '#harness/kea.ts'
import {
  addReservation,
  editRunning,
  fileConfig,
  hasReservation,
  keaServer,
  runningConfig,
  type System,
  startSystem,
  subnetOf,
  waitAgreed,
  withSubnet,
} from '#harness/system.ts'
import { keaCommandOk } from '#local/kea-control.ts'
import { manySubnets } from '#local/sample-scopes.ts'

const SCOPE = '10.0.1.0/24'

function reservation(last: number): JsonObject {
  return { 'hw-address': `02:ab:00:00:00:${last.toString(16)}`, 'ip-address': `10.0.1.${last}`, hostname: `t${last}` }
}

const withReservation = (last: number) => (config: JsonObject) =>
  withSubnet(config, SCOPE, (subnet) => addReservation(subnet, reservation(last)))

test('Kea 2.2', async (t) => {
  const system = await startSystem({ dhcp: { kind: 'kea', subnets: manySubnets(3, 20), heartbeatMs: 100 } })
  t.after(() => system.stop())
  const source = keaServer(system, 0)
  const arrives = (last: number) =>
    eventually(
      async () =>
        assert.ok(hasReservation(subnetOf(await runningConfig(keaServer(system, 1)), SCOPE), `10.0.1.${last}`)),
      { timeoutMs: 20_000, what: `reservation ${last} on the partner` },
    )
  const editFile = async (last: number) => {
    const edited = withReservation(last)(await fileConfig(source))
    await writeFile(source.configFile, formatJson({ Dhcp4: edited }, 2), 'latin1')
  }

  await t.test('config-set', async () => {
    await editRunning(source, withReservation(70))
    await arrives(70)
    await keaCommandOk(source.controlSocket, 'config-write')
  })
  await t.test('an edited file and config-reload', async () => {
    await waitAgreed(system)
    await editFile(71)
    await keaCommandOk(source.controlSocket, 'config-reload')
    await arrives(71)
  })
  await t.test('an edited file and SIGHUP', async () => {
    await waitAgreed(system)
    await editFile(72)
    source.dhcp4.signal('SIGHUP')
    await arrives(72)
  })
  await t.test('a restart with an edited file', async () => {
    await waitAgreed(system)
    await editFile(73)
    await source.dhcp4.kill()
    await source.dhcp4.ready()
    await arrives(73)
  })
  await t.test('two edits within one second of Kea’s clock', async () => {
    await waitAgreed(system)
    await editRunning(source, withReservation(74))
    await editRunning(source, withReservation(75))
    await arrives(74)
    await arrives(75)
  })
})

test('Kea 3', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'twinscope-kea3-'))
  const opened: { pair?: KeaPair; system?: System } = {}
  t.after(async () => {
    await opened.system?.stop()
    await opened.pair?.close()
    await rm(directory, { recursive: true, force: true })
  })
  const pair = await startKeaPair({ version: '3.x', control: 'http', heartbeatDelayMs: 100, subnets: 3 })
  opened.pair = pair
  await pair.waitSteady()
  const [source, target] = pair.servers
  const configFile = join(directory, 'twinscope.yaml')
  await writeFile(
    configFile,
    stringify({
      servers: pair.servers.map(({ name, control, configFile: file }) => ({
        name,
        kind: 'kea',
        control,
        'config-file': file,
      })),
      relationships: [
        {
          name: 'kea3',
          servers: [source.name, target.name],
          authority: source.name,
          mode: 'automatic',
          'quiet-period': '0s',
        },
      ],
    }),
  )
  // The subnet commands are found by the full read alone.
  const system = await startSystem({
    dhcp: { kind: 'configured', file: configFile },
    env: { TWINSCOPE_FULL_READ_SECONDS: '1' },
  })
  opened.system = system
  const running = async () => {
    const answer = await target.command('config-get')
    return String(JSON.stringify(answer.arguments))
  }

  await t.test('subnet4-add and subnet4-del through the hook', async () => {
    const added = await source.command('subnet4-add', {
      subnet4: [{ id: 77, subnet: '10.77.0.0/24', pools: [{ pool: '10.77.0.10 - 10.77.0.20' }] }],
    })
    assert.equal(added.result, 0, added.text ?? '')
    await eventually(async () => assert.match(await running(), /10\.77\.0\.0\/24/), {
      timeoutMs: 20_000,
      what: 'the added subnet',
    })
    await eventually(
      async () => assert.match(formatJson(parseJson(await readFile(target.configFile, 'latin1'))), /10\.77\.0\.0\/24/),
      { timeoutMs: 10_000, what: 'the added subnet in the file' },
    )
    // Deleted on the authoritative side, it is held by default (prune: ask), not deleted.
    const deleted = await source.command('subnet4-del', { id: 77 })
    assert.equal(deleted.result, 0, deleted.text ?? '')
    await eventually(
      async () => {
        const { scopes } = await system.relationship('kea3')
        assert.equal(scopes.find(({ scope }) => scope === '10.77.0.0/24')?.code, 'deleted')
      },
      { timeoutMs: 20_000, what: 'the deletion in the status' },
    )
    assert.match(await running(), /10\.77\.0\.0\/24/)
  })
  await t.test('config-set over HTTP', async () => {
    const { Dhcp4 } = (await source.command('config-get')).arguments as unknown as {
      Dhcp4: { subnet4: { 'option-data': object[] }[] }
    }
    Dhcp4.subnet4[0]?.['option-data'].push({ name: 'time-servers', data: '10.9.9.9' })
    const set = await source.command('config-set', { Dhcp4 })
    assert.equal(set.result, 0, set.text ?? '')
    await eventually(async () => assert.match(await running(), /10\.9\.9\.9/), {
      timeoutMs: 20_000,
      what: 'the option',
    })
  })
})
