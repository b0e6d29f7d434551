// Follows the hint stream of a simulated server: one line for each change of its configuration.

import { setTimeout as sleep } from 'node:timers/promises'
import { type Dispatcher, request } from 'undici'

/** How long to wait before the stream is opened again. Milliseconds. */
const REOPEN_AFTER_MS = 500

export type HintSource = { readonly url: URL; readonly dispatcher: Dispatcher; readonly onHint: (hint: string) => void }

/** Calls back for each hint until the returned function is called. A lost stream is opened again. */
export function watchHints({ url, dispatcher, onHint }: HintSource): () => void {
  const stop = new AbortController()
  void follow()
  return () => stop.abort()

  async function follow(): Promise<void> {
    let opened = false
    while (!stop.signal.aborted) {
      try {
        const { statusCode, body } = await request(url, {
          dispatcher,
          signal: stop.signal,
          headersTimeout: 10_000,
          bodyTimeout: 0,
        })
        if (statusCode !== 200) {
          await body.dump()
          if (statusCode === 404) return // a server without hints: the probe finds the changes
        } else {
          // What happened while the stream was not open is unknown, so its return is a hint too.
          if (opened) onHint('hint stream opened again')
          opened = true
          let rest = ''
          for await (const chunk of body) {
            rest += String(chunk)
            const lines = rest.split('\n')
            rest = lines.pop() ?? ''
            for (const line of lines) if (line !== '') onHint(line)
          }
        }
      } catch {
        // The probe finds out and says whether the server is down; the stream only has to come back.
      }
      await sleep(REOPEN_AFTER_MS, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  }
}
