// One write: config-test, config-set, and on anything but success at once the saved configuration
// again. A failed config-set can leave Kea alive but serving nobody (2.2: any failure; later
// versions: failures of the commit phase), and nothing of what it then says gives that away.

import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '#dhcp/json.ts'
import { type ApplyResult, DriverError } from '../driver.ts'
import type { KeaControl } from './control.ts'
import { doubt, type ServiceSigns, serviceSigns } from './serving.ts'

/** config-set of 10,000 subnets takes 5 s on two cores. Milliseconds. */
const WRITE_TIMEOUT_MS = 120_000
const STATUS_TIMEOUT_MS = 10_000

/** How often the saved configuration is sent before we give up, and the pause between. Milliseconds. */
const RESTORE_ATTEMPTS = 5
const RESTORE_PAUSE_MS = 300

export type Server = {
  readonly control: KeaControl
  /** Whether Kea's process can be looked at from here. */
  readonly isLocal: boolean
}

/**
 * Makes the server run `wanted`; `saved` is what it runs now, in the form it is sent back. `isAsRead` is asked in the
 * last moment: config-set has no condition, and it replaces the whole configuration, so that an edit of any scope
 * made while config-test ran would be gone.
 */
export async function setConfiguration(
  { control, isLocal }: Server,
  saved: JsonObject,
  wanted: JsonObject,
  isAsRead: () => Promise<boolean>,
): Promise<ApplyResult> {
  const before = await signsOf({ control, isLocal })
  const tested = await control.send('config-test', { Dhcp4: wanted }, { timeoutMs: WRITE_TIMEOUT_MS })
  if (tested.result !== 0) return { kind: 'rejected', message: tested.text, scopes: [] }
  if (!(await isAsRead())) {
    const message = `${control.where} was given another configuration after it had been read; nothing was sent`
    return { kind: 'changed', message }
  }

  const sentAt = performance.now()
  const answer = await control.send('config-set', { Dhcp4: wanted }, { timeoutMs: WRITE_TIMEOUT_MS, write: true })
  if (answer.result === 0) {
    const reason = doubt(before, await signsOf({ control, isLocal }), (performance.now() - sentAt) / 1_000)
    if (reason === undefined) return { kind: 'applied', changed: true }
    await restore({ control, isLocal }, saved, before, `config-set answered with success, but ${reason}`)
    return { kind: 'rejected', message: `Kea took the configuration, but ${reason}`, scopes: [] }
  }
  // Nothing between the failure and this: after some failures Kea 2.2 dies of the next status-get.
  await restore({ control, isLocal }, saved, before, answer.text)
  return { kind: 'rejected', message: answer.text, scopes: [] }
}

/**
 * Makes the server take `saved`, what it runs by its own word, once more: where the end of a
 * config-set is unknown, it may be alive without serving.
 */
export async function revive(server: Server, saved: JsonObject): Promise<void> {
  await restore(server, saved, undefined, 'the answer to an earlier config-set is unknown')
}

async function signsOf({ control, isLocal }: Server): Promise<ServiceSigns> {
  const status = await control.send('status-get', undefined, { timeoutMs: STATUS_TIMEOUT_MS })
  return serviceSigns(status.arguments, isLocal)
}

/** Sends the saved configuration until the server provably serves. Throws `not-serving` where it does not. */
async function restore(
  server: Server,
  saved: JsonObject,
  before: ServiceSigns | undefined,
  failure: string,
): Promise<void> {
  const { control } = server
  let problem = ''
  let cause: unknown
  for (let attempt = 1; attempt <= RESTORE_ATTEMPTS; attempt++) {
    if (attempt > 1) await sleep(RESTORE_PAUSE_MS)
    try {
      const sentAt = performance.now()
      const answer = await control.send('config-set', { Dhcp4: saved }, { timeoutMs: WRITE_TIMEOUT_MS, write: true })
      const reason =
        answer.result === 0 ? doubt(before, await signsOf(server), (performance.now() - sentAt) / 1_000) : answer.text
      if (reason === undefined) return
      problem = reason
    } catch (error) {
      // Also after no answer: sending the same configuration twice does no harm.
      problem = error instanceof Error ? error.message : String(error)
      cause = error
    }
  }
  throw new DriverError(
    'not-serving',
    `${control.where} refused a configuration (${failure}), and its former one could not be put back: ${problem}. It may be running without serving clients: look at its log and restart kea-dhcp4 now`,
    { cause },
  )
}
