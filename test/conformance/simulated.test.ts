// The conformance suite over a simulated server in a process of its own.

import type { Json } from '#dhcp/json.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { openSimulated } from '#drivers/simulated/driver.ts'
import { startSimulator } from '#harness/simulator.ts'
import { samplePair } from '#simulator/description.ts'
import { conformanceOf, type Subject } from './suite.ts'

const SERVER = 'sim1.example.net'

async function openSubject(): Promise<Subject> {
  const simulator = await startSimulator(samplePair({ scopes: 4 }))
  const { admin } = simulator
  const driver = openSimulated({ name: SERVER, control: simulator.control(SERVER) })
  return {
    driver,
    scope: '10.0.1.0/24' as ScopeKey,
    async editByOtherTool(key, edit) {
      await admin.editScope(SERVER, key, (scope) => {
        if (edit.kind === 'set-unknown-parameter') {
          return { ...scope, properties: { ...scope.properties, 'user-context': edit.value } }
        }
        const { identifier, address } = edit
        const added = { identifierType: 'hw-address', identifier, address, properties: {}, options: [] }
        return { ...scope, reservations: [...scope.reservations, added] }
      })
    },
    // A range outside of the scope.
    refused: (current) => ({
      ...current,
      ranges: [{ start: '192.0.2.1', end: '192.0.2.9', properties: {}, options: [] }],
    }),
    writesSeen: async () => (await admin.log(SERVER)).filter((entry) => entry.kind === 'write').length,
    rest: ({ version, relationships, provides }) => ({
      version,
      relationships: relationships as unknown as Json,
      provides: [...provides],
    }),
    async serves() {
      await driver.probe(AbortSignal.timeout(5_000))
      return true
    },
    lease: (_scope, active) => admin.setLeases(SERVER, active),
    restart: () => admin.restart(SERVER),
    stop: () => admin.setFaults(SERVER, { unreachable: true }),
    async close() {
      await driver.close()
      await simulator.stop()
    },
  }
}

conformanceOf('a simulated server', openSubject)
