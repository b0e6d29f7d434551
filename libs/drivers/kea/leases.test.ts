import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Json, parseJson } from '#dhcp/json.ts'
import { parseScopeKey, type Scope, type ScopeKey } from '#dhcp/scope.ts'
import type { KeaAnswer, KeaControl } from './control.ts'
import { keaLeasesOutside } from './leases.ts'

const NOW = 1_800_000_000

const scope: Scope = {
  key: parseScopeKey('10.0.1.0/24') as ScopeKey,
  id: 7,
  properties: {},
  ranges: [],
  exclusions: [],
  reservations: [],
  options: [],
  policies: [],
}

function answering(result: number, args = '{}'): KeaControl & { readonly sent: Json[] } {
  const sent: Json[] = []
  return {
    sent,
    where: 'dhcp1',
    async send(command, given) {
      sent.push({ command, ...given })
      return { result, text: 'its words', arguments: parseJson(args) as KeaAnswer['arguments'], size: 0 }
    },
    close() {},
  }
}

test('a lease counts while a client holds it: not declined, not run out, for ever where it has no end', async () => {
  const lease = (octet: number, cltt: number, lifetime: number, state: number) =>
    `{"ip-address": "10.0.1.${octet}", "cltt": ${cltt}, "valid-lft": ${lifetime}, "state": ${state}}`
  const leases = [
    lease(1, NOW - 10, 3600, 0),
    lease(2, NOW - 10, 3600, 1),
    lease(3, NOW - 10, 3600, 2),
    lease(4, NOW - 4000, 3600, 0),
    lease(5, NOW - 4000, 4_294_967_295, 0),
  ]
  const control = answering(0, `{"leases": [${leases}]}`)
  assert.deepEqual(await keaLeasesOutside(control, scope, [], NOW), { count: 2, examples: ['10.0.1.1', '10.0.1.5'] })
  assert.deepEqual(control.sent, [{ command: 'lease4-get-all', subnets: [7] }])
})

test('a Kea that has no lease commands cannot say; one that answers oddly is an error, not a scope without leases', async () => {
  assert.equal(await keaLeasesOutside(answering(2), scope, []), undefined)
  assert.deepEqual(await keaLeasesOutside(answering(3), scope, []), { count: 0, examples: [] })
  await assert.rejects(keaLeasesOutside(answering(1), scope, []), { code: 'rejected', message: /its words/ })
  await assert.rejects(keaLeasesOutside(answering(0), scope, []), { code: 'protocol' })
  await assert.rejects(keaLeasesOutside(answering(0, '{"leases": [{}]}'), scope, []), { code: 'protocol' })
  const { id: _, ...unnumbered } = scope
  assert.equal(await keaLeasesOutside(answering(0), unnumbered, []), undefined)
})
