import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openDriver } from './open.ts'

test('opens a simulated server without asking it anything', async () => {
  const driver = await openDriver({ name: 'sim1', kind: 'simulated', control: 'http://127.0.0.1:1/' })
  assert.equal(driver.product, 'simulated')
  await driver.close()
})

test('says that the Windows driver comes later', async () => {
  await assert.rejects(
    openDriver({ name: 'win1.example.net', kind: 'windows', transport: 'local' }),
    /win1\.example\.net: .*later version/,
  )
})
