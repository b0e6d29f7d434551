// A Kea server with its control agent as a part: both are killed, stopped and started together, and a supervisor starts
// them again when one of them ends by itself.

import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '#harness/eventually.ts'
import type { KeaServer } from '#harness/kea.ts'
import { type Part, RESTART_MS } from './part.ts'

export type KeaPart = Part & {
  /** Names the process that runs, never two alike; `undefined`: none does. */
  instance(): string | undefined
}

export function createKeaPart(server: KeaServer, logFile: string): KeaPart {
  let isWanted = false
  let isReady = false
  let crashes = 0
  let starts = 0
  let isLaunching = false
  const say = (text: string) => appendFileSync(logFile, `${new Date().toISOString()} ${text}\n`)

  /** Until it runs, or is not wanted any more. */
  async function launch(): Promise<void> {
    if (isLaunching) return
    isLaunching = true
    while (isWanted && !isReady) {
      starts++
      try {
        await server.start()
        isReady = isWanted
        say(`start ${starts}: pid ${server.pid()}`)
      } catch (error) {
        await server.stop('SIGKILL')
        if (!isWanted) break
        crashes++
        say(`did not come up: ${error}`)
        await sleep(RESTART_MS)
      }
    }
    if (!isWanted) await server.stop('SIGKILL')
    isLaunching = false
  }

  server.onEnd(() => {
    if (!isWanted || !isReady) return
    isReady = false
    crashes++
    say('ended by itself, started again')
    void server
      .stop('SIGKILL')
      .then(() => sleep(RESTART_MS))
      .then(launch)
  })

  async function kill(): Promise<void> {
    isWanted = false
    isReady = false
    await server.stop('SIGKILL')
    // One that was being started sees that it was killed.
    await eventually(() => !isLaunching, { timeoutMs: 30_000, what: `${server.name} to be gone` })
  }

  return {
    name: server.name,
    get isReady() {
      return isReady
    },
    get isRunning() {
      return isWanted
    },
    get crashes() {
      return crashes
    },
    instance: () => (server.pid() === 0 ? undefined : `${server.pid()}.${starts}`),
    start() {
      isWanted = true
      void launch()
    },
    kill,
    end: kill,
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
    async ready(timeoutMs) {
      await eventually(() => isReady, { timeoutMs, what: `${server.name} to be ready` })
    },
  }
}
