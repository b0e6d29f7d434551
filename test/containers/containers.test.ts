// NATS and Redis from their images, as docker-compose.yml names them; the services as processes;
// a change through simulated DHCP servers from one end to the other.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers'
import { parse } from 'yaml'
import { contentOf } from '#dhcp/fingerprint.ts'
import type { ScopeKey } from '#dhcp/scope.ts'
import { eventually } from '#harness/eventually.ts'
import { sourceFile } from '#local/source.ts'
import { type LocalSystem, startLocal } from '#local/system.ts'
import { createSimulatorAdmin } from '#simulator/admin-client.ts'
import { samplePair } from '#simulator/description.ts'
import { findEngine } from './engine.ts'

type Compose = {
  readonly services: Readonly<Record<string, { readonly image?: string; readonly command?: readonly string[] }>>
}
const compose = parse(readFileSync(sourceFile('docker-compose.yml'), 'utf8')) as Compose

const engine = await findEngine()
// A build server that silently skips this would never notice a broken compose file.
const mayBeSkipped = process.env.CI !== 'true' || process.env.TWINSCOPE_CONTAINERS === 'elsewhere'

async function startService(name: string, port: number, readyLine: string): Promise<StartedTestContainer> {
  const { image, command = [] } = compose.services[name] ?? {}
  if (image === undefined) throw new Error(`docker-compose.yml has no image for ${name}`)
  return await new GenericContainer(image)
    .withCommand([...command])
    .withExposedPorts(port)
    .withWaitStrategy(Wait.forLogMessage(readyLine))
    .start()
}

function urlOf(scheme: string, container: StartedTestContainer, port: number): string {
  return `${scheme}://${container.getHost()}:${container.getMappedPort(port)}`
}

test('a change reaches the partner with NATS and Redis in containers', {
  skip: engine.kind === 'absent' && mayBeSkipped ? engine.reason : false,
}, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'twinscope-containers-'))
  const containers: StartedTestContainer[] = []
  let system: LocalSystem | undefined
  try {
    const nats = await startService('nats', 4222, 'Server is ready')
    containers.push(nats)
    const redis = await startService('redis', 6379, 'Ready to accept connections')
    containers.push(redis)
    system = await startLocal({
      dataDir,
      dhcp: { kind: 'simulated', description: samplePair({ scopes: 4 }) },
      natsUrl: urlOf('nats', nats, 4222),
      redisUrl: urlOf('redis', redis, 6379),
      policy: { 'quiet-period': '0s' },
    })
    await system.agreed()
    const admin = createSimulatorAdmin(system.dhcp.simulator?.admin ?? '')
    const [source = '', target = ''] = system.dhcp.watched
    const scope = '10.0.2.0/24' as ScopeKey

    const edited = await admin.editScope(source, scope, (before) => ({
      ...before,
      properties: { ...before.properties, 'valid-lifetime': 7200 },
    }))

    const arrived = await eventually(
      async () => {
        const there = await admin.scope(target, scope)
        assert.equal(there.properties['valid-lifetime'], 7200)
        return there
      },
      { timeoutMs: 20_000, what: 'the change on the partner' },
    )
    assert.equal(contentOf(arrived).text, contentOf(edited).text)
  } finally {
    await system?.stop()
    await Promise.all(containers.map((container) => container.stop()))
    rmSync(dataDir, { recursive: true, force: true })
  }
})
