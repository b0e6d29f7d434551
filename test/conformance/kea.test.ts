// The conformance suite over real Kea servers, each version by each of its control channels.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { isJsonObject, type Json, type JsonObject } from '#dhcp/json.ts'
import type { Scope } from '#dhcp/scope.ts'
import { parseScopeKey, type ScopeKey } from '#dhcp/scope.ts'
import { openKea } from '#drivers/kea/driver.ts'
import { type KeaPairOptions, keaRaw, startKeaPair } from '#harness/kea.ts'
import { conformanceOf, type Subject } from './suite.ts'

const SCOPE = parseScopeKey('10.0.0.0/24') as ScopeKey

async function openSubject(options: KeaPairOptions): Promise<Subject> {
  const isKea2 = options.version === '2.2'
  const pair = await startKeaPair({
    heartbeatDelayMs: 100,
    subnets: 3,
    ...options,
    dhcp4: {
      'shared-networks': [
        {
          name: 'floor-1',
          'valid-lifetime': 5000,
          'renew-timer': 500,
          [isKea2 ? 'client-class' : 'client-classes']: isKea2 ? 'phones' : ['phones'],
          'option-data': [{ name: 'routers', data: '10.9.0.1' }],
          subnet4: [
            { id: 901, subnet: '10.9.1.0/24', 'valid-lifetime': 900, pools: [{ pool: '10.9.1.0/25' }] },
            { id: 902, subnet: '10.9.2.0/24', relay: { 'ip-addresses': ['192.0.2.7'] } },
          ],
        },
      ],
      'client-classes': [{ name: 'phones', test: "substring(option[60].hex,0,5) == 'phone'" }],
      'option-data': [{ name: 'domain-name', data: 'müller.example' }],
      'option-def': [{ name: 'room', code: 230, type: 'string' }],
    },
  })
  const [server] = pair.servers
  const driver = await openKea({ name: 'dhcp1', control: server.control, configFile: server.configFile })

  async function edit(change: (subnet: JsonObject) => JsonObject): Promise<void> {
    const { Dhcp4 } = (await keaRaw(server.socket, { command: 'config-get' })) as { Dhcp4: JsonObject }
    const subnet4 = (Dhcp4.subnet4 as readonly JsonObject[]).map((one) => (one.subnet === SCOPE ? change(one) : one))
    await keaRaw(server.socket, { command: 'config-set', arguments: { Dhcp4: { ...Dhcp4, subnet4 } } })
  }

  return {
    driver,
    scope: SCOPE,
    editByOtherTool: (_scope, what) =>
      edit((subnet) =>
        what.kind === 'add-reservation'
          ? {
              ...subnet,
              reservations: [
                ...(subnet.reservations as readonly Json[]),
                { 'hw-address': what.identifier, 'ip-address': what.address },
              ],
            }
          : { ...subnet, 'user-context': what.value },
      ),
    // A range outside of the subnet.
    refused: (current: Scope) => ({
      ...current,
      ranges: [{ start: '192.0.2.1', end: '192.0.2.9', properties: {}, options: [] }],
    }),
    async writesSeen() {
      const log = await readFile(server.logFile, 'utf8')
      return log.split("Received command 'config-set'").length - 1
    },
    rest({ native }) {
      const dhcp4 = isJsonObject(native) ? native : {}
      const networks = (dhcp4['shared-networks'] as readonly JsonObject[]).map(({ subnet4: _subnets, ...rest }) => rest)
      const { subnet4: _subnets, ...rest } = dhcp4
      return { ...rest, 'shared-networks': networks }
    },
    async serves() {
      await pair.waitSteady()
      return true
    },
    async lease(scope, active, ended) {
      const now = Math.floor(Date.now() / 1_000)
      for (const [index, address] of [...active, ...ended].entries()) {
        const isEnded = index >= active.length
        const lease = {
          'ip-address': address,
          'subnet-id': scope.id,
          'hw-address': `02:00:00:00:01:${index.toString(16).padStart(2, '0')}`,
          'valid-lft': 3600,
          // Half of those that ended have run out, and half were declined by the client.
          ...(isEnded && index % 2 === 0 ? { expire: now - 10 } : {}),
          ...(isEnded && index % 2 === 1 ? { state: 1 } : {}),
        }
        assert.deepEqual((await server.command('lease4-add', lease)).result, 0)
      }
    },
    async restart() {
      await server.stop()
      await server.start()
      await pair.waitSteady()
    },
    stop: () => server.stop(),
    async close() {
      await driver.close()
      await pair.close()
    },
  }
}

conformanceOf('Kea 2.2 over its unix socket', () => openSubject({ version: '2.2', control: 'unix' }))
conformanceOf('Kea 2.2 over its control agent', () => openSubject({ version: '2.2', control: 'ctrl-agent' }))
conformanceOf('Kea 3 over its unix socket', () => openSubject({ version: '3.x', control: 'unix' }))
conformanceOf('Kea 3 over its HTTP socket', () => openSubject({ version: '3.x', control: 'http' }))
