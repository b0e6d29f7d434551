import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import test from 'node:test'
import { claimInstallation } from './claim.ts'
import { keepOriginal, looksComplete, lossesOf, rememberWritten } from './config-file.ts'

test('comments and includes are counted, and not what only looks like them', () => {
  assert.deepEqual(lossesOf('{ "a": "http://x/#y", "b": "/* \\" // */" }'), { comments: 0, includes: 0 })
  assert.deepEqual(lossesOf('// a\n{ # b\n "x": 1 /* c\n c */ }'), { comments: 3, includes: 0 })
  assert.deepEqual(lossesOf('{ "Dhcp4": <?include "/etc/kea/dhcp4.json"?> }'), { comments: 0, includes: 1 })
})

test('a file that is just being written is recognised', () => {
  assert.equal(looksComplete('{ "Dhcp4": { "a": [1, "}"] } } // end'), true)
  assert.equal(looksComplete(''), false)
  assert.equal(looksComplete('{ "Dhcp4": { "a": [1,'), false)
  assert.equal(looksComplete('{ "Dhcp4": { "a": {} }'), false)
})

async function aDirectory(t: { after(f: () => Promise<void>): void }): Promise<string> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'config-file-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

test('every content that was not written for us is kept once', async (t) => {
  const directory = await aDirectory(t)
  const file = path.join(directory, 'kea.conf')
  const write = async (text: string) => {
    await writeFile(file, text)
    return keepOriginal(file, await readFile(file))
  }
  assert.equal(await write('original'), `${file}.before-twinscope`)
  assert.equal(await write('original'), undefined)
  await writeFile(file, 'ours')
  await rememberWritten(file)
  assert.equal(await keepOriginal(file, await readFile(file)), undefined)
  assert.match((await write('by hand')) ?? '', /before-twinscope-\d{4}-/)
  assert.equal(await readFile(`${file}.before-twinscope`, 'utf8'), 'original')
})

test('one of two installations that claim at once gets the server', async (t) => {
  const directory = await aDirectory(t)
  const file = path.join(directory, 'kea.conf')
  const claims = await Promise.all(['a', 'b', 'c'].map((one) => claimInstallation(file, one)))
  assert.equal(claims.filter((claim) => claim.kind === 'ours').length, 1)
  assert.deepEqual(await readdir(directory), ['.twinscope-installation'])
  assert.deepEqual(await claimInstallation(undefined, 'a'), { kind: 'unsupported' })
})
