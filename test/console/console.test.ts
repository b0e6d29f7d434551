// The console in a real browser, in both colour schemes.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { launchBrowser, type Scheme, violations, withPage as withPageOf } from './browser.ts'
import { playFleet, publishHistory } from './sample-fleet.ts'
import { anOutcome, type StatusFixture, startStatus } from './status-fixture.ts'

let system: StatusFixture
let browser: Browser
before(async () => {
  browser = await launchBrowser()
  system = await startStatus()
  await playFleet(system)
  await publishHistory(system)
})
after(async () => {
  await browser?.close()
  await system?.stop()
})

function withPage(scheme: Scheme, use: (page: Page, complaints: readonly string[]) => Promise<void>): Promise<void> {
  const at = { url: `${system.url}/`, ready: 'article[data-state="out-of-sync"]', scheme }
  return withPageOf(browser, at, async (page, complaints) => {
    await page.waitForSelector('#replication-rows tr')
    await use(page, complaints)
  })
}

for (const scheme of ['light', 'dark'] as const) {
  test(`in the ${scheme} scheme it shows the fleet, without complaints of browser or axe`, async () => {
    await withPage(scheme, async (page, complaints) => {
      const text = (await page.textContent('body')) ?? ''
      for (const expected of [
        'out of sync',
        'unknown',
        'no watcher has reported for dhcp3.example.net',
        'Live',
        'anna@admin1',
      ]) {
        assert.ok(text.includes(expected), `${expected} is missing in:\n${text}`)
      }
      assert.deepEqual(await violations(page), [])
      const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
      assert.equal(background, scheme === 'light' ? 'rgb(244, 246, 249)' : 'rgb(14, 19, 25)')

      await page.click('[data-key="01JCXKQ3M6T5YV0R9W2B4D8F7A"]')
      await page.waitForSelector('dialog[open] .plan')
      assert.match((await page.textContent('dialog')) ?? '', /reservation hw-address=aa:bb:cc:00:00:12/)
      assert.deepEqual(await violations(page), [])
      assert.deepEqual(complaints, [])
    })
  })
}

test('a replication appears live, changes, and can be filtered', async () => {
  await withPage('light', async (page) => {
    await system.publishOutcome(
      anOutcome('LIVE1', 'progress', { status: 'running', createdAt: new Date().toISOString() }),
    )
    await page.waitForSelector('[data-key="LIVE1"] .pill[data-state="running"]')
    await system.publishOutcome(
      anOutcome('LIVE1', 'final', { status: 'replicated', createdAt: new Date().toISOString() }),
    )
    await page.waitForSelector('[data-key="LIVE1"] .pill[data-state="replicated"]')

    await page.selectOption('#filter-status', 'held')
    await page.waitForSelector('[data-key="LIVE1"]', { state: 'detached' })
    assert.deepEqual(await page.locator('#replication-rows .pill').allInnerTexts(), ['held'])
  })
})

test('it can be used with the keyboard alone: open a replication, read it, close it', async () => {
  await withPage('light', async (page, complaints) => {
    await page.focus('[data-key="01JCXKQ3M6T5YV0R9W2B4D8F7B"]')
    await page.keyboard.press('Enter')
    await page.waitForSelector('dialog[open]')
    assert.match((await page.textContent('dialog')) ?? '', /edited on the partner/)
    await page.keyboard.press('Escape')
    await page.waitForSelector('dialog', { state: 'hidden' })
    assert.equal(await page.evaluate('document.activeElement.dataset.key'), '01JCXKQ3M6T5YV0R9W2B4D8F7B')
    assert.deepEqual(complaints, [])
  })
})

test('a relationship opens with its partners, scopes and the plan on demand', async () => {
  await withPage('dark', async (page, complaints) => {
    await page.click('[data-key="relationship dhcp1-dhcp2"]')
    await page.waitForSelector('dialog[open] table')
    await page.click('text=Compare now')
    await page.waitForSelector('dialog .plan')
    assert.match((await page.textContent('dialog')) ?? '', /option 3 \(routers\): 10\.0\.20\.1 → 10\.0\.20\.254/)
    assert.deepEqual(complaints, [])
  })
})

test('nothing is loaded from elsewhere, and the policy forbids it', async () => {
  const response = await fetch(`${system.url}/`)
  const policy = response.headers.get('content-security-policy') ?? ''
  assert.match(policy, /default-src 'none'/)
  assert.doesNotMatch(policy, /unsafe|\*|https?:/)
  assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
  await withPage('light', async (page) => {
    const urls = await page.evaluate('performance.getEntriesByType("resource").map((entry) => entry.name)')
    for (const url of urls as readonly string[]) assert.ok(url.startsWith(system.url), url)
  })
})

test('a lost service is said and the console goes on when it is back', async () => {
  await withPage('light', async (page) => {
    await system.status.kill('SIGKILL')
    await page.waitForSelector('#connection[data-state="lost"]')
    assert.match((await page.textContent('#banner')) ?? '', /cannot be reached/)
    await system.restartStatus()
    await page.waitForSelector('#connection[data-state="live"]', { timeout: 20_000 })
    await page.waitForSelector('#banner', { state: 'hidden' })
  })
})
