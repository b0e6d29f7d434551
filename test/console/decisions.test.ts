// Deciding in the console, in a real browser: every action says its direction and consequence, and shows its result.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { ReplicationRequested } from '#contracts/messages.ts'
import { eventually } from '#harness/eventually.ts'
import { launchBrowser, type Scheme, violations, withPage } from './browser.ts'
import { type DecidingFleet, DHCP1, DHCP2, playDecidingFleet, RELATIONSHIP, TOKEN } from './deciding-fleet.ts'
import { aScope, type StatusFixture, startStatus } from './status-fixture.ts'

let system: StatusFixture
let fleet: DecidingFleet
let browser: Browser
before(async () => {
  browser = await launchBrowser()
  system = await startStatus({ env: { TWINSCOPE_TOKEN: TOKEN } })
  fleet = await playDecidingFleet(system)
})
after(async () => {
  await browser?.close()
  fleet?.stop()
  await system?.stop()
})

const DIALOG = 'dialog.action'
type Use = (page: Page, complaints: readonly string[]) => Promise<void>

function onPage(hash: string, use: Use, options: { readonly scheme?: Scheme; readonly token?: string } = {}) {
  const session: Record<string, string> = options.token === '' ? {} : { 'twinscope-token': TOKEN }
  const ready = hash === '' ? `[data-key="relationship ${RELATIONSHIP}"]` : '#drawer .facts, #drawer .conflict'
  const at = { url: `${system.url}/${hash}`, ready, session }
  return withPage(browser, options.scheme === undefined ? at : { ...at, scheme: options.scheme }, use)
}

const decide: (use: Use, options?: { readonly scheme?: Scheme }) => Promise<void> = (use, options) =>
  onPage(`#/relationships/${RELATIONSHIP}/decide`, use, options)

async function text(page: Page, selector: string): Promise<string> {
  return (await page.textContent(selector)) ?? ''
}

/** Waits until what is asked for can be confirmed, and returns what it says. */
async function question(page: Page): Promise<string> {
  await page.waitForSelector(`${DIALOG} [type=submit]:not([disabled])`)
  return await text(page, DIALOG)
}

async function confirm(page: Page, result: string): Promise<string> {
  await page.click(`${DIALOG} [type=submit]`)
  await page.waitForSelector(`${DIALOG} .pill[data-state="${result}"]`)
  return await text(page, DIALOG)
}

function last(): ReplicationRequested {
  const request = fleet.requests.at(-1)
  assert.ok(request !== undefined, 'nothing was requested')
  return request
}

for (const scheme of ['light', 'dark'] as const) {
  test(`in the ${scheme} scheme the decisions and the dialogs are free of complaints`, async () => {
    await decide(
      async (page, complaints) => {
        await page.check('#choice-10-0-20-0-24-keep')
        await page.check('#choice-10-0-30-0-24-adopt')
        assert.deepEqual(await violations(page), [])
        await page.click('[data-key="carry out"]')
        await question(page)
        assert.deepEqual(await violations(page), [])
        await page.keyboard.press('Escape')
        await page.waitForSelector(DIALOG, { state: 'detached' })
        assert.equal(await page.evaluate('document.activeElement.dataset.key'), 'carry out')
        await page.click('[data-key=back]')
        await page.click(`[data-key="authority ${RELATIONSHIP}"]`)
        await question(page)
        assert.deepEqual(await violations(page), [])
        await page.keyboard.press('Escape')
        await page.click(`[data-key="pause ${RELATIONSHIP}"]`)
        await question(page)
        assert.deepEqual(await violations(page), [])
        assert.deepEqual(complaints, [])
      },
      { scheme },
    )
  })
}

test('a scope that waits says what changed here and there, since when, and by whom', async () => {
  await decide(async (page) => {
    const conflict = (await page.locator('.conflict', { hasText: '10.0.30.0' }).textContent()) ?? ''
    assert.match(conflict, /both sides changed/)
    assert.match(conflict, /option 3 \(routers\): 10\.0\.30\.1 → 10\.0\.30\.251/)
    assert.match(conflict, /option 3 \(routers\): 10\.0\.30\.1 → 10\.0\.30\.252/)
    assert.match(conflict, /by whom is not known/)
    assert.match(await text(page, '#drawer'), /First contact/)
  })
})

test('a side is picked per scope: one is kept, one adopted, one rejected, in one answer', async () => {
  await decide(async (page, complaints) => {
    await page.check('#choice-10-0-20-0-24-keep')
    await page.check('#choice-10-0-30-0-24-adopt')
    await page.check('#choice-10-0-50-0-24-reject')
    await page.click('[data-key="carry out"]')
    const asked = await question(page)
    assert.match(asked, /dhcp2’s settings of 1 scope are overwritten with those of dhcp1/)
    assert.match(
      asked,
      /dhcp1’s settings of 1 scope are overwritten with those of dhcp2; dhcp1 stays the authoritative/,
    )
    assert.match(asked, /1 scope stays different/)
    await page.fill('#field-actor', 'anna')
    await page.fill('#field-reason', 'CHG-1')
    const before = fleet.requests.length
    await page.click(`${DIALOG} [type=submit]`)
    await page.waitForSelector(`${DIALOG} .scope:has-text("Reject") .pill[data-state="done"]`)
    for (const direction of ['dhcp1 → dhcp2', 'dhcp2 → dhcp1']) {
      await page.waitForSelector(
        `${DIALOG} .scope:has-text("${direction}") > .scope-head .pill[data-state="replicated"]`,
      )
    }
    const made = fleet.requests.slice(before)
    const [keep, adopt, reject] = made
    assert.equal(made.length, 3)
    assert.deepEqual([keep?.server, keep?.act, keep?.scopes], [DHCP1, undefined, ['10.0.20.0/24']])
    assert.deepEqual([adopt?.server, adopt?.act?.kind, adopt?.scopes], [DHCP2, 'adopt', ['10.0.30.0/24']])
    assert.deepEqual([reject?.act?.kind, reject?.scopes], ['reject', ['10.0.50.0/24']])
    for (const request of made) assert.deepEqual([request.actor, request.reason], ['anna', 'CHG-1'])
    for (const request of [keep, adopt]) assert.match(request?.approvedPlan ?? '', /^[0-9a-f]{64}$/)

    await page.click(`${DIALOG} .button:has-text("Close")`)
    await page.waitForSelector('#choice-10-0-30-0-24-adopt', { state: 'detached' })
    await page.waitForSelector('#choice-10-0-20-0-24-keep', { state: 'detached' })
    assert.deepEqual(complaints, [])
  })
})

test('an approval shows the numbers of the limit; a plan that changed since is shown again', async () => {
  await onPage('#/replications/HELD40', async (page) => {
    await page.click('[data-key="approve HELD40"]')
    const asked = await question(page)
    assert.match(asked, /4 of 10 /)
    assert.match(asked, /dhcp2’s settings of 1 scope are overwritten with those of dhcp1/)
    assert.match(asked, /Overwrite 1 scope on dhcp2/)

    const edited = aScope('10.0.40.0/24', { reservations: 6, routers: '10.0.40.99' })
    fleet.ours.scopes.set('10.0.40.0/24', { ...fleet.ours.scopes.get('10.0.40.0/24'), live: edited })
    await page.click(`${DIALOG} [type=submit]`)
    await page.waitForSelector(`${DIALOG} .again`)
    const again = await question(page)
    assert.match(again, /The plan has changed since it was shown to you/)
    assert.match(again, /the approved plan is not the present one any more/)
    assert.match(again, /10\.0\.40\.1 → 10\.0\.40\.99/)
    assert.notEqual(fleet.theirs.scopes.get('10.0.40.0/24')?.live, edited, 'nothing of the new plan is written')

    const first = last()
    assert.equal(first.approves, 'HELD40')
    await confirm(page, 'replicated')
    assert.notEqual(last().approvedPlan, first.approvedPlan)
    assert.equal(fleet.theirs.scopes.get('10.0.40.0/24')?.live, edited)
  })
})

test('a held plan is rejected with a reason, by keyboard alone', async () => {
  await onPage('#/replications/HELD60', async (page) => {
    await page.focus('[data-key="reject HELD60"]')
    await page.keyboard.press('Enter')
    assert.match(await question(page), /Nothing is written. The difference of 1 scope stays/)
    await page.focus('#field-reason')
    await page.keyboard.type('the scanner moves on Monday')
    await page.keyboard.press('Enter')
    await page.waitForSelector(`${DIALOG} .pill[data-state="done"]`)
    assert.deepEqual(last().act, { kind: 'reject', of: 'HELD60' })
    assert.equal(last().reason, 'the scanner moves on Monday')
    await page.keyboard.press('Escape')
    await page.waitForSelector(DIALOG, { state: 'detached' })
    assert.equal(await page.evaluate('document.activeElement.dataset.key'), 'reject HELD60')
  })
})

test('a restore shows what it would write, on one side or on both', async () => {
  await onPage('#/replications/WROTE10', async (page) => {
    await page.click('[data-key="restore WROTE10"]')
    const one = await question(page)
    assert.match(one, /10\.0\.10\.1 → 10\.0\.10\.77/)
    assert.match(one, /dhcp2’s settings of 1 scope are overwritten with what was there before/)
    assert.doesNotMatch(one, /dhcp1’s settings/)
    await page.check('#restore-both')
    await page.waitForSelector(`${DIALOG} .side-plan + .side-plan`)
    assert.match(await question(page), /dhcp1’s settings of 1 scope are overwritten with what was there before/)
    await confirm(page, 'replicated')
    assert.deepEqual(last().act, { kind: 'restore', of: 'WROTE10', both: true })
    assert.match(last().approvedPlan ?? '', /^[0-9a-f]{64}$/)
  })
})

test('a pause of the fleet is a banner for everybody until it is resumed', async () => {
  await onPage('', async (page, complaints) => {
    await page.click('#pause-fleet')
    assert.match(await question(page), /Nothing is replicated in the whole fleet while the pause stands/)
    await page.selectOption('#pause-length', '2')
    await page.fill('#field-actor', 'berta')
    await page.fill('#field-reason', 'moving the racks')
    await page.click(`${DIALOG} [type=submit]`)
    await page.waitForSelector(`${DIALOG} [role=status]`)
    assert.match(await text(page, DIALOG), /Paused until/)
    await page.click(`${DIALOG} .button:has-text("Close")`)
    await page.waitForSelector('#pause-banner:not([hidden])')
    assert.match(await text(page, '#pause-banner'), /paused by berta .*until .*: moving the racks/)
    assert.deepEqual(await violations(page), [])

    await page.click('[data-key="resume fleet"]')
    await question(page)
    await page.click(`${DIALOG} [type=submit]`)
    await page.waitForSelector('#pause-banner', { state: 'hidden' })
    assert.deepEqual(complaints, [])
  })
})

test('without its token the service refuses, the console asks for it and goes on', async () => {
  await onPage(
    `#/relationships/${RELATIONSHIP}`,
    async (page) => {
      await page.click(`[data-key="pause ${RELATIONSHIP}"]`)
      await question(page)
      await page.click(`${DIALOG} [type=submit]`)
      await page.waitForSelector(`${DIALOG} [role=alert]:not([hidden])`)
      assert.match(await text(page, `${DIALOG} [role=alert]`), /Bearer TOKEN/)
      await page.fill('#field-token', TOKEN)
      await page.click(`${DIALOG} [type=submit]`)
      await page.waitForSelector(`${DIALOG} [role=status]`)
      await page.keyboard.press('Escape')
      await page.waitForSelector('#drawer .callout[data-state="paused"]')
      await page.click(`[data-key="pause ${RELATIONSHIP}"]`)
      assert.match(await question(page), /Resume/)
      await page.click(`${DIALOG} [type=submit]`)
      await page.waitForSelector('#drawer .callout[data-state="paused"]', { state: 'detached' })
    },
    { token: '' },
  )
})

test('the authority is moved with its consequence said; one that changed meanwhile is shown again', async () => {
  await onPage(`#/relationships/${RELATIONSHIP}`, async (page) => {
    await page.click(`[data-key="authority ${RELATIONSHIP}"]`)
    const asked = await question(page)
    assert.match(asked, /From then on the settings of dhcp2 are copied to dhcp1/)
    assert.match(asked, /Move the authority to dhcp2/)

    await system.setAuthority(RELATIONSHIP, DHCP1, 2)
    const path = `/v1/relationships/${RELATIONSHIP}/authority`
    await eventually(async () => (await system.get<{ epoch?: number }>(path)).epoch === 2, { what: 'epoch 2 is seen' })
    await page.click(`${DIALOG} [type=submit]`)
    await page.waitForSelector(`${DIALOG} [role=alert]:not([hidden])`)
    assert.match(await text(page, `${DIALOG} [role=alert]`), /not what was looked at/)
    await question(page)
    await confirm(page, 'done')
    assert.deepEqual(last().act, { kind: 'move-authority', force: false, expectedEpoch: 2 })
    assert.equal(last().server, DHCP2)
  })
})

test('a lost record of the authority is said where it matters and can be confirmed', async () => {
  await system.loseAuthority(RELATIONSHIP)
  await onPage(`#/relationships/${RELATIONSHIP}`, async (page) => {
    await page.waitForSelector(`[data-key="settle ${RELATIONSHIP}"]`)
    await page.click(`[data-key="settle ${RELATIONSHIP}"]`)
    assert.match(await question(page), /Nothing is written until it is settled/)
    await page.check(`input[name=side][value="${DHCP1}"]`)
    await page.waitForSelector(`${DIALOG} [type=submit]:has-text("Confirm dhcp1")`)
    await confirm(page, 'done')
    assert.equal(last().server, DHCP1)
  })
})
