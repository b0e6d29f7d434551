// Pages of a real browser, whose complaints are collected, and what axe finds on them.

import { AxeBuilder } from '@axe-core/playwright'
import { type Browser, chromium, type Page } from 'playwright-core'

export type Scheme = 'light' | 'dark'

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

/** A page of its own, at `url` once `ready` is there. Complaints: script errors, refused content, failed requests. */
export async function withPage(
  browser: Browser,
  at: {
    readonly url: string
    readonly ready: string
    readonly scheme?: Scheme
    /** Kept in the tab before the page is loaded. */
    readonly session?: Readonly<Record<string, string>>
  },
  use: (page: Page, complaints: readonly string[]) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext({
    colorScheme: at.scheme ?? 'light',
    viewport: { width: 1280, height: 900 },
  })
  try {
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text())
    })
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`))
    for (const [key, value] of Object.entries(at.session ?? {})) {
      await page.addInitScript(`sessionStorage.setItem(${JSON.stringify(key)}, ${JSON.stringify(value)})`)
    }
    await page.goto(at.url)
    await page.waitForSelector(at.ready)
    await use(page, complaints)
  } finally {
    await context.close()
  }
}

/** What axe finds against WCAG 2.1 AA, contrast included. */
export async function violations(page: Page): Promise<readonly string[]> {
  const { violations: found } = await new AxeBuilder({ page })
    .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'])
    .setLegacyMode()
    .analyze()
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`),
  )
}
