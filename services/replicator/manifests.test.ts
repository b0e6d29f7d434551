import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ManifestPage } from '#contracts/gate.ts'
import { SettingsDiffer, verdictOf } from './disposition.ts'
import { sideOf } from './manifests.ts'

function pageOf(ignored?: string[]): { readonly page: ManifestPage } {
  const page: ManifestPage = {
    server: 'dhcp2',
    revision: 1,
    readAt: '2026-01-01T00:00:00.000Z',
    version: 'Kea 3.0.4',
    failover: { state: 'normal', nativeState: 'hot-standby' },
    rows: [],
  }
  return { page: ignored === undefined ? page : { ...page, ignored } }
}

test('fingerprints are compared only where everybody leaves out the same fields', () => {
  assert.equal(sideOf(pageOf(), { name: 'r', ignore: [] }).normal, true)
  const inAnyOrder = { name: 'r', ignore: ['options.66', 'description'] }
  assert.equal(sideOf(pageOf(['description', 'options.66']), inAnyOrder).normal, true)

  for (const [there, here] of [
    [undefined, ['options.66']],
    [['options.66'], []],
    [['options.66'], ['options.67']],
  ] as const) {
    const page = pageOf(there === undefined ? undefined : [...there])
    assert.throws(() => sideOf(page, { name: 'r', ignore: [...here] }), SettingsDiffer)
  }
})

test('a run waits for a configuration that is being rolled out, and says which sides differ', () => {
  const error = new SettingsDiffer('dhcp2', 'r', [], ['options.66'])
  const verdict = verdictOf(error, 'dhcp2')
  assert.equal(verdict?.kind === 'wait' ? verdict.wait : verdict?.kind, 'settings-differ')
  assert.match(error.message, /dhcp2 ignores nothing in r, this replicator ignores options\.66/)
})
